//! Listing and calling tools.

use rmcp::model::{CancelledNotificationParam, ClientRequest, PaginatedRequestParams, Request};
use rmcp::service::{PeerRequestOptions, ServiceError};
use tokio::time::Instant;

use super::*;
use crate::mcp::server::VERSIONS;

#[tokio::test]
async fn tools_are_listed_in_one_order_with_hints_from_their_effect() {
    for version in VERSIONS {
        let session = Session::of(Act::Declines, version.clone()).await;
        let tools = session.client.list_tools(None).await.unwrap();
        assert!(tools.next_cursor.is_none());
        let hints: Vec<_> = tools
            .tools
            .iter()
            .map(|tool| {
                let hints = tool.annotations.as_ref().unwrap();
                format!(
                    "{}: read-only {:?}, destructive {:?}, idempotent {:?}, open world {:?}",
                    tool.name,
                    hints.read_only_hint,
                    hints.destructive_hint,
                    hints.idempotent_hint,
                    hints.open_world_hint
                )
            })
            .collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(hints.join("\n"), @r#"
            look: read-only Some(true), destructive Some(false), idempotent Some(true), open world Some(true)
            reveal: read-only Some(false), destructive Some(false), idempotent Some(true), open world Some(true)
            stop: read-only Some(false), destructive Some(false), idempotent Some(false), open world Some(true)
            wipe: read-only Some(false), destructive Some(true), idempotent Some(true), open world Some(true)
            "#);
        }
        let whole = serde_json::to_value(&tools.tools[0]).unwrap();
        assert_eq!((&whole["title"], &whole["description"]), (&json!("LOOK"), &json!("Does look.")));
        assert_eq!(whole["outputSchema"]["type"], "object");
        let page = PaginatedRequestParams::default().with_cursor(Some("2".into()));
        assert!(session.client.list_tools(Some(page)).await.is_err());
    }
}

#[tokio::test]
async fn answers_and_refusals_fit_the_schema_that_is_listed() {
    for (act, refused) in [(Act::Types("orders"), false), (Act::Declines, true)] {
        let session = Session::of(act, NEWEST).await;
        let tools = session.client.list_tools(None).await.unwrap().tools;
        let wipe = serde_json::to_value(tools.iter().find(|tool| tool.name == "wipe").unwrap()).unwrap();
        let schema = jsonschema::validator_for(&wipe["outputSchema"]).unwrap();
        let result = session.wipe().await;
        assert_eq!(result.is_error, Some(refused));
        schema.validate(result.structured_content.as_ref().unwrap()).unwrap();
        for neither in [json!({}), json!({ "done": 1 }), json!({ "error": "text" }), json!({ "done": "x", "more": 1 })]
        {
            assert!(!schema.is_valid(&neither), "{neither}");
        }
    }
}

#[tokio::test]
async fn the_newest_version_says_how_long_a_list_may_be_kept() {
    let session = Session::of(Act::Declines, NEWEST).await;
    let tools = session.client.list_tools(None).await.unwrap();
    let list = serde_json::to_value(&tools).unwrap();
    assert_eq!((&list["ttlMs"], &list["cacheScope"]), (&json!(60_000), &json!("private")));
    assert_eq!(list["resultType"], "complete");
}

#[tokio::test]
async fn every_request_carries_who_asks() {
    for version in VERSIONS {
        let session = Session::of(Act::Declines, version.clone()).await;
        session.call("look", json!({ "human": "somebody else" })).await;
        let callers = session.desk.callers.lock().unwrap();
        let caller = &callers[0];
        assert_eq!((caller.agent.as_str(), caller.human.as_str()), ("test-agent", "ana"));
        assert_eq!(caller.session.as_str(), "session-1");
        assert_eq!((caller.client.name.as_str(), caller.client.version.as_str()), ("test-client", "1.2.3"));
        assert_eq!(caller.client.protocol, version.to_string());
    }
}

#[tokio::test]
async fn an_unknown_tool_is_a_recorded_refusal() {
    for version in VERSIONS {
        let session = Session::of(Act::Declines, version.clone()).await;
        let result = session.call("no_such_tool", json!({})).await;
        assert_eq!(refusal_code(&result), "unknown_tool");
        assert_eq!(session.desk.refusals().await, 1);
        insta::allow_duplicates! {
            insta::assert_snapshot!(serde_json::to_string_pretty(&result.content).unwrap(), @r#"
            [
              {
                "type": "text",
                "text": "refused (unknown_tool): there is no tool `no_such_tool`.\nWhat to do: ask the person"
              }
            ]
            "#);
        }
    }
}

#[tokio::test]
async fn a_call_without_arguments_has_none() {
    let session = Session::of(Act::Declines, NEWEST).await;
    let result = session.client.call_tool(CallToolRequestParams::new("look")).await.unwrap();
    assert_eq!(result.structured_content, Some(json!({ "done": "looked" })));
    assert_eq!(serde_json::to_value(&result.content).unwrap()[0]["text"], "done: looked");
}

#[tokio::test]
async fn an_answer_without_a_record_is_withheld() {
    for version in VERSIONS {
        let session = Session::of(Act::Declines, version.clone()).await;
        let ServiceError::McpError(error) = session.client.call_tool(call("unrecorded", json!({}))).await.unwrap_err()
        else {
            panic!()
        };
        assert!(error.message.contains("could not be written"), "{error:?}");
        assert!(!error.message.contains("never shown"));
    }
}

#[tokio::test]
async fn a_cancelled_call_withdraws_the_form() {
    // A desk may wait for the asker, or drop it on cancellation.
    for (version, tool) in OLDER.iter().flat_map(|version| [(version, "wipe"), (version, "wipe_unless_cancelled")]) {
        let session = Session::of(Act::Ignores, version.clone()).await;
        let request = ClientRequest::CallToolRequest(Request::new(call(tool, json!({ "bucket": "orders" }))));
        let handle = session.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
        while session.person.times_asked() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        handle.cancel(Some("changed my mind".into())).await.unwrap();
        session.person.withdrawn.cancelled().await;
        while session.desk.refusals().await == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(session.desk.wiped(), 0);
    }
}

#[tokio::test]
async fn cancellation_reaches_the_desk_in_every_version() {
    for version in VERSIONS {
        let session = Session::of(Act::Declines, version.clone()).await;
        let request = ClientRequest::CallToolRequest(Request::new(call("endless", json!({}))));
        let handle = session.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
        session.desk.begun("endless").await;
        let id = handle.id.clone();
        session.client.notify_cancelled(CancelledNotificationParam::new(Some(id), None)).await.unwrap();
        while session.desk.cancelled.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn sixteen_calls_run_at_once_and_the_server_answers_meanwhile() {
    for version in VERSIONS {
        let session = Session::of(Act::Declines, version.clone()).await;
        let started = Instant::now();
        let calls = (0..16)
            .map(|_| session.client.peer().clone())
            .map(|peer| tokio::spawn(async move { peer.call_tool_once(call("slow", json!({}))).await.map(drop) }));
        let calls: Vec<_> = calls.collect();
        session.desk.begun("slow").await;
        let asked = Instant::now();
        session.client.list_tools(None).await.unwrap();
        let answered = asked.elapsed();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        // One after another they would take 1.6 s.
        assert!(started.elapsed() < Duration::from_millis(800), "{version}: {:?}", started.elapsed());
        assert!(answered < Duration::from_millis(80), "{version}: {answered:?}");
    }
}
