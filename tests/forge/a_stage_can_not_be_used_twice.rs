//! A stage is consumed by the next: an approved plan arms one call, an armed call is sent once.

use std::sync::Arc;

use countersign::approval::redeem::ApprovedPlan;
use countersign::aws::models::Models;
use countersign::config::BudgetsConfig;
use countersign::execute::arm::{ArmedCall, arm};
use countersign::execute::run::run;
use countersign::ports::{Clock, Cloud, Store};

async fn two_calls_for_one(approved: ApprovedPlan, cloud: &dyn Cloud, store: &Arc<dyn Store>, clock: &dyn Clock) {
    let _first = arm(approved, cloud, store, clock, &BudgetsConfig::default()).await;
    let _second = arm(approved, cloud, store, clock, &BudgetsConfig::default()).await;
}

async fn sent_twice(armed: ArmedCall, models: &Models) {
    let _first = run(armed, models, 1024).await;
    let _second = run(armed, models, 1024).await;
}

fn main() {}
