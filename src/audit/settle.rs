//! How a call ended gets on record, however long the store fails.

use std::sync::Arc;
use std::time::Duration;

use super::event::Event;
use crate::names::PlanId;
use crate::plan::filed::PlanState;
use crate::ports::{Store, StoreError};

/// Pauses between attempts while the caller waits, and after that for as long as the process lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    /// While the caller waits.
    pub(crate) first: &'static [Duration],
    /// Afterwards.
    pub(crate) then: Duration,
}

const PAUSES: Pauses = Pauses {
    first: &[
        Duration::from_millis(100),
        Duration::from_millis(500),
        Duration::from_secs(2),
        Duration::from_secs(5),
        Duration::from_secs(15),
    ],
    then: Duration::from_secs(60),
};

/// Settles a plan that this process has claimed. AWS's answer exists only here until it is on record, so a store that is
/// busy or full is tried again for a while. Where it still fails the caller is told, and it is tried on behind its back:
/// otherwise the plan would stay `applying`, with its targets held, as long as this process lives.
pub(crate) async fn settle_surely(
    store: &Arc<dyn Store>,
    plan: &PlanId,
    state: PlanState,
    outcome: Event,
) -> Result<(), StoreError> {
    settle_with(PAUSES, store, plan, state, outcome).await
}

/// The same with other pauses.
pub(crate) async fn settle_with(
    pauses: Pauses,
    store: &Arc<dyn Store>,
    plan: &PlanId,
    state: PlanState,
    outcome: Event,
) -> Result<(), StoreError> {
    for wait in pauses.first {
        match store.settle(plan, state, outcome.clone()).await {
            Err(StoreError::Failed(reason)) => {
                tracing::error!(%plan, reason, "an outcome could not be recorded; it is tried again");
                tokio::time::sleep(*wait).await;
            }
            done => return done,
        }
    }
    let last = store.settle(plan, state, outcome.clone()).await;
    if let Err(StoreError::Failed(reason)) = &last {
        tracing::error!(%plan, reason, "an outcome could not be recorded; it is tried as long as the server runs");
        tokio::spawn(keep_settling(pauses.then, Arc::clone(store), plan.clone(), state, outcome));
    }
    last
}

async fn keep_settling(pause: Duration, store: Arc<dyn Store>, plan: PlanId, state: PlanState, outcome: Event) {
    loop {
        tokio::time::sleep(pause).await;
        match store.settle(&plan, state, outcome.clone()).await {
            Ok(()) => return tracing::warn!(%plan, %state, "an outcome was recorded late"),
            Err(StoreError::Failed(reason)) => {
                tracing::error!(%plan, reason, "an outcome still can't be recorded");
            }
            Err(settled) => return tracing::warn!(%plan, %settled, "an outcome was settled otherwise meanwhile"),
        }
    }
}
