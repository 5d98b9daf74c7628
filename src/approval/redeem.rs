//! [`Plan`] to [`ApprovedPlan`]: every obligation met, each consent bound to the plan's digest.

use std::time::Duration;

use super::ask::{Answer, Asker, Prompt};
use super::prompt;
use crate::audit::event::{Event, What};
use crate::call::refused::{Code, Refused};
use crate::names::GrantId;
use crate::plan::build::{Plan, Sheet};
use crate::plan::compare;
use crate::plan::filed::{FiledPlan, Obligation, PlanState};
use crate::plan::identity::Identity;
use crate::policy::circumstances::Surroundings;
use crate::policy::question::{Confirmation, Evidence};
use crate::policy::windows::WindowState;
use crate::ports::{Clock, GrantKind, GrantRecord, Store, StoreError};

/// Words a person reads in a second, generously. An answer that comes faster is recorded as such.
const WORDS_A_SECOND: u64 = 12;

/// A plan whose obligations are met. The grants are not used up yet; arming does that.
#[derive(Debug)]
pub struct ApprovedPlan {
    plan: Plan,
    grants: Vec<GrantId>,
}

/// How redeeming ends, where it isn't a refusal.
#[derive(Debug)]
pub enum Redemption {
    /// Everything is there.
    Approved(Box<ApprovedPlan>),
    /// The person is being asked through the answer to this call.
    Suspended(Prompt),
}

/// Meets the plan's obligations, or refuses. Reads have none.
///
/// The obligations were a forecast. When all are met the policies are asked once more, with the consent there really is
/// and the circumstances as they are then: only that permits.
pub async fn redeem(plan: Plan, asker: &dyn Asker, surroundings: &Surroundings<'_>) -> Result<Redemption, Refused> {
    let Surroundings { store, clock, config, .. } = *surroundings;
    let Some(sheet) = plan.sheet() else {
        return Ok(Redemption::Approved(Box::new(ApprovedPlan { plan, grants: Vec::new() })));
    };
    previewed(&plan, sheet, store, clock).await?;
    only_policies(sheet, &config.windows.at(clock.now()))?;
    let mut evidence = Evidence { previewed: matches!(sheet.identity, Identity::Filed(_)), ..Evidence::default() };
    let grants = match confirmation(&plan, sheet, store, asker, clock).await? {
        Consent::NotNeeded => Vec::new(),
        Consent::Granted { grant, how } => {
            evidence.confirmation = Some(how);
            vec![grant]
        }
        Consent::Suspended(prompt) => return Ok(Redemption::Suspended(prompt)),
    };
    let now = surroundings.of(plan.call().call().call()).await?;
    if surroundings.policies.now().digest() != plan.call().policy() {
        let message = format!("plan `{}`: other policies came into force meanwhile", sheet.content.id);
        return Err(Refused::new(Code::PlanMismatch, message, "make a new preview, and let the person judge it"));
    }
    plan.call().permits(&evidence, now)?;
    Ok(Redemption::Approved(Box::new(ApprovedPlan { plan, grants })))
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
}

/// The plan must equal the one that was shown; a plain write that needs no preview is filed now, so that its
/// confirmation has something to be bound to.
async fn previewed(plan: &Plan, sheet: &Sheet, store: &dyn Store, clock: &dyn Clock) -> Result<(), Refused> {
    match &sheet.identity {
        Identity::Filed(filed) => compare::same(&sheet.content, filed),
        Identity::Fresh { .. } if sheet.content.obligations.contains(&Obligation::Preview) => Err(Refused::new(
            Code::NeedsPreview,
            format!("`{}` is {}: it must be previewed first", sheet.content.tool, sheet.content.effect),
            "call it with `dry_run: true`, show the preview to the person, then call it with `dry_run: false` and the \
             `plan_id` of the preview",
        )),
        Identity::Fresh { .. } => file(plan, sheet, store, clock).await,
    }
}

/// Files a plan, so that it can be looked at, confirmed and applied.
pub async fn file(plan: &Plan, sheet: &Sheet, store: &dyn Store, clock: &dyn Clock) -> Result<(), Refused> {
    let content = sheet.content.clone();
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
        input: None,
        parked_at: None,
    };
    store.file_plan(filed, event).await.map_err(not_recorded)
}

/// What the person the agent acts for can't give: refused before they are asked for anything.
fn only_policies(sheet: &Sheet, window: &WindowState) -> Result<(), Refused> {
    let content = &sheet.content;
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
            // Signatures of other people can't be given yet.
            Obligation::Approvals { count, groups } => {
                let people = if *count == 1 { "a second person".to_owned() } else { format!("{count} other people") };
                let of: String = groups.iter().map(|group| format!(", somebody of `{group}` among them")).collect();
                return Err(Refused::new(
                    Code::NeedsSecondPerson,
                    format!("{what}: it needs {people}{of}"),
                    "nobody can give that consent through the agent's own client; hand the plan to a person who \
                     operates this account",
                ));
            }
            Obligation::Person => {
                let hint = "hand the plan to the person you work for; nothing you pass can replace them";
                let message = format!("{what}: an agent only plans it here, a person applies it");
                return Err(Refused::new(Code::NeedsPerson, message, hint));
            }
        }
    }
    Ok(())
}

enum Consent {
    NotNeeded,
    Granted { grant: GrantId, how: Confirmation },
    Suspended(Prompt),
}

async fn confirmation(
    plan: &Plan,
    sheet: &Sheet,
    store: &dyn Store,
    asker: &dyn Asker,
    clock: &dyn Clock,
) -> Result<Consent, Refused> {
    let Some(text) = sheet.content.obligations.iter().find_map(|obligation| match obligation {
        Obligation::Confirmation { text } => Some(text),
        _ => None,
    }) else {
        return Ok(Consent::NotNeeded);
    };
    // What was filed is what is shown, also where an unimportant part of a state has moved since.
    let (content, digest) = match &sheet.identity {
        Identity::Filed(filed) => (&filed.content, filed.digest),
        Identity::Fresh { .. } => (&sheet.content, sheet.digest),
    };
    let prompt = prompt::of(content, digest, text);
    let shown = prompt.shown().map_err(|error| {
        Refused::new(Code::Internal, "the prompt has no digest", "tell an operator")
            .with_operator_detail(error.to_string())
    })?;
    // With the newest protocol the answer comes in a second call; the question was recorded in the first.
    if asker.resumes().as_ref() != Some(&content.id) {
        let asked = event(plan, clock, What::Asked { plan: content.id.clone(), digest, prompt: shown });
        store.append(vec![asked]).await.map_err(not_recorded)?;
    }
    match asker.ask(&prompt).await {
        Answer::Suspended => Ok(Consent::Suspended(prompt)),
        Answer::Typed { text: typed, after } if typed == prompt.expected => {
            let at = clock.now();
            let grant = GrantRecord {
                id: GrantId::fresh(),
                plan: content.id.clone(),
                digest,
                by: content.human.clone(),
                at,
                expires_at: content.expires_at,
                answered_after_ms: millis(after),
                kind: GrantKind::Confirmation,
                signed: None,
            };
            let id = grant.id.clone();
            let confirmed = event(
                plan,
                clock,
                What::Confirmed {
                    plan: content.id.clone(),
                    digest,
                    answered_after_ms: millis(after),
                    faster_than_reading: faster_than_reading(&prompt.text, after),
                },
            );
            store.grant(grant, confirmed).await.map_err(not_granted)?;
            let how = Confirmation { after, readable: !faster_than_reading(&prompt.text, after) };
            Ok(Consent::Granted { grant: id, how })
        }
        other => Err(not_confirmed(other, content.id.as_str())),
    }
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

fn faster_than_reading(text: &str, after: Duration) -> bool {
    after.as_secs() < text.split_whitespace().count() as u64 / WORDS_A_SECOND
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
