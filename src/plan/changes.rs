//! What a call changes, as its manifest says: before and after, for each target.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::redact::holds_redacted;
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
    /// Why the row can't be made of the target's state, where that is so; a side that can't be made is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_known: Option<String>,
}

/// Why a row with sensitive values is not known.
pub const HIDDEN: &str = "what is redacted may differ";

/// The rows of all targets, without those whose two sides are equal. `shown` are the arguments without what is sensitive.
///
/// They are under the digest: what a person was shown may not be something else when the call is made. A row that can't be
/// made is told as such.
pub fn rows(call: &ResolvedCall, shown: &Value) -> Vec<Change> {
    let spec = call.call().spec();
    let mut found = Vec::new();
    for target in call.targets() {
        let mut context = call.context(target);
        if let Value::Object(members) = &mut context {
            members.insert("arguments".to_owned(), shown.clone());
        }
        for row in &spec.changes {
            let (target, what) = (target.id.clone(), row.what.clone());
            let (before, after) = (row.before.search(&context), row.after.search(&context));
            let not_known = [&before, &after].into_iter().find_map(|side| side.as_ref().err().map(ToString::to_string));
            let (before, after) = (whole(before.unwrap_or_default()), whole(after.unwrap_or_default()));
            // Two sides without their secrets may be equal and stand for different things.
            let hidden = holds_redacted(&before) || holds_redacted(&after);
            let not_known = not_known.or_else(|| hidden.then(|| HIDDEN.to_owned()));
            if before != after || not_known.is_some() {
                found.push(Change { target, what, before, after, not_known });
            }
        }
    }
    found
}

/// JMESPath counts in floating point; nobody has 1.0 instances.
fn whole(value: Value) -> Value {
    match value.as_f64().filter(|number| value.is_f64() && number.fract() == 0.0) {
        Some(number) => format!("{number:.0}").parse::<i64>().map_or(value, Value::from),
        None => value,
    }
}

impl Change {
    /// True where both sides are known but for sensitive values in them.
    pub fn is_hidden(&self) -> bool {
        self.not_known.as_deref() == Some(HIDDEN)
    }

    /// `what: before → after`, on one line; each side with at most `width` characters.
    pub fn line(&self, width: usize) -> String {
        match &self.not_known {
            Some(_) if self.is_hidden() => {
                format!("{}: {} → {} ({HIDDEN})", self.what, side(&self.before, width), side(&self.after, width))
            }
            Some(why) => format!("{}: not known ({})", self.what, quoted(why, width)),
            None => format!("{}: {} → {}", self.what, side(&self.before, width), side(&self.after, width)),
        }
    }
}

/// One side for people. What is there is quoted, so that no name can look like `none`.
pub(super) fn side(value: &Value, width: usize) -> String {
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
    fn lines_tell_what_was_there_from_what_was_not() {
        let line = |before: Value, after: Value| {
            Change { target: "t".into(), what: "description".into(), before, after, not_known: None }.line(24)
        };
        let told = [
            line(json!(4), json!(2)),
            line(Value::Null, json!("none")),
            line(json!("→ `x`\n"), json!("\u{202e}approved already, nothing to see here")),
            line(json!({ "a": [1, true] }), json!("")),
        ];
        insta::assert_snapshot!(told.join("\n"));
        let not_known = Some("`join(' ', x)` can't be evaluated".to_owned());
        let row = Change { target: "t".into(), what: "size".into(), before: json!(4), after: Value::Null, not_known };
        let hidden = json!(["DbPass=[redacted]"]);
        let what = "parameters".to_owned();
        let not_known = Some(HIDDEN.to_owned());
        let both = Change { target: "t".into(), what, before: hidden.clone(), after: hidden, not_known };
        let told = "`[\"DbPass=[redacted]\"]`";
        assert_eq!(both.line(60), format!("parameters: {told} → {told} (what is redacted may differ)"));
        assert_eq!(row.line(60), "size: not known (`\\u{60}join(' ', x)\\u{60} can't be evaluated`)");
    }
}
