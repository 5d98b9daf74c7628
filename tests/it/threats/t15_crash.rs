//! 15: crash, kill -9 or lost network between intent, call and result.

use super::*;
use crate::support::{Misbehaviour, NEWEST, OLDER, VERSIONS, with};

/// Applies until the call has reached the cloud, then kills the server. Returns the arguments it was applied with.
async fn killed_in_between(scene: &Scene, version: &ProtocolVersion, how: Misbehaviour) -> Value {
    scene.stub.misbehave("TerminateInstances", how);
    let session = scene.session(version, Act::types(WEB)).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    {
        let mut call = std::pin::pin!(session.try_call("ec2_terminate_instances", apply.clone()));
        tokio::select! {
            answer = &mut call => panic!("answered: {answer:?}"),
            () = scene.stub.until_changes(1) => {}
        }
    }
    session.kill().await;
    scene.stub.behave("TerminateInstances");
    let record = scene.installation.record();
    assert_eq!((record.count("intent"), record.count("outcome")), (1, 0), "killed between intent and outcome");
    apply
}

#[tokio::test]
async fn t15_a_call_that_acted_before_the_kill_is_found_out_by_reading() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let apply = killed_in_between(&scene, version, Misbehaviour::ActsAndNeverAnswers).await;
        assert_eq!(scene.stub.instance(WEB).state, "terminated");

        let session = scene.session(version, Act::types(WEB)).await;
        let record = scene.installation.until("the settled outcome", |record| record.count("reconciled") == 1).await;
        assert_eq!(record.of_kind("outcome")[0]["result"], "unknown", "{version}: first of all nobody knows");
        assert_eq!(record.of_kind("reconciled")[0]["result"], "applied", "{version}");
        let status = session.call("plan_status", json!({ "plan_id": apply["plan_id"] })).await;
        assert_eq!(status.structured()["status"], "applied", "{version}");
        session.call("ec2_terminate_instances", apply).await.refused("plan_not_usable");
        assert_eq!(scene.stub.changes(), ["TerminateInstances"], "{version}: never sent again");
        assert_eq!(scene.installation.record().refusals(), ["plan_not_usable"], "{version}");
    }
}

#[tokio::test]
async fn t15_as_long_as_reading_does_not_tell_it_stays_unknown_and_visible() {
    let scene = Scene::new().await;
    let apply = killed_in_between(&scene, &NEWEST, Misbehaviour::NeverAnswers).await;

    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let record = scene.installation.until("the unknown outcome", |record| record.count("outcome") == 1).await;
    assert_eq!(record.of_kind("outcome")[0]["result"], "unknown");
    let status = session.call("plan_status", json!({ "plan_id": apply["plan_id"] })).await;
    assert_eq!(status.structured()["status"], "unknown");
    let listed = session.call("list_plans", json!({ "state": "unknown" })).await;
    assert_eq!(listed.structured()["plans"][0]["plan_id"], apply["plan_id"]);
    let plans = scene.installation.run(&["plans", "--state", "unknown"]);
    assert!(plans.out.contains(apply["plan_id"].as_str().unwrap()), "{plans:?}");

    // Neither that plan nor another one goes near the target while nobody knows.
    session.call("ec2_terminate_instances", apply.clone()).await.refused("plan_not_usable");
    let other = session.preview("ec2_terminate_instances", &with(&terminate(WEB), json!({ "reason": "again" }))).await;
    session.call("ec2_terminate_instances", other).await.refused("target_busy");
    assert_eq!(scene.stub.changes(), ["TerminateInstances"], "never sent again");
    assert_eq!(scene.stub.instance(WEB).state, "running");

    // Once the target shows that AWS did act, that settles it.
    scene.stub.put(Instance { state: "shutting-down".to_owned(), ..scene.stub.instance(WEB) });
    let status = session.call("plan_status", json!({ "plan_id": apply["plan_id"] })).await;
    assert_eq!(status.structured()["status"], "applied");
    assert_eq!(scene.installation.record().count("reconciled"), 1);
}

#[tokio::test]
async fn t15_an_operator_who_has_looked_settles_it_and_the_target_is_free_again() {
    let scene = Scene::new().await;
    let apply = killed_in_between(&scene, &NEWEST, Misbehaviour::NeverAnswers).await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    scene.installation.until("the unknown outcome", |record| record.count("outcome") == 1).await;
    let plan = apply["plan_id"].as_str().unwrap();
    let because = ["--because", "CloudTrail has no such call"];
    let settled = scene.installation.run(&[&["plan", "settle", plan, "--as", "failed"][..], &because].concat());
    assert_eq!(settled.code, Some(0), "{settled:?}");
    let status = session.call("plan_status", json!({ "plan_id": plan })).await;
    assert_eq!(status.structured()["status"], "failed");
    session.call("ec2_terminate_instances", apply).await.refused("plan_not_usable");

    let fresh = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    session.call("ec2_terminate_instances", fresh).await.applied();
    let record = scene.installation.record();
    assert_eq!(record.of_kind("reconciled")[0]["detail"], "settled by hand: CloudTrail has no such call");
    assert_eq!(scene.stub.changes(), ["TerminateInstances", "TerminateInstances"]);
}

#[tokio::test]
async fn t15_a_lost_answer_is_neither_success_nor_failure_and_is_not_retried() {
    for version in &VERSIONS {
        let Scene { stub, installation } = Scene::new().await;
        let scene = Scene { stub, installation: installation.set("limits.call_timeout", "1s") };
        scene.stub.misbehave("TerminateInstances", Misbehaviour::NeverAnswers);
        let session = scene.session(version, Act::types(WEB)).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let answer = session.call("ec2_terminate_instances", apply.clone()).await;
        answer.refused("outcome_unknown");
        assert!(answer.hint().contains("do NOT repeat it"), "{version}: {}", answer.hint());
        assert_eq!(scene.stub.changes(), ["TerminateInstances"], "{version}: sent once");
        let status = session.call("plan_status", json!({ "plan_id": apply["plan_id"] })).await;
        assert_eq!(status.structured()["status"], "unknown", "{version}");
        session.call("ec2_terminate_instances", apply).await.refused("plan_not_usable");
        assert_eq!(scene.stub.changes(), ["TerminateInstances"], "{version}: not sent again");
        let record = scene.installation.record();
        assert_eq!(record.of_kind("outcome")[0]["result"], "unknown", "{version}");
    }
}

#[tokio::test]
async fn t15_a_client_that_hangs_up_after_the_confirmation_does_not_stop_the_record() {
    let scene = Scene::new().await;
    scene.stub.misbehave("TerminateInstances", Misbehaviour::Slow(std::time::Duration::from_secs(1)));
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    {
        let mut call = std::pin::pin!(session.try_call("ec2_terminate_instances", apply));
        tokio::select! {
            answer = &mut call => panic!("answered: {answer:?}"),
            () = scene.stub.until_changes(1) => {}
        }
    }
    let (code, log) = session.end().await;
    assert_eq!(code, Some(0), "{log}");
    scene.terminated_once();
}

#[tokio::test]
async fn t15_a_client_that_hangs_up_while_the_form_is_open_has_confirmed_nothing() {
    for version in &OLDER {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::Ignores).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        {
            let mut call = std::pin::pin!(session.try_call("ec2_terminate_instances", apply));
            let mut shown = tokio::time::interval(std::time::Duration::from_millis(20));
            while session.forms().is_empty() {
                tokio::select! {
                    answer = &mut call => panic!("answered: {answer:?}"),
                    _ = shown.tick() => {}
                }
            }
        }
        let (code, log) = session.end().await;
        assert_eq!(code, Some(0), "{version}: {log}");
        scene.unchanged();
        let record = scene.installation.record();
        assert_eq!((record.count("asked"), record.refusals()), (1, vec!["not_confirmed"]), "{version}");
    }
}
