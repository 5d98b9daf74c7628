//! The three languages that clients' files are written in, behind one way to read and edit them.
//!
//! An edit touches its own key and nothing else: comments, order, spaces and line ends around it stay. So that this holds
//! whatever a file looks like, the edited text is read again and compared with what it should say; where they differ the
//! file is left alone.

use serde_json::{Map, Value};

use super::{jsonc, toml, yaml};
use crate::document::{Problem, Source};

/// What starts some editors' files.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON, with comments and trailing commas where the client reads them.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

/// One change of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edit {
    /// The keys down to the value.
    pub(super) path: Vec<String>,
    /// The value; `None` takes the key away.
    pub(super) value: Option<Value>,
}

impl Format {
    /// What a text says; nothing is an empty object.
    pub(super) fn read(self, source: &Source) -> Result<Value, Problem> {
        let source = &bare(source);
        let value = match self {
            Self::Json => jsonc::read(source),
            Self::Toml => toml::read(source),
            Self::Yaml => yaml::read(source),
        }?;
        match value {
            Value::Object(_) => Ok(value),
            Value::Null => Ok(Value::Object(Map::new())),
            _ => Err(source.problem(0..1, "this file holds no settings", "look whether it is the right one")),
        }
    }

    /// The text with some changes.
    ///
    /// # Errors
    /// Where the text can't be read, a key on the way is no object or is there twice, or where the outcome would say
    /// anything else than the text and the changes together.
    pub(super) fn edit(self, source: &Source, edits: &[Edit]) -> Result<String, Problem> {
        let mark = source.text().starts_with(BYTE_ORDER_MARK);
        let mut now = bare(source);
        let mut expected = self.read(&now)?;
        for edit in edits {
            apply(&mut expected, edit).map_err(|key| {
                now.problem(0..0, format!("`{key}` holds something else than settings"), "correct it, or take it out")
            })?;
            let text = match self {
                Self::Json => jsonc::edit(&now, edit),
                Self::Toml => toml::edit(&now, edit),
                Self::Yaml => yaml::edit(&now, edit),
            }?;
            now = Source::new(now.path(), text);
        }
        let said = self.read(&now).ok().map(without_empty);
        if said != Some(without_empty(expected)) {
            let message = "this file is written in a way that can't be edited here without changing something else";
            return Err(source.problem(0..0, message, "write the entry yourself: `--print` shows it"));
        }
        let text = ends_of_lines(source.text(), now.text());
        Ok(if mark { format!("{BYTE_ORDER_MARK}{text}") } else { text })
    }
}

/// A text whose every line ends as Windows has it keeps that.
fn ends_of_lines(before: &str, after: &str) -> String {
    let (all, windows) = (before.matches('\n').count(), before.matches("\r\n").count());
    if all > 0 && all == windows { after.replace("\r\n", "\n").replace('\n', "\r\n") } else { after.to_owned() }
}

fn bare(source: &Source) -> Source {
    match source.text().strip_prefix(BYTE_ORDER_MARK) {
        Some(text) => Source::new(source.path(), text),
        None => source.clone(),
    }
}

/// The key that is no object is the error.
fn apply(value: &mut Value, edit: &Edit) -> Result<(), String> {
    let Some((last, way)) = edit.path.split_last() else { return Ok(()) };
    let mut at = value;
    for key in way {
        let members = at.as_object_mut().ok_or_else(|| key.clone())?;
        let next = members.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
        if next.is_null() {
            *next = Value::Object(Map::new());
        }
        if !next.is_object() {
            return Err(key.clone());
        }
        at = next;
    }
    if let Some(members) = at.as_object_mut() {
        match &edit.value {
            Some(value) => drop(members.insert(last.clone(), value.clone())),
            None => drop(members.shift_remove(last)),
        }
    }
    Ok(())
}

/// Nothing, and an object with nothing in it, say the same.
pub(super) fn without_empty(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !(member.is_null() || member.as_object().is_some_and(Map::is_empty)));
    }
    value
}
