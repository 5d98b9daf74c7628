//! JSON, and JSON with comments, edited in its syntax tree.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::formats::Edit;
use crate::document::{Problem, Source};

/// What the text says.
pub(super) fn read(source: &Source) -> Result<Value, Problem> {
    Ok(parse(source)?.to_serde_value().unwrap_or_default())
}

/// The text with one change.
pub(super) fn edit(source: &Source, edit: &Edit) -> Result<String, Problem> {
    let root = parse(source)?;
    if root.value().is_none() {
        root.set_value(CstInputValue::Object(Vec::new()));
    }
    let not_settings = || source.problem(0..0, "this file holds no settings", "look whether it is the right one");
    let mut at = root.object_value().ok_or_else(not_settings)?;
    let Some((last, way)) = edit.path.split_last() else { return Ok(root.to_string()) };
    for key in way {
        once(source, &at, key)?;
        if edit.value.is_none() && at.get(key).is_none() {
            return Ok(root.to_string());
        }
        at = at.object_value_or_create(key).ok_or_else(not_settings)?;
    }
    once(source, &at, last)?;
    match (&edit.value, at.get(last)) {
        (Some(value), Some(there)) => there.set_value(input(value)),
        (Some(value), None) => drop(at.append(last, input(value))),
        (None, Some(there)) => there.remove(),
        (None, None) => {}
    }
    let mut text = root.to_string();
    if !text.ends_with('\n') && (source.text().is_empty() || source.text().ends_with('\n')) {
        text.push('\n');
    }
    Ok(text)
}

/// Everything that clients' own readers put up with, and nothing that none of them does.
fn parse(source: &Source) -> Result<CstRootNode, Problem> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    CstRootNode::parse(source.text(), &options).map_err(|error| {
        let range = error.range();
        source.problem(
            range.start..range.end,
            format!("this is not JSON: {}", error.kind()),
            "correct it, then register again",
        )
    })
}

/// Readers differ on which of two equal keys counts.
fn once(source: &Source, object: &CstObject, key: &str) -> Result<(), Problem> {
    let same = object.properties().iter().filter(|property| property.decoded_name().as_deref() == Some(key)).count();
    match same {
        0 | 1 => Ok(()),
        _ => {
            let at = source.text().rfind(&format!("\"{key}\"")).unwrap_or_default();
            let message = format!("the key `{key}` is here a second time");
            Err(source.problem(at..at + key.len() + 2, message, "keep one of the two"))
        }
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(members) => {
            CstInputValue::Object(members.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}
