//! A console's desk on a real store, with people who have passkeys in software.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use super::approve::{Approvals, Asked};
use super::not_done::NotDone;
use super::people::{PeopleChange, Proposal, Standing};
use super::staff::{Changed, Office};
use crate::audit::event::{Event, What};
use crate::config::HttpConfig;
use crate::names::{Effect, Human, PlanId};
use crate::plan::filed::{FiledPlan, Obligation, PlanContent};
use crate::ports::{Clock, GrantKind, GrantRecord, Store};
use crate::store::SqliteStore;
use crate::testing::{FixedClock, SoftKey, open_plan};

pub(crate) const ORIGIN: &str = "https://guard.example.com";

/// The desk, the store behind it, and everybody's keys.
pub(crate) struct Desk {
    pub(crate) approvals: Approvals,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) clock: FixedClock,
    keys: HashMap<String, SoftKey>,
    groups: BTreeSet<String>,
    folder: tempfile::TempDir,
}

pub(crate) fn human(name: &str) -> Human {
    Human::new(name)
}

pub(crate) fn standing(name: &str, groups: &[&str], admin: bool) -> Standing {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Standing { name: human(name), aliases: BTreeSet::new(), groups, admin }
}

impl Desk {
    /// Nobody has enrolled yet.
    pub(crate) async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap());
        let clock = FixedClock::default();
        let groups: BTreeSet<String> = ["approvers".to_owned(), "senior".to_owned()].into();
        let http = HttpConfig { public_url: Some(ORIGIN.parse().unwrap()), ..HttpConfig::default() };
        let approvals =
            Approvals::new(Arc::clone(&store) as Arc<dyn Store>, Arc::new(clock.clone()), &http, groups.clone())
                .unwrap();
        Self { approvals, store, clock, keys: HashMap::new(), groups, folder }
    }

    /// The admin ann, and bob and cleo, who sign plans.
    pub(crate) async fn staffed() -> Self {
        let mut desk = Self::empty().await;
        let link = desk.office().invite_first(standing("ann", &[], true), "operator").await.unwrap();
        desk.enrol("ann", &link).await.unwrap();
        for (name, groups) in [("bob", &["senior"][..]), ("cleo", &[])] {
            let invite = PeopleChange::Invite(standing(name, groups, false));
            let changed = desk.change(invite).await.unwrap();
            desk.enrol(name, &changed.link.unwrap()).await.unwrap();
        }
        desk
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("countersign.db")
    }

    pub(crate) fn office(&self) -> Office<'_> {
        Office { store: self.store.as_ref(), clock: &self.clock, groups: &self.groups, origin: ORIGIN }
    }

    pub(crate) fn key(&mut self, name: &str) -> &mut SoftKey {
        self.keys.get_mut(name).unwrap()
    }

    /// Enrols a new key by a link.
    pub(crate) async fn enrol(&mut self, name: &str, link: &str) -> Result<Human, NotDone> {
        let token = link.rsplit('/').next().unwrap();
        let Asked { ceremony, options } = self.approvals.begin_enrol(token).await?;
        let mut key = SoftKey::new().unwrap();
        let answer = key.register(&options, ORIGIN).unwrap();
        let enrolled = self.approvals.finish_enrol(&ceremony, token, "phone", &answer).await?;
        self.keys.insert(name.to_owned(), key);
        Ok(enrolled)
    }

    /// What somebody's key answers.
    pub(crate) fn answer(&mut self, name: &str, asked: &Asked) -> Value {
        self.key(name).sign(&asked.options, ORIGIN).unwrap()
    }

    /// Proposes a change, and has ann sign it.
    pub(crate) async fn change(&mut self, change: PeopleChange) -> Result<Changed, NotDone> {
        let proposal = self.approvals.propose(change, &human("ann")).await?;
        self.sign_proposal(&proposal, "ann").await
    }

    pub(crate) async fn sign_proposal(&mut self, proposal: &Proposal, by: &str) -> Result<Changed, NotDone> {
        let by_name = human(by);
        let digest = proposal.digest().unwrap();
        let asked = self.approvals.begin_sign_proposal(&proposal.id, &digest, &by_name).await?;
        let answer = self.answer(by, &asked);
        self.approvals.finish_sign_proposal(&asked.ceremony, &by_name, &answer).await
    }

    /// A parked plan for dana, that needs two approvals and the text `i-1`.
    pub(crate) async fn plan(&self, effect: Effect) -> FiledPlan {
        let plan = self.unparked(effect, |_| ()).await;
        self.park(&plan).await;
        plan
    }

    pub(crate) async fn unparked(&self, effect: Effect, change: impl Fn(&mut PlanContent)) -> FiledPlan {
        let mut plan = open_plan(&["i-1"], self.clock.now()).unwrap();
        plan.content.effect = effect;
        plan.content.obligations.push(Obligation::Approvals { count: 2, groups: BTreeSet::new() });
        change(&mut plan.content);
        plan.digest = plan.content.digest().unwrap();
        let what = What::Previewed {
            plan: plan.content.id.clone(),
            digest: plan.digest,
            operation: plan.content.operation.clone(),
            effect,
            targets: plan.content.targets.iter().map(|target| target.arn.clone()).collect(),
        };
        self.store.file_plan(plan.clone(), self.event(what)).await.unwrap();
        plan
    }

    pub(crate) async fn park(&self, plan: &FiledPlan) {
        let what = What::Parked { plan: plan.content.id.clone(), digest: plan.digest, needs: Vec::new() };
        assert!(self.store.park(&plan.content.id, self.event(what)).await.unwrap());
    }

    pub(crate) async fn sign(&mut self, plan: &FiledPlan, by: &str, kind: GrantKind) -> Result<GrantRecord, NotDone> {
        let asked = self.begin(plan, by, kind).await?;
        let answer = self.answer(by, &asked);
        self.approvals.finish_sign(&asked.ceremony, &human(by), &answer).await
    }

    /// Begins to sign, having typed the right text.
    pub(crate) async fn begin(&self, plan: &FiledPlan, by: &str, kind: GrantKind) -> Result<Asked, NotDone> {
        self.approvals.begin_sign(&plan.content.id, &plan.digest, &human(by), kind, Some("i-1")).await
    }

    pub(crate) async fn grants(&self, plan: &PlanId) -> Vec<GrantRecord> {
        self.store.grants(plan).await.unwrap()
    }

    /// How many events of a kind are on record.
    pub(crate) async fn recorded(&self, kind: &str) -> usize {
        let records = self.store.records(1, 1000).await.unwrap();
        records.iter().filter(|record| record.event.contains(&format!("\"event\":\"{kind}\""))).count()
    }

    pub(crate) fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub(crate) fn event(&self, what: What) -> Event {
        Event { at: self.clock.now(), call: None, caller: None, what }
    }
}
