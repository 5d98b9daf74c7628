//! Goes through a receipt's records in order, and judges whether a plan was carried out as it was consented to.

use jiff::Timestamp;

use super::gather::about;
use super::people::People;
use super::verify::{CheckSigned, Consent, Ending, Intent};
use crate::approval::people::{Approver, same};
use crate::approval::signatures::{Missing, Signatures};
use crate::approval::statement::{Saying, Signed};
use crate::audit::event::{Event, ResultWord, WaitWord, What};
use crate::credentials::session_policy::SessionPolicy;
use crate::digest::Digest;
use crate::names::{CallId, GrantId, Human, OperationId};
use crate::plan::filed::{FiledPlan, Obligation, PlanContent, PlanState};
use crate::ports::{GrantKind, GrantRecord};
use crate::text::escape::quoted;

/// What the records taken so far say.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    content: &'a PlanContent,
    digest: Digest,
    people: People,
    previewed: bool,
    grants: Vec<(GrantRecord, Option<CallId>)>,
    pub(super) consents: Vec<Consent>,
    pub(super) rejected: Option<(Human, String)>,
    pub(super) intent: Option<Carried>,
    pub(super) ending: Option<Ending>,
    /// What came of what the accepted call began, where that was waited for.
    pub(super) waited: Option<(WaitWord, String)>,
}

/// How it was carried out, and everybody as they were then.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) intent: Intent,
    call: Option<CallId>,
    everybody: Vec<Approver>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(content: &'a PlanContent, digest: Digest) -> Self {
        Self {
            content,
            digest,
            people: People::default(),
            previewed: false,
            grants: Vec::new(),
            consents: Vec::new(),
            rejected: None,
            waited: None,
            intent: None,
            ending: None,
        }
    }

    /// Takes the next record, or says what is wrong with it.
    pub(super) fn take(&mut self, seq: u64, event: &Event, check: CheckSigned<'_>) -> Result<(), String> {
        let Event { at, call, what, .. } = event;
        if let Some((plan, digest)) = about(what) {
            if *plan != self.content.id || digest.is_some_and(|digest| digest != self.digest) {
                return Err("it is about another plan, or about this one with another digest".to_owned());
            }
            if !self.previewed && !matches!(what, What::Previewed { .. } | What::Refused { .. }) {
                return Err("the plan had not been filed".to_owned());
            }
        }
        match what {
            What::Previewed { operation, effect, targets, .. } => {
                self.previewed = true;
                match self.is_planned(operation, targets) && *effect == self.content.effect {
                    true => Ok(()),
                    false => Err("what was filed is not the plan".to_owned()),
                }
            }
            What::Requested { .. }
            | What::Asked { .. }
            | What::Parked { .. }
            | What::Refused { .. }
            | What::NotSigned { .. }
            | What::CheckpointKey { .. } => Ok(()),
            What::Confirmed { answered_after_ms, .. } => {
                let human = self.content.human.clone();
                let grant = self.grant(GrantId::from_outside("typed"), GrantKind::Confirmation, human, *at);
                self.consent(GrantRecord { answered_after_ms: *answered_after_ms, ..grant }, None, call.clone())
            }
            What::Signed { kind, grant, by, answered_after_ms, signed, .. } => {
                self.says(*kind, by, *at, signed)?;
                let person = self.people.signer(signed, check)?;
                self.may(*kind, person)?;
                let whose = (signed.passkey.label.clone(), person.groups.iter().cloned().collect());
                let grant = GrantRecord {
                    answered_after_ms: *answered_after_ms,
                    signed: Some(signed.clone()),
                    ..self.grant(grant.clone(), *kind, by.clone(), *at)
                };
                self.consent(grant, Some(whose), call.clone())
            }
            What::Rejected { by, reason, .. } => {
                self.rejected = Some((by.clone(), reason.clone()));
                if self.intent.is_some() { Err("it was rejected after it was carried out".to_owned()) } else { Ok(()) }
            }
            What::Intent { operation, targets, role, session_policy, .. } => {
                let intent = Intent { seq, at: *at, role: role.clone(), session_policy: *session_policy };
                self.as_planned(&intent, operation, targets)?;
                let everybody = self.people.everybody().to_vec();
                match self.intent.replace(Carried { intent, call: call.clone(), everybody }) {
                    Some(_) => Err("it was carried out a second time".to_owned()),
                    None => Ok(()),
                }
            }
            What::Outcome { result, request_id, detail, .. } => self.ended(*result, request_id.clone(), detail.clone()),
            What::Reconciled { result, detail, .. } => self.ended(*result, None, Some(detail.clone())),
            What::RecoveryPoint { name, operation, .. } => {
                let planned = &self.content.recovery_points;
                match self.intent.is_some()
                    && planned.iter().any(|point| point.name == *name && point.operation == *operation)
                {
                    true => Ok(()),
                    false => Err("a recovery point was taken that was not planned".to_owned()),
                }
            }
            What::Undo { .. } => Ok(()),
            What::Waited { result, detail, .. } => {
                self.waited = Some((*result, detail.clone()));
                Ok(())
            }
            What::PeopleProposed { .. } | What::PeopleChanged { .. } | What::Enrolled { .. } => {
                self.people.take(*at, what, check)
            }
            _ => Err("it does not belong into a receipt of this plan".to_owned()),
        }
    }

    /// What the records lack, after the last.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.previewed {
            missing.push("no record says that the plan was filed".to_owned());
        }
        missing.extend(self.consents_missing());
        missing
    }

    /// Who invited first admins from the command line.
    pub(super) fn founders(&self) -> &[String] {
        self.people.founders()
    }

    /// What the plan needed when it was carried out, and did not have. Judged as the server does it.
    fn consents_missing(&self) -> Option<String> {
        let Carried { intent, call, everybody } = self.intent.as_ref()?;
        let content = self.content;
        let plan = FiledPlan {
            content: content.clone(),
            digest: self.digest,
            state: PlanState::Applying,
            outcome: None,
            input: None,
            parked_at: None,
            kept: None,
            undone: None,
        };
        let grants = self.grants.iter().map(|(grant, _)| grant.clone()).collect();
        let mut signatures = Signatures::count(&plan, grants, everybody, intent.at);
        // What was typed in the client counts in its own call, however long it is good for besides.
        let typed = |(grant, given_in): &&(GrantRecord, Option<CallId>)| {
            let own = same(&grant.by, &content.human) && call.is_some() && given_in == call;
            grant.kind == GrantKind::Confirmation && grant.signed.is_none() && own
        };
        let typed = self.grants.iter().find(typed).map(|(grant, _)| grant.clone());
        signatures.confirmation = signatures.confirmation.or(typed);
        let applying = signatures.applications.keys().map(Some);
        let ways = std::iter::once(None).chain(applying).map(|by| signatures.missing(content, by));
        let ways: Vec<Vec<Missing>> = ways.collect();
        if ways.iter().any(Vec::is_empty) {
            return None;
        }
        let missing = ways.last()?;
        let told: Vec<String> = missing.iter().map(|one| one.told(&content.human)).collect();
        Some(format!("it was carried out without what it needs: {}", told.join("; ")))
    }

    fn grant(&self, id: GrantId, kind: GrantKind, by: Human, at: Timestamp) -> GrantRecord {
        GrantRecord {
            id,
            plan: self.content.id.clone(),
            digest: self.digest,
            by,
            at,
            expires_at: self.content.expires_at,
            answered_after_ms: 0,
            kind,
            signed: None,
        }
    }

    fn consent(
        &mut self,
        grant: GrantRecord,
        signed: Option<(String, Vec<String>)>,
        call: Option<CallId>,
    ) -> Result<(), String> {
        let GrantRecord { kind, by, at, answered_after_ms: after_ms, .. } = grant.clone();
        if at >= self.content.expires_at {
            return Err(format!("{} consented after the plan had expired", told(&by)));
        }
        if self.intent.is_some() || self.rejected.is_some() {
            return Err(format!("{} consented after it was over", told(&by)));
        }
        self.consents.push(Consent { kind, by, at, after_ms, signed });
        self.grants.push((grant, call));
        Ok(())
    }

    /// A signature says what it is recorded as, of this plan, by that person.
    fn says(&self, kind: GrantKind, by: &Human, at: Timestamp, signed: &Signed) -> Result<(), String> {
        let statement = &signed.statement;
        let expected = Saying::of(kind, self.content.id.clone(), self.digest);
        match statement.saying == expected && statement.by == *by && statement.at <= at {
            true => Ok(()),
            false => Err(format!("what {} signed is not what it is recorded as", told(by))),
        }
    }

    /// The human the agent acts for confirms, and never approves.
    fn may(&self, kind: GrantKind, person: &Approver) -> Result<(), String> {
        let human = &self.content.human;
        let own = person.is(human) || same(&person.name, human);
        match (kind, own) {
            (GrantKind::Approval, true) => Err(format!("{} approved a plan made for them", told(&person.name))),
            (GrantKind::Confirmation, false) => {
                Err(format!("{} confirmed a plan made for somebody else", told(&person.name)))
            }
            _ => Ok(()),
        }
    }

    fn is_planned(&self, operation: &OperationId, targets: &[String]) -> bool {
        let planned = self.content.targets.iter().map(|target| &target.arn);
        *operation == self.content.operation && targets.iter().eq(planned)
    }

    fn as_planned(&self, intent: &Intent, operation: &OperationId, targets: &[String]) -> Result<(), String> {
        let Intent { at, role, session_policy, .. } = intent;
        let content = self.content;
        let wrong = |what: &str| Err(format!("it was carried out {what}"));
        if !self.is_planned(operation, targets) {
            return wrong("otherwise than planned");
        }
        if *role != content.credentials.role {
            return wrong("with another role's credentials than planned");
        }
        if *session_policy != content.session_policy.as_deref().map(SessionPolicy::digest_of) {
            return wrong("under another session policy than the plan's");
        }
        if *at >= content.expires_at {
            return wrong("after it had expired");
        }
        if self.rejected.is_some() {
            return wrong("after it had been rejected");
        }
        if content.obligations.contains(&Obligation::Ticket) {
            return wrong("without the ticket that it needs");
        }
        Ok(())
    }

    fn ended(&mut self, result: ResultWord, request_id: Option<String>, detail: Option<String>) -> Result<(), String> {
        if self.intent.is_none() {
            return Err("it ended before it was carried out".to_owned());
        }
        let before = self.ending.take();
        if before.as_ref().is_some_and(|before| before.result != ResultWord::Unknown) {
            return Err("it ended a second time".to_owned());
        }
        let request_ids = before.into_iter().flat_map(|before| before.request_ids).chain(request_id).collect();
        self.ending = Some(Ending { result, request_ids, detail });
        Ok(())
    }
}

fn told(name: &Human) -> String {
    quoted(name.as_str(), 64)
}
