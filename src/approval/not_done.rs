//! `NotDone`: why nothing came of what a person asked for in the console or on the command line.

use std::collections::BTreeSet;

use super::passkey::NotSigned;
use crate::names::{Human, PlanId, ProposalId};
use crate::plan::filed::PlanState;
use crate::ports::StoreError;
use crate::text::escape::quoted;

/// Why it was not done. [`NotDone::code`] is for programs, the text and [`NotDone::mend`] for people.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// There is no such plan.
    #[error("there is no plan {}", quoted(.0.as_str(), 64))]
    NoPlan(PlanId),
    /// The plan is over.
    #[error("plan {} is {}", quoted(.plan.as_str(), 64), .state)]
    NotOpen {
        /// The plan.
        plan: PlanId,
        /// What has become of it.
        state: PlanState,
    },
    /// Nobody has put the plan before people yet.
    #[error("plan {} does not wait for people", quoted(.0.as_str(), 64))]
    NotParked(PlanId),
    /// The plan has another digest than the page that was shown.
    #[error("plan {} is not the one that was shown", quoted(.0.as_str(), 64))]
    OtherDigest(PlanId),
    /// Nobody of that name may sign.
    #[error("{} is not an approver, or not any more", quoted(.0.as_str(), 64))]
    NotAnApprover(Human),
    /// The plan's own human is not its second person.
    #[error("the plan is made for {}, who can't be its second person too", quoted(.0.as_str(), 64))]
    OwnPlan(Human),
    /// Only the plan's own human confirms it.
    #[error("the plan is made for {}, and only they confirm it", quoted(.0.as_str(), 64))]
    NotOwnPlan(Human),
    /// The plan asks for no such signature.
    #[error("the plan needs no {0}")]
    NotNeeded(&'static str),
    /// The person has signed already.
    #[error("{} has signed this plan already", quoted(.0.as_str(), 64))]
    Already(Human),
    /// What was typed is not what the plan asks for.
    #[error("the text that was typed is not the one that was asked for")]
    WrongText,
    /// The page hasn't been open for long enough.
    #[error("this can't be undone, so it takes some reading: {seconds} more seconds")]
    TooSoon {
        /// How long it takes yet, rounded up.
        seconds: u64,
    },
    /// What was begun is unknown, somebody else's, over, or was used.
    #[error("what was begun took too long, or was finished already")]
    NotBegun,
    /// The passkey's answer doesn't count.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// The reason is missing, too short or too long.
    #[error("a reason has 3 to 500 characters")]
    BadReason,
    /// Only admins change who may sign.
    #[error("{} is no admin", quoted(.0.as_str(), 64))]
    NotAdmin(Human),
    /// There is no such proposal.
    #[error("there is no proposal {}: it was signed, withdrawn, or has expired", quoted(.0.as_str(), 64))]
    NoProposal(ProposalId),
    /// A name that can't be one.
    #[error("{} can't be a name", quoted(.0, 80))]
    BadName(String),
    /// A group nobody knows.
    #[error("there is no group {}", quoted(.group, 64))]
    UnknownGroup {
        /// The group.
        group: String,
        /// Those there are.
        known: BTreeSet<String>,
    },
    /// The link works no more.
    #[error("the link was used already, has expired, or a newer one took its place")]
    NoInvitation,
    /// The store says no, at the last moment.
    #[error("{0}")]
    Refused(String),
    /// The server's own fault; the text is for the operator's log.
    #[error("the server could not do it")]
    Failed(String),
}

impl NotDone {
    /// The kind; stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPlan(_) => "no_plan",
            Self::NotOpen { .. } => "not_open",
            Self::NotParked(_) => "not_parked",
            Self::OtherDigest(_) => "other_plan",
            Self::NotAnApprover(_) => "not_an_approver",
            Self::OwnPlan(_) => "own_plan",
            Self::NotOwnPlan(_) => "not_own_plan",
            Self::NotNeeded(_) => "not_needed",
            Self::Already(_) => "already_signed",
            Self::WrongText => "wrong_text",
            Self::TooSoon { .. } => "too_soon",
            Self::NotBegun => "not_begun",
            Self::NotSigned(_) => "not_signed",
            Self::BadReason => "bad_reason",
            Self::NotAdmin(_) => "not_admin",
            Self::NoProposal(_) => "no_proposal",
            Self::BadName(_) => "bad_name",
            Self::UnknownGroup { .. } => "unknown_group",
            Self::NoInvitation => "no_invitation",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// What to do about it.
    pub fn mend(&self) -> String {
        let fixed = match self {
            Self::UnknownGroup { known, .. } => {
                let known: Vec<String> = known.iter().map(|group| quoted(group, 64)).collect();
                return format!("name one of {}, or add it to `groups` under `[policy]`", known.join(", "));
            }
            Self::NotSigned(not) => not.mend(),
            Self::NoPlan(_) => "look at the list of plans",
            Self::NotOpen { .. } => "nothing is left to do; the agent can preview it again",
            Self::NotParked(_) => "it appears here when the agent asks for it to be carried out",
            Self::OtherDigest(_) => "reload the page, and read it again",
            Self::NotAnApprover(_) => "ask an admin for an invitation",
            Self::OwnPlan(_) => "ask somebody else to look at it",
            Self::NotOwnPlan(_) => "approve it instead, or leave it",
            Self::NotNeeded(_) => "leave it; the page says what is missing",
            Self::Already(_) => "ask somebody else, where it needs more people",
            Self::WrongText => "type exactly the text that the page shows",
            Self::TooSoon { .. } => "read the page, and sign then",
            Self::NotBegun => "reload the page, and begin again",
            Self::BadReason => "say in a few words why; the agent reads it",
            Self::NotAdmin(_) => "ask an admin",
            Self::NoProposal(_) => "look at the list of proposals, or propose it again",
            Self::BadName(_) => {
                "take 1 to 64 visible characters of one line, with no space at either end, no backtick and no slash"
            }
            Self::NoInvitation => "ask an admin for a new link",
            Self::Refused(_) => "reload the page: it shows how things are now",
            Self::Failed(_) => "try again; if it happens again, tell an operator",
        };
        fixed.to_owned()
    }
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotOpen { plan, state } => Self::NotOpen { plan, state },
            StoreError::NotGranted(why) => Self::Refused(why),
            other => Self::Failed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_is_wrong_and_what_to_do() {
        let (plan, ann) = (PlanId::from_outside("plan-1"), Human::new("ann"));
        let all = [
            NotDone::NoPlan(PlanId::from_outside("plan-\u{202e}1")),
            NotDone::NotOpen { plan: plan.clone(), state: PlanState::Rejected },
            NotDone::NotParked(plan.clone()),
            NotDone::OtherDigest(plan),
            NotDone::NotAnApprover(ann.clone()),
            NotDone::OwnPlan(ann.clone()),
            NotDone::NotOwnPlan(ann.clone()),
            NotDone::NotNeeded("approval"),
            NotDone::Already(ann.clone()),
            NotDone::WrongText,
            NotDone::TooSoon { seconds: 7 },
            NotDone::NotBegun,
            NotDone::NotSigned(NotSigned::NotASite("http://guard".into())),
            NotDone::NotSigned(NotSigned::Unreadable("it has no `/id`".into())),
            NotDone::NotSigned(NotSigned::Other("another site")),
            NotDone::NotSigned(NotSigned::UnknownPasskey),
            NotDone::NotSigned(NotSigned::NotVerified),
            NotDone::NotSigned(NotSigned::Invalid),
            NotDone::NotSigned(NotSigned::Copied),
            NotDone::NotSigned(NotSigned::Enrolled),
            NotDone::BadReason,
            NotDone::NotAdmin(ann),
            NotDone::NoProposal(ProposalId::from_outside("change-1")),
            NotDone::BadName("a\nb".into()),
            NotDone::UnknownGroup { group: "seniors".into(), known: ["approvers".into(), "senior".into()].into() },
            NotDone::NoInvitation,
            NotDone::Refused("`ann` has approved this plan already".into()),
            NotDone::Failed("the disk is full".into()),
        ];
        let lines = all.iter().map(|not| format!("{}: {not}\n    {}", not.code(), not.mend()));
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }
}
