//! A deployed role held against what is needed, in both directions: what is missing, and what is too much. What can't be
//! judged here is told as such, never passed.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::{compressed, expanded};
use super::condition::{self, Condition, Known, Verdict, judge, leaves_only, requires};
use super::deployed::{Deployed, Matcher, Policy, Statement};
use super::glob::{covers, covers_action, meets};
use super::needs::{Permission, RoleNeeds};
use super::{bounds, trust};
use crate::aws::iam::IamFacts;
use crate::config::Account;
use crate::ports::Purpose;

const REQUESTED_REGION: &str = "aws:RequestedRegion";

/// Patterns of one line; more are counted.
const SHOWN: usize = 8;

/// How a deployed role differs from what is needed: sentences for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What it lacks.
    pub missing: Vec<String>,
    /// What it has beyond.
    pub too_much: Vec<String>,
    /// What isn't understood here, so that a person must look.
    pub unclear: Vec<String>,
}

/// What a deployed role is held against.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What it needs.
    pub needs: &'a RoleNeeds,
    /// What it is for.
    pub purpose: Purpose,
    /// The account, with the roles' ARNs as they are configured.
    pub account: &'a Account,
    /// The ARN of the server's own identity, which alone may assume it.
    pub trusted: &'a str,
    /// IAM's facts.
    pub iam: &'a IamFacts,
}

impl Difference {
    /// True where there is none.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.too_much.is_empty() && self.unclear.is_empty()
    }

    pub(super) fn missing(&mut self, line: String) {
        add(&mut self.missing, line);
    }

    pub(super) fn too_much(&mut self, line: String) {
        add(&mut self.too_much, line);
    }

    pub(super) fn unclear(&mut self, line: String) {
        add(&mut self.unclear, line);
    }
}

fn add(lines: &mut Vec<String>, line: String) {
    if !lines.contains(&line) {
        lines.push(line);
    }
}

/// Compares a deployed role with what is needed.
pub fn compare(deployed: &Deployed, wanted: Wanted<'_>) -> Difference {
    let mut difference = Difference::default();
    identity(deployed, wanted, &mut difference);
    trust::compare(&deployed.trust, wanted.account, wanted.trusted, &mut difference);
    bounds::compare(deployed.boundary.as_ref(), wanted, &mut difference);
    missing(deployed, wanted, &mut difference);
    too_much(deployed, wanted, &mut difference);
    difference
}

/// IAM finds roles by their last name alone, in the account of whoever asks.
fn identity(deployed: &Deployed, wanted: Wanted<'_>, difference: &mut Difference) {
    let (key, configured) = match wanted.purpose {
        Purpose::Read => ("read_role", &wanted.account.read_role),
        Purpose::Change => ("change_role", &wanted.account.change_role),
    };
    if let Some(configured) = configured.as_ref().filter(|configured| **configured != deployed.arn) {
        difference.missing(format!(
            "the role that was read is `{}`, not `{configured}`: correct `{key}`, or read with an identity of account {}",
            deployed.arn, wanted.account.id
        ));
    }
}

/// Why a permission isn't there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    Surely(&'static str),
    Perhaps(String),
}

fn missing(deployed: &Deployed, Wanted { needs, iam, .. }: Wanted<'_>, difference: &mut Difference) {
    if let Some(name) = needs.managed().filter(|name| !deployed.managed.iter().any(|attached| attached == name)) {
        difference.missing(format!("AWS's `{name}` is not attached, which covers families"));
    }
    let policies: Vec<&Policy> = deployed.policies.iter().collect();
    let boundary: Vec<&Policy> = deployed.boundary.iter().map(|bounds| &bounds.policy).collect();
    let mut lacking: BTreeMap<(Lack, &str), Lacking<'_>> = BTreeMap::new();
    for (permission, tools) in needs.iter() {
        let mut lacks = vec![lack(&policies, permission, ["not allowed", "denied", "denied in part"])];
        if !boundary.is_empty() {
            lacks.push(lack(&boundary, permission, ["beyond the permission boundary"; 3]));
        }
        for lack in lacks.into_iter().flatten().take(1) {
            let lacking = lacking.entry((lack, permission.resource.as_str())).or_default();
            lacking.actions.insert(&permission.action);
            lacking.tools.extend(tools.iter().map(String::as_str));
        }
    }
    for ((lack, resource), Lacking { actions, tools }) in lacking {
        let actions = some(compressed(actions, iam));
        let tools: Vec<&str> = tools.into_iter().collect();
        let tools = tools.join(", ");
        match lack {
            Lack::Surely(why) => difference.missing(format!("{actions} on {resource}: {why} (for {tools})")),
            Lack::Perhaps(why) => difference.unclear(format!("{actions} on {resource}: {why} (for {tools})")),
        }
    }
}

/// Actions that a role lacks, and the tools that ask for them.
#[derive(Default)]
struct Lacking<'a> {
    actions: BTreeSet<&'a str>,
    tools: BTreeSet<&'a str>,
}

/// Why policies don't give a permission; `words` for what isn't allowed, what is denied, and what is in part.
fn lack(policies: &[&Policy], need: &Permission, words: [&'static str; 3]) -> Option<Lack> {
    let [not_allowed, denied, in_part] = words;
    let statements = || policies.iter().flat_map(|policy| &policy.statements);
    let takes = |statement: &&Statement| statement.actions.takes_action(&need.action);
    let (mut allowed, mut only) = (false, None);
    for statement in statements().filter(|one| one.allows).filter(takes) {
        if statement.resources.takes(&need.resource) {
            match conditions(statement, need) {
                (Verdict::Always, _) => allowed = true,
                (Verdict::Unknown, condition) => only = condition,
                (Verdict::Never | Verdict::Sometimes, _) => {}
            }
        }
    }
    if !allowed {
        let perhaps = only.map(|condition| Lack::Perhaps(format!("allowed only under {}", condition::told(condition))));
        return perhaps.or(Some(Lack::Surely(not_allowed)));
    }
    let mut perhaps = None;
    for statement in statements().filter(|one| !one.allows).filter(takes) {
        if statement.resources.meets_name(&need.resource) {
            match conditions(statement, need) {
                (Verdict::Always, _) if statement.resources.takes(&need.resource) => return Some(Lack::Surely(denied)),
                (Verdict::Always | Verdict::Sometimes, _) => return Some(Lack::Surely(in_part)),
                (Verdict::Unknown, Some(condition)) => {
                    perhaps = Some(Lack::Perhaps(format!("denied under {}", condition::told(condition))));
                }
                (Verdict::Never | Verdict::Unknown, _) => {}
            }
        }
    }
    perhaps
}

/// Whether all conditions of a statement hold for a need, and the one that can't be judged.
fn conditions<'s>(statement: &'s Statement, need: &Permission) -> (Verdict, Option<&'s Condition>) {
    let mut all = (Verdict::Always, None);
    for condition in &statement.conditions {
        match holds(condition, need) {
            Verdict::Always => {}
            Verdict::Never => return (Verdict::Never, None),
            Verdict::Sometimes if all.0 == Verdict::Always => all.0 = Verdict::Sometimes,
            Verdict::Sometimes => {}
            Verdict::Unknown => all = (Verdict::Unknown, Some(condition)),
        }
    }
    all
}

/// Whether a condition of a statement holds for a need, whose own conditions say what its calls are like.
fn holds(condition: &Condition, need: &Permission) -> Verdict {
    if need.conditions.contains(condition) {
        return Verdict::Always;
    }
    let key = &condition.1;
    if key.eq_ignore_ascii_case(REQUESTED_REGION) {
        let regions: Vec<String> = need.regions.iter().cloned().collect();
        return judge(condition, Known::One(&regions));
    }
    let own = |(operator, own, values): &Condition| {
        let demanded = requires(&(operator.clone(), own.clone(), values.clone()), key, values);
        (demanded && !operator.contains(':')).then(|| values.clone())
    };
    match need.conditions.iter().find_map(own) {
        Some(values) => judge(condition, Known::One(&values)),
        None if key.eq_ignore_ascii_case("aws:SecureTransport") => judge(condition, Known::One(&["true".to_owned()])),
        None => judge(condition, Known::Nothing),
    }
}

fn too_much(deployed: &Deployed, Wanted { needs, iam, .. }: Wanted<'_>, difference: &mut Difference) {
    for name in deployed.managed.iter().filter(|name| needs.managed() != Some(name.as_str())) {
        difference.too_much(format!("AWS's `{name}` is attached, and no family that is covered needs it"));
    }
    if needs.managed().is_some() {
        let open = needs.denied().iter().map(String::as_str).filter(|action| !stopped(deployed, action, "*"));
        let open = compressed(open, iam);
        if !open.is_empty() {
            difference.too_much(format!("{}: reveals secrets, and is not denied", some(open)));
        }
    }
    let mut needed: BTreeMap<String, Vec<&Permission>> = BTreeMap::new();
    for (permission, _) in needs.iter() {
        needed.entry(permission.action.to_ascii_lowercase()).or_default().push(permission);
    }
    let mut beyond: BTreeMap<(&str, String, String), BTreeSet<String>> = BTreeMap::new();
    for policy in &deployed.policies {
        for statement in policy.statements.iter().filter(|statement| statement.allows) {
            let resources: Vec<String> = match &statement.resources {
                Matcher::Any(patterns) => patterns.clone(),
                Matcher::NoneOf(_) => vec!["*".to_owned()],
            };
            for action in statement.actions.all(iam) {
                let known = needed.get(&action.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default();
                for resource in resources.iter().filter(|resource| !stopped(deployed, &action, resource)) {
                    if let Some(why) = excess(deployed, statement, &action, resource, known) {
                        beyond.entry((&policy.name, resource.clone(), why)).or_default().insert(action.clone());
                    }
                }
            }
        }
    }
    for ((policy, resource, why), actions) in beyond {
        let count = actions.len();
        let actions = some(compressed(actions.iter().map(String::as_str), iam));
        let counted = if count > 1 { format!("; {count} actions") } else { String::new() };
        difference.too_much(format!("{actions} on {resource}: {why} (policy `{policy}`{counted})"));
    }
}

/// Why a statement allows an action on a resource beyond what the tools need of that action.
fn excess(
    deployed: &Deployed,
    statement: &Statement,
    action: &str,
    resource: &str,
    needs: &[&Permission],
) -> Option<String> {
    if needs.is_empty() {
        return Some("no tool needs it".to_owned());
    }
    let fitting: Vec<&&Permission> = needs.iter().filter(|need| covers(&need.resource, resource)).collect();
    if fitting.is_empty() {
        return Some("on more than any tool needs".to_owned());
    }
    let demands = |key: &str, patterns: &[String]| {
        statement.conditions.iter().any(|condition| requires(condition, key, patterns))
            || left_by_denials(deployed, action, resource, key, patterns)
    };
    let region = |need: &&&Permission| {
        let regions: Vec<String> = need.regions.iter().cloned().collect();
        demands(REQUESTED_REGION, &regions)
    };
    let here: Vec<&&Permission> = fitting.into_iter().filter(region).collect();
    let Some(first) = here.first() else { return Some("in more regions than any tool needs".to_owned()) };
    let lacks = |need: &Permission| {
        let met = |own: &Condition| statement.conditions.contains(own) || demands(&own.1, &own.2);
        need.conditions.iter().find(|own| !met(own)).cloned()
    };
    if here.iter().any(|need| lacks(need).is_none()) {
        return None;
    }
    lacks(first).map(|condition| format!("without {}, under which alone tools need it", condition::told(&condition)))
}

/// Whether denials leave only requests that have a key with one of the values.
fn left_by_denials(deployed: &Deployed, action: &str, resource: &str, key: &str, patterns: &[String]) -> bool {
    denials(deployed, action, resource).any(|statement| {
        statement.conditions.len() == 1 && statement.conditions.iter().any(|one| leaves_only(one, key, patterns))
    })
}

/// Denials of an action on all of a resource, conditional ones included.
fn denials<'d>(deployed: &'d Deployed, action: &str, resource: &str) -> impl Iterator<Item = &'d Statement> {
    let boundary = deployed.boundary.iter().map(|bounds| &bounds.policy);
    let statements = deployed.policies.iter().chain(boundary).flat_map(|policy| &policy.statements);
    statements.filter(move |one| !one.allows && one.actions.takes_action(action) && one.resources.takes(resource))
}

/// True where the boundary, or an unconditional denial, takes it away again.
fn stopped(deployed: &Deployed, action: &str, resource: &str) -> bool {
    let lets = |statement: &Statement| {
        statement.allows && statement.actions.takes_action(action) && statement.resources.meets(resource)
    };
    let outside = deployed.boundary.as_ref().is_some_and(|bounds| !bounds.policy.statements.iter().any(lets));
    outside || denials(deployed, action, resource).any(|statement| statement.conditions.is_empty())
}

impl Matcher {
    /// True where it takes an action.
    pub(super) fn takes_action(&self, action: &str) -> bool {
        match self {
            Self::Any(patterns) => patterns.iter().any(|pattern| covers_action(pattern, action)),
            Self::NoneOf(patterns) => !patterns.iter().any(|pattern| covers_action(pattern, action)),
        }
    }

    /// True where it takes every action that a pattern matches.
    pub(super) fn takes_all(&self, actions: &str) -> bool {
        let (actions, lower) = (actions.to_ascii_lowercase(), str::to_ascii_lowercase);
        match self {
            Self::Any(patterns) => patterns.iter().any(|pattern| covers(&lower(pattern), &actions)),
            Self::NoneOf(patterns) => !patterns.iter().any(|pattern| meets(&lower(pattern), &actions)),
        }
    }

    /// True where it takes all that a pattern of resources matches.
    pub(super) fn takes(&self, resource: &str) -> bool {
        match self {
            Self::Any(patterns) => patterns.iter().any(|pattern| covers(pattern, resource)),
            Self::NoneOf(patterns) => !patterns.iter().any(|pattern| meets(pattern, resource)),
        }
    }

    /// As [`Self::meets`], where the wildcards of `resource` stand for names: those have no `::` and what follows, by which a
    /// region's wildcard in a denial, such as in `arn:aws:apigateway:*::/apikeys/*`, would run on into another's name.
    pub(super) fn meets_name(&self, resource: &str) -> bool {
        let by_parts = |pattern: &String| {
            let (one, other): (Vec<&str>, Vec<&str>) =
                (pattern.splitn(6, ':').collect(), resource.splitn(6, ':').collect());
            match one.len() == 6 && other.len() == 6 {
                true => one.iter().zip(other).all(|(one, other)| meets(one, other)),
                false => meets(pattern, resource),
            }
        };
        match self {
            Self::Any(patterns) => patterns.iter().any(by_parts),
            Self::NoneOf(_) => self.meets(resource),
        }
    }

    /// True where it takes something that a pattern of resources matches.
    pub(super) fn meets(&self, resource: &str) -> bool {
        match self {
            Self::Any(patterns) => patterns.iter().any(|pattern| meets(pattern, resource)),
            Self::NoneOf(patterns) => !patterns.iter().any(|pattern| covers(pattern, resource)),
        }
    }

    /// The actions it takes.
    pub(super) fn all(&self, iam: &IamFacts) -> Vec<String> {
        match self {
            Self::Any(patterns) => patterns.iter().flat_map(|pattern| expanded(pattern, iam)).collect(),
            Self::NoneOf(_) => expanded("*", iam).into_iter().filter(|action| self.takes_action(action)).collect(),
        }
    }
}

pub(super) fn some(patterns: BTreeSet<String>) -> String {
    let more = patterns.len().saturating_sub(SHOWN);
    let shown: Vec<String> = patterns.into_iter().take(SHOWN).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
