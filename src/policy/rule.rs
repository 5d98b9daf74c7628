//! The fixed rule: what the policy says of one target. A policy engine takes its place behind [`Policy`].

use std::fmt::Debug;

use crate::call::refused::{Code, Refused};
use crate::call::request::Caller;
use crate::digest::Digest;
use crate::names::{Effect, OperationId, Stage};
use crate::text::escape::quoted;

/// What a policy is asked: may this caller do this to one target?
#[derive(Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The tool.
    pub tool: &'a str,
    /// The operation.
    pub operation: &'a OperationId,
    /// The effect, as far as it is known.
    pub effect: Effect,
    /// The account's name.
    pub account: &'a str,
    /// The target's stage.
    pub stage: Stage,
    /// The target's ARN; `None` where the call has no targets of its own.
    pub target: Option<&'a str>,
    /// True where something protects the target from deletion.
    pub protected: bool,
    /// True where the call runs under a role of its own.
    pub scoped_credentials: bool,
}

/// What a call to one target still needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// So many other people have to sign.
    pub approvals: u32,
    /// The plan must have been shown before.
    pub preview: bool,
    /// The person the agent acts for types the text.
    pub confirmation: bool,
}

/// A set of rules.
pub trait Policy: Send + Sync + Debug {
    /// What one target needs, or why it can't be had at all. There is no third answer.
    fn decide(&self, question: &Question<'_>) -> Result<Needs, Refused>;

    /// Names this very set of rules.
    fn digest(&self) -> Digest;

    /// One line for people.
    fn describe(&self) -> String;
}

/// Reads are free; a write needs a confirmation; what loses state or service, or returns secrets, needs a preview and a
/// confirmation; and in production what loses state needs a second person.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedRule;

impl Policy for FixedRule {
    fn decide(&self, question: &Question<'_>) -> Result<Needs, Refused> {
        if question.protected && question.effect >= Effect::Destructive {
            return Err(protected(question));
        }
        Ok(match question.effect {
            Effect::Read => Needs::default(),
            Effect::Write => Needs { confirmation: true, ..Needs::default() },
            Effect::Secret | Effect::Destructive | Effect::Irreversible => {
                let approvals = u32::from(question.stage == Stage::Prod && question.effect >= Effect::Destructive);
                Needs { confirmation: true, preview: true, approvals }
            }
        })
    }

    fn digest(&self) -> Digest {
        Digest::of_bytes("countersign.policy.v1", b"fixed rule 1")
    }

    fn describe(&self) -> String {
        "fixed rule: reads are free, writes need a confirmation, destructive and irreversible calls and secrets need a \
         preview and a confirmation, and in prod destructive and irreversible calls need a second person"
            .to_owned()
    }
}

fn protected(question: &Question<'_>) -> Refused {
    Refused::new(
        Code::Forbidden,
        format!("{} is protected from deletion", quoted(question.target.unwrap_or(question.account), 120)),
        "removing the protection is a decision of its own, for a person; leave it on",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::request::ClientInfo;
    use crate::names::{Agent, Human, SessionId};

    fn ask(effect: Effect, stage: Stage, protected: bool) -> Result<Needs, Code> {
        let caller = Caller {
            agent: Agent::new("agent"),
            human: Human::new("ann"),
            session: SessionId::new("s"),
            client: ClientInfo::default(),
        };
        let operation = OperationId::new("ec2", "TerminateInstances");
        let question = Question {
            caller: &caller,
            tool: "tool",
            operation: &operation,
            effect,
            account: "shop",
            stage,
            target: Some("arn:aws:ec2:eu-central-1:1:instance/i-1"),
            protected,
            scoped_credentials: true,
        };
        FixedRule.decide(&question).map_err(|refused| refused.code)
    }

    #[test]
    fn the_rule_as_a_table() {
        let needs = |approvals, preview, confirmation| Ok(Needs { approvals, preview, confirmation });
        for stage in [Stage::Dev, Stage::Staging, Stage::Prod] {
            let person = u32::from(stage == Stage::Prod);
            assert_eq!(ask(Effect::Read, stage, false), needs(0, false, false));
            assert_eq!(ask(Effect::Secret, stage, false), needs(0, true, true));
            assert_eq!(ask(Effect::Write, stage, false), needs(0, false, true));
            assert_eq!(ask(Effect::Destructive, stage, false), needs(person, true, true));
            assert_eq!(ask(Effect::Irreversible, stage, false), needs(person, true, true));
        }
    }

    #[test]
    fn protection_forbids_what_loses_state_and_nothing_else() {
        for effect in [Effect::Destructive, Effect::Irreversible] {
            assert_eq!(ask(effect, Stage::Dev, true), Err(Code::Forbidden));
        }
        assert!(ask(Effect::Read, Stage::Prod, true).is_ok());
        assert!(ask(Effect::Write, Stage::Prod, true).is_ok());
    }
}
