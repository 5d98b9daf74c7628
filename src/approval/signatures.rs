//! Which of a plan's consents on record count now, and what is still missing. Pure: the store's answers go in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::people::{Approver, same};
use super::prompt;
use crate::names::Human;
use crate::plan::filed::{FiledPlan, Obligation, PlanContent};
use crate::ports::{GrantKind, GrantRecord, Store, StoreError};
use crate::text::escape::quoted;

/// The consents to a plan that count at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// The human's own, typed in the client or signed in the console.
    pub confirmation: Option<GrantRecord>,
    /// Other people's, with the groups they belong to now; one of each person.
    pub approvals: BTreeMap<Human, (GrantRecord, BTreeSet<String>)>,
    /// Of people who carry it out, the newest of each.
    pub applications: BTreeMap<Human, GrantRecord>,
}

/// What a plan still waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "missing", rename_all = "snake_case")]
pub enum Missing {
    /// The human's own confirmation.
    Confirmation {
        /// Who gives it.
        by: Human,
    },
    /// Signatures of other people.
    Approvals {
        /// How many more, at least 1.
        count: u32,
        /// Groups nobody of whom has signed yet.
        #[serde(skip_serializing_if = "BTreeSet::is_empty")]
        groups: BTreeSet<String>,
    },
    /// A person who carries it out.
    Person,
}

impl Signatures {
    /// Reads what there is for a filed plan.
    pub async fn of(plan: &FiledPlan, store: &dyn Store, now: Timestamp) -> Result<Self, StoreError> {
        let grants = store.grants(&plan.content.id).await?;
        let people = if grants.iter().any(|grant| grant.signed.is_some()) { store.people().await? } else { Vec::new() };
        Ok(Self::count(plan, grants, &people, now))
    }

    /// Counts grants. One counts only for this very digest, unexpired and unused; a signed one only of somebody who is an
    /// approver now and signed with a passkey of theirs; an approval only of somebody else than the plan's human.
    pub fn count(plan: &FiledPlan, grants: Vec<GrantRecord>, people: &[Approver], now: Timestamp) -> Self {
        let mut counted = Self::default();
        let human = &plan.content.human;
        for grant in grants {
            if grant.plan != plan.content.id || grant.digest != plan.digest || grant.expires_at <= now {
                continue;
            }
            let signer = signer(&grant, people);
            match (grant.kind, signer) {
                (GrantKind::Confirmation, None) if typed_and_lasting(&grant, plan) => {
                    counted.confirmation = Some(grant);
                }
                (GrantKind::Confirmation, Some(signer)) if signer.is(human) => counted.confirmation = Some(grant),
                (GrantKind::Approval, Some(signer)) if !signer.is(human) && !same(&signer.name, human) => {
                    counted.approvals.insert(signer.name.clone(), (grant, signer.groups.clone()));
                }
                (GrantKind::Application, Some(signer)) => {
                    counted.applications.insert(signer.name.clone(), grant);
                }
                _ => {}
            }
        }
        counted
    }

    /// What is missing of what the plan needs of people. `applying`: the person who carries it out now.
    pub fn missing(&self, content: &PlanContent, applying: Option<&Human>) -> Vec<Missing> {
        let mut missing = Vec::new();
        let applied = applying.is_some_and(|by| self.applications.contains_key(by));
        let by_person = content.is_for_a_person();
        for obligation in &content.obligations {
            match obligation {
                Obligation::Preview | Obligation::Ticket | Obligation::Window => {}
                // Whoever carries it out types the text then.
                Obligation::Confirmation { .. } if by_person || self.confirmation.is_some() => {}
                Obligation::Confirmation { .. } => missing.push(Missing::Confirmation { by: content.human.clone() }),
                Obligation::Approvals { count, groups } => {
                    missing.extend(self.missing_approvals(*count, groups, applying));
                }
                Obligation::Person if applied => {}
                Obligation::Person => missing.push(Missing::Person),
            }
        }
        missing
    }

    /// Whoever carries a plan out doesn't count among those who approve it.
    pub fn approving<'a>(
        &'a self,
        applying: Option<&'a Human>,
    ) -> impl Iterator<Item = (&'a Human, &'a (GrantRecord, BTreeSet<String>))> {
        self.approvals.iter().filter(move |(name, _)| applying.is_none_or(|by| !same(by, name)))
    }

    fn missing_approvals(&self, count: u32, groups: &BTreeSet<String>, applying: Option<&Human>) -> Option<Missing> {
        let have = u32::try_from(self.approving(applying).count()).unwrap_or(u32::MAX);
        let present: BTreeSet<&String> = self.approving(applying).flat_map(|(_, (_, groups))| groups).collect();
        let absent: BTreeSet<String> = groups.iter().filter(|group| !present.contains(group)).cloned().collect();
        let least = u32::try_from(absent.len().min(1)).unwrap_or(1);
        match count.saturating_sub(have).max(least) {
            0 => None,
            count => Some(Missing::Approvals { count, groups: absent }),
        }
    }

    /// Who signed what, for people and models.
    pub fn list(&self) -> Value {
        let row = |what: &str, grant: &GrantRecord| json!({ "by": grant.by, "what": what, "at": grant.at });
        let confirmed = self.confirmation.iter().map(|grant| row("confirmed", grant));
        let approved = self.approvals.values().map(|(grant, _)| row("approved", grant));
        confirmed.chain(approved).collect()
    }
}

impl Missing {
    /// As a person reads it, such as `2 more people other than ann`.
    pub fn told(&self, human: &Human) -> String {
        let human = quoted(human.as_str(), 64);
        match self {
            Self::Confirmation { by } => format!("a confirmation by {}", quoted(by.as_str(), 64)),
            Self::Approvals { count, groups } => {
                let of: String = groups.iter().map(|group| format!(", somebody of {group} among them")).collect();
                match count {
                    1 => format!("the approval of one more person, other than {human}{of}"),
                    count => format!("the approvals of {count} more people, other than {human}{of}"),
                }
            }
            Self::Person => "a person who applies it from the approvals console".to_owned(),
        }
    }
}

/// A confirmation typed in the client is good for the call it was typed in; where other people must agree too, for as long
/// as they take. One that came faster than a person reads is asked for again.
fn typed_and_lasting(grant: &GrantRecord, plan: &FiledPlan) -> bool {
    let after = Duration::from_millis(grant.answered_after_ms);
    let read = prompt::of_filed(plan).is_some_and(|prompt| !prompt::faster_than_reading(&prompt.text, after));
    plan.content.needs_approvals() && read && grant.signed.is_none() && same(&grant.by, &plan.content.human)
}

/// The active approver whose signature a grant carries; `None` where it carries none that counts.
fn signer<'a>(grant: &GrantRecord, people: &'a [Approver]) -> Option<&'a Approver> {
    let signed = grant.signed.as_ref()?;
    people
        .iter()
        .find(|approver| same(&approver.name, &grant.by))
        .filter(|approver| approver.is_active())
        .filter(|approver| approver.passkeys.iter().any(|passkey| passkey.id == signed.passkey.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::people::Passkey;
    use crate::approval::statement::{Saying, Signed, Statement};
    use crate::digest::Digest;
    use crate::names::GrantId;
    use crate::plan::filed::PlanState;
    use crate::plan::filed::tests::sample;

    fn plan(obligations: Vec<Obligation>) -> FiledPlan {
        let mut content = sample();
        content.obligations = obligations;
        let digest = content.digest().unwrap();
        FiledPlan {
            content,
            digest,
            state: PlanState::Open,
            outcome: None,
            input: None,
            parked_at: None,
            kept: None,
            undone: None,
        }
    }

    fn passkey(of: &str) -> Passkey {
        Passkey {
            id: format!("key-of-{of}"),
            label: "laptop".into(),
            added_at: Timestamp::UNIX_EPOCH,
            credential: json!({}),
        }
    }

    fn approver(name: &str, groups: &[&str]) -> Approver {
        Approver {
            name: Human::new(name),
            aliases: BTreeSet::new(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            admin: false,
            passkeys: vec![passkey(name)],
            enrolled_at: Timestamp::UNIX_EPOCH,
            revoked_at: None,
        }
    }

    fn people() -> Vec<Approver> {
        let ann = Approver { aliases: [Human::new("ann@example.com")].into(), ..approver("ann", &["approvers"]) };
        vec![ann, approver("bob", &["approvers"]), approver("dana", &["approvers", "database-owners"])]
    }

    fn grant(plan: &FiledPlan, kind: GrantKind, by: &str) -> GrantRecord {
        let saying = Saying::Approve { plan: plan.content.id.clone(), digest: plan.digest };
        let statement = Statement {
            saying,
            by: Human::new(by),
            origin: "http://localhost:8470".into(),
            at: plan.content.created_at,
            nonce: "0".repeat(32),
        };
        GrantRecord {
            id: GrantId::fresh(),
            plan: plan.content.id.clone(),
            digest: plan.digest,
            by: Human::new(by),
            at: plan.content.created_at,
            expires_at: plan.content.expires_at,
            answered_after_ms: 30_000,
            kind,
            signed: Some(Box::new(Signed { statement, passkey: passkey(by), assertion: json!({}) })),
        }
    }

    fn two_people() -> FiledPlan {
        plan(vec![Obligation::Preview, Obligation::Approvals { count: 2, groups: ["database-owners".into()].into() }])
    }

    fn missing(plan: &FiledPlan, grants: Vec<GrantRecord>, people: &[Approver]) -> Vec<Missing> {
        Signatures::count(plan, grants, people, plan.content.created_at).missing(&plan.content, None)
    }

    fn needs(count: u32, groups: &[&str]) -> Vec<Missing> {
        vec![Missing::Approvals { count, groups: groups.iter().map(|group| (*group).to_owned()).collect() }]
    }

    #[test]
    fn two_others_and_one_of_the_group() {
        let plan = two_people();
        let by = |name| grant(&plan, GrantKind::Approval, name);
        assert_eq!(missing(&plan, vec![], &people()), needs(2, &["database-owners"]));
        assert_eq!(missing(&plan, vec![by("bob")], &people()), needs(1, &["database-owners"]));
        assert_eq!(missing(&plan, vec![by("dana")], &people()), needs(1, &[]));
        assert_eq!(missing(&plan, vec![by("bob"), by("dana")], &people()), []);
    }

    #[test]
    fn one_person_never_counts_twice() {
        let plan = two_people();
        let by = |name| grant(&plan, GrantKind::Approval, name);
        assert_eq!(missing(&plan, vec![by("dana"), by("dana"), by("DANA")], &people()), needs(1, &[]));
    }

    #[test]
    fn the_human_the_agent_acts_for_never_approves_by_name_or_alias() {
        let mut plan = two_people();
        let people = people();
        for human in ["ann", "Ann", "ann@example.com", "ANN@example.com"] {
            plan.content.human = Human::new(human);
            plan.digest = plan.content.digest().unwrap();
            let own = grant(&plan, GrantKind::Approval, "ann");
            assert_eq!(missing(&plan, vec![own], &people), needs(2, &["database-owners"]), "{human}");
        }
    }

    #[test]
    fn what_is_revoked_expired_for_another_digest_or_by_another_key_counts_nothing() {
        let plan = two_people();
        let good = grant(&plan, GrantKind::Approval, "dana");
        let mut gone = people();
        gone[2].revoked_at = Some(plan.content.created_at);
        let other = GrantRecord { digest: Digest::of_bytes("t", b"other"), ..good.clone() };
        let unsigned = GrantRecord { signed: None, ..good.clone() };
        let late = GrantRecord { expires_at: plan.content.created_at, ..good.clone() };
        let mut foreign = good.clone();
        foreign.signed.as_mut().unwrap().passkey = passkey("bob");
        let stranger = grant(&plan, GrantKind::Approval, "mallory");
        let all = needs(2, &["database-owners"]);
        assert_eq!(missing(&plan, vec![good], &gone), all);
        for bad in [other, unsigned, late, foreign, stranger] {
            assert_eq!(missing(&plan, vec![bad.clone()], &people()), all, "{bad:?}");
        }
    }

    #[test]
    fn whoever_applies_it_types_the_text_and_does_not_approve() {
        let plan = plan(vec![
            Obligation::Confirmation { text: "orders".into() },
            Obligation::Approvals { count: 1, groups: BTreeSet::new() },
            Obligation::Person,
        ]);
        let (bob, dana) = (Human::new("bob"), Human::new("dana"));
        let grants = vec![grant(&plan, GrantKind::Approval, "bob"), grant(&plan, GrantKind::Application, "bob")];
        let counted = Signatures::count(&plan, grants, &people(), plan.content.created_at);
        assert_eq!(counted.missing(&plan.content, None), [Missing::Person]);
        assert_eq!(counted.missing(&plan.content, Some(&bob)), needs(1, &[]));
        assert_eq!(counted.missing(&plan.content, Some(&dana)), [Missing::Person]);
        let mut more = counted;
        more.applications.insert(dana.clone(), grant(&plan, GrantKind::Application, "dana"));
        assert_eq!(more.missing(&plan.content, Some(&dana)), []);
    }

    #[test]
    fn a_confirmation_is_the_humans_own() {
        let confirmation = || Obligation::Confirmation { text: "orders".into() };
        let approval = || Obligation::Approvals { count: 1, groups: BTreeSet::new() };
        let with_others = plan(vec![confirmation(), approval()]);
        let by = Human::new("ann");
        let lacks = |by: &str, ms: u64| {
            let typed =
                GrantRecord { signed: None, answered_after_ms: ms, ..grant(&with_others, GrantKind::Confirmation, by) };
            missing(&with_others, vec![typed], &people()).contains(&Missing::Confirmation { by: Human::new("ann") })
        };
        assert!(!lacks("ann", 60_000) && !lacks("ANN", 60_000));
        // Faster than a person reads, or by somebody else.
        assert!(lacks("ann", 900) && lacks("bob", 60_000));

        let plan = plan(vec![confirmation()]);
        let typed = GrantRecord { signed: None, ..grant(&plan, GrantKind::Confirmation, "ann") };
        assert_eq!(missing(&plan, vec![typed], &people()), [Missing::Confirmation { by: by.clone() }]);
        assert_eq!(missing(&plan, vec![grant(&plan, GrantKind::Confirmation, "ann")], &people()), []);
        let others = grant(&plan, GrantKind::Confirmation, "bob");
        assert_eq!(missing(&plan, vec![others], &people()), [Missing::Confirmation { by }]);
    }
}
