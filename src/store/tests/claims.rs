//! Plans from filing to their end.

use std::slice::from_ref;
use std::sync::Arc;

use super::*;
use crate::names::{Agent, PlanId};
use crate::plan::filed::PlanState;
use crate::ports::{GrantKind, HourlyBudget, PlanFilter, StoreError};

async fn state(store: &SqliteStore, plan: &FiledPlan) -> PlanState {
    store.plan(&plan.content.id, after(60)).await.unwrap().unwrap().state
}

/// Refused, and nothing was written.
async fn refused(store: &SqliteStore, claim: Claim, plan: &FiledPlan) -> StoreError {
    let before = store.reader().head().await.unwrap();
    let error = store.claim(claim, intent(plan)).await.unwrap_err();
    assert_eq!(store.reader().head().await.unwrap(), before);
    error
}

#[tokio::test]
async fn a_plan_comes_back_as_it_was_filed() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1", "i-2"]).await;
    assert_eq!(store.plan(&plan.content.id, now()).await.unwrap(), Some(plan.clone()));
    assert_eq!(store.plan(&PlanId::from_outside("plan-none"), now()).await.unwrap(), None);
    let late = store.plan(&plan.content.id, plan.content.expires_at).await.unwrap().unwrap();
    assert_eq!(late.state, PlanState::Expired);
}

#[tokio::test]
async fn a_plan_without_its_own_digest_is_not_filed() {
    let place = Place::new();
    let store = place.open().await;
    let mut plan = open_plan(&["i-1"], now()).unwrap();
    plan.content.reason = "another reason".into();
    assert!(store.file_plan(plan.clone(), previewed(&plan)).await.is_err());
    assert_eq!(intact(&store).await, 0);
}

#[tokio::test]
async fn plans_are_listed_newest_first_by_agent_and_state() {
    let place = Place::new();
    let store = place.open().await;
    let old = file(&store, &["i-1"]).await;
    let mut new = open_plan(&["i-2"], after(5)).unwrap();
    new.content.agent = Agent::new("another");
    new.digest = new.content.digest().unwrap();
    store.file_plan(new.clone(), previewed(&new)).await.unwrap();
    store.claim(claim(&old, &[]), intent(&old)).await.unwrap();

    let ids = |filter: PlanFilter, at| {
        let store = &store;
        async move {
            let plans = store.plans(filter, at).await.unwrap();
            plans.into_iter().map(|plan| plan.content.id).collect::<Vec<_>>()
        }
    };
    let all = PlanFilter { limit: 10, ..PlanFilter::default() };
    let (old, new) = (old.content.id, new.content.id);
    assert_eq!(ids(all.clone(), after(60)).await, [new.clone(), old.clone()]);
    assert_eq!(ids(PlanFilter { limit: 1, ..all.clone() }, after(60)).await, from_ref(&new));
    assert_eq!(ids(PlanFilter { agent: Some(Agent::new("agent")), ..all.clone() }, after(60)).await, from_ref(&old));
    assert_eq!(ids(PlanFilter { states: vec![PlanState::Applying], ..all.clone() }, after(60)).await, [old]);
    let open = PlanFilter { states: vec![PlanState::Open], ..all.clone() };
    assert_eq!(ids(open.clone(), after(60)).await, from_ref(&new));
    assert!(ids(open, after(3600)).await.is_empty());
    assert_eq!(ids(PlanFilter { states: vec![PlanState::Expired], ..all }, after(3600)).await, [new]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_fifty_claims_in_two_stores_wins() {
    let place = Place::new();
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await)];
    let plan = file(&stores[0], &["i-1"]).await;
    let consent = grant(&stores[0], &plan).await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (store, plan, claim) = (Arc::clone(&stores[number % 2]), plan.clone(), claim(&plan, &[&consent]));
            tokio::spawn(async move { store.claim(claim, intent(&plan)).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, StoreError::NotOpen { state: PlanState::Applying, .. }), "{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(count(&stores[1], "intent").await, 1);
    assert_eq!(intact(&stores[1]).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_plans_on_one_target_one_waits_until_the_other_has_ended() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    let a = file(&one, &["i-1", "i-2"]).await;
    let b = file(&other, &["i-2", "i-3"]).await;
    let (first, second) = tokio::join!(one.claim(claim(&a, &[]), intent(&a)), other.claim(claim(&b, &[]), intent(&b)));
    assert!(first.is_ok() != second.is_ok());
    let (won, lost, error) = if first.is_ok() { (&a, &b, second) } else { (&b, &a, first) };
    let busy = "arn:aws:ec2:eu-central-1:111122223333:instance/i-2";
    match error.unwrap_err() {
        StoreError::TargetBusy { target, plan } => assert_eq!((target.as_str(), &plan), (busy, &won.content.id)),
        error => panic!("{error}"),
    }
    assert_eq!(state(&one, lost).await, PlanState::Open);

    one.settle(&won.content.id, PlanState::Applied, outcome(won, ResultWord::Applied)).await.unwrap();
    one.claim(claim(lost, &[]), intent(lost)).await.unwrap();
    let ended = one.plan(&won.content.id, now()).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.outcome.as_deref()), (PlanState::Applied, Some("AWS request req-1")));
    assert_eq!(intact(&one).await, 5);
}

#[tokio::test]
async fn a_plan_is_claimed_only_in_time_and_with_its_digest() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    let late = Claim { now: plan.content.expires_at, ..claim(&plan, &[]) };
    assert!(matches!(refused(&store, late, &plan).await, StoreError::NotOpen { state: PlanState::Expired, .. }));
    let other = Claim { digest: Digest::of_bytes("t", b""), ..claim(&plan, &[]) };
    assert!(matches!(refused(&store, other, &plan).await, StoreError::NotGranted(_)));
    let none = Claim { plan: PlanId::from_outside("plan-none"), ..claim(&plan, &[]) };
    assert!(matches!(refused(&store, none, &plan).await, StoreError::NotGranted(_)));
    assert_eq!(state(&store, &plan).await, PlanState::Open);
}

#[tokio::test]
async fn a_grant_counts_once_in_time_and_for_its_plan_only() {
    let place = Place::new();
    let store = place.open().await;
    let (plan, other) = (file(&store, &["i-1"]).await, file(&store, &["i-2"]).await);
    let consent = grant(&store, &plan).await;
    assert_eq!(store.grants(&plan.content.id).await.unwrap(), from_ref(&consent));
    assert!(store.grants(&other.content.id).await.unwrap().is_empty());

    let why = |error: StoreError| match error {
        StoreError::NotGranted(why) => why.split_once(": ").unwrap().1.to_owned(),
        error => panic!("{error}"),
    };
    assert_eq!(why(refused(&store, claim(&other, &[&consent]), &other).await), "it is for another plan");
    assert_eq!(why(refused(&store, claim(&plan, &[&consent, &consent]), &plan).await), "it was named twice");
    let late = Claim { now: consent.expires_at, ..claim(&plan, &[&consent]) };
    assert_eq!(why(refused(&store, late, &plan).await), "it expired at 2026-01-01T00:05:30Z");
    let unknown = GrantRecord { id: GrantId::from_outside("grant-none"), ..consent.clone() };
    assert_eq!(why(refused(&store, claim(&plan, &[&unknown]), &plan).await), "there is none of that name");

    store.claim(claim(&plan, &[&consent]), intent(&plan)).await.unwrap();
    assert!(store.grants(&plan.content.id).await.unwrap().is_empty());
    store.settle(&plan.content.id, PlanState::Failed, outcome(&plan, ResultWord::Failed)).await.unwrap();
    place.tamper("UPDATE plans SET state = 'open'").await;
    assert_eq!(why(refused(&store, claim(&plan, &[&consent]), &plan).await), "it was used already");
}

#[tokio::test]
async fn nobody_consents_to_what_is_over_or_different() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    let consent = GrantRecord {
        id: GrantId::fresh(),
        plan: plan.content.id.clone(),
        digest: Digest::of_bytes("t", b"another plan"),
        by: Human::new("dana"),
        at: after(30),
        expires_at: after(330),
        answered_after_ms: 1,
        kind: GrantKind::Confirmation,
        signed: None,
    };
    let different = store.grant(consent.clone(), confirmed(&plan)).await.unwrap_err();
    assert!(matches!(different, StoreError::NotGranted(_)));
    let late = GrantRecord { digest: plan.digest, at: plan.content.expires_at, ..consent };
    let over = store.grant(late, confirmed(&plan)).await.unwrap_err();
    assert!(matches!(over, StoreError::NotOpen { state: PlanState::Expired, .. }));
    assert_eq!(count(&store, "confirmed").await, 0);
}

#[tokio::test]
async fn a_budget_counts_targets_of_the_last_hour_by_tool_and_agent() {
    let place = Place::new();
    let store = place.open().await;
    let budget = |asks| HourlyBudget { tool: "stop".into(), agent: Agent::new("agent"), most: 5, asks };
    let ask = |plan: &FiledPlan, budget, now| Claim { per_hour: Some(budget), now, ..claim(plan, &[]) };
    let (a, b) = (file(&store, &["i-1"]).await, file(&store, &["i-2"]).await);
    store.claim(ask(&a, budget(3), after(60)), intent(&a)).await.unwrap();
    match refused(&store, ask(&b, budget(3), after(120)), &b).await {
        StoreError::OverBudget { most: 5, left: 2, asks: 3, .. } => {}
        error => panic!("{error}"),
    }
    store.claim(ask(&b, budget(2), after(120)), intent(&b)).await.unwrap();

    let mut c = open_plan(&["i-3"], after(3600)).unwrap();
    store.file_plan(c.clone(), previewed(&c)).await.unwrap();
    assert!(matches!(
        refused(&store, ask(&c, budget(1), after(3659)), &c).await,
        StoreError::OverBudget { left: 0, .. }
    ));
    let other = HourlyBudget { agent: Agent::new("another"), ..budget(5) };
    store.claim(ask(&c, other, after(3659)), intent(&c)).await.unwrap();
    c = open_plan(&["i-4"], after(3600)).unwrap();
    store.file_plan(c.clone(), previewed(&c)).await.unwrap();
    store.claim(ask(&c, budget(3), after(3661)), intent(&c)).await.unwrap();
}

#[tokio::test]
async fn a_plan_ends_once_and_only_after_it_was_claimed() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    let applied = |state| store.settle(&plan.content.id, state, outcome(&plan, ResultWord::Applied));
    assert!(matches!(applied(PlanState::Applied).await, Err(StoreError::NotOpen { state: PlanState::Open, .. })));
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    assert!(applied(PlanState::Open).await.is_err());
    applied(PlanState::Applied).await.unwrap();
    assert!(matches!(applied(PlanState::Failed).await, Err(StoreError::NotOpen { state: PlanState::Applied, .. })));
    assert_eq!(count(&store, "outcome").await, 1);
}

#[tokio::test]
async fn an_unknown_plan_holds_its_targets_until_it_is_reconciled() {
    let place = Place::new();
    let store = place.open().await;
    let (plan, next) = (file(&store, &["i-1"]).await, file(&store, &["i-1"]).await);
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    store.settle(&plan.content.id, PlanState::Unknown, outcome(&plan, ResultWord::Unknown)).await.unwrap();
    assert!(matches!(refused(&store, claim(&next, &[]), &next).await, StoreError::TargetBusy { .. }));
    assert_eq!(store.orphans(&gone).await.unwrap().len(), 1);

    let read = event(What::Reconciled {
        plan: plan.content.id.clone(),
        result: ResultWord::Applied,
        detail: "i-1 is stopped".into(),
    });
    store.settle(&plan.content.id, PlanState::Applied, read).await.unwrap();
    assert!(store.orphans(&gone).await.unwrap().is_empty());
    store.claim(claim(&next, &[]), intent(&next)).await.unwrap();
    let ended = store.plan(&plan.content.id, now()).await.unwrap().unwrap();
    assert_eq!(ended.outcome.as_deref(), Some("i-1 is stopped"));
}

#[tokio::test]
async fn what_a_pattern_can_mean_is_held_too() {
    let place = Place::new();
    let store = place.open().await;
    let plans = [file(&store, &["i-1"]).await, file(&store, &["i-2"]).await, file(&store, &["i-3"]).await];
    let [all, one, other] = &plans;
    let region = "arn:aws:ec2:eu-central-1:111122223333";
    let holding = |plan: &FiledPlan, targets: &[String]| Claim { targets: targets.to_vec(), ..claim(plan, &[]) };
    let everything = [format!("{region}:*")];
    store.claim(holding(all, &everything), intent(all)).await.unwrap();
    // A resource of the service, in another case, and the service itself.
    for targets in [arns(one), vec![arns(one).concat().to_uppercase()], everything.to_vec()] {
        match refused(&store, holding(one, &targets), one).await {
            StoreError::TargetBusy { target, plan } => assert_eq!((&target, &plan), (&everything[0], &all.content.id)),
            error => panic!("{targets:?}: {error}"),
        }
    }
    // Another region's and another service's are free.
    let elsewhere = ["arn:aws:ec2:eu-west-1:111122223333:instance/i-1", "arn:aws:rds:eu-central-1:111122223333:db:x"];
    store.claim(holding(one, &elsewhere.map(str::to_owned)), intent(one)).await.unwrap();
    // And the other way round: everything can't be had while one of it is held.
    store.settle(&all.content.id, PlanState::Applied, outcome(all, ResultWord::Applied)).await.unwrap();
    let west = ["arn:aws:ec2:eu-west-1:111122223333:*".to_owned()];
    assert!(matches!(refused(&store, holding(other, &west), other).await, StoreError::TargetBusy { .. }));
    store.claim(holding(other, &everything), intent(other)).await.unwrap();
}
