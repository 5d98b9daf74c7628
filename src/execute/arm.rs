//! [`ApprovedPlan`] to [`ArmedCall`]: the plan claimed, the intent on record, the fingerprints read again.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::points::{Secured, Still, leaving, secure};
use crate::approval::redeem::ApprovedPlan;
use crate::audit::event::{Event, ResultWord, What};
use crate::audit::settle::settle_surely;
use crate::aws::iam::IamFacts;
use crate::call::refused::{Code, Refused};
use crate::call::resolve::Seen;
use crate::call::target::Target;
use crate::credentials::session_policy::SessionPolicy;
use crate::names::PlanId;
use crate::plan::build::{Sheet, since};
use crate::plan::compare::differences;
use crate::plan::filed::{PlanContent, PlanState};
use crate::plan::identity::Identity;
use crate::policy::circumstances::Surroundings;
use crate::policy::question::everything;
use crate::ports::{
    BreakerScope, BudgetSpan, Claim, Clock, Cloud, CloudSession, Counted, HourlyBudget, Store, StoreError,
};
use crate::text::escape::quoted;

/// A call that only has to be sent. Its intent is on record and its plan can't be claimed again.
#[derive(Debug)]
pub struct ArmedCall {
    approved: ApprovedPlan,
    session: Arc<dyn CloudSession>,
    secured: Secured,
}

/// Arms a call. A read's intent is its request's own record; a change claims its plan first, then takes its recovery points,
/// sees that they are usable, and that the policies permit the call still. What was cancelled until then is not sent.
pub async fn arm(
    approved: ApprovedPlan,
    cloud: &dyn Cloud,
    store: &Arc<dyn Store>,
    surroundings: &Surroundings<'_>,
    cancel: &CancellationToken,
) -> Result<ArmedCall, Refused> {
    let clock = surroundings.clock;
    let Some(sheet) = approved.plan().sheet() else {
        let session = approved.plan().call().call().reader(cloud).await?;
        let fault = || Refused::new(Code::Internal, "the call lacks its recovery points", "tell an operator");
        let secured = Secured::read(approved.plan()).ok_or_else(fault)?;
        return Ok(ArmedCall { approved, session, secured });
    };
    let mut session = approved.plan().call().call().changer(cloud, &sheet.content.id).await?;
    let still = Still { surroundings, cancel, claimed: clock.now() };
    claim(&approved, sheet, &*session, &**store, &still).await?;
    // Only now, with the targets held: no other plan can come in between.
    let ready = async {
        let secured = secure(&approved, sheet, cloud, store, &still).await?;
        if !secured.points().is_empty() {
            // That may have taken longer than credentials are good for.
            session = approved.plan().call().call().changer(cloud, &sheet.content.id).await?;
        }
        let left_behind = |refused: Refused| leaving(refused, secured.points());
        unchanged(&approved, sheet, &secured, cloud).await.map_err(left_behind)?;
        still.wanted().map_err(left_behind)?;
        Ok(secured)
    };
    match ready.await {
        Ok(secured) => Ok(ArmedCall { approved, session, secured }),
        Err(why) => {
            give_up(&approved, sheet, &why, store, clock).await?;
            Err(why)
        }
    }
}

impl ArmedCall {
    /// The approved plan.
    pub fn approved(&self) -> &ApprovedPlan {
        &self.approved
    }

    /// The approved plan, when the call has been sent.
    pub(super) fn into_approved(self) -> ApprovedPlan {
        self.approved
    }

    /// The recovery points that were taken and seen to be usable.
    pub fn secured(&self) -> &Secured {
        &self.secured
    }

    /// The session with this call's credentials.
    pub fn session(&self) -> &dyn CloudSession {
        &*self.session
    }
}

async fn claim(
    approved: &ApprovedPlan,
    sheet: &Sheet,
    session: &dyn CloudSession,
    store: &dyn Store,
    still: &Still<'_>,
) -> Result<(), Refused> {
    let Still { surroundings: Surroundings { clock, config, iam, .. }, claimed: now, .. } = *still;
    let content = &sheet.content;
    let digest = match &sheet.identity {
        Identity::Filed(filed) => filed.digest,
        Identity::Fresh { .. } => sheet.digest,
    };
    let targets: Vec<String> = content.targets.iter().map(|target| target.arn.clone()).collect();
    let call = approved.plan().call().call().call();
    let resources = u32::try_from(approved.plan().call().call().size()).unwrap_or(u32::MAX);
    let per_hour = call.spec().limits.per_hour.map(|most| HourlyBudget {
        tool: content.tool.clone(),
        agent: content.agent.clone(),
        most,
        asks: resources,
    });
    let intent = event(
        approved,
        *clock,
        What::Intent {
            plan: content.id.clone(),
            digest,
            operation: content.operation.clone(),
            targets: targets.clone(),
            role: session.credentials().role,
            session_policy: content.session_policy.as_deref().map(SessionPolicy::digest_of),
        },
    );
    let claim = Claim {
        plan: content.id.clone(),
        digest,
        grants: approved.grants().to_vec(),
        targets: held(targets, content, iam),
        now,
        per_hour,
        who: Counted {
            agent: content.agent.clone(),
            session: call.caller().session.clone(),
            account: content.account.id.clone(),
        },
        resources,
        budgets: config.budgets.clone(),
        steps_since: since(now, config.limits.chain),
    };
    store.claim(claim, intent).await.map_err(|error| claim_refused(error, &content.id))
}

/// What nothing else may change meanwhile: the targets; for a call that names none everything of its service there. ARNs
/// name a service as IAM does, which is not always AWS's model's name of it (`elbv2`).
fn held(targets: Vec<String>, content: &PlanContent, iam: &IamFacts) -> Vec<String> {
    if !targets.is_empty() {
        return targets;
    }
    let PlanContent { account, region, operation, .. } = content;
    let own = [operation.service().to_owned()];
    let services: BTreeSet<&String> = iam.prefixes_of(operation.service()).iter().chain(&own).collect();
    services.into_iter().map(|service| everything(&account.id, region, service)).collect()
}

fn claim_refused(error: StoreError, plan: &PlanId) -> Refused {
    let message = error.to_string();
    match error {
        StoreError::NotOpen { .. } => {
            Refused::new(Code::PlanNotUsable, message, "a plan is good for one call; make a new preview")
        }
        StoreError::NotGranted(_) => Refused::new(Code::PlanNotUsable, message, "make a new preview"),
        StoreError::TargetBusy { .. } => Refused::new(
            Code::TargetBusy,
            message,
            "wait until `plan_status` of that plan is final, then preview again",
        ),
        StoreError::OverBudget { .. } | StoreError::OverChanges { span: BudgetSpan::Hour, .. } => {
            Refused::new(Code::OverLimit, message, "nothing was changed; wait, or ask an operator")
        }
        StoreError::OverChanges { span: BudgetSpan::Session, .. } => Refused::new(
            Code::OverLimit,
            message,
            "nothing was changed; stop here and report what was done: a person starts another session if it is to go on",
        ),
        StoreError::BreakerOpen(breaker) => Refused::new(Code::Forbidden, message, closing(&breaker.scope)),
        StoreError::Failed(detail) => Refused::new(
            Code::Internal,
            format!("the intent of plan `{plan}` can't be recorded, so nothing was sent"),
            "tell an operator; then try again",
        )
        .with_operator_detail(detail),
    }
}

fn closing(scope: &BreakerScope) -> String {
    let which = match scope {
        BreakerScope::Agent(agent) => format!("agent {}", quoted(agent.as_str(), 64)),
        BreakerScope::Account(id) => format!("account {}", quoted(id, 64)),
    };
    format!(
        "nothing was changed, and trying again won't help: a person looks at what went wrong, then closes the breaker of \
         {which} with `countersign breaker close`; reads go on"
    )
}

async fn unchanged(
    approved: &ApprovedPlan,
    sheet: &Sheet,
    secured: &Secured,
    cloud: &dyn Cloud,
) -> Result<(), Refused> {
    let resolved = approved.plan().call().call();
    let now = match secured.points() {
        [] => resolved.read_again().await?,
        _ => resolved.read_anew(cloud).await?,
    };
    for (target, now) in resolved.targets().iter().zip(now) {
        let found = match &now {
            Seen::Gone => vec!["it is gone".to_owned()],
            Seen::Appeared => vec!["it is there now".to_owned()],
            Seen::Read(now) => differences(&judged(target), &judged(now)).into_iter().map(|d| d.words()).collect(),
        };
        if !found.is_empty() {
            return Err(Refused::new(
                Code::Drift,
                format!(
                    "plan `{}`: {} changed just before the call: {}",
                    sheet.content.id,
                    quoted(&target.id, 80),
                    found.join("; ")
                ),
                "nothing was sent; make a new preview, and let the person judge it",
            ));
        }
    }
    Ok(())
}

/// What a target was judged by: its fingerprint, and what policies are told of it.
fn judged(target: &Target) -> Value {
    let Target { fingerprint, stage, protected, owner, tags, not_known, .. } = target;
    json!({
        "fingerprint": fingerprint, "stage": stage, "protected": protected, "owner": owner, "tags": tags,
        "not_known": not_known,
    })
}

async fn give_up(
    approved: &ApprovedPlan,
    sheet: &Sheet,
    why: &Refused,
    store: &Arc<dyn Store>,
    clock: &dyn Clock,
) -> Result<(), Refused> {
    let outcome = event(
        approved,
        clock,
        What::Outcome {
            plan: sheet.content.id.clone(),
            result: ResultWord::Failed,
            request_id: None,
            detail: Some(format!("nothing was sent: {why}")),
        },
    );
    settle_surely(store, &sheet.content.id, PlanState::Failed, outcome).await.map_err(|error| {
        Refused::new(Code::Internal, format!("{why}; and that can't be recorded"), "nothing was sent; tell an operator")
            .with_operator_detail(error.to_string())
    })
}

/// An event of this call.
pub(crate) fn event(approved: &ApprovedPlan, clock: &dyn Clock, what: What) -> Event {
    let call = approved.plan().call().call().call();
    Event { at: clock.now(), call: Some(call.call().clone()), caller: Some(call.caller().clone()), what }
}

/// The arguments that will be sent.
pub(crate) fn arguments(approved: &ApprovedPlan) -> &Value {
    approved.plan().arguments()
}
