//! [`Plan`] to [`ApprovedPlan`]: every obligation met, each consent bound to the plan's digest.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::ask::{Answer, Asker, Opened, Page, Prompt};
use super::signatures::{Missing, Signatures};
use super::{prompt, waiting};
use crate::audit::event::{Event, What};
use crate::call::refused::{Code, Refused};
use crate::config::HttpConfig;
use crate::digest::NotCanonical;
use crate::names::{GrantId, Human};
use crate::plan::build::{Plan, Sheet};
use crate::plan::compare;
use crate::plan::filed::{FiledPlan, Obligation, PlanContent, PlanState};
use crate::plan::identity::Identity;
use crate::policy::circumstances::Surroundings;
use crate::policy::question::{Circumstances, Confirmation, Evidence};
use crate::policy::windows::WindowState;
use crate::ports::{Clock, GrantKind, GrantRecord, Store, StoreError};

/// What to do where other people can't be asked.
const NO_CONSOLE: &str = "this server has no approvals console, and nobody can give that consent through the agent's own \
                          client: an operator adds `[http]` to the configuration";

/// Most bytes of a plan's arguments that are kept for a person who carries it out.
const MOST_KEPT: usize = 256 << 10;

/// A plan whose obligations are met. The grants are not used up yet; arming does that.
#[derive(Debug)]
pub struct ApprovedPlan {
    plan: Plan,
    grants: Vec<GrantId>,
    evidence: Evidence,
}

/// How redeeming ends, where it isn't a refusal.
#[derive(Debug)]
pub enum Redemption {
    /// Everything is there.
    Approved(Box<ApprovedPlan>),
    /// The person is being asked through the answer to this call.
    Suspended(Suspension),
    /// It waits for people.
    Waiting(Box<Waiting>),
}

/// What the person is asked through the answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// To type a confirmation.
    Form(Prompt),
    /// To open a page.
    Page(Page),
}

/// A plan that was put before people.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The plan, as it was filed.
    pub plan: FiledPlan,
    /// Where they look at it and sign.
    pub page: String,
    /// The consents there are.
    pub signatures: Signatures,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// True where this call put it there; false where it was there already.
    pub newly: bool,
}

/// Meets the plan's obligations, or refuses. Reads have none.
///
/// The obligations were a forecast. When all are met the policies are asked once more, with the consent there really is
/// and the circumstances as they are then: only that permits.
///
/// `input`: the tool's arguments as the agent gave them, where nothing in them is sensitive.
pub async fn redeem(
    plan: Plan,
    asker: &dyn Asker,
    surroundings: &Surroundings<'_>,
    input: Option<Value>,
) -> Result<Redemption, Refused> {
    let Surroundings { store, clock, config, .. } = *surroundings;
    let Some(sheet) = plan.sheet() else {
        let evidence = Evidence::default();
        return Ok(Redemption::Approved(Box::new(ApprovedPlan { plan, grants: Vec::new(), evidence })));
    };
    let filed = previewed(&plan, sheet, store, clock, input).await?;
    possible(&filed.content, &config.windows.at(clock.now()), config.http.is_some())?;
    let mut signatures = signatures(&filed, store, clock).await?;
    let applying = asker.applying();
    if let Some(prompt) = to_ask(&filed, &signatures, applying.as_ref()) {
        match confirmation(&plan, &filed, prompt, store, asker, clock).await? {
            Consent::Granted(grant) => signatures.confirmation = Some(*grant),
            Consent::Suspended(prompt) => return Ok(Redemption::Suspended(Suspension::Form(prompt))),
            Consent::Unavailable(refused) if config.http.is_none() => return Err(refused),
            // The console can ask them as well.
            Consent::Unavailable(_) => {}
        }
    }
    let missing = signatures.missing(&filed.content, applying.as_ref());
    if !missing.is_empty() {
        let Some(http) = &config.http else {
            let needs = waiting::needs(&filed, &missing).join("; ");
            let message = format!("plan `{}` still needs {needs}", filed.content.id);
            return Err(Refused::new(Code::NeedsSecondPerson, message, NO_CONSOLE));
        };
        return park(&plan, filed, signatures, missing, http, asker, surroundings).await;
    }
    let evidence = evidence(sheet, &filed, &signatures, applying.as_ref());
    let now = surroundings.of(plan.call().call().call()).await?;
    same_policies(&plan, sheet, surroundings)?;
    plan.call().permits(&evidence, now)?;
    let grants = used(&signatures, applying.as_ref());
    Ok(Redemption::Approved(Box::new(ApprovedPlan { plan, grants, evidence })))
}

/// The policies that decide the call are still those in force.
fn same_policies(plan: &Plan, sheet: &Sheet, surroundings: &Surroundings<'_>) -> Result<(), Refused> {
    if surroundings.policies.now().digest() == plan.call().policy() {
        return Ok(());
    }
    let message = format!("plan `{}`: other policies came into force meanwhile", sheet.content.id);
    Err(Refused::new(Code::PlanMismatch, message, "make a new preview, and let the person judge it"))
}

impl ApprovedPlan {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The consents to use up.
    pub fn grants(&self) -> &[GrantId] {
        &self.grants
    }

    /// Asks the policies once more, where time has gone by since they were: with the consent that was used up, and with
    /// the circumstances as they are now. What the claim at `claimed` itself was counted for is left out.
    pub async fn still_permitted(&self, surroundings: &Surroundings<'_>, claimed: Timestamp) -> Result<(), Refused> {
        let Some(sheet) = self.plan.sheet() else { return Ok(()) };
        let Surroundings { clock, config, .. } = *surroundings;
        possible(&sheet.content, &config.windows.at(clock.now()), config.http.is_some())?;
        let now = surroundings.of(self.plan.call().call().call()).await?;
        same_policies(&self.plan, sheet, surroundings)?;
        let own = self.plan.call().call().size().max(1);
        let counted = now.now.duration_since(claimed) < SignedDuration::from_hours(1);
        let in_hour = if counted { own } else { 0 };
        let now = Circumstances {
            changed_in_session: now.changed_in_session.saturating_sub(own),
            changed_in_hour: now.changed_in_hour.saturating_sub(in_hour),
            ..now
        };
        self.plan.call().permits(&self.evidence, now)
    }
}

/// The plan must equal the one that was shown; a plain write that needs no preview is filed now, so that its
/// confirmation has something to be bound to. Returns the filed plan.
async fn previewed(
    plan: &Plan,
    sheet: &Sheet,
    store: &dyn Store,
    clock: &dyn Clock,
    input: Option<Value>,
) -> Result<FiledPlan, Refused> {
    match &sheet.identity {
        // What was filed is what is shown, also where an unimportant part of a state has moved since.
        Identity::Filed(filed) => compare::same(&sheet.content, filed).map(|()| FiledPlan::clone(filed)),
        Identity::Fresh { .. } if sheet.content.obligations.contains(&Obligation::Preview) => Err(Refused::new(
            Code::NeedsPreview,
            format!("`{}` is {}: it must be previewed first", sheet.content.tool, sheet.content.effect),
            "call it with `dry_run: true`, show the preview to the person, then call it with `dry_run: false` and the \
             `plan_id` of the preview",
        )),
        Identity::Fresh { .. } => file(plan, sheet, store, clock, input).await,
    }
}

/// Files a plan, so that it can be looked at, confirmed and applied.
pub async fn file(
    plan: &Plan,
    sheet: &Sheet,
    store: &dyn Store,
    clock: &dyn Clock,
    input: Option<Value>,
) -> Result<FiledPlan, Refused> {
    let content = sheet.content.clone();
    let input = input.filter(|input| input.to_string().len() <= MOST_KEPT);
    let event = event(
        plan,
        clock,
        What::Previewed {
            plan: content.id.clone(),
            digest: sheet.digest,
            operation: content.operation.clone(),
            effect: content.effect,
            targets: content.targets.iter().map(|target| target.arn.clone()).collect(),
        },
    );
    let filed = FiledPlan {
        content,
        digest: sheet.digest,
        state: PlanState::Open,
        outcome: None,
        input,
        parked_at: None,
        kept: None,
        undone: None,
    };
    store.file_plan(filed.clone(), event).await.map_err(not_recorded)?;
    Ok(filed)
}

/// What nobody can give now: refused before anybody is asked for anything.
fn possible(content: &PlanContent, window: &WindowState, has_console: bool) -> Result<(), Refused> {
    let what = format!(
        "`{}` is {} in account `{}` ({})",
        content.operation, content.effect, content.account.name, content.account.stage
    );
    for obligation in &content.obligations {
        match obligation {
            Obligation::Preview | Obligation::Confirmation { .. } => {}
            Obligation::Ticket => {
                let hint = "preview it again with `ticket`, then apply that plan";
                return Err(Refused::new(Code::NeedsTicket, format!("{what}: it needs a ticket"), hint));
            }
            Obligation::Window if window.open => {}
            Obligation::Window => {
                let opens = window.opens.map(|at| format!("; it opens at {at:.0}")).unwrap_or_default();
                let message = format!("{what}: it needs an open change window, and {}{opens}", window.why_closed);
                return Err(Refused::new(Code::WindowClosed, message, "preview it again when the window is open"));
            }
            Obligation::Approvals { .. } | Obligation::Person if has_console => {}
            Obligation::Approvals { count, groups } => {
                let people = if *count == 1 { "a second person".to_owned() } else { format!("{count} other people") };
                let of: String = groups.iter().map(|group| format!(", somebody of `{group}` among them")).collect();
                return Err(Refused::new(
                    Code::NeedsSecondPerson,
                    format!("{what}: it needs {people}{of}"),
                    NO_CONSOLE,
                ));
            }
            Obligation::Person => {
                let message = format!("{what}: an agent only plans it here, a person applies it");
                return Err(Refused::new(Code::NeedsPerson, message, NO_CONSOLE));
            }
        }
    }
    Ok(())
}

async fn signatures(filed: &FiledPlan, store: &dyn Store, clock: &dyn Clock) -> Result<Signatures, Refused> {
    Signatures::of(filed, store, clock.now()).await.map_err(|error| {
        let message = "the consents to this plan can't be read from the store";
        Refused::new(Code::Internal, message, "nothing was changed; tell an operator")
            .with_operator_detail(error.to_string())
    })
}

/// What the person is asked in the client, where their word is still missing.
fn to_ask(filed: &FiledPlan, signatures: &Signatures, applying: Option<&Human>) -> Option<Prompt> {
    let missing = signatures.missing(&filed.content, applying);
    missing.iter().find(|missing| matches!(missing, Missing::Confirmation { .. }))?;
    prompt::of_filed(filed)
}

enum Consent {
    Granted(Box<GrantRecord>),
    Suspended(Prompt),
    Unavailable(Refused),
}

async fn confirmation(
    plan: &Plan,
    filed: &FiledPlan,
    prompt: Prompt,
    store: &dyn Store,
    asker: &dyn Asker,
    clock: &dyn Clock,
) -> Result<Consent, Refused> {
    let FiledPlan { content, digest, .. } = filed;
    let shown = prompt.shown().map_err(|error| no_digest(&error))?;
    // With the newest protocol the answer comes in a second call; the question was recorded in the first.
    if asker.resumes().as_ref() != Some(&content.id) {
        let asked = event(plan, clock, What::Asked { plan: content.id.clone(), digest: *digest, prompt: shown });
        store.append(vec![asked]).await.map_err(not_recorded)?;
    }
    match asker.ask(&prompt).await {
        Answer::Suspended => Ok(Consent::Suspended(prompt)),
        Answer::Typed { text: typed, after } if typed == prompt.expected => {
            let at = clock.now();
            let grant = GrantRecord {
                id: GrantId::fresh(),
                plan: content.id.clone(),
                digest: *digest,
                by: content.human.clone(),
                at,
                expires_at: content.expires_at,
                answered_after_ms: millis(after),
                kind: GrantKind::Confirmation,
                signed: None,
            };
            let confirmed = event(
                plan,
                clock,
                What::Confirmed {
                    plan: content.id.clone(),
                    digest: *digest,
                    answered_after_ms: millis(after),
                    faster_than_reading: prompt::faster_than_reading(&prompt.text, after),
                },
            );
            store.grant(grant.clone(), confirmed).await.map_err(not_granted)?;
            Ok(Consent::Granted(Box::new(grant)))
        }
        answer @ Answer::Unavailable { .. } => Ok(Consent::Unavailable(not_confirmed(answer, content.id.as_str()))),
        other => Err(not_confirmed(other, content.id.as_str())),
    }
}

/// Puts the plan before people, and tells the client where.
async fn park(
    plan: &Plan,
    filed: FiledPlan,
    signatures: Signatures,
    missing: Vec<Missing>,
    http: &HttpConfig,
    asker: &dyn Asker,
    surroundings: &Surroundings<'_>,
) -> Result<Redemption, Refused> {
    let (content, digest) = (&filed.content, filed.digest);
    let needs = waiting::needs(&filed, &missing);
    let parked =
        event(plan, surroundings.clock, What::Parked { plan: content.id.clone(), digest, needs: needs.clone() });
    let newly = surroundings.store.park(&content.id, parked).await.map_err(not_granted)?;
    let url = http.plan_page(&content.id);
    // Once: after that the agent knows the page, and can tell.
    if newly || asker.resumes().as_ref() == Some(&content.id) {
        let text = prompt::of_page(content, &needs);
        let page = Page { plan: content.id.clone(), digest, url: url.clone(), text };
        if asker.open(&page).await == Opened::Suspended {
            return Ok(Redemption::Suspended(Suspension::Page(page)));
        }
    }
    Ok(Redemption::Waiting(Box::new(Waiting { plan: filed, page: url, signatures, missing, newly })))
}

/// What the policies are told of the consent there is.
fn evidence(sheet: &Sheet, filed: &FiledPlan, signatures: &Signatures, applying: Option<&Human>) -> Evidence {
    let applied = applying.and_then(|by| signatures.applications.get(by));
    // Whoever carries it out has typed the text and signed; that counts as the confirmation.
    let applied_confirms = applied.filter(|_| filed.content.is_for_a_person());
    let confirmed = signatures.confirmation.as_ref().or(applied_confirms).zip(prompt::of_filed(filed));
    Evidence {
        previewed: matches!(sheet.identity, Identity::Filed(_)),
        confirmation: confirmed.map(|(grant, prompt)| {
            let after = Duration::from_millis(grant.answered_after_ms);
            // A passkey has verified that a person was there.
            let readable = grant.signed.is_some() || !prompt::faster_than_reading(&prompt.text, after);
            Confirmation { after, readable }
        }),
        approvals: signatures.approving(applying).map(|(name, (_, groups))| (name.clone(), groups.clone())).collect(),
        applied_by_person: applied.is_some(),
    }
}

/// The grants that the plan uses up.
fn used(signatures: &Signatures, applying: Option<&Human>) -> Vec<GrantId> {
    let confirmed = signatures.confirmation.iter();
    let approved = signatures.approving(applying).map(|(_, (grant, _))| grant);
    let applied = applying.and_then(|by| signatures.applications.get(by));
    confirmed.chain(approved).chain(applied).map(|grant| grant.id.clone()).collect()
}

fn not_confirmed(answer: Answer, plan: &str) -> Refused {
    let again =
        format!("nothing was changed; plan `{plan}` stays open until it expires, if the person wants it after all");
    match answer {
        Answer::Unavailable { why } => Refused::new(
            Code::ElicitationUnavailable,
            format!("the person can't be asked: {why}"),
            "use a client that supports MCP elicitation (form mode); a confirmation can't be given through tool \
             arguments",
        ),
        Answer::Declined => Refused::new(Code::NotConfirmed, "the person declined", again),
        Answer::Cancelled => Refused::new(Code::NotConfirmed, "the prompt was cancelled", again),
        Answer::TimedOut { after } => {
            let message = format!("the person did not answer within {} seconds", after.as_secs());
            Refused::new(Code::NotConfirmed, message, again)
        }
        Answer::Void { why } => Refused::new(Code::NotConfirmed, format!("the answer does not count: {why}"), again),
        Answer::Typed { .. } => {
            let message = "the text that was typed is not the one that was asked for";
            Refused::new(Code::NotConfirmed, message, again)
        }
        Answer::Suspended => Refused::new(Code::Internal, "the question went astray", "call again"),
    }
}

fn no_digest(error: &NotCanonical) -> Refused {
    Refused::new(Code::Internal, "the prompt has no digest", "tell an operator").with_operator_detail(error.to_string())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn event(plan: &Plan, clock: &dyn Clock, what: What) -> Event {
    let call = plan.call().call().call();
    Event { at: clock.now(), call: Some(call.call().clone()), caller: Some(call.caller().clone()), what }
}

fn not_granted(error: StoreError) -> Refused {
    match error {
        StoreError::NotOpen { .. } | StoreError::NotGranted(_) => {
            Refused::new(Code::PlanNotUsable, error.to_string(), "the answer came too late; make a new preview")
        }
        failed => not_recorded(failed),
    }
}

fn not_recorded(error: StoreError) -> Refused {
    Refused::new(Code::Internal, "the record can't be written, so nothing was done", "tell an operator; then try again")
        .with_operator_detail(error.to_string())
}
