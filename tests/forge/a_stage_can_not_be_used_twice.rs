//! A stage is consumed by the next: an approved plan arms one call, an armed call is sent once.

use std::sync::Arc;

use countersign::approval::redeem::ApprovedPlan;
use countersign::aws::models::Models;
use countersign::execute::arm::{ArmedCall, arm};
use countersign::execute::run::run;
use countersign::policy::circumstances::Surroundings;
use countersign::ports::{Cloud, Store};
use tokio_util::sync::CancellationToken;

async fn two_calls_for_one(
    approved: ApprovedPlan,
    cloud: &dyn Cloud,
    store: &Arc<dyn Store>,
    surroundings: &Surroundings<'_>,
) {
    let _first = arm(approved, cloud, store, surroundings, &CancellationToken::new()).await;
    let _second = arm(approved, cloud, store, surroundings, &CancellationToken::new()).await;
}

async fn sent_twice(armed: ArmedCall, models: &Models) {
    let _first = run(armed, models, 1024).await;
    let _second = run(armed, models, 1024).await;
}

fn main() {}
