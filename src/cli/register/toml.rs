//! TOML, edited with its comments and spaces.

use serde_json::Value;
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike};

use super::formats::Edit;
use crate::document::{self, Language, Problem, Problems, Source};

/// What the text says.
pub(super) fn read(source: &Source) -> Result<Value, Problem> {
    document::read(source.clone(), Language::Toml)
        .map(|read| read.value().clone())
        .map_err(|wrong| first(source, &wrong))
}

/// The text with one change.
pub(super) fn edit(source: &Source, edit: &Edit) -> Result<String, Problem> {
    let mut document: DocumentMut = match source.text().parse() {
        Ok(document) => document,
        Err(_) => {
            read(source)?;
            return Err(source.problem(0..0, "this is not TOML", "correct it, then register again"));
        }
    };
    let Some((last, way)) = edit.path.split_last() else { return Ok(document.to_string()) };
    let mut at: &mut dyn TableLike = document.as_table_mut();
    for key in way {
        if edit.value.is_none() && at.get(key).is_none() {
            return Ok(document.to_string());
        }
        let between = || {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        };
        at = at
            .entry(key)
            .or_insert_with(between)
            .as_table_like_mut()
            .ok_or_else(|| source.problem(0..0, format!("`{key}` is not a table"), "correct it, or take it out"))?;
    }
    match &edit.value {
        None => drop(at.remove(last)),
        Some(value) => match (at.get_mut(last).and_then(Item::as_value_mut), plain(value)) {
            (Some(there), Some(value)) => {
                let around = there.decor().clone();
                *there = value;
                *there.decor_mut() = around;
            }
            _ => drop(at.insert(last, item(value))),
        },
    }
    Ok(document.to_string())
}

/// A problem of a file as the first of those that were found.
pub(super) fn first(source: &Source, wrong: &Problems) -> Problem {
    let unread = || source.problem(0..0, "the file can't be read", "correct it, then register again");
    wrong.iter().next().cloned().unwrap_or_else(unread)
}

fn item(value: &Value) -> Item {
    match value {
        Value::Object(members) => {
            let mut table = Table::new();
            for (key, value) in members {
                table.insert(key, item(value));
            }
            Item::Table(table)
        }
        _ => plain(value).map_or(Item::None, Item::Value),
    }
}

fn plain(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().filter_map(plain).collect(),
        Value::Object(members) => {
            let mut table = InlineTable::new();
            for (key, value) in members {
                table.insert(key, plain(value)?);
            }
            toml_edit::Value::InlineTable(table)
        }
    })
}
