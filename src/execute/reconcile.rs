//! A call was sent, and nobody knows whether AWS acted: read the targets, and say what can be said.
//!
//! Nothing is ever sent again. Targets that are gone, changed, or there where the call makes them mean that AWS acted; targets that are all as before
//! mean that it did not, once the plan's own time is over; everything else stays unknown, and visible.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use super::points::remaining;
use super::wait::Waiting;
use crate::audit::event::{Event, ResultWord, What};
use crate::aws::models::Models;
use crate::call::refused::Code;
use crate::call::scope::Scoping;
use crate::call::target::Scene;
use crate::config::{Account, TagRule};
use crate::manifest::catalog::{Catalog, Entry};
use crate::manifest::spec::{Targets, ToolSpec};
use crate::names::CallId;
use crate::plan::compare::{Difference, differences};
use crate::plan::filed::{FiledPlan, PlanState};
use crate::ports::{Clock, Cloud, CloudSession, PlanFilter, Purpose, SessionRequest, Store, StoreError};
use crate::text::escape::quoted;

/// What a plan began is looked at for so long after it was made.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub struct Witness<'a> {
    /// AWS.
    pub cloud: &'a dyn Cloud,
    /// The store.
    pub store: &'a dyn Store,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The manifests.
    pub catalog: &'a Catalog,
    /// The service models.
    pub models: &'a Models,
    /// The configured accounts.
    pub accounts: &'a [Account],
    /// What tags say of a target.
    pub tag_rules: &'a [TagRule],
}

/// What reading the targets showed.
struct Finding {
    result: ResultWord,
    detail: String,
}

/// Tries to settle one plan in state `unknown`; returns its state afterwards.
pub async fn reconcile(filed: &FiledPlan, with: &Witness<'_>) -> Result<PlanState, StoreError> {
    if filed.state != PlanState::Unknown {
        return Ok(filed.state);
    }
    let finding = look(filed, with).await;
    let state = match finding.result {
        ResultWord::Applied => PlanState::Applied,
        ResultWord::Failed => PlanState::Failed,
        ResultWord::Unknown => return Ok(PlanState::Unknown),
    };
    let what = What::Reconciled { plan: filed.content.id.clone(), result: finding.result, detail: finding.detail };
    with.store.settle(&filed.content.id, state, event(with.clock, what)).await?;
    Ok(state)
}

async fn look(filed: &FiledPlan, with: &Witness<'_>) -> Finding {
    let unknown = |detail: &str| Finding { result: ResultWord::Unknown, detail: detail.to_owned() };
    let begun = filed.kept.as_deref().map(|kept| kept.points.as_slice()).unwrap_or_default();
    if !filed.content.recovery_points.is_empty() {
        // The call comes only after the last of them.
        let all = begun.len() == filed.content.recovery_points.len() && begun.iter().all(|point| point.usable);
        if !all {
            let detail =
                format!("nothing was sent: it broke off before its recovery points were usable{}", remaining(begun));
            return Finding { result: ResultWord::Failed, detail };
        }
    }
    let Sight { spec, scene, reader } = match Sight::of(filed, with).await {
        Ok(sight) => sight,
        Err(why) => return unknown(why),
    };
    let Some(targets) = &spec.targets else {
        return unknown("it has no targets that could be read");
    };
    judge(filed, targets, &scene, &*reader, with.clock).await
}

/// What reads the targets of a plan that was carried out.
struct Sight<'a> {
    spec: &'a ToolSpec,
    scene: Scene<'a>,
    reader: Arc<dyn CloudSession>,
}

impl<'a> Sight<'a> {
    async fn of(filed: &'a FiledPlan, with: &Witness<'a>) -> Result<Self, &'static str> {
        let content = &filed.content;
        let account = with.accounts.iter().find(|account| account.id == content.account.id);
        let account = account.ok_or("its account is not configured any more")?;
        let spec = match with.catalog.entry(&content.tool) {
            Some(Entry::Tool(spec)) if spec.digest == content.manifest => spec,
            _ => return Err("its tool's manifest is not the one it was made with"),
        };
        let (region, arguments) = (&content.region, &content.arguments);
        let scene =
            Scene { tool: &content.tool, account, region, arguments, models: with.models, tag_rules: with.tag_rules };
        let scoping = Scoping { account, region, arguments, cloud: with.cloud, iam: with.catalog.iam() };
        let contexts: Vec<Value> = content.targets.iter().map(|target| scene.context_of(target)).collect();
        let policy = scoping.reading(spec, &contexts).map_err(|_| "its targets can't be scoped")?;
        let request = SessionRequest {
            account: account.clone(),
            region: content.region.clone(),
            purpose: Purpose::Read,
            policy,
            call: CallId::fresh(),
            human: content.human.clone(),
            agent: content.agent.clone(),
            plan: None,
            ticket: None,
        };
        let reader = with.cloud.open(request).await.map_err(|_| "its account can't be read")?;
        Ok(Self { spec, scene, reader })
    }
}

/// What the targets of a plan are now: their fingerprints, null for one that is gone.
///
/// # Errors
/// Why they can't be told.
pub async fn present(filed: &FiledPlan, with: &Witness<'_>) -> Result<Vec<Value>, String> {
    let Sight { spec, scene, reader } = Sight::of(filed, with).await?;
    let Some(targets) = &spec.targets else { return Err("it has no targets that could be read".to_owned()) };
    let mut now = Vec::new();
    for before in &filed.content.targets {
        now.push(match scene.read(targets, &*reader, before.id.clone()).await {
            Ok(target) => target.fingerprint,
            Err(gone) if gone.code == Code::TargetNotFound => Value::Null,
            // What the call was to make is there.
            Err(made) if made.code == Code::TargetExists => Value::from("it is there"),
            Err(unreadable) => return Err(format!("{}: {}", quoted(&before.id, 80), unreadable.code.word())),
        });
    }
    Ok(now)
}

impl Witness<'_> {
    /// Later plans for the targets of a plan, of whatever agent, that were carried out or may have been.
    pub(super) async fn later_plans(&self, filed: &FiledPlan) -> Result<Vec<String>, StoreError> {
        let mut told = Vec::new();
        for target in &filed.content.targets {
            let filter = PlanFilter {
                states: vec![PlanState::Applied, PlanState::Applying, PlanState::Unknown],
                text: Some(target.arn.clone()),
                limit: MOST_LATER,
                ..PlanFilter::default()
            };
            for plan in self.store.plans(filter, self.clock.now()).await? {
                let later = plan.content.id.as_str() > filed.content.id.as_str();
                let own = plan.content.targets.iter().any(|other| other.arn == target.arn);
                if later && own {
                    let (tool, id) = (&plan.content.tool, quoted(&target.id, 80));
                    told.push(format!("{id}: plan {} with {tool} is {}", plan.content.id, plan.state));
                }
            }
        }
        told.sort();
        told.dedup();
        Ok(told)
    }
}

/// Later plans that are looked at for each target.
const MOST_LATER: u32 = 10;

/// What an applied plan began, to be looked at again. `None` where it began nothing that could be waited for, or too long
/// ago: its targets may be other things by now.
pub async fn waiting(filed: &FiledPlan, with: &Witness<'_>) -> Option<Waiting> {
    let age = with.clock.now().duration_since(filed.content.created_at);
    if filed.state != PlanState::Applied || age > OLDEST {
        return None;
    }
    match with.catalog.entry(&filed.content.tool) {
        Some(Entry::Tool(spec)) if spec.wait.is_some() => {}
        _ => return None,
    }
    let Sight { spec, scene, reader } = Sight::of(filed, with).await.ok()?;
    let contexts: Vec<Value> = filed.content.targets.iter().map(|target| scene.context_of(target)).collect();
    Waiting::with(filed.content.id.clone(), spec.wait.as_ref()?, &contexts, reader, with.models)
}

async fn judge(
    filed: &FiledPlan,
    targets: &Targets,
    scene: &Scene<'_>,
    reader: &dyn CloudSession,
    clock: &dyn Clock,
) -> Finding {
    let (mut acted, mut same) = (Vec::new(), 0);
    for before in &filed.content.targets {
        match scene.read(targets, reader, before.id.clone()).await {
            Err(gone) if gone.code == Code::TargetNotFound => acted.push(format!("{} is gone", before.arn)),
            // The call would have made it.
            Err(there) if there.code == Code::TargetExists => acted.push(format!("{} is there now", before.arn)),
            Err(unreadable) => {
                return Finding { result: ResultWord::Unknown, detail: format!("{}: {unreadable}", before.arn) };
            }
            Ok(now) => match first_change(&before.fingerprint, &now.fingerprint) {
                Some(change) => acted.push(format!("{}: {change}", before.arn)),
                None => same += 1,
            },
        }
    }
    match (acted.is_empty(), same) {
        (false, 0) => Finding { result: ResultWord::Applied, detail: acted.join("; ") },
        (true, _) if clock.now() >= filed.content.expires_at => Finding {
            result: ResultWord::Failed,
            detail: "all targets are as they were before the call, and the plan's time is over".to_owned(),
        },
        _ => Finding { result: ResultWord::Unknown, detail: "the targets don't tell yet".to_owned() },
    }
}

fn first_change(before: &Value, now: &Value) -> Option<String> {
    // Anybody may tag a thing at any time: that tells nothing of this call.
    let found = differences(before, now);
    found.iter().find(|d| !d.path.starts_with("tags")).map(Difference::words)
}

fn event(clock: &dyn Clock, what: What) -> Event {
    Event { at: clock.now(), call: None, caller: None, what }
}
