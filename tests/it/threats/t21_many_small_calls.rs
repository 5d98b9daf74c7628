//! 21: many small calls (a loop deleting one thing each).

use super::*;
use crate::support::{Misbehaviour, NEWEST, VERSIONS};

/// A scene with twelve stopped instances that an agent may start one by one: in dev nobody is asked for that.
async fn fleet(settings: &[(&str, i64)]) -> Scene {
    let Scene { stub, mut installation } = Scene::new().await;
    for number in 0..12 {
        stub.put(Instance::stopped(&nth(number)));
    }
    for (key, to) in settings {
        installation = installation.set(key, *to);
    }
    Scene { stub, installation }
}

fn nth(number: usize) -> String {
    format!("i-0000000000000{number:04x}")
}

/// One call of the loop.
async fn start(session: &Session, number: usize) -> Answer {
    let start = json!({
        "account": "shop-dev", "InstanceIds": [nth(number)], "reason": "the morning shift", "dry_run": false,
    });
    session.call("ec2_start_instances", start).await
}

/// Asserts that the open breaker of `scope` stops changes, also after a restart, while reads pass, and that
/// closing it lets the same session go on. `started` is how often the cloud was asked to start something.
async fn stays_open_until_a_person_closes_it(scene: &Scene, scope: &[&str; 2], session: Session, started: usize) {
    let shown = scope.join(" ").replace("shop-dev", "210987654321");
    start(&session, 9).await.refused("forbidden");
    let record = scene.installation.record();
    let [opened] = &record.of_kind("breaker_opened")[..] else { panic!("{:?}", record.kinds()) };
    assert_eq!(opened["scope"]["kind"], scope[0]);
    session.end().await;

    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let refused = start(&session, 9).await;
    assert!(refused.refused("forbidden").contains("breaker"), "{:#}", refused.structured());
    assert_eq!(scene.stub.changes().len(), started, "nothing more was sent");
    let read = session.call("ec2_describe_instances", json!({ "account": "shop-dev" })).await;
    assert_ne!(read.result.is_error, Some(true), "reads go on: {:#}", read.structured());
    let list = scene.installation.run(&["breaker", "list"]);
    assert!(list.out.contains(&format!("`{shown}`")), "{list:?}");

    let close: &[&str] = &[&["breaker", "close"][..], scope, &["--reason", "the quota is raised"]].concat();
    let closed = scene.installation.run(close);
    assert_eq!((closed.code, closed.err.as_str()), (Some(0), ""), "{closed:?}");
    assert!(closed.out.contains("is closed, and that is on record"), "{closed:?}");
    // The server that is running sees it at once.
    start(&session, 9).await.applied();
    let again = scene.installation.run(close);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.out.contains(&format!("the breaker of `{shown}` is not open")), "{again:?}");
    let record = scene.installation.record();
    let [closed] = &record.of_kind("breaker_closed")[..] else { panic!("{:?}", record.kinds()) };
    assert_eq!(closed["reason"], "the quota is raised");
    assert!(closed["by"].as_str().unwrap().contains("uid "), "{closed}");
    assert_eq!(record.count("breaker_opened"), 1);
}

#[tokio::test]
async fn t21_a_loop_runs_into_the_budget_of_its_session_and_then_of_the_hour() {
    for version in &VERSIONS {
        let scene = fleet(&[("budgets.changes_per_session", 3), ("budgets.changes_per_hour", 5)]).await;
        let session = scene.session(version, Act::types(WEB)).await;
        for number in 0..3 {
            start(&session, number).await.applied();
        }
        let over = start(&session, 3).await;
        assert!(over.refused("over_limit").contains("3 changed resources a session has 0 left"), "{version}");
        assert!(!over.hint().is_empty());

        // Another session has a budget of its own; the hour's is the agent's.
        let other = scene.session(version, Act::types(WEB)).await;
        for number in 3..5 {
            start(&other, number).await.applied();
        }
        let over = start(&other, 5).await;
        assert!(over.refused("over_limit").contains("5 changed resources an hour has 0 left"), "{version}");
        assert_eq!(scene.stub.changes().len(), 5, "{version}");
        assert_eq!(scene.stub.instance(&nth(5)).state, "stopped", "{version}");
        // A restart forgets nothing, and one call of many counts as many.
        other.end().await;
        let third = scene.session(version, Act::types(WEB)).await;
        start(&third, 5).await.refused("over_limit");
        let record = scene.installation.record();
        assert_eq!(record.refusals(), ["over_limit"; 3], "{version}");
        assert_eq!(record.count("intent"), 5, "{version}");
    }
}

#[tokio::test]
async fn t21_a_call_counts_all_it_acts_on() {
    let scene = fleet(&[("budgets.changes_per_session", 3)]).await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let many = |from: usize, to: usize| {
        let ids: Vec<_> = (from..to).map(nth).collect();
        json!({ "account": "shop-dev", "InstanceIds": ids, "reason": "the morning shift", "dry_run": false })
    };
    session.call("ec2_start_instances", many(0, 4)).await.refused("over_limit");
    assert_eq!(scene.stub.changes().len(), 0);
    session.call("ec2_start_instances", many(0, 2)).await.applied();
    session.call("ec2_start_instances", many(2, 4)).await.refused("over_limit");
    session.call("ec2_start_instances", many(2, 3)).await.applied();
    assert_eq!(scene.stub.changes().len(), 2);
}

#[tokio::test]
async fn t21_a_loop_of_failing_calls_opens_the_agent_s_breaker() {
    let scene = fleet(&[("breakers.agent_errors_per_hour", 3)]).await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    scene.stub.misbehave("StartInstances", Misbehaviour::Refuses);
    for number in 0..3 {
        start(&session, number).await.refused("aws_refused");
    }
    scene.stub.behave("StartInstances");
    stays_open_until_a_person_closes_it(&scene, &["agent", "test-agent"], session, 3).await;
}

#[tokio::test]
async fn t21_a_loop_of_refused_calls_opens_the_agent_s_breaker() {
    let scene = fleet(&[("breakers.agent_denials_per_hour", 3)]).await;
    let session = scene.session(&NEWEST, Act::Declines).await;
    let apply = session.preview("ec2_terminate_instances", &terminate(WEB)).await;
    for _ in 0..3 {
        session.call("ec2_terminate_instances", apply.clone()).await.refused("not_confirmed");
    }
    assert_eq!(session.forms().len(), 3);
    stays_open_until_a_person_closes_it(&scene, &["agent", "test-agent"], session, 0).await;
    // Nobody was asked again for what could not go through.
    assert_eq!(scene.stub.instance(WEB).state, "running");
}

#[tokio::test]
async fn t21_an_account_s_breaker_stops_every_agent() {
    let scene = fleet(&[("breakers.account_errors_per_hour", 4), ("breakers.agent_errors_per_hour", 0)]).await;
    scene.stub.misbehave("StartInstances", Misbehaviour::Refuses);
    let mut installation = scene.installation;
    for agent in ["one-agent", "other-agent"] {
        installation = installation.set("caller.agent", agent);
        let session = Session::start(&installation, NEWEST, Act::types(WEB)).await;
        for number in 0..2 {
            start(&session, number).await.refused("aws_refused");
        }
        session.end().await;
    }
    scene.stub.behave("StartInstances");
    let scene = Scene { stub: scene.stub, installation: installation.set("caller.agent", "third-agent") };
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    stays_open_until_a_person_closes_it(&scene, &["account", "shop-dev"], session, 4).await;
}
