//! Which members of an operation's input a draft offers, and how narrow.

use super::ground::{Given, Ground};
use super::target::Target;
use super::words::{plain, words};
use super::yaml;
use crate::aws::ShapeKind;
use crate::aws::ShapeModel;
use crate::manifest::handed_on::{self, Kind};
use crate::names::Effect;

/// Most members that are offered without being required.
const MOST_OPTIONAL: usize = 8;

/// Most words of an enumeration that are written down.
const MOST_WORDS: usize = 8;

/// The longest pattern that is written down, in characters.
const LONGEST_PATTERN: usize = 80;

/// Most targets of a call, to begin with.
const MOST_TARGETS: u64 = 10;

/// Parts of names of what decides how much is lost.
const WEIGHTY: &[&str] = &[
    "windowindays",
    "final",
    "force",
    "retain",
    "skip",
    "recovery",
    "qualifier",
    "versionid",
    "protection",
    "cascade",
    "deleteautomated",
];

/// The members a draft offers, and the names of those it doesn't.
#[derive(Default)]
pub(super) struct Offered {
    pub(super) lines: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) left_out: Vec<String>,
    pub(super) sensitive: Vec<String>,
    /// Members by which a call hands on a role, a key or tags.
    pub(super) handing_on: Vec<String>,
}

/// Chooses. `needed`: members that other parts of the draft rest on; they become required.
pub(super) fn offer(ground: &Ground<'_>, target: Option<&Target>, needed: &[String]) -> Offered {
    let mut offered = Offered::default();
    let mut optional = 0;
    for member in &ground.members {
        let own = target.is_some_and(|target| target.member == member.name);
        let required = member.required || own || needed.contains(&member.name);
        if member.deprecated && !required {
            continue;
        }
        if member.is_sensitive() && !member.required {
            offered.sensitive.push(member.name.clone());
            continue;
        }
        if !required && hands_on(ground, &member.name) {
            offered.handing_on.push(member.name.clone());
            continue;
        }
        let wanted = required || (usual(ground, member) && optional < MOST_OPTIONAL);
        if !wanted {
            offered.left_out.push(member.name.clone());
            continue;
        }
        optional += usize::from(!required);
        let pairs = narrowing(member, required, own.then_some(target).flatten());
        offered.lines.push(format!("  {}: {}", member.name, yaml::flow(&pairs)));
        offered.names.push(member.name.clone());
    }
    offered
}

/// True where a call hands on a role, a key or tags by a member: that needs scopes of its own.
fn hands_on(ground: &Ground<'_>, member: &str) -> bool {
    let own = handed_on::Operation { service: &ground.service, name: ground.id.name(), actions: &ground.needed };
    let input = ground.operation.input.as_ref().and_then(|input| ground.shape(&input.shape));
    let by = |kind: Kind| !own.members_for(input.as_deref(), kind, &[member]).is_empty();
    ground.effect.changes() && [Kind::Role, Kind::Profile, Kind::Key, Kind::Tags].into_iter().any(by)
}

/// What is usually passed: for a read what finds and pages; for a loss what decides how much is lost; for other changes
/// what is set.
fn usual(ground: &Ground<'_>, member: &Given) -> bool {
    let low = plain(&member.name);
    let simple = member.is_text() || member.is_number() || member.is_boolean();
    match ground.effect {
        Effect::Read | Effect::Secret => simple || member.name == "Filters",
        Effect::Destructive | Effect::Irreversible => simple && WEIGHTY.iter().any(|part| low.contains(part)),
        Effect::Write => simple && !low.contains("expectedbucketowner") && !low.starts_with("checksum"),
    }
}

fn narrowing(member: &Given, required: bool, target: Option<&Target>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut pair = |key: &str, value: String| pairs.push((key.to_owned(), value));
    if required {
        pair("required", "true".to_owned());
    }
    let inner: &ShapeModel = member.item.as_deref().unwrap_or(&member.shape);
    match &member.shape.kind {
        ShapeKind::List { bounds, .. } => {
            let most = whole(bounds.max);
            if target.is_some() {
                pair("min_items", "1".to_owned());
                pair("max_items", most.map_or(MOST_TARGETS, |most| most.min(MOST_TARGETS)).to_string());
            } else if let Some(most) = most {
                pair("max_items", most.to_string());
            }
        }
        ShapeKind::Integer(bounds) | ShapeKind::Long(bounds) => {
            // The ends of the type itself say nothing.
            let told = |bound: &f64| bound.abs() < 2_147_483_647.0 && bound.fract() == 0.0;
            if let Some(least) = bounds.min.filter(told) {
                pair("min", format!("{least:.0}"));
            }
            if let Some(most) = bounds.max.filter(told) {
                pair("max", format!("{most:.0}"));
            }
        }
        _ => {}
    }
    if let ShapeKind::String { enum_values, pattern, .. } = &inner.kind {
        if !enum_values.is_empty() && enum_values.len() <= MOST_WORDS {
            pair("one_of", yaml::list(enum_values));
        }
        if let Some(pattern) = pattern.as_deref().and_then(usable).filter(|_| enum_values.is_empty()) {
            pair("pattern", yaml::quoted(&pattern));
        }
    }
    let may_be_arn = member.shape.name.contains("Arn")
        && !words(&member.name).last().is_some_and(|word| word.to_lowercase().starts_with("arn"));
    if target.is_some_and(|target| !target.whole) && may_be_arn && !pairs.iter().any(|(key, _)| key == "pattern") {
        pairs.push(("pattern".to_owned(), yaml::quoted("[^:]+")));
        pairs.push(("description".to_owned(), yaml::quoted("the name (not its ARN)")));
        return pairs;
    }
    let mut pair = |key: &str, value: String| pairs.push((key.to_owned(), value));
    if target.is_some_and(|target| target.whole) {
        let what =
            if words(&member.name).last().is_some_and(|word| word.eq_ignore_ascii_case("url")) { "URL" } else { "ARN" };
        pair("description", yaml::quoted(&format!("the whole {what}, of the account and region of the call")));
    }
    pairs
}

fn whole(bound: Option<f64>) -> Option<u64> {
    bound.filter(|bound| (1.0..100_000.0).contains(bound)).map(|bound| bound as u64)
}

/// A pattern of the model as a manifest writes it: without anchors, where it says something and means the same here.
fn usable(pattern: &str) -> Option<String> {
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = inner.strip_suffix('$').filter(|rest| !rest.ends_with('\\')).unwrap_or(inner);
    let says_little = [".*", ".+", "[\\s\\S]*", "[\\S\\s]*", "\\S+", ""].contains(&inner);
    let java = inner.contains("\\p{") || inner.contains("&&") || inner.contains("\\u");
    let fits = inner.chars().count() <= LONGEST_PATTERN && fancy_regex::Regex::new(&format!("^(?:{inner})$")).is_ok();
    (!says_little && !java && fits && !inner.contains(['^', '$'])).then(|| inner.to_owned())
}
