//! What a client is told to run without asking anybody.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::clients::{Approval, Client, Kept, Sign};
use super::formats::Format;
use super::places::Surroundings;
use crate::document::Source;
use crate::text::escape::quoted;

/// Tools that look at the server's own books; nobody needs to be asked for them.
const HARMLESS: [&str; 4] = ["whoami", "find_operations", "list_plans", "plan_status"];

/// One setting that approves for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Found {
    /// The file it stands in.
    pub(in crate::cli) file: PathBuf,
    /// The keys down to it, with dots.
    pub(in crate::cli) key: String,
    /// What it says.
    pub(in crate::cli) says: String,
}

/// The settings that let a client run the tools of the server `name` unasked. A file that can't be read says nothing here.
pub(super) fn found(client: &Client, name: &str, servers: &Path, around: &Surroundings) -> Vec<Found> {
    let mut all = Vec::new();
    for approval in client.approvals {
        let file = match &approval.file {
            Kept::WithServers => Some(servers.to_owned()),
            Kept::User(place) => place.find(around),
            Kept::Project(path) => Some(around.working.join(path)),
        };
        let Some(file) = file else { continue };
        let format = match approval.file {
            Kept::WithServers => client.format,
            Kept::User(_) | Kept::Project(_) => Format::Json,
        };
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let Ok(value) = format.read(&Source::new(file.as_path(), text)) else { continue };
        let keys: Vec<String> = approval.at.iter().map(|key| key.replace("{name}", name)).collect();
        for (key, value) in at(&value, &keys, String::new()) {
            all.extend(sign(approval, name, value).map(|says| Found { file: file.clone(), key, says }));
        }
    }
    all
}

fn at<'v>(value: &'v Value, keys: &[String], way: String) -> Vec<(String, &'v Value)> {
    let Some((key, rest)) = keys.split_first() else { return vec![(way, value)] };
    let deeper = |name: &str| if way.is_empty() { name.to_owned() } else { format!("{way}.{name}") };
    let Some(members) = value.as_object() else { return Vec::new() };
    let matching = members.iter().filter(|(name, _)| key == "*" || *name == key);
    matching.flat_map(|(name, value)| at(value, rest, deeper(name))).collect()
}

fn sign(approval: &Approval, name: &str, value: &Value) -> Option<String> {
    let texts = || value.as_array().into_iter().flatten().filter_map(Value::as_str);
    let listed = |texts: Vec<&str>| {
        let shown: Vec<String> = texts.iter().take(3).map(|text| quoted(text, 60)).collect();
        let more = texts.len().checked_sub(3).filter(|more| *more > 0).map(|more| format!(" and {more} more"));
        (!texts.is_empty()).then(|| format!("{}{}", shown.join(", "), more.unwrap_or_default()))
    };
    match approval.sign {
        Sign::True => (value == &Value::Bool(true)).then(|| "true".to_owned()),
        Sign::OneOf(words) => value.as_str().filter(|text| words.contains(text)).map(|text| quoted(text, 60)),
        Sign::AnyTool => listed(texts().filter(|tool| !HARMLESS.contains(tool)).collect()),
        Sign::Begins(beginnings) => {
            let begins = |text: &&str| {
                let harmless = HARMLESS.iter().any(|tool| text.ends_with(tool));
                !harmless && beginnings.iter().any(|begin| text.starts_with(&begin.replace("{name}", name)))
            };
            listed(texts().filter(begins).collect())
        }
    }
}
