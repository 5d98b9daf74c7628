//! What the person the agent acts for is asked, and what can come back. Knows nothing of MCP.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use crate::digest::{Digest, NotCanonical};
use crate::names::{Human, PlanId};

/// The domain of prompt digests; a change of [`Prompt`]'s form changes it.
pub const PROMPT_DOMAIN: &str = "countersign.prompt.v1";

/// What the person is asked: made from a plan, and a function of that plan alone.
///
/// In MCP 2026-07-28 a question and its answer are two calls, and the prompt is made again for the second. Its digest
/// must then be the same, so nothing in it may depend on the time of asking ("expires at 10:15", not "in 5 minutes").
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prompt {
    /// The plan to consent to.
    pub plan: PlanId,
    /// That plan's digest.
    pub digest: Digest,
    /// The whole text, at most 25 lines; whatever comes from outside is escaped already.
    pub text: String,
    /// The label of the only field, such as `type prod-orders to confirm`.
    pub field_label: String,
    /// The exact text to type. It is never sent as a default, placeholder or choice; `text` says what to type.
    pub expected: String,
}

impl Prompt {
    /// Digest of everything the person is asked, for the record and for binding an answer to the question.
    pub fn shown(&self) -> Result<Digest, NotCanonical> {
        Digest::of(PROMPT_DOMAIN, self)
    }
}

/// What came back. Only [`Answer::Typed`] can lead to a confirmation, and only if its text equals what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The form was accepted, with this text in its only field.
    Typed {
        /// The text exactly as it arrived: not trimmed, not compared with anything.
        text: String,
        /// Time between showing the prompt and the answer.
        after: Duration,
    },
    /// The person said no.
    Declined,
    /// The prompt was dismissed, or the whole call cancelled.
    Cancelled,
    /// No answer came in time.
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// An answer came that counts for nothing: no text in the form, used before, or given to another question.
    Void {
        /// Why; a lower-case fragment for the agent and the record.
        why: String,
    },
    /// The client can't show a form to its person.
    Unavailable {
        /// Why; a lower-case fragment for the agent and the record.
        why: String,
    },
    /// The person is asked through the answer to this call: the client calls again, with the person's answer.
    ///
    /// The call ends here, with [`Prompt`] as its answer; nothing is granted.
    Suspended,
}

/// The domain of page digests; a change of [`Page`]'s form changes it.
pub const PAGE_DOMAIN: &str = "countersign.page.v1";

/// Where people can look at a plan and sign it. A function of the plan alone, as [`Prompt`] is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The plan.
    pub plan: PlanId,
    /// That plan's digest.
    pub digest: Digest,
    /// Its page in the approvals console.
    pub url: String,
    /// What the person is told; whatever comes from outside is escaped already.
    pub text: String,
}

impl Page {
    /// Digest of everything the person is told.
    pub fn shown(&self) -> Result<Digest, NotCanonical> {
        Digest::of(PAGE_DOMAIN, self)
    }
}

/// Whether a page was shown. Nothing follows from it: what counts is signed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The client says that its person opened it.
    Shown,
    /// The person did not want to, or did not answer.
    NotWanted,
    /// The client can't open pages.
    NotOffered,
    /// The person is asked through the answer to this call: the client calls again.
    Suspended,
}

/// The way to the person the agent acts for. One is made for each call.
#[async_trait]
pub trait Asker: Send + Sync {
    /// The plan that an answer given with this call belongs to, where the protocol names it (the sealed state of MCP
    /// 2026-07-28). Naming it grants nothing; it only tells which plan to make anew.
    fn resumes(&self) -> Option<PlanId> {
        None
    }

    /// Asks the person, in the agent's client, and waits for the answer where the protocol has it so.
    ///
    /// An answer is given out once: asking twice in one call never yields two consents.
    async fn ask(&self, prompt: &Prompt) -> Answer;

    /// The approver who carries the plan out from the console; `None` for every call of an agent.
    fn applying(&self) -> Option<Human> {
        None
    }

    /// Asks the person to open a page, where the client can.
    async fn open(&self, _page: &Page) -> Opened {
        Opened::NotOffered
    }

    /// Tells the client how far a long call is. Best effort: without an error, and without effect where the client
    /// did not ask for it. `message` must be escaped already.
    async fn progress(&self, message: &str);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt() -> Prompt {
        Prompt {
            plan: PlanId::from_outside("plan-1"),
            digest: Digest::of_bytes("t", b"plan"),
            text: "Delete bucket `orders`?".into(),
            field_label: "type orders to confirm".into(),
            expected: "orders".into(),
        }
    }

    #[test]
    fn every_part_of_a_prompt_is_under_its_digest() {
        let digests: std::collections::BTreeSet<_> = [
            prompt(),
            Prompt { plan: PlanId::from_outside("plan-2"), ..prompt() },
            Prompt { digest: Digest::of_bytes("t", b"another plan"), ..prompt() },
            Prompt { text: "Delete bucket `logs`?".into(), ..prompt() },
            Prompt { field_label: "type logs to confirm".into(), ..prompt() },
            Prompt { expected: "logs".into(), ..prompt() },
        ]
        .iter()
        .map(|prompt| prompt.shown().unwrap())
        .collect();
        assert_eq!(digests.len(), 6);
    }
}
