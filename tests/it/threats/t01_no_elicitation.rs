//! 1: a client that has no elicitation, or declared it and never shows it.

use super::*;
use crate::support::{NEWEST, OLDER, VERSIONS};

#[tokio::test]
async fn t01_a_client_without_elicitation_is_refused() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::HasNoForms).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let answer = session.call("ec2_terminate_instances", apply).await;
        let message = scene.refused(&answer, "elicitation_unavailable");
        assert!(message.contains("can't be asked"), "{version}: {message}");
        assert!(answer.hint().contains("use a client that supports MCP elicitation"), "{version}: {}", answer.hint());
        assert!(session.forms().is_empty(), "{version}");
    }
}

#[tokio::test]
async fn t01_a_client_that_fails_to_show_the_form_is_refused() {
    for version in &OLDER {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::FailsToShow).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let answer = session.call("ec2_terminate_instances", apply).await;
        scene.refused(&answer, "elicitation_unavailable");
        assert_eq!(session.forms().len(), 1, "{version}");
    }
}

#[tokio::test]
async fn t01_a_form_that_is_never_shown_times_out() {
    let scene = async |version: &ProtocolVersion| {
        let Scene { stub, installation } = Scene::new().await;
        let scene = Scene { stub, installation: installation.set("limits.confirmation_timeout", "10s") };
        let session = scene.session(version, Act::Ignores).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let answer = session.call("ec2_terminate_instances", apply).await;
        let message = scene.refused(&answer, "not_confirmed");
        assert!(message.contains("did not answer within"), "{version}: {message}");
    };
    tokio::join!(scene(&OLDER[0]), scene(&OLDER[1]));
}

#[tokio::test]
async fn t01_a_question_that_is_never_answered_leads_to_nothing() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    session.asked("ec2_terminate_instances", apply).await;
    let (code, log) = session.end().await;
    assert_eq!(code, Some(0), "{log}");
    scene.unchanged();
    let record = scene.installation.record();
    assert_eq!((record.count("asked"), record.count("confirmed")), (1, 0));
}

#[tokio::test]
async fn t01_a_plain_write_needs_the_person_too() {
    for version in &VERSIONS {
        let scene = Scene::where_writes_are_confirmed().await;
        let session = scene.session(version, Act::HasNoForms).await;
        let start = json!({ "account": "shop-dev", "InstanceIds": [WEB], "reason": "needed", "dry_run": false });
        let answer = session.call("ec2_start_instances", start).await;
        scene.refused(&answer, "elicitation_unavailable");
    }
}
