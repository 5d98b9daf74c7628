//! A plan's page, opened through the client, in every version.

use rmcp::model::{CallToolResponse, InputResponses};

use super::*;
use crate::mcp::server::VERSIONS;

fn park() -> Value {
    json!({ "bucket": "orders", "plan_id": "plan-1" })
}

fn done(result: &CallToolResult) -> &str {
    result.structured_content.as_ref().unwrap()["done"].as_str().unwrap()
}

#[tokio::test]
async fn a_client_that_can_is_asked_to_open_the_page() {
    for version in VERSIONS {
        let session = Session::of(Act::Opens("orders"), version.clone()).await;
        let result = session.call("park", park()).await;
        assert_eq!(done(&result), "Shown", "{version}");
        let asked = session.person.asked.lock().unwrap().clone();
        let [ElicitRequestParams::UrlElicitationParams { url, message, elicitation_id, .. }] = asked.as_slice() else {
            panic!("{version}: {asked:?}")
        };
        assert_eq!((url.as_str(), elicitation_id.as_str()), ("http://localhost:8470/plans/plan-1", "plan-1"));
        assert_eq!(message, "It waits for one more person.");
    }
}

#[tokio::test]
async fn a_client_that_can_not_or_will_not_is_told_all_the_same() {
    for version in VERSIONS {
        for (act, expected, asked) in [(Act::Types("orders"), "NotOffered", 0), (Act::WontOpen, "NotWanted", 1)] {
            let session = Session::of(act, version.clone()).await;
            assert_eq!(done(&session.call("park", park()).await), expected, "{version}");
            assert_eq!(session.person.times_asked(), asked, "{version}");
        }
    }
}

#[tokio::test]
async fn the_form_comes_first_and_the_page_after_it() {
    for version in VERSIONS {
        let session = Session::of(Act::Opens("orders"), version.clone()).await;
        assert_eq!(done(&session.call("wipe_with_others", park()).await), "Shown", "{version}");
        assert_eq!((session.desk.wiped(), session.person.times_asked()), (1, 2), "{version}");
    }
}

#[tokio::test]
async fn opening_a_page_confirms_nothing() {
    let session = Session::of(Act::Opens("orders"), NEWEST).await;
    let question = session.client.call_tool_once(call("park", park())).await.unwrap();
    let CallToolResponse::InputRequired(question) = question else { panic!("{question:?}") };
    let form = json!({ "action": "accept", "content": { "confirmation": "orders" } });
    for tool in ["wipe", "wipe_with_others", "park"] {
        let mut params = call(tool, park());
        params.request_state = question.request_state.clone();
        params.input_responses = Some(InputResponses::from([("confirmation".to_owned(), form.clone())]));
        let CallToolResponse::Complete(result) = session.client.call_tool_once(params).await.unwrap() else { panic!() };
        match tool {
            "park" => assert_eq!(done(&result), "NotWanted"),
            _ => assert_eq!(refusal_code(&result), "not_confirmed", "{tool}"),
        }
    }
    assert_eq!(session.desk.wiped(), 0);
}
