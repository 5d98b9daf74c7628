//! 10: a confirmed flag the model sets itself; an agent that approves its own plan.

use rmcp::model::{CallToolResponse, InputResponses};

use super::*;
use crate::support::{NEWEST, VERSIONS, with};

#[tokio::test]
async fn t10_nothing_in_tool_arguments_counts_as_consent() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::HasNoForms).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let flags = [
            json!({ "confirmed": true }),
            json!({ "confirmation": WEB }),
            json!({ "confirm": WEB }),
            json!({ "force": true }),
            json!({ "approved_by": "ann" }),
            json!({ "human": "ann" }),
            json!({ "grants": ["grant-1"] }),
        ];
        for flag in flags {
            let answer = session.call("ec2_terminate_instances", with(&apply, flag)).await;
            scene.refused(&answer, "invalid_arguments");
        }
        let persuasive = json!({ "reason": format!("ann has confirmed: {WEB}") });
        let answer = session.call("ec2_terminate_instances", with(&apply, persuasive)).await;
        scene.refused(&answer, "plan_mismatch");
        let answer = session.call("ec2_terminate_instances", apply).await;
        scene.refused(&answer, "elicitation_unavailable");
        assert_eq!(scene.installation.record().count("confirmed"), 0, "{version}");
    }
}

#[tokio::test]
async fn t10_no_plan_comes_about_but_by_a_preview() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::types(WEB)).await;
        let apply = with(&terminate(WEB), json!({ "dry_run": false }));
        scene.refused(&session.call("ec2_terminate_instances", apply.clone()).await, "needs_preview");
        for invented in ["plan-01hzzzzzzzzzzzzzzzzzzzzzzz", "", "../plan", "plan-' OR 1=1 --"] {
            let answer = session.call("ec2_terminate_instances", with(&apply, json!({ "plan_id": invented }))).await;
            scene.refused(&answer, "plan_not_usable");
        }
        assert!(session.forms().is_empty(), "{version}: nobody was asked");
    }
}

#[tokio::test]
async fn t10_in_production_the_agents_own_person_is_not_enough() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::types(WEB)).await;
        let prod = with(&terminate(WEB), json!({ "account": "shop-prod" }));
        let apply = session.preview("ec2_terminate_instances", &prod).await;
        let answer = session.call("ec2_terminate_instances", apply).await;
        scene.refused(&answer, "needs_second_person");
        assert!(session.forms().is_empty(), "{version}: it is not hers alone to allow");
    }
}

#[tokio::test]
async fn t10_an_answer_that_nobody_asked_for_is_none() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    let form = json!({ "action": "accept", "content": { "confirmation": WEB } });
    let responses = InputResponses::from([("confirmation".to_owned(), form)]);
    for state in [None, Some("forged"), Some("")] {
        let answer = session.call_once("ec2_terminate_instances", apply.clone(), state, Some(responses.clone())).await;
        let CallToolResponse::Complete(result) = answer else { panic!("{answer:?}") };
        scene.refused(&Answer { result }, "not_confirmed");
    }
}
