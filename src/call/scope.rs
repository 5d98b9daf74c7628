//! The session policies of a call, and how the agent is told that there is none.

use serde_json::{Value, json};

use super::refused::{Code, Refused};
use crate::aws::iam::IamFacts;
use crate::config::Account;
use crate::credentials::session_policy::{Ground, NotScoped, SessionPolicy};
use crate::manifest::spec::{RecoveryPoint, Tool};
use crate::names::{OperationId, Region};
use crate::ports::Cloud;

/// Where and with what a call's policies are compiled.
#[derive(Clone, Copy, Debug)]
pub struct Scoping<'a> {
    /// The account, with the roles that are narrowed.
    pub account: &'a Account,
    /// The region of the call.
    pub region: &'a Region,
    /// The operation's arguments.
    pub arguments: &'a Value,
    /// Knows which region a call is signed for.
    pub cloud: &'a dyn Cloud,
    /// IAM's facts.
    pub iam: &'a IamFacts,
}

impl Scoping<'_> {
    /// The policy of the reading session. `contexts`: see [`Ground::contexts`].
    ///
    /// # Errors
    /// Where there is none, or it is longer than AWS takes and there is a role that it would have to narrow.
    pub fn reading(&self, tool: &Tool, contexts: &[Value]) -> Result<SessionPolicy, Refused> {
        let policy = self.on(tool, contexts, |ground| SessionPolicy::reading(tool, ground));
        self.needed(tool, self.account.read_role.is_some(), policy)
    }

    /// The policy of the changing session, likewise.
    ///
    /// # Errors
    /// As [`Self::reading`].
    pub fn changing(&self, tool: &Tool, contexts: &[Value]) -> Result<SessionPolicy, Refused> {
        let policy = self.on(tool, contexts, |ground| SessionPolicy::changing(tool, ground));
        self.needed(tool, self.account.change_role.is_some(), policy)
    }

    /// The policy of the session of AWS's own dry run, likewise.
    ///
    /// # Errors
    /// As [`Self::reading`].
    pub fn probing(&self, tool: &Tool, contexts: &[Value]) -> Result<SessionPolicy, Refused> {
        let policy = self.on(tool, contexts, |ground| SessionPolicy::probing(tool, ground));
        self.needed(tool, self.account.change_role.is_some(), policy)
    }

    /// The policy of the session that takes a recovery point. The contexts have its name as `point`.
    ///
    /// # Errors
    /// As [`Self::reading`].
    pub fn taking(&self, tool: &Tool, point: &RecoveryPoint, contexts: &[Value]) -> Result<SessionPolicy, Refused> {
        let policy = self.on(tool, contexts, |ground| SessionPolicy::taking(tool, point, ground));
        self.needed(tool, self.account.change_role.is_some(), policy)
    }

    fn on<T>(&self, tool: &Tool, contexts: &[Value], compile: impl FnOnce(Ground<'_>) -> T) -> T {
        let signed_for = |operation: &OperationId| {
            let none = json!({});
            let arguments = if *operation == tool.operation { self.arguments } else { &none };
            self.cloud.signing_region(operation, arguments, self.region).ok()
        };
        let Self { account, region, iam, .. } = *self;
        compile(Ground { contexts, account: &account.id, region, iam, signed_for: &signed_for })
    }

    fn needed(
        &self,
        tool: &Tool,
        role: bool,
        policy: Result<SessionPolicy, NotScoped>,
    ) -> Result<SessionPolicy, Refused> {
        match policy {
            Ok(policy) => Ok(policy),
            // without a role there are no credentials that could be narrowed
            Err(_) if !role => Ok(SessionPolicy::nothing()),
            Err(error) => Err(refused(&tool.name, error)),
        }
    }
}

/// How the agent is told.
pub fn refused(tool: &str, error: NotScoped) -> Refused {
    match error {
        NotScoped::TooLong { fit: 0, .. } => Refused::new(
            Code::OverLimit,
            format!("`{tool}`: {error}"),
            "the names in this call are too long to be scoped; tell the person you work for",
        ),
        NotScoped::TooLong { fit, .. } => Refused::new(
            Code::OverLimit,
            format!("`{tool}`: {error}"),
            format!("split the call: at most the first {fit} of its targets fit into one"),
        ),
        NotScoped::UnknownActions(_) => Refused::new(
            Code::Forbidden,
            format!("`{tool}`: {error}, so no credentials can be narrowed to it"),
            "ask an operator for a manifest that names the actions",
        ),
        NotScoped::HandsOn(_) => Refused::new(
            Code::Forbidden,
            format!("`{tool}`: {error}, so no credentials can be narrowed to it"),
            "name it so that it can be; or ask an operator for a manifest whose scopes name what is handed on",
        ),
        NotScoped::NotRendered(_) => {
            let message = format!("the scopes of `{tool}` can't be filled in for this call");
            Refused::new(Code::Internal, message, "tell an operator: the manifest is at fault")
                .with_operator_detail(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_told_how_to_split_a_call() {
        let told = |error| {
            let Refused { code, message, hint, .. } = refused("ec2_terminate_instances", error);
            format!("{}: {message}\n  {hint}", code.word())
        };
        let all = [
            NotScoped::TooLong { characters: 2412, fit: 8 },
            NotScoped::TooLong { characters: 4711, fit: 0 },
            NotScoped::UnknownActions(OperationId::new("codecatalyst", "GetProject")),
            NotScoped::HandsOn("in `ec2:RunInstances`, `Arn` hands on an instance profile".to_owned()),
        ];
        insta::assert_snapshot!(all.map(told).join("\n"));
    }
}
