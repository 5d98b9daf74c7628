//! 16: two calls on one plan, or two plans on one resource, at the same time.

use std::time::Duration;

use super::*;
use crate::support::{Misbehaviour, NEWEST, OLDER, VERSIONS, with};

/// A scene in which a termination takes a while.
async fn slow() -> Scene {
    let scene = Scene::new().await;
    scene.stub.misbehave("TerminateInstances", Misbehaviour::Slow(Duration::from_millis(400)));
    scene
}

fn applied(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.result.is_error != Some(true)).count()
}

/// The codes of those that were refused, sorted.
fn codes(answers: &[Answer]) -> Vec<&str> {
    let refused = answers.iter().filter(|answer| answer.result.is_error == Some(true));
    let mut codes: Vec<_> = refused.map(|answer| answer.structured()["error"]["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    codes
}

#[tokio::test]
async fn t16_of_several_calls_on_one_plan_one_wins() {
    for version in &VERSIONS {
        let scene = slow().await;
        let session = scene.session(version, Act::types(WEB)).await;
        let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let call = || session.call("ec2_terminate_instances", apply.clone());
        let answers: [Answer; 4] = tokio::join!(call(), call(), call(), call()).into();
        assert_eq!(applied(&answers), 1, "{version}: {answers:#?}");
        let lost = codes(&answers);
        assert!(lost.iter().all(|code| ["plan_not_usable", "drift"].contains(code)), "{version}: {lost:?}");
        scene.terminated_once();
        let mut recorded = scene.installation.record().refusals().iter().map(ToString::to_string).collect::<Vec<_>>();
        recorded.sort_unstable();
        assert_eq!(recorded, lost, "{version}");
    }
}

#[tokio::test]
async fn t16_of_several_plans_on_one_target_one_wins() {
    for version in &VERSIONS {
        let scene = slow().await;
        let session = scene.session(version, Act::types(WEB)).await;
        let one = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let stop = with(&terminate(WEB), json!({ "reason": "only for the night" }));
        let other = session.preview("ec2_stop_instances", &stop).await;
        let answers: [Answer; 2] =
            tokio::join!(session.call("ec2_terminate_instances", one), session.call("ec2_stop_instances", other),)
                .into();
        assert_eq!(applied(&answers), 1, "{version}: {answers:#?}");
        let lost = codes(&answers);
        assert!(["target_busy", "drift", "plan_not_usable"].contains(&lost[0]), "{version}: {lost:?}");
        assert_eq!(scene.stub.changes().len(), 1, "{version}");
        assert_eq!(scene.installation.record().refusals(), lost, "{version}");
    }
}

#[tokio::test]
async fn t16_of_two_servers_on_one_store_one_wins() {
    for version in [&OLDER[1], &NEWEST] {
        let scene = slow().await;
        let one = scene.session(version, Act::types(WEB)).await;
        let other = scene.session(version, Act::types(WEB)).await;
        let apply = one.preview("ec2_terminate_instances", &terminate(WEB)).await;
        let answers: [Answer; 2] = tokio::join!(
            one.call("ec2_terminate_instances", apply.clone()),
            other.call("ec2_terminate_instances", apply.clone()),
        )
        .into();
        assert_eq!(applied(&answers), 1, "{version}: {answers:#?}");
        let lost = codes(&answers);
        assert!(["plan_not_usable", "drift"].contains(&lost[0]), "{version}: {lost:?}");
        scene.terminated_once();

        // And two plans of two servers on one target.
        let one_plan = one.preview("ec2_terminate_instances", &terminate(OTHER)).await;
        let other_plan = other.preview("ec2_terminate_instances", &terminate(OTHER)).await;
        one.now(Act::types(OTHER));
        other.now(Act::types(OTHER));
        let answers: [Answer; 2] = tokio::join!(
            one.call("ec2_terminate_instances", one_plan),
            other.call("ec2_terminate_instances", other_plan),
        )
        .into();
        assert_eq!(applied(&answers), 1, "{version}: {answers:#?}");
        assert_eq!(scene.stub.changes().len(), 2, "{version}");
        assert_eq!(scene.installation.record().refusals().len(), 2, "{version}");
    }
}
