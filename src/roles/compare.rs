//! A deployed role held against what is needed, in both directions: what is missing, and what is too much.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::actions::{compressed, expanded};
use super::deployed::{Deployed, Matcher, Policy, Statement};
use super::glob::{covers, covers_action};
use super::needs::{Permission, RoleNeeds};
use super::role::{ASSUME, ASSUMING};
use crate::aws::iam::IamFacts;
use crate::config::Account;

const REQUESTED_REGION: &str = "aws:RequestedRegion";
const EXTERNAL_ID: &str = "sts:ExternalId";

/// Patterns of one line; more are counted.
const SHOWN: usize = 8;

/// How a deployed role differs from what is needed: sentences for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What it lacks.
    pub missing: Vec<String>,
    /// What it has beyond.
    pub too_much: Vec<String>,
}

impl Difference {
    /// True where there is none.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.too_much.is_empty()
    }
}

/// Compares a deployed role with what is needed. A document's conditions that can't be judged count as narrowing: then the
/// permission is told as missing rather than taken for granted.
pub fn compare(deployed: &Deployed, needs: &RoleNeeds, account: &Account, iam: &IamFacts) -> Difference {
    let mut difference = Difference::default();
    trust(&deployed.trust, account, &mut difference);
    missing(deployed, needs, iam, &mut difference.missing);
    too_much(deployed, needs, iam, &mut difference.too_much);
    difference
}

fn trust(policy: &Policy, account: &Account, difference: &mut Difference) {
    let allowing: Vec<&Statement> = policy.statements.iter().filter(|statement| statement.allows).collect();
    for action in ASSUMING {
        if !allowing.iter().any(|statement| statement.actions.takes_action(action)) {
            difference.missing.push(format!("its trust policy does not allow `{action}`"));
        }
    }
    for statement in allowing {
        let ids = statement.conditions.iter().find(|(_, key, _)| key.eq_ignore_ascii_case(EXTERNAL_ID));
        match (&account.external_id, ids) {
            // the other actions give no credentials
            (Some(id), None) if statement.actions.takes_action(ASSUME) => {
                let line = format!("its trust policy does not ask for the external id `{id}`");
                difference.too_much.push(line);
            }
            (Some(id), Some((_, _, values))) if !values.contains(id) => {
                difference.missing.push(format!("its trust policy asks for another external id than `{id}`"));
            }
            (None, Some(_)) => {
                let line = "its trust policy asks for an external id, and none is configured (`external_id`)";
                difference.missing.push(line.to_owned());
            }
            _ => {}
        }
        let anybody = |value: &Value| value == "*" || value.get("AWS").is_some_and(|aws| aws == "*");
        if anybody(&statement.principal) {
            difference.too_much.push("its trust policy lets anybody assume it".to_owned());
        }
    }
}

fn missing(deployed: &Deployed, needs: &RoleNeeds, iam: &IamFacts, lines: &mut Vec<String>) {
    if deployed.boundary.is_none() {
        lines.push("it has no permission boundary".to_owned());
    }
    if let Some(name) = needs.managed().filter(|name| !deployed.managed.iter().any(|attached| attached == name)) {
        lines.push(format!("AWS's `{name}` is not attached, which covers families"));
    }
    let mut lacking: BTreeMap<(&str, &str), Lacking<'_>> = BTreeMap::new();
    for (permission, tools) in needs.iter() {
        let policies: Vec<&Policy> = deployed.policies.iter().collect();
        let why = if !allowed(&policies, permission) {
            "not allowed"
        } else if denied(&policies, permission) {
            "denied"
        } else if deployed
            .boundary
            .iter()
            .any(|boundary| !allowed(&[boundary], permission) || denied(&[boundary], permission))
        {
            "beyond the permission boundary"
        } else {
            continue;
        };
        let lacking = lacking.entry((why, permission.resource.as_str())).or_default();
        lacking.actions.insert(&permission.action);
        lacking.tools.extend(tools.iter().map(String::as_str));
    }
    for ((why, resource), Lacking { actions, tools }) in lacking {
        let actions = some(compressed(actions, iam));
        let tools: Vec<&str> = tools.into_iter().collect();
        lines.push(format!("{actions} on {resource}: {why} (for {})", tools.join(", ")));
    }
}

/// Actions that a role lacks, and the tools that ask for them.
#[derive(Default)]
struct Lacking<'a> {
    actions: BTreeSet<&'a str>,
    tools: BTreeSet<&'a str>,
}

fn allowed(policies: &[&Policy], need: &Permission) -> bool {
    policies.iter().flat_map(|policy| &policy.statements).filter(|statement| statement.allows).any(|statement| {
        statement.actions.takes_action(&need.action)
            && statement.resources.takes(&need.resource)
            && statement.conditions.iter().all(|condition| holds(condition, need))
    })
}

/// True where a condition of a statement surely holds for a need.
fn holds(condition: &(String, String, Vec<String>), need: &Permission) -> bool {
    let (operator, key, values) = condition;
    if key.eq_ignore_ascii_case(REQUESTED_REGION) && (operator == "StringEquals" || operator == "StringLike") {
        return need.regions.iter().all(|region| values.iter().any(|value| covers(value, region)));
    }
    need.conditions.contains(condition)
}

/// True where an unconditional statement denies it, or a part of it.
fn denied(policies: &[&Policy], need: &Permission) -> bool {
    let denying = policies.iter().flat_map(|policy| &policy.statements).filter(|statement| !statement.allows);
    denying.filter(|statement| statement.conditions.is_empty()).any(|statement| {
        statement.actions.takes_action(&need.action)
            && match &statement.resources {
                Matcher::Any(patterns) => {
                    patterns.iter().any(|one| covers(one, &need.resource) || covers(&need.resource, one))
                }
                Matcher::NoneOf(patterns) => !patterns.iter().any(|one| covers(one, &need.resource)),
            }
    })
}

fn too_much(deployed: &Deployed, needs: &RoleNeeds, iam: &IamFacts, lines: &mut Vec<String>) {
    for name in deployed.managed.iter().filter(|name| needs.managed() != Some(name.as_str())) {
        lines.push(format!("AWS's `{name}` is attached, and no family that is covered needs it"));
    }
    if needs.managed().is_some() {
        let open = needs.denied().iter().map(String::as_str).filter(|action| !stopped(deployed, action));
        let open = compressed(open, iam);
        if !open.is_empty() {
            lines.push(format!("{}: reveals secrets, and is not denied", some(open)));
        }
    }
    let mut needed: BTreeMap<String, Vec<&Permission>> = BTreeMap::new();
    for (permission, _) in needs.iter() {
        needed.entry(permission.action.to_ascii_lowercase()).or_default().push(permission);
    }
    let mut beyond: BTreeMap<(&str, String, &str), BTreeSet<String>> = BTreeMap::new();
    for policy in &deployed.policies {
        for statement in policy.statements.iter().filter(|statement| statement.allows) {
            let resources: Vec<String> = match &statement.resources {
                Matcher::Any(patterns) => patterns.clone(),
                Matcher::NoneOf(_) => vec!["*".to_owned()],
            };
            for action in statement.actions.all(iam).into_iter().filter(|action| !stopped(deployed, action)) {
                let known = needed.get(&action.to_ascii_lowercase());
                for resource in &resources {
                    let fitting: Vec<&&Permission> =
                        known.into_iter().flatten().filter(|need| covers(&need.resource, resource)).collect();
                    let why = match known {
                        None => "no tool needs it",
                        Some(_) if fitting.is_empty() => "on more than any tool needs",
                        Some(_) if !fitting.iter().any(|need| in_regions(statement, need)) => {
                            "in more regions than any tool needs"
                        }
                        Some(_) => continue,
                    };
                    beyond.entry((&policy.name, resource.clone(), why)).or_default().insert(action.clone());
                }
            }
        }
    }
    for ((policy, resource, why), actions) in beyond {
        let count = actions.len();
        let actions = some(compressed(actions.iter().map(String::as_str), iam));
        let counted = if count > 1 { format!("; {count} actions") } else { String::new() };
        lines.push(format!("{actions} on {resource}: {why} (policy `{policy}`{counted})"));
    }
}

fn in_regions(statement: &Statement, need: &Permission) -> bool {
    statement.conditions.iter().any(|(operator, key, values)| {
        operator == "StringEquals"
            && key.eq_ignore_ascii_case(REQUESTED_REGION)
            && values.iter().all(|value| need.regions.contains(value))
    })
}

/// True where the boundary, or an unconditional denial of the action on everything, takes it away again.
fn stopped(deployed: &Deployed, action: &str) -> bool {
    let takes = |statement: &&Statement| statement.actions.takes_action(action);
    let outside = deployed.boundary.as_ref().is_some_and(|boundary| {
        !boundary.statements.iter().filter(|statement| statement.allows).any(|statement| takes(&statement))
    });
    let denying = deployed.policies.iter().chain(&deployed.boundary).flat_map(|policy| &policy.statements);
    let everywhere = |statement: &&Statement| statement.conditions.is_empty() && statement.resources.takes("*");
    outside || denying.filter(|statement| !statement.allows).filter(takes).any(|statement| everywhere(&statement))
}

impl Matcher {
    /// True where it takes an action.
    fn takes_action(&self, action: &str) -> bool {
        match self {
            Self::Any(patterns) => patterns.iter().any(|pattern| covers_action(pattern, action)),
            Self::NoneOf(patterns) => !patterns.iter().any(|pattern| covers_action(pattern, action)),
        }
    }

    /// True where it takes all that a pattern of resources matches.
    fn takes(&self, resource: &str) -> bool {
        match self {
            Self::Any(patterns) => patterns.iter().any(|pattern| covers(pattern, resource)),
            // What a pattern might match beside those left out can't be told.
            Self::NoneOf(patterns) => {
                !resource.contains(['*', '?']) && !patterns.iter().any(|pattern| covers(pattern, resource))
            }
        }
    }

    /// The actions it takes.
    fn all(&self, iam: &IamFacts) -> Vec<String> {
        match self {
            Self::Any(patterns) => patterns.iter().flat_map(|pattern| expanded(pattern, iam)).collect(),
            Self::NoneOf(_) => expanded("*", iam).into_iter().filter(|action| self.takes_action(action)).collect(),
        }
    }
}

fn some(patterns: BTreeSet<String>) -> String {
    let more = patterns.len().saturating_sub(SHOWN);
    let shown: Vec<String> = patterns.into_iter().take(SHOWN).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
