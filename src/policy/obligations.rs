//! What a call still needs, found by asking: which of a fixed list of circumstances would permit it?
//!
//! The list is ordered by how much it asks of people. The first entry that permits says what is needed. It is asked as if
//! no change window were open, so that a plan made on Monday says the same on Saturday.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::question::{Confirmation, Evidence, Question};
use super::set::{Policies, Verdict};
use super::vocabulary::GROUPS;
use crate::names::{Effect, Human};

/// How long somebody takes who reads with care.
const CAREFUL: Duration = Duration::from_secs(600);

/// What a call still needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The plan must have been shown before.
    pub preview: bool,
    /// The person the agent acts for types the text.
    pub confirmation: bool,
    /// So many other people sign.
    pub approvals: u32,
    /// Somebody of each of these groups is among them.
    pub groups: BTreeSet<String>,
    /// The call names a ticket.
    pub ticket: bool,
    /// A change window is open.
    pub window: bool,
    /// A person applies it, not the agent.
    pub person: bool,
    /// The policies that permit it then.
    pub permitted_by: BTreeSet<String>,
}

impl Needs {
    /// What both need.
    pub fn and(self, other: Self) -> Self {
        Self {
            preview: self.preview || other.preview,
            confirmation: self.confirmation || other.confirmation,
            approvals: self.approvals.max(other.approvals),
            groups: self.groups.into_iter().chain(other.groups).collect(),
            ticket: self.ticket || other.ticket,
            window: self.window || other.window,
            person: self.person || other.person,
            permitted_by: self.permitted_by.into_iter().chain(other.permitted_by).collect(),
        }
    }

    /// What holds whatever policies say: what loses state or service, or returns secrets, is previewed and confirmed.
    pub fn at_least_for(mut self, effect: Effect) -> Self {
        if effect.needs_preview() {
            self.preview = true;
            self.confirmation = true;
        }
        self
    }
}

/// What permits a question, or the verdict where nothing on the list does.
pub fn find(policies: &Policies, question: &Question) -> Result<Needs, Verdict> {
    let tickets: Vec<Option<String>> = match &question.circumstances.ticket {
        Some(ticket) => vec![Some(ticket.clone())],
        None => std::iter::once(None).chain(policies.ticket_examples().iter().cloned().map(Some)).collect(),
    };
    let named = question.circumstances.ticket.is_some();
    let groups: Vec<&String> =
        policies.vocabulary().groups().iter().filter(|group| !GROUPS.contains(&group.as_str())).collect();
    let mut asked = question.clone();
    for person in [false, true] {
        for window in [false, true] {
            for ticket in &tickets {
                asked.circumstances.window_open = window;
                asked.circumstances.ticket.clone_from(ticket);
                for consent in Consent::all(&groups) {
                    let evidence = consent.evidence(person);
                    if let Verdict::Permitted { by } = policies.ask(&asked, &evidence) {
                        let unseen = Evidence { previewed: false, ..evidence };
                        return Ok(Needs {
                            preview: !matches!(policies.ask(&asked, &unseen), Verdict::Permitted { .. }),
                            confirmation: consent.confirmation,
                            approvals: consent.approvals,
                            groups: consent.group.into_iter().cloned().collect(),
                            ticket: !named && ticket.is_some(),
                            window,
                            person,
                            permitted_by: by.into_iter().collect(),
                        });
                    }
                }
            }
        }
    }
    // With everything there is to give and still denied: told as it would be then.
    let most = Consent { confirmation: true, approvals: 2, group: None };
    Err(policies.ask(&asked, &most.evidence(true)))
}

/// What people could give.
#[derive(Clone, Copy, Debug)]
struct Consent<'a> {
    confirmation: bool,
    approvals: u32,
    group: Option<&'a String>,
}

impl<'a> Consent<'a> {
    /// The least first. Whoever lets others sign confirms as well.
    fn all(groups: &[&'a String]) -> Vec<Self> {
        let one = |confirmation, approvals, group| Self { confirmation, approvals, group };
        let mut all = vec![one(false, 0, None), one(true, 0, None)];
        for approvals in [1, 2] {
            all.push(one(true, approvals, None));
            all.extend(groups.iter().map(|group| one(true, approvals, Some(*group))));
        }
        all
    }

    fn evidence(self, applied_by_person: bool) -> Evidence {
        let everybody = || GROUPS.iter().map(|group| (*group).to_owned()).collect::<BTreeSet<_>>();
        let approvals: BTreeMap<Human, BTreeSet<String>> = (1..=self.approvals)
            .map(|number| {
                let mut groups = everybody();
                groups.extend(self.group.filter(|_| number == 1).cloned());
                (Human::new(format!("\u{1}approver {number}")), groups)
            })
            .collect();
        Evidence {
            previewed: true,
            confirmation: self.confirmation.then_some(Confirmation { after: CAREFUL, readable: true }),
            approvals,
            applied_by_person,
        }
    }
}
