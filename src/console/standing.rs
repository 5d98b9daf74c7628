//! Where a plan stands with people: who signed, what is missing, and what the one who looks at it may do.
//!
//! What counts is decided by `approval/signatures.rs`; this says it for pages.

use jiff::Timestamp;

use crate::approval::people::{Approver, same};
use crate::approval::signatures::{Missing, Signatures};
use crate::names::Human;
use crate::plan::filed::{FiledPlan, Obligation, PlanState};
use crate::ports::{GrantKind, GrantRecord};

/// Where a plan stands with people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What it needs of people, each filled or not, in the order it is asked for.
    pub(crate) slots: Vec<Slot>,
    /// Groups of which somebody must be among the approvals, and who of them has signed.
    pub(crate) groups: Vec<(String, Option<Human>)>,
    /// Signatures that don't count, and why.
    pub(crate) void: Vec<(Signature, &'static str)>,
    /// What it needs that isn't of people's giving, such as a ticket.
    pub(crate) also: Vec<&'static str>,
    /// True where nothing of people's giving is missing.
    pub(crate) complete: bool,
    /// What the one who looks may do.
    pub(crate) may: May,
}

/// One thing that is needed of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// What is given here.
    pub(crate) kind: GrantKind,
    /// Who gave it; `None` while it is missing.
    pub(crate) by: Option<Signature>,
}

/// Somebody's consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Who.
    pub(crate) by: Human,
    /// When.
    pub(crate) at: Timestamp,
    /// True where a passkey signed it.
    pub(crate) passkey: bool,
}

/// What the one who looks at a plan may do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct May {
    /// Sign it as another person.
    pub(crate) approve: bool,
    /// Confirm it, as the human it was made for.
    pub(crate) confirm: bool,
    /// Carry it out.
    pub(crate) apply: bool,
    /// End it.
    pub(crate) reject: bool,
    /// Why not more; empty where there is nothing to explain.
    pub(crate) why_not: String,
}

impl May {
    /// True where the plan waits for this person.
    pub(crate) fn something(&self) -> bool {
        self.approve || self.confirm || self.apply
    }
}

/// A plan and everything that was said about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    /// The plan.
    pub(crate) plan: &'a FiledPlan,
    /// Its unused grants.
    pub(crate) grants: &'a [GrantRecord],
    /// Everybody who ever enrolled.
    pub(crate) people: &'a [Approver],
    /// Now.
    pub(crate) now: Timestamp,
}

/// Where the plan stands, for `viewer`.
pub(crate) fn standing(ground: &Ground<'_>, viewer: &Approver) -> Standing {
    let Ground { plan, grants, people, now } = *ground;
    let content = &plan.content;
    let counted = Signatures::count(plan, grants.to_vec(), people, now);
    let missing = counted.missing(content, None);
    let by_person = content.is_for_a_person();
    let application = counted.applications.values().max_by_key(|grant| grant.at).map(Signature::of);
    let mut slots = Vec::new();
    let mut groups = Vec::new();
    let mut also = Vec::new();
    for obligation in &content.obligations {
        match obligation {
            Obligation::Preview => {}
            // Whoever carries it out types the text then.
            Obligation::Confirmation { .. } if by_person => {}
            Obligation::Confirmation { .. } => {
                let by = counted.confirmation.as_ref().map(Signature::of);
                slots.push(Slot { kind: GrantKind::Confirmation, by });
            }
            Obligation::Approvals { count, groups: of } => {
                let given = counted.approvals.values().map(|(grant, _)| Some(Signature::of(grant)));
                let wanted = usize::try_from(*count).unwrap_or(usize::MAX).max(counted.approvals.len());
                let all = given.chain(std::iter::repeat(None)).take(wanted);
                slots.extend(all.map(|by| Slot { kind: GrantKind::Approval, by }));
                groups.extend(of.iter().map(|group| {
                    let somebody = counted.approvals.values().find(|(_, groups)| groups.contains(group));
                    (group.clone(), somebody.map(|(grant, _)| grant.by.clone()))
                }));
            }
            Obligation::Person => slots.push(Slot { kind: GrantKind::Application, by: application.clone() }),
            Obligation::Ticket => also.push("a ticket, which a new preview must name"),
            Obligation::Window => also.push("an open change window when it is applied"),
        }
    }
    let void = grants.iter().filter_map(|grant| Some((Signature::of(grant), why_void(ground, &counted, grant)?)));
    let may = may(ground, viewer, &counted, &missing);
    Standing { slots, groups, void: void.collect(), also, complete: missing.is_empty(), may }
}

impl Standing {
    /// How many approvals there are, and how many are needed.
    pub(crate) fn approvals(&self) -> (usize, usize) {
        let of = |slot: &&Slot| slot.kind == GrantKind::Approval;
        let given = self.slots.iter().filter(of).filter(|slot| slot.by.is_some()).count();
        (given, self.slots.iter().filter(of).count())
    }
}

impl Signature {
    fn of(grant: &GrantRecord) -> Self {
        Self { by: grant.by.clone(), at: grant.at, passkey: grant.signed.is_some() }
    }
}

fn may(ground: &Ground<'_>, viewer: &Approver, counted: &Signatures, missing: &[Missing]) -> May {
    let Ground { plan, now, .. } = *ground;
    let content = &plan.content;
    if plan.state != PlanState::Open || content.expires_at <= now || !viewer.is_active() {
        return May::default();
    }
    let own = viewer.is(&content.human);
    let signed = counted.approvals.keys().any(|name| viewer.is(name));
    let mut may = May { reject: true, ..May::default() };
    // What was typed in the agent's client may not do for the policies, such as where it came too fast: a signature is
    // worth more.
    may.confirm = own && counted.confirmation.as_ref().is_some_and(|grant| grant.signed.is_none());
    for missing in missing {
        match missing {
            Missing::Confirmation { .. } => may.confirm |= own,
            Missing::Approvals { .. } if own => may.why_not = "the agent asks for you, so others approve it".to_owned(),
            Missing::Approvals { .. } if signed => {
                may.why_not = "you have approved it; the next approval is somebody else’s".to_owned();
            }
            Missing::Approvals { count, groups } => {
                let helps = *count > 1 || groups.is_empty() || groups.iter().any(|group| viewer.groups.contains(group));
                may.approve |= helps;
                if !helps {
                    may.why_not = "the approval that is missing is that of a group you don’t belong to".to_owned();
                }
            }
            Missing::Person => {
                let rest = counted.missing(content, Some(&viewer.name));
                let ready = rest.iter().all(|missing| *missing == Missing::Person);
                may.apply = ready && plan.input.is_some() && !content.obligations.contains(&Obligation::Ticket);
                if ready && plan.input.is_none() {
                    may.why_not =
                        "an argument of it is sensitive and kept nowhere, so only the agent has it".to_owned();
                } else if !ready && signed && may.why_not.is_empty() {
                    may.why_not = "you have approved it, so somebody else applies it".to_owned();
                }
            }
        }
    }
    may
}

/// Why a grant counts nothing; `None` where it does.
fn why_void(ground: &Ground<'_>, counted: &Signatures, grant: &GrantRecord) -> Option<&'static str> {
    let approvals = counted.approvals.values().map(|(grant, _)| grant);
    let mut counting = approvals.chain(&counted.confirmation).chain(counted.applications.values());
    if counting.any(|counts| counts.id == grant.id) {
        return None;
    }
    let person = ground.people.iter().find(|person| same(&person.name, &grant.by));
    Some(match person {
        _ if grant.digest != ground.plan.digest => "it is for another digest than this plan’s",
        _ if grant.expires_at <= ground.now => "its time ran out",
        None if grant.signed.is_some() => "they aren’t enrolled",
        Some(person) if !person.is_active() => "they have been revoked since",
        Some(person) if grant.kind == GrantKind::Approval && person.is(&ground.plan.content.human) => {
            "the agent asks for them"
        }
        _ => "another one of theirs counts, or its passkey isn’t theirs any more",
    })
}
