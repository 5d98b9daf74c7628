//! How a server over HTTP ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::web::SESSION;
use crate::support::{Act, Installation, Instance, Misbehaviour, OLDER, Stub, VERSIONS, WebServer};

const WEB: &str = "i-0123456789abcdef0";

async fn scene() -> (Stub, Installation) {
    let stub = Stub::start().await;
    stub.put(Instance::running(WEB));
    let installation = Installation::before_stub(&stub);
    (stub, installation)
}

fn terminate(account: &str) -> Value {
    json!({ "account": account, "InstanceIds": [WEB], "reason": "it is not used any more" })
}

async fn until(what: &str, met: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !met() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_running_change_is_seen_through_and_answered() {
    for version in &VERSIONS {
        let (stub, installation) = scene().await;
        let server = WebServer::start(&installation).await;
        let session = server.session(version, Act::types(WEB), None).await;
        let apply = session.preview("ec2_terminate_instances", &terminate("shop-dev")).await;
        stub.misbehave("TerminateInstances", Misbehaviour::Slow(Duration::from_secs(2)));
        let (applied, ()) = tokio::join!(session.call("ec2_terminate_instances", apply), async {
            stub.until_changes(1).await;
            server.signal("TERM");
        });
        applied.applied();
        let (code, log) = server.ended().await;
        assert_eq!(code, Some(0), "{version}: {log}");
        assert_eq!(installation.record().of_kind("outcome")[0]["result"], "applied", "{version}");
    }
}

#[tokio::test]
async fn nobody_is_asked_any_more_and_nothing_is_confirmed() {
    for version in &OLDER {
        let (stub, installation) = scene().await;
        let server = WebServer::start(&installation).await;
        let session = server.session(version, Act::Ignores, None).await;
        let apply = session.preview("ec2_terminate_instances", &terminate("shop-dev")).await;
        let (refused, ()) = tokio::join!(session.try_call("ec2_terminate_instances", apply), async {
            until("a form", || !session.forms().is_empty()).await;
            server.signal("INT");
        });
        if let Ok(answer) = refused {
            assert_eq!(answer.is_error, Some(true), "{version}");
        }
        let (code, log) = server.ended().await;
        assert_eq!(code, Some(0), "{version}: {log}");
        assert_eq!(stub.changes(), Vec::<String>::new(), "{version}");
        let record = installation.record();
        assert_eq!((record.count("intent"), record.refusals()), (0, vec!["not_confirmed"]), "{version}");
    }
}

#[tokio::test]
async fn streams_that_only_wait_hold_nothing_up() {
    let (_stub, installation) = scene().await;
    let server = WebServer::start(&installation).await;
    let id = server.open(None).await;
    let listen = server.get("/mcp").header("accept", "text/event-stream").header(SESSION, &id);
    let mut stream = listen.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let newest = server.post_newest("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let _newest = newest.send().await.unwrap();
    let began = Instant::now();
    server.signal("TERM");
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(began.elapsed() < Duration::from_secs(5), "{log}");
    while let Ok(Some(_)) = stream.chunk().await {}
}

#[tokio::test]
async fn the_second_signal_ends_it_at_once() {
    let (stub, installation) = scene().await;
    let server = WebServer::start(&installation).await;
    let session = server.session(&OLDER[1], Act::types(WEB), None).await;
    let apply = session.preview("ec2_terminate_instances", &terminate("shop-dev")).await;
    stub.misbehave("TerminateInstances", Misbehaviour::NeverAnswers);
    let began = Instant::now();
    let call = tokio::time::timeout(Duration::from_secs(20), session.try_call("ec2_terminate_instances", apply));
    let (_broken, (ended, took)) = tokio::join!(call, async {
        stub.until_changes(1).await;
        server.signal("TERM");
        until("the first", || server.log().contains("running calls are seen through")).await;
        server.signal("TERM");
        (server.ended().await, began.elapsed())
    });
    assert_eq!(ended.0, Some(0), "{}", ended.1);
    assert!(took < Duration::from_secs(15), "{}", ended.1);
    // What was sent has no outcome, and that is what the next start says.
    stub.behave("TerminateInstances");
    let server = WebServer::start(&installation).await;
    installation.until("the outcome is unknown", |record| record.count("outcome") == 1).await;
    drop(server);
}

#[tokio::test]
async fn a_plan_that_waits_for_people_still_waits_after_a_restart() {
    let (stub, installation) = scene().await;
    let installation = installation.with_config("[http]\n");
    let server = WebServer::start(&installation).await;
    let session = server.session(&OLDER[1], Act::types(WEB), None).await;
    let apply = session.preview("ec2_terminate_instances", &terminate("shop-prod")).await;
    let waits = session.call("ec2_terminate_instances", apply.clone()).await;
    assert_eq!(waits.structured()["status"], "approval_pending", "{:#}", waits.structured());
    server.signal("TERM");
    assert_eq!(server.ended().await.0, Some(0));

    let server = WebServer::start(&installation).await;
    let session = server.session(&OLDER[1], Act::types(WEB), None).await;
    let still = session.call("ec2_terminate_instances", apply).await;
    assert_eq!(still.structured()["status"], "approval_pending", "{:#}", still.structured());
    assert_eq!(stub.changes(), Vec::<String>::new());
}
