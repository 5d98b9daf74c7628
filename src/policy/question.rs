//! What a policy is asked: one resource of one call, the circumstances, and the consent there is.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{Account, Trust};
use crate::names::{Agent, Effect, Human, OperationId, Region, Stage};

/// The kind of a resource that stands for its account.
pub const ACCOUNT_KIND: &str = "account";

/// Dependents that could not be counted are taken for so many.
pub const UNKNOWN_DEPENDENTS: u64 = 1_000_000;

/// May this agent do this to one resource?
#[derive(Clone, Debug)]
pub struct Question {
    /// The agent that asks.
    pub agent: Agent,
    /// The human it acts for.
    pub human: Human,
    /// The tool.
    pub tool: String,
    /// The effect, as far as it is known.
    pub effect: Effect,
    /// The operation.
    pub operation: OperationId,
    /// The account.
    pub account: Account,
    /// The region.
    pub region: Region,
    /// What it would act on.
    pub resource: Resource,
    /// The circumstances.
    pub circumstances: Circumstances,
}

/// What a call acts on, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its ARN.
    pub arn: String,
    /// Its kind, such as `ec2:instance`; see [`kind_of`].
    pub kind: String,
    /// Its stage: the account's or a higher one.
    pub stage: Stage,
    /// True where something protects it from deletion.
    pub protected: bool,
    /// The team that owns it.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The circumstances of a call: everything but consent.
#[derive(Clone, Debug, PartialEq)]
pub struct Circumstances {
    /// The time.
    pub now: Timestamp,
    /// The ticket, which matches the configured pattern.
    pub ticket: Option<String>,
    /// True where a change window is open.
    pub window_open: bool,
    /// Targets of the call, at least one.
    pub resources: u64,
    /// What depends on them; `None` where it could not be counted.
    pub dependents: Option<u64>,
    /// Resources changed in this session.
    pub changed_in_session: u64,
    /// Resources this agent changed within the last hour.
    pub changed_in_hour: u64,
    /// Calls of this agent that failed within the last hour.
    pub errors_in_hour: u64,
    /// Refusals this agent got within the last hour.
    pub denials_in_hour: u64,
    /// True where the breaker of this agent or account is open.
    pub breaker_open: bool,
    /// True where the operation returns a secret or credentials.
    pub reveals_secret: bool,
    /// True where AWS itself narrows the call.
    pub scoped_credentials: bool,
    /// What the client says it is.
    pub client: String,
    /// How far the configuration trusts a client of that name.
    pub client_trust: Trust,
    /// Where the call came from; `None` over stdio.
    pub source_ip: Option<IpAddr>,
}

/// The consent there is, from the server's own record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The person could see this very plan before.
    pub previewed: bool,
    /// The human typed the text.
    pub confirmation: Option<Confirmation>,
    /// Who else signed this very plan, and the groups they belong to. The human the agent acts for never counts.
    pub approvals: BTreeMap<Human, BTreeSet<String>>,
    /// A person applies it from the approvals console.
    pub applied_by_person: bool,
}

/// How the human confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// How long they took.
    pub after: Duration,
    /// True where that was long enough to have read the prompt.
    pub readable: bool,
}

impl Resource {
    /// Stands for an account, where a call names no targets of its own.
    pub fn whole_account(account: &Account, region: &Region, service: &str) -> Self {
        Self {
            arn: everything(&account.id, region, service),
            kind: ACCOUNT_KIND.to_owned(),
            stage: account.stage,
            protected: false,
            owner: None,
            tags: BTreeMap::new(),
        }
    }
}

/// The ARN of everything of a service in an account and region.
pub fn everything(account: &str, region: &Region, service: &str) -> String {
    format!("arn:{}:{service}:{region}:{account}:*", region.partition())
}

/// A resource's kind by its ARN: the service and the type, `ec2:instance`; the service alone where its ARNs hold no
/// type (`sqs`, `sns`). Of S3's, which have none either, `s3:bucket` and `s3:object`.
///
/// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.
pub fn kind_of(arn: &str) -> String {
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next().unwrap_or_default();
    let path = parts.nth(2).unwrap_or_default().trim_start_matches('/');
    match (service, path.split_once([':', '/'])) {
        ("s3", None) => "s3:bucket".to_owned(),
        ("s3", Some(_)) => "s3:object".to_owned(),
        (_, Some((kind, _))) => format!("{service}:{kind}"),
        (_, None) => service.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_the_arn() {
        for (arn, kind) in [
            ("arn:aws:ec2:eu-central-1:111122223333:instance/i-1", "ec2:instance"),
            ("arn:aws:rds:eu-central-1:111122223333:db:orders", "rds:db"),
            ("arn:aws:s3:::orders", "s3:bucket"),
            ("arn:aws:s3:::orders/2026/a:b", "s3:object"),
            ("arn:aws:sqs:eu-central-1:111122223333:orders", "sqs"),
            ("arn:aws:apigateway:eu-central-1::/restapis/a", "apigateway:restapis"),
            (
                "arn:aws:autoscaling:eu-central-1:1:autoScalingGroup:x:autoScalingGroupName/web",
                "autoscaling:autoScalingGroup",
            ),
            ("", ""),
        ] {
            assert_eq!(kind_of(arn), kind);
        }
    }
}
