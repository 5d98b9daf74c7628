//! Outcomes that reach the record late.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::audit::settle::{Pauses, settle_with};
use crate::plan::filed::PlanState;
use crate::ports::StoreError;
use crate::store::Options;

const HASTY: Pauses =
    Pauses { first: &[Duration::from_millis(5), Duration::from_millis(5)], then: Duration::from_millis(20) };

async fn claimed(place: &Place) -> (Arc<dyn Store>, FiledPlan) {
    let options = Options { busy_timeout: Duration::from_millis(10) };
    let store = SqliteStore::open_with(&place.path(), options).await.unwrap();
    let plan = file(&store, &["i-1"]).await;
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    (Arc::new(store), plan)
}

async fn state(store: &Arc<dyn Store>, plan: &FiledPlan) -> PlanState {
    store.plan(&plan.content.id, after(60)).await.unwrap().unwrap().state
}

async fn until_it_is(state_then: PlanState, store: &Arc<dyn Store>, plan: &FiledPlan) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while state(store, plan).await != state_then {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap();
}

#[tokio::test]
async fn an_outcome_is_recorded_when_the_store_answers_again() {
    let place = Place::new();
    let (store, plan) = claimed(&place).await;
    let mut other = place.raw().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let ended = outcome(&plan, ResultWord::Applied);
    let late = settle_with(HASTY, &store, &plan.content.id, PlanState::Applied, ended).await;
    assert!(matches!(late, Err(StoreError::Failed(_))), "{late:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(state(&store, &plan).await, PlanState::Applying);

    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    until_it_is(PlanState::Applied, &store, &plan).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let records = store.records(1, 100).await.unwrap();
    assert_eq!(records.iter().filter(|record| record.event.contains("\"outcome\"")).count(), 1);
}

#[tokio::test]
async fn what_was_settled_otherwise_meanwhile_stays() {
    let place = Place::new();
    let (store, plan) = claimed(&place).await;
    let mut other = place.raw().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let ended = outcome(&plan, ResultWord::Applied);
    settle_with(HASTY, &store, &plan.content.id, PlanState::Applied, ended).await.unwrap_err();
    sqlx::raw_sql("UPDATE plans SET state = 'failed'; COMMIT").execute(&mut other).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(state(&store, &plan).await, PlanState::Failed);
    let records = store.records(1, 100).await.unwrap();
    assert!(records.iter().all(|record| !record.event.contains("\"outcome\"")));
}
