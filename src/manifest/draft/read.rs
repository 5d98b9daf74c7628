//! Guesses how a target's state is read: the operation, its arguments, and where in its answer the state is.

use std::sync::Arc;

use super::ground::{Given, Ground, given, is_text};
use super::target::Target;
use super::words::{core, filter, likeness, plain, same_way, singular, verb_and_noun};
use crate::aws::{OperationModel, ShapeKind, ShapeModel};

/// How a target is read.
pub(super) struct Read {
    /// The operation's name.
    pub(super) operation: Arc<OperationModel>,
    /// Its arguments: names, and values in YAML.
    pub(super) with: Vec<(String, String)>,
    /// Members of the tool's own input that are needed for it.
    pub(super) uses: Vec<String>,
    /// JMESPath to the state.
    pub(super) state: String,
    /// The state's shape.
    pub(super) shape: Arc<ShapeModel>,
    /// AWS's error codes that say that there is none.
    pub(super) missing: Vec<String>,
    /// How sure the guess is; the most is about 200.
    pub(super) score: i32,
}

/// The likeliest read of a target.
pub(super) fn guess(ground: &Ground<'_>, target: &Target) -> Option<Read> {
    let nouns = ground.nouns();
    let reads = ground.reads().into_iter().filter_map(|operation| candidate(ground, target, &nouns, operation));
    reads.max_by_key(|read| (read.score, std::cmp::Reverse(read.operation.name.len())))
}

fn candidate(ground: &Ground<'_>, target: &Target, nouns: &[String], operation: Arc<OperationModel>) -> Option<Read> {
    let members = given(&ground.service, &operation).ok()?;
    let (with, uses, bound) = bind(ground, target, nouns, &members)?;
    let output = ground.shape(&operation.output.as_ref()?.shape)?;
    let (state, shape) = state(ground, target, nouns, &operation, &output, bound)?;
    let (verb, noun) = verb_and_noun(&operation.name);
    let noun = singular(&plain(&noun));
    let named = nouns.iter().enumerate().map(|(nth, wanted)| {
        let rest = noun.strip_prefix(wanted.as_str());
        let all_of_it =
            rest.is_some_and(|rest| ["attribute", "detail", "propertie", "property", "info"].contains(&rest));
        let worth = match likeness(&noun, wanted).min(2) {
            _ if *wanted == noun => 100,
            _ if all_of_it => 85,
            2 => 40,
            1 => 10,
            _ => 0,
        };
        worth - 5 * i32::try_from(nth).unwrap_or(8).min(8)
    });
    let by_member = match likeness(&noun, &target.member) {
        3 => 100,
        2 => 35,
        _ => 0,
    };
    let mut score = named.max().unwrap_or(0).max(by_member);
    if score <= 0 {
        return None;
    }
    score += match verb.as_str() {
        "Describe" => 20,
        "Get" => 18,
        "Head" => 12,
        _ => 4,
    };
    score += match bound {
        Bound::One => 40,
        Bound::List => 38,
        Bound::Filter => 8,
    };
    score += if ground.inside(&shape).iter().any(|(name, _)| core(name).starts_with("tag")) { 6 } else { 0 };
    // An attribute of a thing is less than the thing.
    score -= 3 * i32::try_from(super::words::words(&operation.name).len()).unwrap_or(8);
    let missing = missing(ground, &operation, target);
    (score >= 60).then_some(Read { operation, with, uses, state, shape, missing, score })
}

/// How the read is told which target is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    One,
    List,
    Filter,
}

type With = (Vec<(String, String)>, Vec<String>, Bound);

/// The read's arguments. `None` where it can't be told which target is meant, or needs what nobody passes.
fn bind(ground: &Ground<'_>, target: &Target, nouns: &[String], members: &[Given]) -> Option<With> {
    let like = |member: &&Given| {
        let name = &member.name;
        let same = name.eq_ignore_ascii_case(&target.member) || core(name) == core(&target.member);
        let bare = ["name", "id", "identifier", "arn"].contains(&core(name).as_str());
        let other = ground.members.iter().any(|own| own.name.eq_ignore_ascii_case(name) && own.name != target.member);
        let noun = nouns.first().is_some_and(|noun| core(name) == *noun);
        let form = !target.whole || same_way(name, &target.member);
        member.is_text() && form && !other && (same || noun || (bare && member.required))
    };
    let exact = |member: &&Given| member.name.eq_ignore_ascii_case(&target.member);
    let own = members.iter().find(exact).filter(|member| member.is_text()).or_else(|| members.iter().find(like));
    let (mut with, mut uses) = (Vec::new(), Vec::new());
    let bound = match own {
        Some(member) if member.is_list_of_texts() => {
            with.push((member.name.clone(), "[\"{target}\"]".to_owned()));
            Bound::List
        }
        Some(member) => {
            with.push((member.name.clone(), "\"{target}\"".to_owned()));
            Bound::One
        }
        None => {
            let filters = members.iter().find(|member| member.name == "Filters" && ground.service.name() == "ec2")?;
            let name = filter(&target.member);
            let value = format!("[{{ Name: {name}, Values: [\"{{target}}\"] }}]");
            with.push((filters.name.clone(), value));
            Bound::Filter
        }
    };
    let taken = with.first().map(|(name, _)| name.clone()).unwrap_or_default();
    for member in members.iter().filter(|member| member.name != taken) {
        let passed = ground.members.iter().find(|own| {
            own.name.eq_ignore_ascii_case(&member.name) && own.name != target.member && is_text(&own.shape)
        });
        match passed {
            _ if has_all(member) => with.push((member.name.clone(), "[All]".to_owned())),
            _ if member.name == "ExpectedBucketOwner" => {
                with.push((member.name.clone(), "\"{account}\"".to_owned()));
            }
            Some(own) if member.required || own.required || is_place(&member.name) => {
                with.push((member.name.clone(), format!("\"{{arguments.{}}}\"", own.name)));
                if member.required {
                    uses.push(own.name.clone());
                }
            }
            _ if member.required => return None,
            _ => {}
        }
    }
    Some((with, uses, bound))
}

/// True where a member lists which attributes are wanted, and there is a word for all of them.
fn has_all(member: &Given) -> bool {
    let words = member.item.as_ref().map(|item| &item.kind);
    matches!(words, Some(ShapeKind::String { enum_values, .. }) if enum_values.iter().any(|word| word == "All"))
        && member.name.contains("Attribute")
}

/// Members that say where among others a thing is.
fn is_place(name: &str) -> bool {
    ["cluster", "namespace", "versionid", "qualifier", "catalogid", "eventbusname"].contains(&plain(name).as_str())
}

/// Where in an answer the state of one target is.
fn state(
    ground: &Ground<'_>,
    target: &Target,
    nouns: &[String],
    operation: &OperationModel,
    output: &Arc<ShapeModel>,
    bound: Bound,
) -> Option<(String, Arc<ShapeModel>)> {
    let names_it = |shape: &ShapeModel| {
        shape.members().iter().any(|member| {
            likeness(&member.name, &target.member) == 3 || nouns.first().is_some_and(|noun| core(&member.name) == *noun)
        })
    };
    let members = ground.inside(output);
    let lists: Vec<_> = members.iter().filter_map(|(name, shape)| Some((name, ground.item(shape)?))).collect();
    let results = result_keys(ground, operation);
    let mut naming = lists.iter().filter(|(_, item)| names_it(item));
    let all: Vec<String> = naming.clone().map(|(name, _)| format!("{name}[0]")).collect();
    if let Some((_, item)) = naming.next_back() {
        return Some((all.join(" || "), Arc::clone(item)));
    }
    for (name, item) in &lists {
        for (inner, shape) in ground.inside(item) {
            if let Some(innermost) = ground.item(&shape).filter(|innermost| names_it(innermost)) {
                return Some((format!("{name}[0].{inner}[0]"), innermost));
            }
        }
    }
    if let Some((name, item)) = lists.iter().find(|(name, item)| results.contains(name) && !item.members().is_empty())
        && bound != Bound::One
    {
        return Some((format!("{name}[0]"), Arc::clone(item)));
    }
    let structures: Vec<_> = members.iter().filter(|(_, shape)| !shape.members().is_empty()).collect();
    let thing = structures
        .iter()
        .find(|(name, _)| nouns.iter().any(|noun| core(name) == *noun) || likeness(name, &target.member) == 3);
    let only = match (structures.as_slice(), members.len()) {
        ([only], 1) => Some(only),
        _ => None,
    };
    if let Some((name, shape)) = thing.or(only) {
        return Some((name.clone(), Arc::clone(shape)));
    }
    // Attributes as a map, as queues and topics have them.
    if let [(name, shape)] = members.as_slice()
        && matches!(shape.kind, ShapeKind::Map { .. })
    {
        return Some((name.clone(), Arc::clone(shape)));
    }
    (bound == Bound::One && !members.is_empty() && lists.len() < members.len())
        .then(|| ("@".to_owned(), Arc::clone(output)))
}

/// The members of an operation's output that hold what its pages are of.
pub(super) fn result_keys(ground: &Ground<'_>, operation: &OperationModel) -> Vec<String> {
    let paginator = ground.service.paginator(&operation.name).ok().flatten();
    let keys = paginator.as_ref().and_then(|paginator| paginator.get("result_key")).cloned();
    match keys {
        Some(serde_json::Value::String(key)) => vec![key],
        Some(serde_json::Value::Array(keys)) => keys.iter().filter_map(|key| key.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// The errors that say that there is no such thing.
fn missing(ground: &Ground<'_>, operation: &OperationModel, target: &Target) -> Vec<String> {
    let says = |name: &str| {
        let name = plain(name);
        ["notfound", "nosuch", "doesnotexist", "nonexist", "notexist"].iter().any(|part| name.contains(part))
    };
    let mut codes = Vec::new();
    for error in operation.errors.iter().filter(|error| says(error)) {
        let code = ground.shape(error).and_then(|shape| shape.error.as_ref()?.code.clone());
        codes.extend(code.filter(|code| code != error));
        codes.push(error.clone());
    }
    match ground.service.name() {
        // EC2's model names no errors: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        "ec2" => {
            let words = super::words::words(&target.member);
            let noun = words.iter().take(words.len().saturating_sub(1)).map(String::as_str).collect::<String>();
            codes.push(format!("Invalid{noun}ID.NotFound"));
            codes.push(format!("Invalid{noun}.NotFound"));
        }
        "s3" => codes.extend(["NoSuchBucket", "NoSuchKey", "NotFound", "404"].map(str::to_owned)),
        "cloudformation" => codes.push("ValidationError".to_owned()),
        _ => {}
    }
    let mut seen = Vec::new();
    codes.retain(|code| {
        !seen.contains(code) && {
            seen.push(code.clone());
            true
        }
    });
    codes.truncate(6);
    codes
}
