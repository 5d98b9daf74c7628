//! The same tools, the same rules, by three versions of the protocol.

use serde_json::json;

use crate::support::web::with_token;
use crate::support::{Act, Installation, Instance, NEWEST, OLDER, Stub, VERSIONS, WebServer};

const WEB: &str = "i-0123456789abcdef0";

fn terminate() -> serde_json::Value {
    json!({ "account": "shop-dev", "InstanceIds": [WEB], "reason": "it is not used any more" })
}

#[tokio::test]
async fn a_change_is_previewed_declined_confirmed_and_applied_in_every_version() {
    for version in &VERSIONS {
        let stub = Stub::start().await;
        stub.put(Instance::running(WEB).tagged("Name", "orders-web-1"));
        let installation = Installation::before_stub(&stub);
        let server = WebServer::start(&installation).await;
        let session = server.session(version, Act::Declines, None).await;
        assert!(session.tools().await.contains(&"ec2_terminate_instances".to_owned()), "{version}");
        let apply = session.preview("ec2_terminate_instances", &terminate()).await;
        session.call("ec2_terminate_instances", apply.clone()).await.refused("not_confirmed");
        assert_eq!(stub.changes(), Vec::<String>::new(), "{version}");
        session.now(Act::types(WEB));
        session.call("ec2_terminate_instances", apply).await.applied();
        assert_eq!(stub.instance(WEB).state, "terminated", "{version}");
        let record = installation.record();
        assert_eq!((record.count("intent"), record.count("outcome")), (1, 1), "{version}");
        let requested = record.of_kind("requested");
        assert!(!requested.is_empty(), "{version}");
    }
}

#[tokio::test]
async fn the_address_of_a_call_is_known_to_policies_and_forwarded_headers_of_strangers_are_not() {
    let stub = Stub::start().await;
    stub.put(Instance::running(WEB));
    let own = r#"@id("own") forbid (principal, action, resource) unless { context has sourceIp && context.sourceIp.isLoopback() };"#;
    let installation = Installation::before_stub(&stub).with_policy(own);
    // Whoever came by a proxy is perhaps not of this machine: without credentials they are nobody.
    let open = WebServer::start(&installation).await;
    for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let call = open.post_newest("tools/list", json!({})).header(header, "192.0.2.7");
        assert_eq!(call.send().await.unwrap().status(), 401, "{header}");
    }
    drop(open);
    let (installation, token) = with_token(installation, "ann");
    let read = json!({ "name": "ec2_describe_instances", "arguments": { "account": "shop-dev" } });
    let answer = async |server: &WebServer| {
        let call = server.post_newest("tools/call", read.clone()).header("x-forwarded-for", "192.0.2.7");
        let call = call.bearer_auth(&token);
        call.send().await.unwrap().json::<serde_json::Value>().await.unwrap()["result"]["isError"].clone()
    };
    let server = WebServer::start(&installation).await;
    assert_ne!(answer(&server).await, json!(true), "{}", server.log());
    drop(server);
    // A proxy that is trusted is believed.
    let installation = installation.set("http.trusted_proxies", toml_edit::Array::from_iter(["127.0.0.0/8"]));
    let server = WebServer::start(&installation).await;
    let call = server.post_newest("tools/call", read).header("x-forwarded-for", "127.0.0.1, 192.0.2.7");
    let refused = call.bearer_auth(&token).send().await.unwrap().json::<serde_json::Value>().await.unwrap();
    assert_eq!(refused["result"]["isError"], true, "{refused}");
}

#[tokio::test]
async fn where_there_are_no_sessions_counts_are_kept_all_the_same() {
    let stub = Stub::start().await;
    stub.put(Instance::running(WEB));
    let installation = Installation::before_stub(&stub).set("budgets.changes_per_session", 1);
    let server = WebServer::start(&installation).await;
    let stop = json!({ "account": "shop-dev", "InstanceIds": [WEB], "reason": "saves money" });
    let first = server.session(&NEWEST, Act::types(WEB), None).await;
    let apply = first.preview("ec2_stop_instances", &stop).await;
    first.call("ec2_stop_instances", apply).await.applied();
    stub.put(Instance::running(WEB));
    // A client that comes anew is the same agent on the same day.
    let again = server.session(&NEWEST, Act::types(WEB), None).await;
    let whoami = again.call("whoami", json!({})).await;
    let left = &whoami.structured()["budgets"]["changes_in_this_session"]["left"];
    assert_eq!(left, &json!(0), "{:#}", whoami.structured());
}

#[tokio::test]
async fn an_answer_survives_a_restart_where_the_question_is_a_result() {
    let stub = Stub::start().await;
    stub.put(Instance::running(WEB));
    let installation = Installation::before_stub(&stub);
    let server = WebServer::start(&installation).await;
    let session = server.session(&NEWEST, Act::Declines, None).await;
    let apply = session.preview("ec2_terminate_instances", &terminate()).await;
    let state = session.asked("ec2_terminate_instances", apply.clone()).await.request_state.unwrap();
    server.signal("TERM");
    assert_eq!(server.ended().await.0, Some(0));

    let server = WebServer::start(&installation).await;
    let session = server.session(&NEWEST, Act::Declines, None).await;
    session.answer("ec2_terminate_instances", apply.clone(), &state, WEB).await.applied();
    session.answer("ec2_terminate_instances", apply, &state, WEB).await.refused("plan_not_usable");
    assert_eq!(stub.changes(), ["TerminateInstances"]);
}

#[tokio::test]
async fn a_session_ends_when_its_client_says_so_and_its_id_is_worth_nothing_then() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    let server = WebServer::start(&installation).await;
    let id = server.open(None).await;
    assert_eq!(server.list_in(&id, None).await.status(), 200);
    let delete = |id: &str| server.delete("/mcp").header(crate::support::web::SESSION, id).send();
    assert_eq!(delete(&id).await.unwrap().status(), 204);
    assert_eq!(server.list_in(&id, None).await.status(), 404);
    assert_eq!(delete(&id).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_caller_s_idlest_session_makes_room_for_another() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub).set("http.sessions_per_caller", 2);
    let server = WebServer::start(&installation).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server.open(None).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut found = Vec::new();
    for id in &ids {
        found.push(server.list_in(id, None).await.status().as_u16());
    }
    assert_eq!(found, [404, 200, 200]);
    let installation = installation.set("http.sessions", 1);
    let server = WebServer::start(&installation).await;
    server.open(None).await;
    let refused = server.post(&crate::support::web::initialize()).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "60"));
}

#[tokio::test]
async fn clients_are_told_of_other_tools_in_every_version() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub).with_policy(
        r#"@id("own") forbid (principal, action in Action::"write", resource) unless { context.confirmed };"#,
    );
    let server = WebServer::start(&installation).await;
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let mut newest = server.post_newest("subscriptions/listen", listen).send().await.unwrap();
    let mut heard = String::from_utf8(newest.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    let older = server.session(&OLDER[1], Act::Declines, None).await;
    older.tools().await;
    installation.write("own.cedar", r#"@id("own") forbid (principal, action in Action::"write", resource);"#);
    server.signal("HUP");
    older.told_of_other_tools().await;
    while !heard.contains("notifications/tools/list_changed") {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), newest.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("{heard}")).unwrap().unwrap();
        heard += std::str::from_utf8(&chunk).unwrap();
    }
    assert!(heard.contains("notifications/subscriptions/acknowledged"), "{heard}");
}
