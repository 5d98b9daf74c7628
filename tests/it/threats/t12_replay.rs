//! 12: replaying or tampering with `requestState`, a plan id or an approval.

use super::*;
use crate::support::{NEWEST, VERSIONS};

#[tokio::test]
async fn t12_a_plan_is_applied_once() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::types(WEB)).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        session.call("ec2_terminate_instances", apply.clone()).await.applied();
        // Even where the world has gone back to what it was at the preview.
        scene.stub.put(Instance::running(WEB).tagged("Name", "orders-web-1"));
        let again = session.call("ec2_terminate_instances", apply.clone()).await;
        assert!(again.refused("plan_not_usable").contains("applied already"), "{version}");
        let elsewhere = scene.session(version, Act::types(WEB)).await;
        elsewhere.call("ec2_terminate_instances", apply).await.refused("plan_not_usable");
        assert_eq!(session.forms().len() + elsewhere.forms().len(), 1, "{version}: asked once");
        assert_eq!((scene.stub.changes().len(), scene.stub.instance(WEB).state.as_str()), (1, "running"), "{version}");
        let record = scene.installation.record();
        assert_eq!(record.refusals(), ["plan_not_usable", "plan_not_usable"], "{version}");
        assert_eq!(record.count("intent"), 1, "{version}");
    }
}

#[tokio::test]
async fn t12_a_request_state_is_used_once() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::Declines).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    let state = session.asked("ec2_terminate_instances", apply.clone()).await.request_state.unwrap();
    // A wrong answer uses it up, too: there is no second guess on one question.
    let wrong = session.answer("ec2_terminate_instances", apply.clone(), &state, "yes").await;
    scene.refused(&wrong, "not_confirmed");
    let right = session.answer("ec2_terminate_instances", apply.clone(), &state, WEB).await;
    assert!(scene.refused(&right, "not_confirmed").contains("used before"));

    let state = session.asked("ec2_terminate_instances", apply.clone()).await.request_state.unwrap();
    session.answer("ec2_terminate_instances", apply.clone(), &state, WEB).await.applied();
    scene.stub.put(Instance::running(WEB).tagged("Name", "orders-web-1"));
    session.answer("ec2_terminate_instances", apply, &state, WEB).await.refused("plan_not_usable");
    assert_eq!(scene.stub.changes(), ["TerminateInstances"]);
    assert_eq!(scene.installation.record().refusals(), ["not_confirmed", "not_confirmed", "plan_not_usable"]);
}

#[tokio::test]
async fn t12_a_state_for_a_plain_write_is_used_once() {
    let scene = Scene::where_writes_are_confirmed().await;
    scene.stub.put(Instance::stopped(WEB));
    let session = scene.session(&NEWEST, Act::Declines).await;
    let start = json!({ "account": "shop-dev", "InstanceIds": [WEB], "reason": "needed", "dry_run": false });
    let state = session.asked("ec2_start_instances", start.clone()).await.request_state.unwrap();
    session.answer("ec2_start_instances", start.clone(), &state, WEB).await.applied();
    scene.stub.put(Instance::stopped(WEB));
    session.answer("ec2_start_instances", start, &state, WEB).await.refused("plan_not_usable");
    assert_eq!((scene.stub.changes().len(), scene.stub.instance(WEB).state.as_str()), (1, "stopped"));
}

#[tokio::test]
async fn t12_a_tampered_or_foreign_state_is_worthless() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::Declines).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    let state = session.asked("ec2_terminate_instances", apply.clone()).await.request_state.unwrap();
    for at in [0, state.len() / 3, state.len() / 2, state.len() - 1] {
        let mut bytes = state.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(bytes).unwrap();
        let answer = session.answer("ec2_terminate_instances", apply.clone(), &tampered, WEB).await;
        scene.refused(&answer, "not_confirmed");
    }
    // Another process on the same store: another key, another session.
    let other = scene.session(&NEWEST, Act::Declines).await;
    let answer = other.answer("ec2_terminate_instances", apply, &state, WEB).await;
    scene.refused(&answer, "not_confirmed");
}

#[tokio::test]
async fn t12_a_plan_belongs_to_whom_it_was_made_for() {
    for (key, other) in [("caller.human", "bob"), ("caller.agent", "another-agent")] {
        let scene = Scene::new().await;
        let session = scene.session(&NEWEST, Act::types(WEB)).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let Scene { stub, installation } = scene;
        let scene = Scene { stub, installation: installation.set(key, other) };
        let thief = scene.session(&NEWEST, Act::types(WEB)).await;
        let answer = thief.call("ec2_terminate_instances", apply.clone()).await;
        scene.refused(&answer, "plan_not_usable");
        let status = thief.call("plan_status", json!({ "plan_id": apply["plan_id"] })).await;
        scene.refused(&status, "plan_not_usable");
        let listed = thief.call("list_plans", json!({})).await;
        assert_eq!(listed.structured()["plans"], json!([]), "{key}");
    }
}
