//! 13: consent that never expires (given after 90 s, still executed).

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::support::{NEWEST, OLDER};

/// The shortest life a plan can have is a minute, so all of this waits for the same minute.
#[tokio::test]
async fn t13_plans_and_answers_that_come_too_late_are_worthless() {
    let Scene { stub, installation } = Scene::new().await;
    let installation = installation.set("limits.plan_ttl", "1m").set("limits.confirmation_timeout", "10s");
    let scene = Scene { stub, installation };
    let newest = scene.session(&NEWEST, Act::Declines).await;
    let older = scene.session(&OLDER[1], Act::types(WEB)).await;
    let begun = Instant::now();
    let late = newest.preview("ec2_terminate_instances", &terminate(WEB)).await;
    let never = older.preview("ec2_terminate_instances", &terminate(WEB)).await;

    let state = newest.asked("ec2_terminate_instances", late.clone()).await.request_state.unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    let answer = newest.answer("ec2_terminate_instances", late.clone(), &state, WEB).await;
    let message = scene.refused(&answer, "not_confirmed");
    assert!(message.contains("did not answer within"), "{message}");

    // Asked in time, answered after the plan's end.
    tokio::time::sleep_until(begun + Duration::from_secs(52)).await;
    let state = newest.asked("ec2_terminate_instances", late.clone()).await.request_state.unwrap();
    tokio::time::sleep_until(begun + Duration::from_secs(65)).await;
    let answer = newest.answer("ec2_terminate_instances", late, &state, WEB).await;
    assert!(scene.refused(&answer, "plan_not_usable").contains("expired"));
    let answer = older.call("ec2_terminate_instances", never.clone()).await;
    assert!(scene.refused(&answer, "plan_not_usable").contains("expired"));
    assert!(older.forms().is_empty());
    let status = older.call("plan_status", json!({ "plan_id": never["plan_id"] })).await;
    assert_eq!(status.structured()["status"], "expired");
}
