//! What Cedar's validator lets pass: names of nobody, and expressions that can fail when they are evaluated.

use std::collections::BTreeSet;

use cedar_policy::SchemaFragment;
use serde_json::Value;

use super::set::{People, at_policy};
use super::vocabulary::BASE;
use crate::aws::models::nearest;
use crate::document::{Problems, Source};

/// Operations that overflow, or fail on some of their operands, as they stand in Cedar's JSON form.
///
/// See <https://docs.cedarpolicy.com/policies/json-format.html>.
const CAN_FAIL: [(&str, &str); 6] = [
    ("+", "an addition"),
    ("-", "a subtraction"),
    ("*", "a multiplication"),
    ("neg", "a negation"),
    ("offset", "`offset`"),
    ("durationSince", "`durationSince`"),
];

/// Operations that look an entity up, as they stand in Cedar's JSON form.
const LOOK_UP: [&str; 5] = [".", "has", "hasTag", "getTag", "in"];

/// What policies are held against besides the schema.
pub(super) struct Words<'a> {
    people: &'a People,
    attributes: BTreeSet<String>,
}

impl<'a> Words<'a> {
    /// The configured names, and every attribute of the base schema.
    pub(super) fn new(people: &'a People) -> Self {
        let mut attributes = BTreeSet::new();
        let base = SchemaFragment::from_cedarschema_str(BASE).ok().and_then(|(base, _)| base.to_json_value().ok());
        collect_attributes(&base.unwrap_or_default(), &mut attributes);
        Self { people, attributes }
    }
}

fn collect_attributes(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_attributes(item, found)),
        Value::Object(members) => {
            if let Some(Value::Object(attributes)) = members.get("attributes") {
                found.extend(attributes.keys().cloned());
            }
            members.values().for_each(|inner| collect_attributes(inner, found));
        }
        _ => {}
    }
}

/// Looks through one policy.
pub(super) fn check(source: &Source, policy: &cedar_policy::Policy, words: &Words<'_>, problems: &mut Problems) {
    let json = match policy.to_json() {
        Ok(json) => json,
        Err(error) => {
            let message = format!("this policy can't be looked through: {error}");
            return problems.push(at_policy(source, policy, message, "write it in another way"));
        }
    };
    let mut found = Vec::new();
    walk(&json, words, &mut found);
    found.sort();
    found.dedup();
    for (message, mend) in found {
        problems.push(at_policy(source, policy, message, mend));
    }
}

fn walk(value: &Value, words: &Words<'_>, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, words, found)),
        Value::Object(members) => {
            for (key, inner) in members {
                // The members of a record literal are names of the author's own.
                if key == "Record" {
                    if let Value::Object(fields) = inner {
                        fields.values().for_each(|field| walk(field, words, found));
                    }
                    continue;
                }
                if key == "annotations" {
                    continue;
                }
                if let Some((_, what)) = CAN_FAIL.iter().find(|(name, _)| name == key) {
                    found.push((
                        format!("{what} can fail when it is evaluated, and a policy that fails is skipped"),
                        "compare with a constant; the server computes counts and times beforehand".to_owned(),
                    ));
                }
                // Only the entities of a question are there: any other has no attribute to read, and is in nothing.
                if LOOK_UP.contains(&key.as_str()) && inner.pointer("/left/Value/__entity").is_some() {
                    found.push((
                        "this looks up an entity by its name, and only those of the request are there".to_owned(),
                        "compare the request's own: `principal`, `resource` or `resource.account`".to_owned(),
                    ));
                }
                // The validator takes an attribute that isn't there for one that is never set, and says nothing.
                if key == "has" {
                    attribute(inner, words, found);
                }
                walk(inner, words, found);
            }
            if let (Some(Value::String(kind)), Some(Value::String(id))) = (members.get("type"), members.get("id")) {
                known(kind, id, words.people, found);
            }
        }
        _ => {}
    }
}

fn attribute(has: &Value, words: &Words<'_>, found: &mut Vec<(String, String)>) {
    let Some(named) = has.get("attr").and_then(Value::as_str) else { return };
    if !words.attributes.contains(named) {
        let mend = match nearest(named, words.attributes.iter().map(String::as_str)).first() {
            Some(best) => format!("did you mean `{best}`?"),
            None => "`countersign policy schema` shows every word policies can use".to_owned(),
        };
        found.push((format!("there is no attribute `{named}`"), mend));
    }
}

fn known(kind: &str, id: &str, people: &People, found: &mut Vec<(String, String)>) {
    let names: Vec<&str> = match kind {
        "Agent" => people.agents.keys().map(|agent| agent.as_str()).collect(),
        "Account" => people.accounts.iter().map(|account| account.name.as_str()).collect(),
        _ => return,
    };
    if !names.contains(&id) {
        let mend = match nearest(id, names.iter().copied()).first() {
            Some(best) => format!("did you mean `{best}`?"),
            None => format!("the configuration knows {}", names.join(", ")),
        };
        found.push((format!("there is no {} `{id}`", kind.to_lowercase()), mend));
    }
}

/// For each pattern that a policy holds a ticket against, a ticket that it takes; and one for where any will do.
pub(super) fn ticket_examples(policies: &cedar_policy::PolicySet) -> Vec<String> {
    let mut found = vec!["TICKET-1".to_owned()];
    for policy in policies.policies() {
        if let Ok(json) = policy.to_json() {
            collect_tickets(&json, &mut found);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn collect_tickets(value: &Value, found: &mut Vec<String>) {
    let is_ticket =
        |side: Option<&Value>| side.and_then(|side| side.pointer("/./attr")).and_then(Value::as_str) == Some("ticket");
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_tickets(item, found)),
        Value::Object(members) => {
            if let Some(like) = members.get("like").filter(|like| is_ticket(like.get("left").or(Some(like)))) {
                found.extend(like.get("pattern").and_then(example_of));
            }
            if let Some(equal) = members.get("==")
                && is_ticket(equal.get("left"))
            {
                found.extend(equal.pointer("/right/Value").and_then(Value::as_str).map(str::to_owned));
            }
            members.values().for_each(|inner| collect_tickets(inner, found));
        }
        _ => {}
    }
}

/// A text that a pattern takes: every wildcard stands for a digit.
fn example_of(pattern: &Value) -> Option<String> {
    let parts = pattern.as_array()?.iter().map(|part| match part {
        Value::String(wildcard) if wildcard == "Wildcard" => Some("1".to_owned()),
        Value::Object(literal) => literal.get("Literal").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    });
    parts.collect()
}
