//! Guesses what of a target's state counts: its tags, what must not change, what protects it, what depends on it.

use std::sync::Arc;

use super::ground::{Ground, given, is_plain, is_text};
use super::read::{Read, result_keys};
use super::target::Target;
use super::words::{core, is_arn, plain, singular, snake, verb_and_noun, words};
use super::yaml;
use crate::aws::{ShapeKind, ShapeModel};
use crate::manifest::spec::TAG_FORMS;

/// Most members of a guessed fingerprint.
const MOST_IN_FINGERPRINT: usize = 10;

/// Most guessed dependents.
const MOST_DEPENDENTS: usize = 4;

/// Parts of names of what says which thing it is, how big, how set, and in what state.
const TELLING: &[&str] = &[
    "capacity",
    "class",
    "code",
    "created",
    "createdat",
    "createdate",
    "createtime",
    "creation",
    "desired",
    "enabled",
    "encrypt",
    "engine",
    "expiration",
    "handler",
    "image",
    "key",
    "kms",
    "max",
    "memory",
    "min",
    "mode",
    "modified",
    "multiaz",
    "policy",
    "protection",
    "retention",
    "role",
    "runtime",
    "schedule",
    "scheme",
    "size",
    "state",
    "status",
    "storage",
    "type",
    "updated",
    "version",
    "timeout",
];

/// Parts of names of what else makes up a thing.
const HOLDING: [&str; 4] = ["attachment", "permission", "policies", "rules"];

/// The rank of a member that tells nothing in particular.
pub(super) const OTHER: u32 = 9;

/// How much a member tells of a thing of some noun: what names it first, then its state, what it is, and when it was made.
pub(super) fn rank(name: &str, noun: &str) -> u32 {
    let low = plain(name);
    let own = |end: &str| low == end || low == format!("{noun}{end}");
    match () {
        () if own("id") || own("identifier") || own("resourceid") || low == "dbiresourceid" => 0,
        () if own("name") => 1,
        () if own("state") || own("status") => 2,
        () if low.contains("creat") && !low.contains("by") => 3,
        () if own("type") || own("class") || low.contains("instancetype") || own("engine") || own("version") => 4,
        () if low.contains("engineversion") || low.contains("protection") || own("size") || own("arn") => 5,
        () if low.contains("desired") || low.ends_with("definition") || low == "runtime" => 6,
        () if low.ends_with("state") || low.ends_with("status") => OTHER + 1,
        () => OTHER,
    }
}

/// Parts of names of what changes by itself.
const RESTLESS: &[&str] = &[
    "accessed",
    "activity",
    "approximate",
    "available",
    "bytes",
    "consumed",
    "count",
    "heartbeat",
    "lastused",
    "lastseen",
    "latest",
    "message",
    "percent",
    "progress",
    "reason",
    "remaining",
    "running",
    "sizein",
    "used",
];

/// Parts of names of what is listed by a thing and doesn't depend on it.
const PASSING: &[&str] = &[
    "Activit",
    "Allowed",
    "Drift",
    "Event",
    "Health",
    "History",
    "Insight",
    "Log",
    "Metric",
    "Modification",
    "Option",
    "Parameter",
    "Pending",
    "Refresh",
    "Statistic",
    "Tag",
];

/// What names a target's protection from deletion.
const PROTECTIONS: [&str; 6] = [
    "deletionprotection",
    "deletionprotectionenabled",
    "deleteprotection",
    "enableterminationprotection",
    "terminationprotection",
    "protectedfromscalein",
];

/// Where tags are.
pub(super) enum Tags {
    /// In the state.
    State(String),
    /// Read with an operation of their own: its name, arguments in YAML, and the path.
    Read { operation: String, with: Vec<(String, String)>, list: String },
    /// Nobody knows.
    Unknown,
}

/// Where the tags of a target are.
pub(super) fn tags(ground: &Ground<'_>, target: &Target, read: Option<&Read>) -> Tags {
    if let Some(read) = read
        && let Some(path) = tags_in(ground, &read.shape)
    {
        return Tags::State(path);
    }
    let mut found: Vec<(i32, Tags)> = Vec::new();
    for operation in ground.reads() {
        let (_, noun) = verb_and_noun(&operation.name);
        let noun_plain = plain(&noun);
        if !noun_plain.contains("tag") {
            continue;
        }
        let Ok(members) = given(&ground.service, &operation) else { continue };
        let Some(output) = operation.output.as_ref().and_then(|output| ground.shape(&output.shape)) else { continue };
        let Some(list) = tags_in(ground, &output) else { continue };
        let (mut with, mut score, mut fits) = (Vec::new(), 0, true);
        for member in &members {
            let name = member.name.as_str();
            let by_arn =
                member.is_text() && (is_arn(name) || ["resource", "resourcename"].contains(&plain(name).as_str()));
            let same = name.eq_ignore_ascii_case(&target.member)
                || (!core(name).is_empty() && core(name) == core(&target.member));
            let id = ["resourceid", "keyid"].contains(&plain(name).as_str());
            let value = match () {
                () if name == "ExpectedBucketOwner" => Some("\"{account}\"".to_owned()),
                () if same && member.is_list_of_texts() => Some("[\"{target}\"]".to_owned()),
                () if same => Some("\"{target}\"".to_owned()),
                () if by_arn => arn_of_state(ground, target, read).map(|arn| match member.is_list_of_texts() {
                    true => format!("[{}]", yaml::quoted(&arn)),
                    false => yaml::quoted(&arn),
                }),
                () if id && member.required => Some("\"{target}\"".to_owned()),
                () => {
                    ground.member(name).filter(|own| own.required).map(|own| format!("\"{{arguments.{}}}\"", own.name))
                }
            };
            match value {
                Some(value) if member.required || same || by_arn || name == "ExpectedBucketOwner" => {
                    score += if same { 30 } else { 20 };
                    with.push((name.to_owned(), value));
                }
                None if member.required => fits = false,
                _ => {}
            }
        }
        let own = ground.nouns().first().is_some_and(|own| noun_plain.contains(own.as_str()));
        let general = noun_plain.contains("resource") || noun_plain == "tags";
        score += if own {
            20
        } else if general {
            10
        } else {
            -40
        };
        if fits && score > 0 && !with.is_empty() {
            found.push((score, Tags::Read { operation: operation.name.clone(), with, list }));
        }
    }
    found.into_iter().max_by_key(|(score, _)| *score).map_or(Tags::Unknown, |(_, tags)| tags)
}

/// What stands for the target's whole ARN: its template, or a member of its state where that has a `*`.
fn arn_of_state(ground: &Ground<'_>, target: &Target, read: Option<&Read>) -> Option<String> {
    if target.arn.as_ref().is_some_and(|arn| !arn.wild) {
        return Some("{arn}".to_owned());
    }
    let noun = ground.nouns().first().cloned().unwrap_or_default();
    let members = read.map(|read| ground.inside(&read.shape)).unwrap_or_default();
    let own =
        |name: &str| is_arn(name) && (core(name) == noun || core(name) == core(&target.member) || plain(name) == "arn");
    members.iter().find(|(name, _)| own(name)).map(|(name, _)| format!("{{state.{name}}}"))
}

/// The member of a structure that holds tags.
fn tags_in(ground: &Ground<'_>, shape: &ShapeModel) -> Option<String> {
    let is_tags = |name: &str, shape: &Arc<ShapeModel>| {
        let named = matches!(plain(name).as_str(), "tags" | "taglist" | "tagset" | "resourcetags" | "tag");
        let pairs = ground.item(shape).is_some_and(|item| {
            TAG_FORMS.iter().any(|(key, value)| item.member(key).is_some() && item.member(value).is_some())
        });
        named && (pairs || matches!(shape.kind, ShapeKind::Map { .. }))
    };
    let members = ground.inside(shape);
    if let Some((name, _)) = members.iter().find(|(name, shape)| is_tags(name, shape)) {
        return Some(name.clone());
    }
    // Those of several things, each with its own.
    members.iter().filter(|(name, _)| plain(name).contains("tag")).find_map(|(name, shape)| {
        let inner = ground.inside(&*ground.item(shape)?);
        let (tags, _) = inner.into_iter().find(|(name, shape)| is_tags(name, shape))?;
        Some(format!("{name}[0].{tags}"))
    })
}

/// JMESPath for what must not change until the call; `None` where nothing looks like it.
pub(super) fn fingerprint(ground: &Ground<'_>, target: &Target, read: &Read, tags: &Tags) -> Option<String> {
    let noun = ground.nouns().first().cloned().unwrap_or_default();
    let mut chosen: Vec<(u32, String, String)> = Vec::new();
    for (name, shape) in ground.inside(&read.shape) {
        let low = plain(&name);
        let restless = RESTLESS.iter().any(|part| low.contains(part)) && !low.contains("desired");
        if shape.sensitive || restless || name == target.member {
            continue;
        }
        let nested = (!is_plain(&shape) && matches!(low.as_str(), "state" | "status"))
            .then(|| {
                ground
                    .inside(&shape)
                    .into_iter()
                    .find(|(inner, _)| ["name", "code", "state"].contains(&plain(inner).as_str()))
            })
            .flatten();
        let path = match nested {
            Some((inner, _)) => format!("{name}.{inner}"),
            None if is_plain(&shape) => name.clone(),
            None => continue,
        };
        let telling = TELLING.iter().any(|part| low.contains(part));
        let rank = rank(&name, &noun);
        if (rank < OTHER && !low.ends_with("name") && !low.ends_with("arn")) || telling {
            chosen.push((rank, key(&name, &noun), path));
        }
    }
    for (name, shape) in ground.inside(&read.shape) {
        let low = plain(&name);
        if !is_plain(&shape) && !shape.sensitive && HOLDING.iter().any(|part| low.contains(part)) {
            chosen.push((OTHER, key(&name, &noun), name));
        }
    }
    chosen.sort_by_key(|(rank, _, _)| *rank);
    chosen.truncate(MOST_IN_FINGERPRINT);
    let mut pairs: Vec<String> = Vec::new();
    let mut keys = Vec::new();
    for (_, key, path) in chosen {
        let key = if keys.contains(&key) { snake(&path) } else { key };
        keys.push(key.clone());
        pairs.push(format!("{key}: {path}"));
    }
    if let Tags::State(path) = tags {
        pairs.push(format!("tags: {path}"));
    }
    (!pairs.is_empty()).then(|| format!("{{{}}}", pairs.join(", ")))
}

/// A short key for a member: `DBInstanceStatus` of a `dbinstance` is `status`.
fn key(member: &str, noun: &str) -> String {
    let words = words(member);
    let short = (1..words.len()).find(|cut| plain(&words.iter().take(*cut).cloned().collect::<String>()) == noun);
    let rest: Vec<String> = words.into_iter().skip(short.unwrap_or(0)).collect();
    rest.join("_").to_lowercase()
}

/// JMESPath that is true where the target is protected from deletion.
pub(super) fn protected(ground: &Ground<'_>, read: &Read) -> Option<String> {
    let members = ground.inside(&read.shape);
    let (name, shape) = members.iter().find(|(name, _)| PROTECTIONS.contains(&plain(name).as_str()))?;
    match &shape.kind {
        ShapeKind::Boolean => Some(name.clone()),
        ShapeKind::String { enum_values, .. } => {
            let on =
                enum_values.iter().find(|word| ["enabled", "active", "on"].contains(&word.to_lowercase().as_str()))?;
            Some(format!("{name} == '{on}'"))
        }
        _ => None,
    }
}

/// Something that depends on a target.
pub(super) struct Dependent {
    pub(super) label: String,
    pub(super) operation: String,
    pub(super) with: Vec<(String, String)>,
    pub(super) list: String,
}

/// What other reads list by the target: the aliases of a function, the snapshots of a database.
pub(super) fn dependents(ground: &Ground<'_>, target: &Target, read: Option<&Read>) -> Vec<Dependent> {
    // Every service has things that are called by a mere `Name`.
    if ["name", "id", "identifier", "arn"].contains(&core(&target.member).as_str()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for operation in ground.reads() {
        let (verb, noun) = verb_and_noun(&operation.name);
        let own = ground.nouns().first().is_some_and(|own| *own == singular(&plain(&noun)));
        let same = read.is_some_and(|read| read.operation.name == operation.name);
        let passing = PASSING.iter().any(|part| noun.contains(part));
        if own || same || passing || !["List", "Describe"].contains(&verb.as_str()) {
            continue;
        }
        let Ok(members) = given(&ground.service, &operation) else { continue };
        let Some(member) = members.iter().find(|member| member.name.eq_ignore_ascii_case(&target.member)) else {
            continue;
        };
        let mut with = vec![(
            member.name.clone(),
            if member.is_list_of_texts() { "[\"{target}\"]" } else { "\"{target}\"" }.to_owned(),
        )];
        let mut fits = true;
        for other in members.iter().filter(|other| other.required && other.name != member.name) {
            match ground.member(&other.name).filter(|own| own.required) {
                Some(own) => with.push((other.name.clone(), format!("\"{{arguments.{}}}\"", own.name))),
                None => fits = false,
            }
        }
        let Some(output) = operation.output.as_ref().and_then(|output| ground.shape(&output.shape)) else { continue };
        let keys = result_keys(ground, &operation);
        let members = ground.inside(&output);
        let lists = || members.iter().filter(|(_, shape)| ground.item(shape).is_some());
        let list = lists().find(|(name, _)| keys.contains(name)).or_else(|| lists().next());
        let Some((name, shape)) = list.filter(|_| fits) else { continue };
        let Some(item) = ground.item(shape) else { continue };
        let Some(path) = named_items(ground, &target.member, name, &item) else { continue };
        let label = words(&noun).join(" ").to_lowercase();
        let required = given(&ground.service, &operation)
            .is_ok_and(|members| members.iter().any(|m| m.required && m.name == member.name));
        found.push((required, Dependent { label, operation: operation.name.clone(), with, list: path }));
    }
    found.sort_by_key(|(required, _)| !required);
    found.into_iter().map(|(_, dependent)| dependent).take(MOST_DEPENDENTS).collect()
}

/// The names of a list's items.
fn named_items(ground: &Ground<'_>, target: &str, list: &str, item: &Arc<ShapeModel>) -> Option<String> {
    if is_text(item) {
        return Some(format!("{list}[]"));
    }
    let members = ground.inside(item);
    // What the items have in common names none of them.
    let common = |name: &str| core(name) == core(target) || ground.member(name).is_some();
    let texts = || members.iter().filter(|(name, shape)| is_text(shape) && !shape.sensitive && !common(name));
    let wanted = core(list);
    let best = texts()
        .find(|(name, _)| core(name) == wanted && !is_arn(name))
        .or_else(|| texts().find(|(name, _)| plain(name).starts_with(singular(&wanted).trim_end_matches("detail"))))
        .or_else(|| texts().find(|(name, _)| ["name", "id"].contains(&plain(name).as_str())))
        .or_else(|| texts().find(|(name, _)| super::words::names_a_thing(name)))?;
    Some(format!("{list}[].{}", best.0))
}
