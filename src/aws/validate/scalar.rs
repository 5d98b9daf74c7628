//! Checks of values that hold no others.

use base64::Engine as _;
use serde_json::{Number, Value};

use super::pattern;
use super::problem::{Collected, Path};
use super::{Bounds, Member, ShapeKind, ShapeModel, kind_of, nearest, quoted};
use crate::aws::endpoint::is_host_label;
use crate::aws::redact::secret_name;

/// Longest value that a message quotes, in characters.
const QUOTED: usize = 60;
/// Longest pattern that a message shows.
const PATTERN_SHOWN: usize = 200;

/// Checks a value against a shape that is neither structure, list, map nor document.
pub(super) fn check(
    problems: &mut Collected,
    path: &Path<'_>,
    shape: &ShapeModel,
    member: Option<&Member>,
    value: &Value,
) {
    let secret = shape.sensitive || member.is_some_and(|member| secret_name(&member.name));
    match (&shape.kind, value) {
        (ShapeKind::String { .. }, Value::String(text)) => {
            check_text(problems, path, shape, text, secret);
            if member.is_some_and(|member| member.host_label) && !is_host_label(text, false) {
                let message = "becomes a part of the host name and is not a host label";
                problems.add(path, message, "1 to 63 letters, digits or hyphens");
            }
        }
        (ShapeKind::String { .. }, other) => {
            let hint = if other.is_number() || other.is_boolean() { "put it in quotes" } else { "pass a text" };
            problems.add(path, format!("is {}, not a text", kind_of(other)), hint);
        }
        (ShapeKind::Integer(bounds), Value::Number(number)) => {
            check_integer(problems, path, number, *bounds, i64::from(i32::MIN)..=i64::from(i32::MAX));
        }
        (ShapeKind::Long(bounds), Value::Number(number)) => {
            check_integer(problems, path, number, *bounds, i64::MIN..=i64::MAX);
        }
        (ShapeKind::Float(bounds) | ShapeKind::Double(bounds), Value::Number(number)) => {
            let single = matches!(shape.kind, ShapeKind::Float(_));
            match number.as_f64().filter(|n| !single || n.abs() <= f64::from(f32::MAX)) {
                Some(value) => check_range(problems, path, *bounds, value, &number.to_string()),
                None => problems.add(path, format!("{number} is out of a float's range"), "pass a smaller number"),
            }
        }
        (
            ShapeKind::Integer(_) | ShapeKind::Long(_) | ShapeKind::Float(_) | ShapeKind::Double(_),
            Value::String(text),
        ) if text.parse::<f64>().is_ok() => {
            problems.add(path, "is a text, not a number", "leave the quotes away");
        }
        (ShapeKind::Integer(_) | ShapeKind::Long(_) | ShapeKind::Float(_) | ShapeKind::Double(_), other) => {
            problems.add(path, format!("is {}, not a number", kind_of(other)), "pass a number");
        }
        (ShapeKind::Boolean, Value::Bool(_)) => {}
        (ShapeKind::Boolean, other) => {
            problems.add(path, format!("is {}, not a boolean", kind_of(other)), "pass `true` or `false`");
        }
        (ShapeKind::Blob(bounds), Value::String(text)) => {
            match base64::engine::general_purpose::STANDARD.decode(text) {
                Ok(bytes) => {
                    if let Some(wanted) = outside(*bounds, bytes.len() as f64) {
                        problems.add(path, format!("has {} bytes", bytes.len()), format!("{wanted} bytes"));
                    }
                }
                Err(_) => problems.add(path, "is not base64", "encode the bytes in base64"),
            }
        }
        (ShapeKind::Blob(_), other) => {
            let message = format!("is {}, not bytes in base64", kind_of(other));
            problems.add(path, message, "encode the bytes in base64");
        }
        (ShapeKind::Timestamp, Value::String(text)) if text.parse::<jiff::Timestamp>().is_ok() => {}
        (ShapeKind::Timestamp, Value::Number(number)) if is_moment(number) => {}
        (ShapeKind::Timestamp, other) => {
            let message = match other {
                Value::String(text) if !secret => format!("{} is not a moment", quoted(text, QUOTED)),
                other => format!("is {}, not a moment", kind_of(other)),
            };
            problems.add(path, message, "write it as `2026-01-31T12:00:00Z`, or as seconds since 1970");
        }
        (ShapeKind::Structure { .. } | ShapeKind::Document | ShapeKind::List { .. } | ShapeKind::Map { .. }, _) => {}
    }
}

/// Checks a map's key.
pub(super) fn check_key(problems: &mut Collected, path: &Path<'_>, shape: &ShapeModel, key: &str) {
    if matches!(shape.kind, ShapeKind::String { .. }) {
        check_text(problems, path, shape, key, shape.sensitive);
    }
}

fn check_text(problems: &mut Collected, path: &Path<'_>, shape: &ShapeModel, text: &str, secret: bool) {
    let ShapeKind::String { enum_values, pattern, bounds } = &shape.kind else { return };
    let shown = || if secret { "the value".to_owned() } else { quoted(text, QUOTED) };
    if !enum_values.is_empty() {
        if !enum_values.iter().any(|value| value == text) {
            problems.add(path, format!("{} is not one of its values", shown()), enum_hint(text, enum_values));
        }
        return;
    }
    let length = text.chars().count();
    if let Some(wanted) = outside(*bounds, length as f64) {
        problems.add(path, format!("has {length} characters"), format!("{wanted} characters"));
    }
    if let Some(pattern) = pattern
        && pattern::matches(pattern, text) == Some(false)
    {
        let hint = match pattern.chars().count() {
            0..=PATTERN_SHOWN => format!("it must match `{pattern}`"),
            _ => "see the operation's documentation for its form".to_owned(),
        };
        problems.add(path, format!("{} does not have the form AWS wants", shown()), hint);
    }
}

fn enum_hint(text: &str, values: &[String]) -> String {
    let near = nearest(text, values.iter().map(String::as_str));
    if !near.is_empty() {
        return format!("did you mean `{}`?", near.join("`, `"));
    }
    let shown: Vec<&str> = values.iter().take(20).map(String::as_str).collect();
    match values.len() - shown.len() {
        0 => format!("its values are `{}`", shown.join("`, `")),
        more => format!("its values are `{}` and {more} more", shown.join("`, `")),
    }
}

fn check_integer(
    problems: &mut Collected,
    path: &Path<'_>,
    number: &Number,
    bounds: Bounds,
    possible: std::ops::RangeInclusive<i64>,
) {
    match number.as_i64() {
        Some(value) if possible.contains(&value) => {
            check_range(problems, path, bounds, value as f64, &number.to_string());
        }
        _ if number.is_f64() => {
            problems.add(path, format!("{number} is not an integer"), "pass a number without a fraction");
        }
        _ => {
            let hint = format!("from {} to {}", possible.start(), possible.end());
            problems.add(path, format!("{number} is out of range"), hint);
        }
    }
}

fn check_range(problems: &mut Collected, path: &Path<'_>, bounds: Bounds, value: f64, shown: &str) {
    if let Some(wanted) = outside(bounds, value) {
        problems.add(path, format!("{shown} is out of range"), wanted);
    }
}

/// What is wanted, where a number lies outside its bounds.
pub(super) fn outside(bounds: Bounds, value: f64) -> Option<String> {
    let low = bounds.min.is_some_and(|min| value < min);
    let high = bounds.max.is_some_and(|max| value > max);
    if !low && !high {
        return None;
    }
    Some(match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => return None,
    })
}

/// True for seconds since 1970 that are a moment of the years -9999 to 9999.
fn is_moment(seconds: &Number) -> bool {
    seconds.as_f64().is_some_and(|seconds| seconds.is_finite() && seconds.abs() < 253_402_300_800.0)
}
