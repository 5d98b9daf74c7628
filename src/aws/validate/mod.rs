//! Arguments checked against AWS's service model, before anything is built from them.
//!
//! The serializers drop members they don't know and convert some types silently. So whatever an agent passes is checked
//! here first: a hallucinated member or value is an error with the nearest real name, and all problems come in one
//! answer. What passes can still be refused by AWS; what fails here would not have done what the agent meant.

mod pattern;
mod problem;
mod scalar;

use serde_json::{Map, Value};

pub use problem::{Problem, Problems};

use super::models::{ModelError, Models, nearest};
use super::service::ServiceModel;
use super::shape::{Bounds, Location, Member, ShapeKind, ShapeModel};
use crate::names::OperationId;
use crate::text::escape::quoted;
use problem::{Collected, Path};

/// Values nest at most so deep. DynamoDB's, the deepest in use, allows 32 levels, each two objects.
const DEEPEST: usize = 96;

/// Checks arguments against an operation's input: member names, types (nothing is converted), enums, lengths, ranges,
/// patterns, required members, unions. A member with an idempotency token may be left out: the client fills it in.
///
/// Values of an enum that the model doesn't list are refused although AWS may know newer ones: a wrong value is far more
/// often a mistake, and a newer model mends the other case.
///
/// # Errors
/// All problems found, at most [`Problems::SHOWN`] of them in words.
pub fn validate(models: &Models, operation: &OperationId, arguments: &Value) -> Result<(), Problems> {
    let mut problems = Collected::default();
    let path = Path::root();
    match models.operation(operation) {
        Err(error) => problems.add(&path, error.to_string(), "use `find_operations` to look for the operation"),
        Ok((service, model)) => match (&model.input, arguments) {
            (Some(input), Value::Object(_)) => {
                let mut check = Check { service: &service, problems: &mut problems };
                if let Err(error) = check.value(&path, &input.shape, None, arguments, 0) {
                    problems.add(&path, error.to_string(), "");
                }
            }
            (None, Value::Object(members)) if members.is_empty() => {}
            (None, Value::Object(_)) => {
                problems.add(&path, format!("`{operation}` takes no arguments"), "pass `{}`");
            }
            (_, other) => {
                let message = format!("the arguments are {}, not an object", kind_of(other));
                problems.add(&path, message, "pass an object with the operation's members");
            }
        },
    }
    problems.into_result()
}

struct Check<'a> {
    service: &'a ServiceModel,
    problems: &'a mut Collected,
}

impl Check<'_> {
    /// Checks a value against a shape; `member` is the structure's member it stands in, where it does.
    fn value(
        &mut self,
        path: &Path<'_>,
        shape: &str,
        member: Option<&Member>,
        value: &Value,
        depth: usize,
    ) -> Result<(), ModelError> {
        if depth > DEEPEST {
            self.problems.add(path, format!("nested deeper than {DEEPEST} levels"), "nest less");
            return Ok(());
        }
        let shape = self.service.shape(shape)?;
        match (&shape.kind, value) {
            (ShapeKind::Document, _) => {}
            (_, Value::Null) => self.problems.add(path, "is null", "leave it out instead"),
            _ if member.is_some_and(|m| m.wire.jsonvalue) || shape.wire.jsonvalue => {}
            (ShapeKind::Structure { members, union, .. }, Value::Object(given)) => {
                self.structure(path, &shape, members, *union, given, depth)?;
            }
            (ShapeKind::List { member: item, bounds }, Value::Array(items)) => {
                self.length(path, *bounds, items.len(), "items");
                for (index, value) in items.iter().enumerate() {
                    self.value(&path.item(index), &item.shape, None, value, depth + 1)?;
                }
            }
            (ShapeKind::Map { key, value: item, bounds }, Value::Object(entries)) => {
                self.length(path, *bounds, entries.len(), "entries");
                let key = self.service.shape(&key.shape)?;
                for (name, value) in entries {
                    let path = path.entry(name);
                    scalar::check_key(self.problems, &path, &key, name);
                    self.value(&path, &item.shape, None, value, depth + 1)?;
                }
            }
            (ShapeKind::Structure { .. } | ShapeKind::Map { .. }, other) => {
                self.problems.add(path, format!("is {}, not an object", kind_of(other)), "pass an object");
            }
            (ShapeKind::List { .. }, other) => {
                self.problems.add(path, format!("is {}, not a list", kind_of(other)), "put it into a list: `[...]`");
            }
            (_, value) => scalar::check(self.problems, path, &shape, member, value),
        }
        Ok(())
    }

    fn structure(
        &mut self,
        path: &Path<'_>,
        shape: &ShapeModel,
        members: &[Member],
        union: bool,
        given: &Map<String, Value>,
        depth: usize,
    ) -> Result<(), ModelError> {
        for (name, value) in given {
            match members.iter().find(|member| member.name == *name) {
                Some(member) => self.value(&path.member(name), &member.shape, Some(member), value, depth + 1)?,
                None => {
                    let hint = unknown_hint(name, members);
                    let of = if path.is_root() { "the operation" } else { shape.name.as_str() };
                    let message = format!("{} is not a member of {of}", quoted(name, 80));
                    self.problems.add(&path.member(name), message, hint);
                }
            }
        }
        for member in members {
            // The client fills in a missing idempotency token.
            if member.required && !member.idempotency_token && !given.contains_key(&member.name) {
                let hint = format!("add `{}`", member.name);
                self.problems.add(&path.member(&member.name), "is required and missing", hint);
            }
            if member.wire.location == Some(Location::Uri)
                && given.get(&member.name).and_then(Value::as_str).is_some_and(str::is_empty)
            {
                let message = "is empty, and goes into the request's path";
                self.problems.add(&path.member(&member.name), message, "give its value");
            }
        }
        if union && given.len() != 1 {
            let names: Vec<&str> = members.iter().take(12).map(|member| member.name.as_str()).collect();
            let message = format!("has {} members, and exactly one must be set", given.len());
            self.problems.add(path, message, format!("set one of `{}`", names.join("`, `")));
        }
        Ok(())
    }

    fn length(&mut self, path: &Path<'_>, bounds: Bounds, length: usize, of: &str) {
        if let Some(wanted) = scalar::outside(bounds, length as f64) {
            self.problems.add(path, format!("has {length} {of}"), format!("{wanted} {of}"));
        }
    }
}

fn unknown_hint(name: &str, members: &[Member]) -> String {
    let names = || members.iter().map(|member| member.name.as_str());
    let near = nearest(name, names());
    if near.is_empty() {
        let shown: Vec<&str> = names().take(20).collect();
        let more = members.len().saturating_sub(shown.len());
        return match shown.len() {
            0 => "it takes no members".to_owned(),
            _ if more == 0 => format!("its members are `{}`", shown.join("`, `")),
            _ => format!("its members are `{}` and {more} more", shown.join("`, `")),
        };
    }
    format!("did you mean `{}`?", near.join("`, `"))
}

/// What kind of JSON a value is, for messages.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
