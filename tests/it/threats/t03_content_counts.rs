//! 3 (and 2): `action: accept` with content that says "reject", with nothing, with a default, with something else.

use super::*;
use crate::support::VERSIONS;

#[tokio::test]
async fn t03_accepting_is_nothing_only_the_typed_text_counts() {
    let worthless = [
        (Act::types("reject"), "it says no"),
        (Act::types("yes"), "a yes is not the text"),
        (Act::types(OTHER), "another instance's id"),
        (Act::types("I-0123456789ABCDEF0"), "another case"),
        (Act::types(" i-0123456789abcdef0 "), "spaces are part of the text"),
        (Act::types(""), "nothing typed"),
        (Act::Accepts(None), "no content"),
        (Act::Accepts(Some(json!({}))), "an empty form"),
        (Act::Accepts(Some(json!({ "confirmation": true }))), "a boolean"),
        (Act::Accepts(Some(json!({ "confirmation": WEB, "note": "reject" }))), "a field too many"),
        (Act::Accepts(Some(json!({ "confirm": WEB }))), "another field"),
        (Act::Declines, "declined"),
        (Act::Cancels, "cancelled"),
    ];
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::Declines).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        for (count, (act, why)) in worthless.iter().enumerate() {
            session.now(act.clone());
            let answer = session.call("ec2_terminate_instances", apply.clone()).await;
            answer.refused("not_confirmed");
            assert_eq!(session.forms().len(), count + 1, "{version}: {why}");
        }
        scene.unchanged();
        let record = scene.installation.record();
        assert_eq!(record.refusals(), vec!["not_confirmed"; worthless.len()], "{version}");
        assert_eq!(record.count("confirmed"), 0, "{version}");

        // None of that has spoilt the plan for the person's own decision.
        session.now(Act::types(WEB));
        session.call("ec2_terminate_instances", apply).await.applied();
        scene.terminated_once();
    }
}

#[tokio::test]
async fn t03_the_form_has_no_default_and_a_fast_answer_is_recorded_as_such() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::types(WEB)).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        session.call("ec2_terminate_instances", apply).await.applied();
        let form = &session.forms()[0];
        let field = form.pointer("/requestedSchema/properties/confirmation").unwrap();
        let members: Vec<_> = field.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["type", "title", "description"], "{version}: {form:#}");
        let confirmed = scene.installation.record().of_kind("confirmed")[0].clone();
        assert_eq!(confirmed["faster_than_reading"], true, "{version}: {confirmed}");
    }
}
