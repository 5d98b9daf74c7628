//! `PermittedCall` to [`Plan`]: the preview, and the digest over all of it. Nothing is changed by building one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;

use super::canary::Canary;
use super::chain::{Chain, EarlierStep, PlannedStep};
use super::filed::{DryRun, Obligation, PlanContent, PlannedAccount, PlannedPoint, Raised, Undoes};
use super::identity::Identity;
use super::{blast, chain, change_set, changes, dry_run, effects, points, undo};
use crate::approval::ask::Asker;
use crate::aws::models::Models;
use crate::aws::redact::{Direction, redact};
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::call::validate::{Intention, ValidatedCall};
use crate::digest::Digest;
use crate::names::{Effect, OperationId, PlanId};
use crate::policy::decide::PermittedCall;
use crate::ports::{Clock, Cloud, CredentialsNote, StepsAsked, Store};
use crate::text::escape::shows_as_itself;

/// The longest text a person is asked to type, in characters.
const LONGEST_TYPED: usize = 100;

/// A call with everything a person must know to judge it. For reads there is nothing to judge.
#[derive(Debug)]
pub struct Plan {
    call: PermittedCall,
    arguments: Value,
    sheet: Option<Sheet>,
}

/// What is shown of a plan, and the digest over it.
#[derive(Debug)]
pub struct Sheet {
    /// Everything the digest covers.
    pub content: PlanContent,
    /// The digest.
    pub digest: Digest,
    /// The filed plan this must come out equal to, where the call names one.
    pub identity: Identity,
}

/// What a plan is built with.
#[derive(Clone, Copy)]
pub struct Workbench<'a> {
    /// AWS.
    pub cloud: &'a dyn Cloud,
    /// The service models.
    pub models: &'a Models,
    /// Which endpoints can be trusted with a dry run.
    pub canary: &'a Canary,
    /// The record, for what a preview has AWS make.
    pub store: &'a Arc<dyn Store>,
    /// The time.
    pub clock: &'a Arc<dyn Clock>,
    /// Who is told that a preview takes its time.
    pub asker: &'a dyn Asker,
    /// How long steps of chains are remembered.
    pub chain: Duration,
    /// Held by what goes on although its call may be given up, until it has cleaned up.
    pub held: &'a Sender<()>,
}

impl fmt::Debug for Workbench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workbench").field("cloud", &self.cloud).finish_non_exhaustive()
    }
}

/// Makes the plan.
///
/// `undoes`: the plan that it undoes, if that is what it is for.
pub async fn build(
    call: PermittedCall,
    identity: Identity,
    undoes: Option<Undoes>,
    with: &Workbench<'_>,
) -> Result<Plan, Refused> {
    if *call.call().call().intention() == Intention::Read {
        let arguments = call.call().call().arguments().clone();
        return Ok(Plan { call, arguments, sheet: None });
    }
    let arguments = with_idempotency_token(call.call().call(), identity.id(), with.models);
    let (dependents, mut steps) = blast::count(call.call(), with.cloud).await?;
    effects::refuse(call.call(), &dependents)?;
    let mut raised = effects::raise(call.call(), &dependents);
    let warnings = effects::warnings(call.call(), &dependents);
    let known = match call.call().targets() {
        // What a call without targets acts on isn't known, and so neither what depends on it.
        [] => None,
        _ => dependents.iter().map(|found| found.count).sum::<Option<u64>>(),
    };
    // Nothing is made at AWS, not even a change set, for what policy forbids.
    let call = call.with_preview(worst(&raised), known)?;
    let undo = undo::recipe(call.call(), &dependents)?;
    let points = points::planned(call.call(), &dependents, identity.id(), with.cloud)?;
    let change_set = change_set::run(call.call(), identity.id(), with).await?;
    if let Some(set) = &change_set {
        raised.extend(change_set::raised(set, call.call().call().spec().effect));
        steps.extend(change_set::steps(set));
    }
    let shown = shown(call.call(), &arguments, with)?;
    let chained = Chained::look(call.call(), &dependents, steps, &shown, identity.id(), undoes.as_ref(), with).await?;
    raised.extend(chain::raised(&chained.chains, worst(&raised).max(call.effect())));
    let call = call.with_preview(worst(&raised), known)?;
    let tried = dry_run::run(call.call(), identity.id(), &arguments, with.cloud, with.canary).await?;
    let found =
        Found { shown, chained, dependents, raised, warnings, points, undo, undoes, dry_run: tried, change_set };
    let sheet = Sheet::new(&call, &arguments, identity, with, found).await?;
    Ok(Plan { call, arguments, sheet: Some(sheet) })
}

fn worst(raised: &[Raised]) -> Effect {
    raised.iter().map(|raise| raise.to).max().unwrap_or(Effect::Read)
}

impl Plan {
    /// The permitted call.
    pub fn call(&self) -> &PermittedCall {
        &self.call
    }

    /// The arguments as they will be sent. May hold sensitive values.
    pub fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// What a person must know; `None` for reads.
    pub fn sheet(&self) -> Option<&Sheet> {
        self.sheet.as_ref()
    }
}

/// What a call is in chains of steps.
struct Chained {
    steps: Vec<PlannedStep>,
    chains: Vec<Chain>,
    besides: Vec<EarlierStep>,
}

impl Chained {
    /// Looks into what was done before; where that can't be read there is no plan. `shown_steps`: what the preview has
    /// shown of things that the call doesn't name. `arguments`: without what is sensitive.
    async fn look(
        call: &ResolvedCall,
        dependents: &[super::filed::Dependents],
        shown_steps: Vec<PlannedStep>,
        arguments: &Value,
        plan: &PlanId,
        undoes: Option<&Undoes>,
        with: &Workbench<'_>,
    ) -> Result<Self, Refused> {
        let mut steps = chain::of_call(call, dependents, arguments)?;
        steps.extend(shown_steps);
        steps.sort();
        steps.dedup();
        if steps.is_empty() {
            return Ok(Self { steps, chains: Vec::new(), besides: Vec::new() });
        }
        let (caller, now) = (call.call().caller(), with.clock.now());
        let asked = StepsAsked {
            agent: caller.agent.clone(),
            human: caller.human.clone(),
            account: call.call().account().id.clone(),
            since: since(now, with.chain),
            own: plan.clone(),
            undone: undoes.map(|undoes| undoes.plan.clone()),
        };
        let found = with.store.steps(&asked, now).await.map_err(|error| {
            let message = "what was done before to the same things can't be read from the store";
            Refused::new(Code::Internal, message, "tell an operator; then try again")
                .with_operator_detail(error.to_string())
        })?;
        let chains = chain::recognise(&steps, &found.taken);
        let besides = chain::besides(&steps, found.open);
        Ok(Self { steps, chains, besides })
    }
}

/// From when on steps are part of chains.
pub fn since(now: Timestamp, chain: Duration) -> Timestamp {
    SignedDuration::try_from(chain).ok().and_then(|chain| now.checked_sub(chain).ok()).unwrap_or(Timestamp::MIN)
}

/// The arguments as they can be shown.
fn shown(call: &ResolvedCall, arguments: &Value, with: &Workbench<'_>) -> Result<Value, Refused> {
    redact(with.models, &call.call().spec().operation, Direction::Input, arguments).map_err(|error| {
        Refused::new(Code::PreviewFailed, "the arguments can't be shown", "tell an operator")
            .with_operator_detail(error.to_string())
    })
}

/// What the preview found out.
struct Found {
    /// The arguments without what is sensitive.
    shown: Value,
    chained: Chained,
    dependents: Vec<super::filed::Dependents>,
    raised: Vec<Raised>,
    warnings: Vec<String>,
    points: Vec<PlannedPoint>,
    undo: super::filed::Undo,
    undoes: Option<Undoes>,
    dry_run: DryRun,
    change_set: Option<change_set::ChangeSet>,
}

impl Sheet {
    async fn new(
        call: &PermittedCall,
        arguments: &Value,
        identity: Identity,
        with: &Workbench<'_>,
        found: Found,
    ) -> Result<Self, Refused> {
        let resolved = call.call();
        let validated = resolved.call();
        let spec = validated.spec();
        let reader = resolved.reader(with.cloud).await?;
        let request = reader.sign(&spec.operation, &found.shown).await.map_err(|error| {
            Refused::new(Code::PreviewFailed, format!("the request can't be built: {error}"), "correct the arguments")
        })?;
        let needs = call.needs();
        let (created_at, expires_at) = identity.times(needs.approvals > 0 || needs.person);
        let account = validated.account();
        let fault = |error: &dyn fmt::Display| {
            Refused::new(Code::Internal, "the plan has no digest", "tell an operator")
                .with_operator_detail(error.to_string())
        };
        let content = PlanContent {
            id: identity.id().clone(),
            tool: spec.name.clone(),
            title: spec.title.clone(),
            manifest: spec.digest,
            policy: call.policy(),
            agent: validated.caller().agent.clone(),
            human: validated.caller().human.clone(),
            reason: validated.reason().to_owned(),
            account: PlannedAccount { id: account.id.clone(), name: account.name.clone(), stage: account.stage },
            region: validated.region().clone(),
            operation: spec.operation.clone(),
            effect: call.effect(),
            raised: found.raised,
            steps: found.chained.steps,
            chains: found.chained.chains,
            besides: found.chained.besides,
            warnings: found.warnings,
            arguments_digest: Digest::of("countersign.arguments.v1", arguments).map_err(|e| fault(&e))?,
            changes: changes::rows(resolved, &found.shown),
            change_set: found.change_set,
            arguments: found.shown,
            targets: resolved.targets().to_vec(),
            request,
            dry_run: found.dry_run,
            dependents: found.dependents,
            recovery_points: found.points,
            undo: found.undo,
            undoes: found.undoes,
            ticket: validated.ticket().map(str::to_owned),
            obligations: obligations(call, identity.id()),
            permitted_by: call.needs().permitted_by.iter().cloned().collect(),
            session_policy: match account.change_role {
                Some(_) => Some(resolved.change_policy(with.cloud)?.text().to_owned()),
                None => None,
            },
            credentials: CredentialsNote { role: account.change_role.clone() },
            created_at,
            expires_at,
        };
        let digest = content.digest().map_err(|e| fault(&e))?;
        Ok(Self { content, digest, identity })
    }
}

fn obligations(call: &PermittedCall, plan: &PlanId) -> Vec<Obligation> {
    let needs = call.needs();
    let mut obligations = Vec::new();
    if needs.preview {
        obligations.push(Obligation::Preview);
    }
    if needs.confirmation {
        obligations.push(Obligation::Confirmation { text: confirmation_text(call.call(), plan) });
    }
    if needs.ticket {
        obligations.push(Obligation::Ticket);
    }
    if needs.window {
        obligations.push(Obligation::Window);
    }
    if needs.approvals > 0 {
        obligations.push(Obligation::Approvals { count: needs.approvals, groups: needs.groups.clone() });
    }
    if needs.person {
        obligations.push(Obligation::Person);
    }
    obligations
}

/// What the person types: the target's name; for several their number and the account.
fn confirmation_text(call: &ResolvedCall, plan: &PlanId) -> String {
    let validated = call.call();
    let account = &validated.account().name;
    let text = match call.targets() {
        [] => format!("{} in {account}", validated.spec().operation),
        [only] => {
            let declared = validated.spec().confirm.as_ref().map(|confirm| confirm.render_text(&call.context(only)));
            match declared {
                Some(Ok(text)) if !text.is_empty() => text,
                _ => only.id.clone(),
            }
        }
        several => format!("{} in {account}", several.len()),
    };
    if typeable(&text) { text } else { format!("confirm {}", plan.as_str().chars().rev().take(6).collect::<String>()) }
}

/// A text that a person can read off and type without doubt; a name that isn't is stood in for by part of the plan's id.
fn typeable(text: &str) -> bool {
    text.len() <= LONGEST_TYPED && text.trim() == text && text.is_ascii() && shows_as_itself(text)
}

/// Fills the operation's idempotency token from the plan's id, so that a plan can't be carried out twice at AWS either.
fn with_idempotency_token(call: &ValidatedCall, plan: &PlanId, models: &Models) -> Value {
    idempotent(&call.spec().operation, call.arguments().clone(), plan.as_str(), models)
}

/// Fills an operation's idempotency token, where it has one, from what names the call.
pub(crate) fn idempotent(operation: &OperationId, mut arguments: Value, name: &str, models: &Models) -> Value {
    let token = models.operation(operation).ok().and_then(|(_, op)| op.idempotency_token.clone());
    if let (Some(member), Value::Object(members)) = (token, &mut arguments) {
        let hex = Digest::of_bytes("countersign.idempotency.v1", name.as_bytes()).to_string();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        let uuid = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
        members.entry(member).or_insert(json!(uuid));
    }
    arguments
}
