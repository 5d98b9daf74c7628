//! Each stage is made by consuming the one before: none can be left out.

use std::sync::Arc;

use countersign::approval::redeem::ApprovedPlan;
use countersign::aws::models::Models;
use countersign::call::resolve::ResolvedCall;
use countersign::call::validate::ValidatedCall;
use countersign::execute::arm::arm;
use countersign::execute::run::run;
use countersign::plan::build::Plan;
use countersign::policy::circumstances::Surroundings;
use countersign::policy::decide::decide;
use countersign::policy::question::Circumstances;
use countersign::policy::set::Policies;
use countersign::ports::{Cloud, Store};
use tokio_util::sync::CancellationToken;

fn undecided(call: ValidatedCall, policies: &Arc<Policies>, circumstances: Circumstances) {
    let _permitted = decide(call, policies, circumstances);
}

async fn unapproved(plan: Plan, cloud: &dyn Cloud, store: &Arc<dyn Store>, surroundings: &Surroundings<'_>) {
    let _armed = arm(plan, cloud, store, surroundings, &CancellationToken::new()).await;
}

async fn unarmed(approved: ApprovedPlan, models: &Models) {
    let _outcome = run(approved, models, 1024).await;
}

fn unresolved(call: ValidatedCall) -> ResolvedCall {
    call.into()
}

fn main() {}
