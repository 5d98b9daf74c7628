//! What is assumed of a counterexample, so that it reads like a request somebody could make.
//!
//! Proofs assume nothing. Only once one has failed, the solver is asked for the example that differs least from a request
//! with nothing special about it: every assumption here is dropped where no example is left with it.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PolicyId};

use super::slice::Asked;
use crate::config::{Account, AgentConfig};
use crate::names::{Agent, Region, Stage};
use crate::policy::question::UNKNOWN_DEPENDENTS;
use crate::policy::set::Policies;
use crate::policy::vocabulary::literal;

/// The time of every example.
pub(super) const NOW: &str = "2026-12-01T10:00:00Z";
/// When an agent of an example expired that had to.
const EXPIRED: &str = "2026-11-30T00:00:00Z";
/// So many agents and accounts of the configuration are tried, one after the other: an example does not depend on which
/// one a solver happens to like.
const MOST_TRIED: usize = 8;
/// The client of a request with nothing special about it.
pub(super) const CLIENT: &str = "claude-code";
/// The operation of a request where no policy looks at it.
const OPERATION: &str = "service:Operation";
/// The human an example's agent acts for.
const HUMAN: &str = "ann";

/// An expression of Cedar's that an example should fulfil.
pub(super) type Assumption = String;

/// What holds of every request the server asks: how it counts, and how it computes stages.
pub(super) fn possible() -> Assumption {
    let counts = [
        "context.approvals",
        "context.confirmedAfter",
        "context.dependents",
        "context.changedInSession",
        "context.changedInHour",
        "context.errorsInHour",
        "context.denialsInHour",
        "principal.maxResources",
    ];
    let counts = counts.map(|count| format!("{count} >= 0")).join(" && ");
    [
        counts.as_str(),
        "context.resources >= 1",
        r#"(resource.stage == resource.account.stage || resource.stage == Stage::"prod" || resource.account.stage == Stage::"dev")"#,
        "(context.confirmed || (!context.readable && context.confirmedAfter == 0))",
        "(context.approvals > 0 || context.approverGroups.isEmpty())",
        &format!("(context.dependentsKnown || context.dependents == {UNKNOWN_DEPENDENTS})"),
    ]
    .join(" && ")
}

/// What holds of a request with nothing special about it, the most telling first. Of several in one row the first that
/// leaves an example is taken.
pub(super) fn ordinary(policies: &Policies, asked: &Asked) -> Vec<Vec<Assumption>> {
    let people = policies.people();
    let other = other_account();
    let agents = people.agents.iter().take(MOST_TRIED);
    let agents = agents.map(|(name, config)| agent(name, config, policies.vocabulary().roles()));
    let accounts = people.accounts.iter().take(MOST_TRIED).chain([&other]);
    let toolset = policies.vocabulary().tools().iter().find(|tool| tool.name == asked.tool);
    let kinds = kinds(toolset.map_or("", |tool| tool.toolset.as_str()));
    let places = kinds.iter().map(|kind| any_of(accounts.clone().map(|account| place(account, kind)).collect()));
    let texts = |texts: &[&str]| texts_of(texts).collect::<Vec<_>>();
    let time = |name: &str, at: &str| format!(r#"principal has {name} && principal.{name} == datetime("{at}")"#);
    let mut rows: Vec<Vec<Assumption>> = vec![
        agents.chain(texts_of(&[r#"principal == Agent::"another-agent""#])).collect(),
        accounts.clone().map(account).collect(),
        texts(&["principal.accounts.contains(resource.account)", "principal.accounts.isEmpty()"]),
        texts(&[
            "resource.stage == resource.account.stage",
            r#"resource.stage == Stage::"prod""#,
            r#"resource.stage == Stage::"dev""#,
        ]),
        places.chain(texts_of(&[r#"resource.arn like "arn:aws:*""#])).collect(),
        texts(&["!resource.protected"]),
        texts(&["!(resource has owner)"]),
        vec![format!(r#"context.now == datetime("{NOW}")"#)],
        texts(&["!(principal has expires)", &time("expires", "2027-06-30T00:00:00Z"), &time("expires", EXPIRED)]),
        texts(&[
            "context.approvals == 0",
            "context.approvals == 1",
            "context.approvals == 2",
            "context.approvals <= 3",
        ]),
        texts(&["context.approverGroups.isEmpty()"]),
        texts(&[
            "!context.confirmed",
            "context.confirmed && context.readable && context.confirmedAfter == 20000",
            "context.confirmed && !context.readable && context.confirmedAfter == 200",
        ]),
        texts(&["!context.previewed", "context.previewed"]),
        texts(&["!context.appliedByPerson"]),
        texts(&["context.windowOpen"]),
        texts(&["!(context has ticket)", r#"context has ticket && context.ticket == "CHG-1""#]),
        texts(&["context.resources == 1", "context.resources == 21", "context.resources == 101"]),
        texts(&["context.dependentsKnown"]),
        texts(&["context.dependents == 0", "context.dependents == 21", "context.dependents == 101"]),
        texts(&["principal.maxResources == 20", "principal.maxResources >= 1 && principal.maxResources <= 1000"]),
    ];
    for count in ["changedInSession", "changedInHour", "errorsInHour", "denialsInHour"] {
        rows.push(vec![format!("context.{count} == 0"), format!("context.{count} <= 100")]);
    }
    rows.extend([
        texts(&["!context.breakerOpen"]),
        texts(&["context.scopedCredentials"]),
        texts(&["!context.revealsSecret"]),
        texts(&[r#"context.clientTrust == Trust::"known""#, r#"context.clientTrust == Trust::"managed""#]),
        vec![format!("context.client == {}", literal(CLIENT))],
        vec![format!("context.operation == {}", literal(OPERATION)), r#"context.operation like "*:*""#.to_owned()],
        texts(&["!(context has sourceIp)"]),
        vec![format!("principal.onBehalfOf == Human::{}", literal(HUMAN))],
    ]);
    rows
}

/// One of the configuration's agents, as it stands there.
fn agent(name: &Agent, config: &AgentConfig, roles: &BTreeSet<String>) -> Assumption {
    let mut parts = vec![format!("principal == Agent::{}", literal(name.as_str()))];
    for role in roles {
        let not = if config.roles.contains(role) { "" } else { "!" };
        parts.push(format!("{not}(principal in Role::{})", literal(role)));
    }
    let accounts: Vec<String> = config.accounts.iter().map(|name| format!("Account::{}", literal(name))).collect();
    parts.push(match accounts.is_empty() {
        true => "principal.accounts.isEmpty()".to_owned(),
        false => format!("principal.accounts == [{}]", accounts.join(", ")),
    });
    parts.push(format!("principal.maxResources == {}", config.max_resources));
    parts.push(match config.expires {
        Some(expires) => {
            let time = expires.strftime("%Y-%m-%dT%H:%M:%SZ");
            format!(r#"principal has expires && principal.expires == datetime("{time}")"#)
        }
        None => "!(principal has expires)".to_owned(),
    });
    parts.join(" && ")
}

/// One of the configuration's accounts, as it stands there.
fn account(account: &Account) -> Assumption {
    let Account { name, id, stage, .. } = account;
    let (name, id) = (literal(name), literal(id));
    format!(
        r#"resource.account == Account::{name} && resource.account.id == {id} && resource.account.stage == Stage::"{stage}""#
    )
}

/// An account that is none of the configuration's.
fn other_account() -> Account {
    Account {
        name: "another-account".to_owned(),
        id: "999988887777".to_owned(),
        stage: Stage::Prod,
        regions: Vec::new(),
        read_role: None,
        change_role: None,
        external_id: None,
    }
}

/// A resource of a kind in an account. `kind` is as in ARNs; nothing after the colon means the account itself.
fn place(account: &Account, kind: &Kind) -> Assumption {
    let default = Region::new("eu-central-1");
    let region = account.regions.first().unwrap_or(&default);
    let path = kind.path.replace("{region}", region.as_str()).replace("{account}", &account.id);
    let arn = literal(&format!("arn:{}:{path}", region.partition()));
    let (name, region, kind) = (literal(&account.name), literal(region.as_str()), literal(kind.kind));
    format!(
        "resource.account == Account::{name} && resource.region == {region} && resource.kind == {kind} && \
         resource.arn == {arn} && resource == AwsResource::{arn}"
    )
}

/// What a resource of a kind looks like.
#[derive(Debug)]
struct Kind {
    toolset: &'static str,
    kind: &'static str,
    path: &'static str,
}

/// Resources to tell of, by the toolset that acts on them.
const KINDS: [Kind; 9] = [
    Kind { toolset: "ec2", kind: "ec2:instance", path: "ec2:{region}:{account}:instance/i-0a1b2c3d4e5f60718" },
    Kind { toolset: "rds", kind: "rds:db", path: "rds:{region}:{account}:db:orders" },
    Kind { toolset: "s3", kind: "s3:bucket", path: "s3:::orders-{account}" },
    Kind { toolset: "dynamodb", kind: "dynamodb:table", path: "dynamodb:{region}:{account}:table/orders" },
    Kind { toolset: "lambda", kind: "lambda:function", path: "lambda:{region}:{account}:function:orders" },
    Kind {
        toolset: "cloudformation",
        kind: "cloudformation:stack",
        path: "cloudformation:{region}:{account}:stack/orders/1a2b3c4d-0000-1111-2222-333344445555",
    },
    Kind {
        toolset: "autoscaling",
        kind: "autoscaling:autoScalingGroup",
        path: "autoscaling:{region}:{account}:autoScalingGroup:1a2b3c4d-0000-1111-2222-333344445555:autoScalingGroupName/web",
    },
    Kind {
        toolset: "secretsmanager",
        kind: "secretsmanager:secret",
        path: "secretsmanager:{region}:{account}:secret:orders-a1b2c3",
    },
    Kind { toolset: "aws", kind: "account", path: "ec2:{region}:{account}:*" },
];

/// The toolset's own kind first, then all others.
fn kinds(toolset: &str) -> Vec<&'static Kind> {
    let (mut own, others): (Vec<_>, Vec<_>) = KINDS.iter().partition(|kind| kind.toolset == toolset);
    own.extend(others);
    own
}

fn any_of(all: Vec<Assumption>) -> Assumption {
    match all.is_empty() {
        true => "true".to_owned(),
        false => all.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" || "),
    }
}

fn texts_of<'a>(texts: &'a [&'a str]) -> impl Iterator<Item = Assumption> + 'a {
    texts.iter().map(|text| (*text).to_owned())
}

/// What denies all that doesn't fulfil the assumptions.
pub(super) fn denial(assumptions: &[Assumption]) -> Result<Policy, String> {
    let text = format!("forbid (principal, action, resource) unless {{ {} }};", joined(assumptions));
    Policy::parse(Some(PolicyId::new("assumed of the example")), text).map_err(|error| error.to_string())
}

fn joined(assumptions: &[Assumption]) -> String {
    match assumptions.is_empty() {
        true => "true".to_owned(),
        false => assumptions.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" && "),
    }
}
