//! Which records belong into a plan's receipt: everything about the plan, its calls, its signers and the keys.

use std::collections::{BTreeMap, BTreeSet};

use super::{FORMAT, NoReceipt, Proven, Receipt};
use crate::approval::people::same;
use crate::audit::checkpoint::SignedCheckpoint;
use crate::audit::event::{Event, StoredRecord, What};
use crate::audit::merkle::{self, Tree};
use crate::audit::note::SigningKey;
use crate::digest::Digest;
use crate::names::{CallId, Human, PlanId, ProposalId};
use crate::plan::filed::PLAN_DOMAIN;

/// Kinds of events that are not about a plan, and may belong to any receipt.
const OF_ALL: [&str; 4] = ["\"enrolled\"", "\"people_changed\"", "\"people_proposed\"", "\"checkpoint_key\""];

/// Gathers what belongs to a plan, in two passes over the record.
#[derive(Debug)]
pub struct Gatherer {
    plan: PlanId,
    tree: Tree,
    found: BTreeMap<u64, (StoredRecord, What)>,
    others: BTreeMap<u64, (StoredRecord, What)>,
    calls: BTreeSet<CallId>,
}

/// What a record says of a plan: which one, and by which digest where it names one.
pub(super) fn about(what: &What) -> Option<(&PlanId, Option<Digest>)> {
    match what {
        What::Previewed { plan, digest, .. }
        | What::Asked { plan, digest, .. }
        | What::Confirmed { plan, digest, .. }
        | What::Parked { plan, digest, .. }
        | What::Signed { plan, digest, .. }
        | What::Rejected { plan, digest, .. }
        | What::Intent { plan, digest, .. } => Some((plan, Some(*digest))),
        What::Outcome { plan, .. }
        | What::RecoveryPoint { plan, .. }
        | What::Undo { plan, .. }
        | What::Waited { plan, .. }
        | What::Probing { plan, .. }
        | What::Probed { plan, .. }
        | What::Reconciled { plan, .. }
        | What::NotSigned { plan: Some(plan), .. }
        | What::Refused { plan: Some(plan), .. } => Some((plan, None)),
        _ => None,
    }
}

impl Gatherer {
    /// For a plan.
    pub fn new(plan: PlanId) -> Self {
        let (found, others) = (BTreeMap::new(), BTreeMap::new());
        Self { plan, tree: Tree::default(), found, others, calls: BTreeSet::new() }
    }

    /// Takes a record of the first pass, which begins with record 1 and ends with the checkpoint's last.
    pub fn look(&mut self, record: &StoredRecord) {
        self.tree.push(merkle::leaf(record.hash.as_bytes()));
        let may_be = |word: &str| record.event.contains(word);
        if !may_be(self.plan.as_str()) && !OF_ALL.into_iter().any(may_be) {
            return;
        }
        let Ok(event) = serde_json::from_str::<Event>(&record.event) else { return };
        if about(&event.what).is_some_and(|(plan, _)| *plan == self.plan) {
            self.calls.extend(event.call);
            self.found.insert(record.seq, (record.clone(), event.what));
        } else if let What::CheckpointKey { .. } = &event.what {
            self.found.insert(record.seq, (record.clone(), event.what));
        } else {
            self.others.insert(record.seq, (record.clone(), event.what));
        }
    }

    /// Takes a record of the second pass: the requests of the calls that the first pass found.
    pub fn look_again(&mut self, record: &StoredRecord) {
        if !record.event.contains("\"requested\"") {
            return;
        }
        let Ok(event) = serde_json::from_str::<Event>(&record.event) else { return };
        let is_request = matches!(event.what, What::Requested { .. });
        if is_request && event.call.is_some_and(|call| self.calls.contains(&call)) {
            self.found.insert(record.seq, (record.clone(), event.what));
        }
    }

    /// The receipt, by a checkpoint of what was looked at and the key it is signed with. `content` is the plan's.
    ///
    /// # Errors
    /// Where the checkpoint is of more records than were looked at, or the receipt can't be written or sealed.
    pub fn finish(
        mut self,
        content: String,
        checkpoint: &SignedCheckpoint,
        key: &SigningKey,
    ) -> Result<Receipt, NoReceipt> {
        self.add_people();
        let size = checkpoint.checkpoint().head.seq;
        let records = self.found.into_values().map(|(record, _)| Proven::of(record, &self.tree, size));
        let receipt = Receipt {
            format: FORMAT.to_owned(),
            plan: self.plan,
            digest: Digest::of_bytes(PLAN_DOMAIN, content.as_bytes()),
            content,
            records: records.collect::<Result<_, _>>()?,
            checkpoint: checkpoint.to_string(),
            seal: String::new(),
        };
        receipt.seal(key)
    }

    /// Adds what the record says of everybody who signed, and of those who signed that.
    fn add_people(&mut self) {
        let mut wanted: Vec<Human> = self.found.values().filter_map(|(_, what)| signer(what)).collect();
        let mut known: Vec<Human> = Vec::new();
        while let Some(person) = wanted.pop() {
            if known.iter().any(|other| same(other, &person)) {
                continue;
            }
            let theirs: Vec<u64> =
                self.others.iter().filter(|(_, (_, what))| concerns(what, &person)).map(|(seq, _)| *seq).collect();
            for seq in theirs {
                let Some((record, what)) = self.others.get(&seq) else { continue };
                if let What::PeopleChanged { proposal, signed, .. } = what {
                    wanted.extend(signed.as_ref().map(|signed| signed.statement.by.clone()));
                    let proposed = proposal.as_ref().and_then(|id| self.proposed(id));
                    self.found.extend(proposed);
                }
                self.found.insert(seq, (record.clone(), what.clone()));
            }
            known.push(person);
        }
    }

    fn proposed(&self, id: &ProposalId) -> Option<(u64, (StoredRecord, What))> {
        let is_it = |what: &What| matches!(what, What::PeopleProposed { proposal } if proposal.id == *id);
        self.others.iter().find(|(_, (_, what))| is_it(what)).map(|(seq, found)| (*seq, found.clone()))
    }
}

fn signer(what: &What) -> Option<Human> {
    match what {
        What::Signed { by, .. } => Some(by.clone()),
        _ => None,
    }
}

fn concerns(what: &What, person: &Human) -> bool {
    match what {
        What::Enrolled { standing, .. } => same(&standing.name, person),
        What::PeopleChanged { change, .. } => same(change.about(), person),
        _ => false,
    }
}
