//! 5: state changes between preview and apply.

use std::sync::Arc;

use super::*;
use crate::support::{NEWEST, OLDER, VERSIONS};

#[tokio::test]
async fn t05_a_target_that_changed_since_the_preview_is_refused_with_the_difference() {
    for version in &VERSIONS {
        let scene = Scene::new().await;
        let session = scene.session(version, Act::types(WEB)).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        scene.stub.put(Instance::running(WEB).tagged("Name", "payments-db"));
        let answer = session.call("ec2_terminate_instances", apply.clone()).await;
        let message = scene.refused(&answer, "drift");
        assert!(message.contains("orders-web-1") && message.contains("payments-db"), "{version}: {message}");
        assert!(session.forms().is_empty(), "{version}: nobody is asked to confirm what is no longer so");

        // A new preview shows the world as it is, and can be applied.
        let fresh = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        session.call("ec2_terminate_instances", fresh).await.applied();
        scene.terminated_once();
    }
}

#[tokio::test]
async fn t05_a_target_that_changes_while_the_person_reads_is_refused() {
    for version in &OLDER {
        let Scene { stub, installation } = Scene::new().await;
        let stub = Arc::new(stub);
        let session = Session::start(&installation, version.clone(), Act::Declines).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let changing = Arc::clone(&stub);
        let change = move || changing.put(Instance::stopped(WEB).tagged("Name", "orders-web-1"));
        session.now(Act::Meanwhile(Arc::new(change), WEB.to_owned()));
        let answer = session.call("ec2_terminate_instances", apply.clone()).await;
        let message = answer.refused("drift");
        assert!(message.contains("running") && message.contains("stopped"), "{version}: {message}");
        assert_eq!(stub.changes(), Vec::<String>::new(), "{version}");
        assert_eq!(stub.instance(WEB).state, "stopped", "{version}");

        // Claimed and given up: that is on record, too, and the plan is used up.
        let record = installation.record();
        assert_eq!(record.refusals(), ["drift"], "{version}");
        assert_eq!((record.count("intent"), record.count("outcome")), (1, 1), "{version}");
        assert_eq!(record.of_kind("outcome")[0]["result"], "failed", "{version}");
        session.call("ec2_terminate_instances", apply).await.refused("plan_not_usable");
    }
}

#[tokio::test]
async fn t05_a_target_that_changes_between_question_and_answer_is_refused() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::Declines).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    let question = session.asked("ec2_terminate_instances", apply.clone()).await;
    scene.stub.put(Instance::running(WEB).tagged("Name", "payments-db"));
    let state = question.request_state.unwrap();
    let answer = session.answer("ec2_terminate_instances", apply, &state, WEB).await;
    scene.refused(&answer, "drift");
}
