//! The names everything else speaks with: operations, accounts, people, effects, identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An AWS API operation, written `ec2:TerminateInstances`.
///
/// The service is botocore's name of it (`elbv2`, not `elasticloadbalancing`), the one people know from the AWS CLI.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperationId {
    service: String,
    name: String,
}

impl OperationId {
    /// Joins a service and an operation; neither is looked up here.
    pub fn new(service: impl Into<String>, name: impl Into<String>) -> Self {
        Self { service: service.into(), name: name.into() }
    }

    /// botocore's service name, such as `ec2`.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The operation's name, such as `TerminateInstances`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.name)
    }
}

impl From<OperationId> for String {
    fn from(id: OperationId) -> Self {
        id.to_string()
    }
}

/// A text that is not of the form `service:Operation`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an operation: write it as `service:Operation`, for example `ec2:DescribeInstances`")]
pub struct NotAnOperation(String);

impl FromStr for OperationId {
    type Err = NotAnOperation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |part: &str| {
            !part.is_empty()
                && part.len() <= 128
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        match text.split_once(':') {
            Some((service, name)) if plain(service) && plain(name) => Ok(Self::new(service, name)),
            _ => Err(NotAnOperation(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for OperationId {
    type Error = NotAnOperation;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// How much harm a tool can do. Ordered: what comes later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Returns facts, changes nothing.
    Read,
    /// Returns secrets or credentials.
    Secret,
    /// Changes something that can be put back by the same means.
    Write,
    /// Loses state or service.
    Destructive,
    /// Can't be undone.
    Irreversible,
}

impl Effect {
    /// True where a call changes something at AWS.
    pub fn changes(self) -> bool {
        self >= Self::Write
    }

    /// True where the caller must have seen a preview before applying.
    pub fn needs_preview(self) -> bool {
        self == Self::Secret || self >= Self::Destructive
    }

    /// The word as it is written in manifests and shown to people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Secret => "secret",
            Self::Write => "write",
            Self::Destructive => "destructive",
            Self::Irreversible => "irreversible",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a call is in a chain of steps about one thing: delete and recreate, or take apart bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Makes it, or makes it anew.
    Create,
    /// Takes it away.
    Delete,
    /// Puts another in its place.
    Replace,
    /// Leaves less of it running.
    ScaleDown,
    /// Stops it.
    Stop,
    /// Takes a protection off it.
    Unprotect,
    /// Cuts it off from what it works with.
    Detach,
    /// Leaves it with less to fall back on, or with less that would tell: backups, versions, alarms, rules.
    Weaken,
}

impl StepKind {
    /// What the step does, as people read it: `deletes`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Create => "creates",
            Self::Delete => "deletes",
            Self::Replace => "replaces",
            Self::ScaleDown => "scales down",
            Self::Stop => "stops",
            Self::Unprotect => "takes protection off",
            Self::Detach => "detaches",
            Self::Weaken => "weakens",
        }
    }
}

/// What an account (and so a target in it) is used for. Comes from configuration, never from the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Development.
    Dev,
    /// Staging.
    Staging,
    /// Production.
    Prod,
}

impl Stage {
    /// The stage for texts in which it must not be overlooked.
    pub fn loud(self) -> &'static str {
        match self {
            Self::Dev => "DEVELOPMENT",
            Self::Staging => "STAGING",
            Self::Prod => "PRODUCTION",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        })
    }
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name!(
    /// A region's code, such as `eu-central-1`.
    Region
);
impl Region {
    /// The partition the region belongs to, by its prefix, as botocore's `partitions.json` has them.
    pub fn partition(&self) -> &'static str {
        const PREFIXES: [(&str, &str); 7] = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("us-isob-", "aws-iso-b"),
            ("us-isof-", "aws-iso-f"),
            ("us-iso-", "aws-iso"),
            ("eu-isoe-", "aws-iso-e"),
            ("eusc-", "aws-eusc"),
        ];
        let found = PREFIXES.iter().find(|(prefix, _)| self.as_str().starts_with(prefix));
        found.map_or("aws", |(_, partition)| partition)
    }
}

text_name!(
    /// The human an agent acts for, as configuration or authentication names them.
    Human
);
text_name!(
    /// The agent: which program asks.
    Agent
);
text_name!(
    /// One MCP session; for stdio the life of the process.
    SessionId
);

macro_rules! ulid_name {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A fresh identifier: random, sortable by creation time.
            pub fn fresh() -> Self {
                Self(format!(concat!($prefix, "-{}"), ulid::Ulid::generate().to_string().to_lowercase()))
            }

            /// Takes an identifier from outside; it may name nothing.
            pub fn from_outside(text: &str) -> Self {
                Self(text.chars().take(64).collect())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

ulid_name!(
    /// One tool request and everything that follows from it; also the role session's name at AWS.
    CallId,
    "call"
);
ulid_name!(
    /// One filed plan.
    PlanId,
    "plan"
);
ulid_name!(
    /// A change of people that waits for an admin's signature.
    ProposalId,
    "change"
);
ulid_name!(
    /// One recorded consent.
    GrantId,
    "grant"
);
