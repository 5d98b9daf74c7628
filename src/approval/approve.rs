//! What people do with plans in the console: read, sign with a passkey, reject. No HTTP here; whoever calls has found out
//! who is signed in.
//!
//! All is checked when a signature is asked for, so that people learn early what can't be; all is checked again when it
//! arrives, and once more by the store in the transaction that files it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::ceremonies::{Asks, Ceremonies, Openings, Owner, random};
use super::not_done::NotDone;
use super::passkey::{self, NotSigned, Site};
use super::people::{Approver, same};
use super::statement::{Saying, Signed, Statement};
use crate::audit::event::{Event, What};
use crate::config::{Config, HttpConfig};
use crate::digest::Digest;
use crate::names::{Effect, GrantId, Human, PlanId};
use crate::plan::filed::{FiledPlan, PlanState};
use crate::policy::vocabulary::GROUPS;
use crate::ports::{Clock, GrantKind, GrantRecord, Store};

/// Fewest and most characters of the reason for a rejection.
const REASON: std::ops::RangeInclusive<usize> = 3..=500;

/// The console's desk: what its buttons do.
#[derive(Debug)]
pub struct Approvals {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) site: Site,
    pub(super) ceremonies: Ceremonies,
    pub(super) groups: BTreeSet<String>,
    openings: Openings,
    reading_time: Duration,
}

/// What the browser is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// By what name the answer is handed in; good for five minutes and one answer.
    pub ceremony: String,
    /// What goes to `navigator.credentials`, as JSON with base64url.
    pub options: Value,
}

impl Approvals {
    /// A desk for the site that `http` describes. Approvers belong to groups of `config`.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        http: &HttpConfig,
        groups: BTreeSet<String>,
    ) -> Result<Self, NotDone> {
        Ok(Self {
            store,
            clock,
            site: Site::of(http)?,
            ceremonies: Ceremonies::new()?,
            groups,
            openings: Openings::default(),
            reading_time: http.reading_time,
        })
    }

    /// The site's origin.
    pub fn origin(&self) -> &str {
        self.site.origin()
    }

    /// Notes that somebody looks at a plan's page. Returns how long they must still read before they can sign; nothing
    /// where the plan can be undone.
    pub fn opened(&self, plan: &FiledPlan, who: &Human) -> Duration {
        let elapsed = self.openings.since(who, &plan.content.id, plan.digest, self.clock.now());
        match plan.content.effect {
            Effect::Irreversible => self.reading_time.saturating_sub(elapsed),
            Effect::Read | Effect::Secret | Effect::Write | Effect::Destructive => Duration::ZERO,
        }
    }

    /// What keeps a person from signing a plan so; nothing where they can. For pages, which show the button or the reason.
    pub async fn may_sign(&self, plan: &FiledPlan, who: &Human, kind: GrantKind) -> Result<(), NotDone> {
        self.check(&plan.content.id, &plan.digest, who, kind).await.map(|_| ())
    }

    /// What somebody who is signed in tried and may not: on record, as every refusal. The answer is the same where that
    /// fails.
    pub(super) async fn refused<T>(
        &self,
        who: &Human,
        plan: Option<&PlanId>,
        done: Result<T, NotDone>,
    ) -> Result<T, NotDone> {
        if let Err(not) = &done {
            let (code, message) = (not.code().to_owned(), not.to_string());
            let what = What::NotSigned { by: who.clone(), plan: plan.cloned(), code, message };
            if let Err(error) = self.store.append(vec![self.event(what)]).await {
                tracing::error!(%error, by = %who, "a refusal at the console can't be recorded");
            }
        }
        done
    }

    /// Begins to sign. `shown` is the digest of the plan on the page, `typed` what was typed where a text is asked for.
    pub async fn begin_sign(
        &self,
        plan: &PlanId,
        shown: &Digest,
        who: &Human,
        kind: GrantKind,
        typed: Option<&str>,
    ) -> Result<Asked, NotDone> {
        let begun = async {
            let (found, person) = self.check(plan, shown, who, kind).await?;
            check_typed(&found, kind, typed)?;
            self.check_read(&found, who)?;
            let (id, digest) = (found.content.id.clone(), found.digest);
            let statement = self.statement(Saying::of(kind, id.clone(), digest), who.clone())?;
            let options = passkey::request(&self.site, &statement, &ids(&person))?;
            let asks = Asks::Plan { statement, kind, plan: id, digest };
            let ceremony = self.ceremonies.begin(Owner::Person(who.clone()), asks, self.clock.now())?;
            Ok(Asked { ceremony, options })
        };
        self.refused(who, Some(plan), begun.await).await
    }

    /// Takes the browser's answer, and files the consent with its event.
    pub async fn finish_sign(&self, ceremony: &str, who: &Human, answer: &Value) -> Result<GrantRecord, NotDone> {
        let taken = self.ceremonies.take(ceremony, &Owner::Person(who.clone()), self.clock.now())?;
        let Asks::Plan { statement, kind, plan, digest } = taken else { return Err(NotDone::NotBegun) };
        let finished = self.finish(statement, kind, &plan, digest, who, answer).await;
        self.refused(who, Some(&plan), finished).await
    }

    async fn finish(
        &self,
        statement: Statement,
        kind: GrantKind,
        plan: &PlanId,
        digest: Digest,
        who: &Human,
        answer: &Value,
    ) -> Result<GrantRecord, NotDone> {
        let (plan, person) = self.check(plan, &digest, who, kind).await?;
        self.check_read(&plan, who)?;
        let signed = self.verify(&statement, &person, answer).await?;
        let now = self.clock.now();
        let read = self.openings.since(who, &plan.content.id, digest, now);
        let grant = GrantRecord {
            id: GrantId::fresh(),
            plan: plan.content.id.clone(),
            digest,
            by: who.clone(),
            at: now,
            expires_at: plan.content.expires_at,
            answered_after_ms: u64::try_from(read.as_millis()).unwrap_or(u64::MAX),
            kind,
            signed: Some(Box::new(signed.clone())),
        };
        let what = What::Signed {
            plan: grant.plan.clone(),
            digest,
            kind,
            grant: grant.id.clone(),
            by: who.clone(),
            answered_after_ms: grant.answered_after_ms,
            signed: Box::new(signed),
        };
        self.store.grant(grant.clone(), self.event(what)).await?;
        Ok(grant)
    }

    /// Ends a plan. The reason reaches the agent.
    pub async fn reject(&self, plan: &PlanId, who: &Human, reason: &str) -> Result<(), NotDone> {
        let reason = reason.trim();
        if !REASON.contains(&reason.chars().count()) {
            return Err(NotDone::BadReason);
        }
        self.active(who).await?;
        let plan = self.open_plan(plan).await?;
        let what = What::Rejected {
            plan: plan.content.id.clone(),
            digest: plan.digest,
            by: who.clone(),
            reason: reason.to_owned(),
        };
        Ok(self.store.reject(&plan.content.id, reason, self.event(what)).await?)
    }

    /// The active approver of a name, written exactly so.
    pub(super) async fn active(&self, name: &Human) -> Result<Approver, NotDone> {
        let people = self.store.people().await?;
        let person = people.into_iter().find(|person| person.name == *name && person.is_active());
        person.ok_or_else(|| NotDone::NotAnApprover(name.clone()))
    }

    /// Checks a passkey's signature, and that no copy of the passkey made it.
    pub(super) async fn verify(
        &self,
        statement: &Statement,
        signer: &Approver,
        answer: &Value,
    ) -> Result<Signed, NotDone> {
        let (signed, counter) = passkey::verify(&self.site, statement, &signer.name, &signer.passkeys, answer)?;
        if self.store.count_signature(&signer.name, &signed.passkey.id, counter).await? {
            return Ok(signed);
        }
        tracing::warn!(by = %signer.name, passkey = signed.passkey.id, "a passkey has signed as often before: it may be copied");
        Err(NotSigned::Copied.into())
    }

    pub(super) fn statement(&self, saying: Saying, by: Human) -> Result<Statement, NotDone> {
        let nonce = hex::encode(random::<16>()?);
        Ok(Statement { saying, by, origin: self.site.origin().to_owned(), at: self.clock.now(), nonce })
    }

    pub(super) fn event(&self, what: What) -> Event {
        Event { at: self.clock.now(), call: None, caller: None, what }
    }

    async fn open_plan(&self, id: &PlanId) -> Result<FiledPlan, NotDone> {
        match self.store.plan(id, self.clock.now()).await? {
            Some(plan) if plan.state == PlanState::Open => Ok(plan),
            Some(plan) => Err(NotDone::NotOpen { plan: id.clone(), state: plan.state }),
            None => Err(NotDone::NoPlan(id.clone())),
        }
    }

    /// The plan and the person, where they may sign it so now.
    async fn check(
        &self,
        id: &PlanId,
        shown: &Digest,
        who: &Human,
        kind: GrantKind,
    ) -> Result<(FiledPlan, Approver), NotDone> {
        let plan = self.open_plan(id).await?;
        if plan.digest != *shown {
            return Err(NotDone::OtherDigest(id.clone()));
        }
        if plan.parked_at.is_none() {
            return Err(NotDone::NotParked(id.clone()));
        }
        let person = self.active(who).await?;
        let human = &plan.content.human;
        match kind {
            GrantKind::Approval if person.is(human) => return Err(NotDone::OwnPlan(human.clone())),
            GrantKind::Approval if !plan.content.needs_approvals() => return Err(NotDone::NotNeeded("approval")),
            GrantKind::Confirmation if !person.is(human) => return Err(NotDone::NotOwnPlan(human.clone())),
            GrantKind::Confirmation if plan.content.confirmation().is_none() => {
                return Err(NotDone::NotNeeded("confirmation"));
            }
            GrantKind::Approval | GrantKind::Confirmation => self.check_first(&plan, who, kind).await?,
            GrantKind::Application if !plan.content.is_for_a_person() => {
                return Err(NotDone::NotNeeded("application"));
            }
            // Whoever carries it out may try again.
            GrantKind::Application => {}
        }
        Ok((plan, person))
    }

    async fn check_first(&self, plan: &FiledPlan, who: &Human, kind: GrantKind) -> Result<(), NotDone> {
        let grants = self.store.grants(&plan.content.id).await?;
        let signed = |grant: &GrantRecord| grant.kind == kind && grant.signed.is_some() && same(&grant.by, who);
        if grants.iter().any(signed) { Err(NotDone::Already(who.clone())) } else { Ok(()) }
    }

    fn check_read(&self, plan: &FiledPlan, who: &Human) -> Result<(), NotDone> {
        match self.opened(plan, who) {
            Duration::ZERO => Ok(()),
            left => Err(NotDone::TooSoon { seconds: left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX) }),
        }
    }
}

/// The groups approvers can belong to.
pub fn groups(config: &Config) -> BTreeSet<String> {
    GROUPS.iter().map(|group| (*group).to_owned()).chain(config.policy.groups.iter().cloned()).collect()
}

/// The ids of a person's passkeys.
pub(super) fn ids(person: &Approver) -> Vec<&str> {
    person.passkeys.iter().map(|passkey| passkey.id.as_str()).collect()
}

fn check_typed(plan: &FiledPlan, kind: GrantKind, typed: Option<&str>) -> Result<(), NotDone> {
    match (kind, plan.content.confirmation()) {
        (GrantKind::Approval, _) | (_, None) => Ok(()),
        (GrantKind::Confirmation | GrantKind::Application, Some(text)) if typed == Some(text) => Ok(()),
        (GrantKind::Confirmation | GrantKind::Application, Some(_)) => Err(NotDone::WrongText),
    }
}

#[cfg(test)]
mod tests;
