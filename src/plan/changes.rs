//! What a call changes, as its manifest says: before and after, for each target.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::text::escape::quoted;

/// One thing that a call changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The target's name.
    pub target: String,
    /// What changes, in the manifest's words, such as `desired capacity`.
    pub what: String,
    /// What it is now; null where there is none.
    pub before: Value,
    /// What it will be; null where there will be none.
    pub after: Value,
}

/// The rows of all targets, without those whose two sides are equal. `shown` are the arguments without what is sensitive.
///
/// They are under the digest: what a person was shown may not be something else when the call is made.
///
/// # Errors
/// Where a row can't be made: nobody could judge what isn't shown.
pub fn rows(call: &ResolvedCall, shown: &Value) -> Result<Vec<Change>, Refused> {
    let spec = call.call().spec();
    let mut found = Vec::new();
    for target in call.targets() {
        let mut context = call.context(target);
        if let Value::Object(members) = &mut context {
            members.insert("arguments".to_owned(), shown.clone());
        }
        for row in &spec.changes {
            let side = |expression: &crate::manifest::expression::Expression| {
                expression.search(&context).map_err(|error| {
                    let message = format!("what `{}` changes ({}) can't be shown", spec.name, row.what);
                    Refused::new(Code::PreviewFailed, message, "tell an operator: the manifest is at fault")
                        .with_operator_detail(error.to_string())
                })
            };
            let (before, after) = (whole(side(&row.before)?), whole(side(&row.after)?));
            if before != after {
                found.push(Change { target: target.id.clone(), what: row.what.clone(), before, after });
            }
        }
    }
    Ok(found)
}

/// JMESPath counts in floating point; nobody has 1.0 instances.
fn whole(value: Value) -> Value {
    match value.as_f64().filter(|number| value.is_f64() && number.fract() == 0.0) {
        Some(number) => format!("{number:.0}").parse::<i64>().map_or(value, Value::from),
        None => value,
    }
}

impl Change {
    /// `what: before → after`, on one line; each side with at most `width` characters.
    pub fn line(&self, width: usize) -> String {
        format!("{}: {} → {}", self.what, side(&self.before, width), side(&self.after, width))
    }
}

/// One side for people. What is there is quoted, so that no name can look like `none`.
fn side(value: &Value, width: usize) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => quoted(text, width),
        other => quoted(&other.to_string(), width),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_are_told_as_such() {
        let told = [json!(1.0), json!(-3.0), json!(0.5), json!(1e300), json!(7), json!("1.0")].map(whole);
        assert_eq!(told, [json!(1), json!(-3), json!(0.5), json!(1e300), json!(7), json!("1.0")]);
    }

    #[test]
    fn lines_tell_what_was_there_from_what_was_not() {
        let line = |before: Value, after: Value| {
            Change { target: "t".into(), what: "description".into(), before, after }.line(24)
        };
        let told = [
            line(json!(4), json!(2)),
            line(Value::Null, json!("none")),
            line(json!("→ `x`\n"), json!("\u{202e}approved already, nothing to see here")),
            line(json!({ "a": [1, true] }), json!("")),
        ];
        insta::assert_snapshot!(told.join("\n"));
    }
}
