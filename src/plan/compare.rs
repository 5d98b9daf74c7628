//! Is the plan, made anew from the world as it is now, the one that was previewed?

use serde_json::{Value, json};

use super::changes::side;
use super::filed::{FiledPlan, PlanContent};
use crate::call::refused::{Code, Refused};
use crate::text::escape::quoted;

/// Differences told of in one refusal.
const SHOWN: usize = 10;

/// One difference between the preview and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where, such as `targets[0].fingerprint.state`.
    pub path: String,
    /// At the preview; null where it was not there.
    pub before: Value,
    /// Now; null where it is gone.
    pub now: Value,
}

impl Difference {
    /// `tags.name: "a" → "b"` for people and models. Keys and values are of AWS's own making, or of anybody's who may tag.
    pub fn words(&self) -> String {
        format!("{}: {} → {}", quoted(&self.path, LONGEST_PATH), side(&self.before, SIDE), side(&self.now, SIDE))
    }
}

/// Most characters of a path that are told.
const LONGEST_PATH: usize = 120;

/// Most characters of one side of a difference.
const SIDE: usize = 80;

/// Compares under the digest: everything must come out equal, but for those parts of a target's state that its manifest
/// leaves out of the fingerprint.
pub fn same(fresh: &PlanContent, filed: &FiledPlan) -> Result<(), Refused> {
    let mut fresh = fresh.clone();
    for (now, before) in fresh.targets.iter_mut().zip(&filed.content.targets) {
        if now.id == before.id && now.fingerprint == before.fingerprint {
            now.state = before.state.clone();
        }
    }
    // Who else plans something is told, and judged only when it is done.
    fresh.besides = filed.content.besides.clone();
    let unreadable = |error: &dyn std::fmt::Display| {
        Refused::new(Code::PlanNotUsable, "the plan can't be compared with its preview", "make a new preview")
            .with_operator_detail(error.to_string())
    };
    if fresh.digest().map_err(|e| unreadable(&e))? == filed.digest {
        return Ok(());
    }
    let before = serde_json::to_value(&filed.content).map_err(|e| unreadable(&e))?;
    let now = serde_json::to_value(&fresh).map_err(|e| unreadable(&e))?;
    Err(refusal(filed, differences(&before, &now)))
}

/// All places where two values differ, deepest paths.
pub fn differences(before: &Value, now: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    descend(String::new(), before, now, &mut found);
    found
}

fn descend(path: String, before: &Value, now: &Value, found: &mut Vec<Difference>) {
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
            keys.sort();
            for key in keys {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                descend(at, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                let at = format!("{path}[{index}]");
                descend(at, a.get(index).unwrap_or(&Value::Null), b.get(index).unwrap_or(&Value::Null), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(Difference { path, before: a.clone(), now: b.clone() }),
    }
}

fn refusal(filed: &FiledPlan, found: Vec<Difference>) -> Refused {
    let id = &filed.content.id;
    let again = "make a new preview, and let the person judge it";
    let begins = |word: &str| found.iter().any(|difference| difference.path.starts_with(word));
    let asked_for = ["arguments", "tool", "operation", "account", "region", "reason"];
    let (code, what) = if asked_for.iter().any(|word| begins(word)) {
        (Code::PlanMismatch, "this call is not the one that was previewed")
    } else if begins("policy") || begins("manifest") {
        (Code::PlanMismatch, "the policy or the manifest changed since the preview")
    } else if begins("chains") {
        (Code::Drift, "another step about the same thing was taken since the preview")
    } else {
        (Code::Drift, "things changed at AWS since the preview")
    };
    // What was asked for is the cause; targets, request and digests only follow from it.
    let cause = |d: &Difference| match code {
        Code::PlanMismatch => asked_for.iter().chain(&["policy", "manifest"]).any(|word| d.path.starts_with(word)),
        _ => !d.path.starts_with("request"),
    };
    let follows = |d: &Difference| found.len() > 1 && (d.path.ends_with("_digest") || !cause(d));
    let shown: Vec<&Difference> = found.iter().filter(|d| !follows(d)).collect();
    let mut lines: Vec<String> = shown.iter().take(SHOWN).map(|d| d.words()).collect();
    if shown.len() > SHOWN {
        lines.push(format!("and {} more", shown.len() - SHOWN));
    }
    let data: Vec<Value> = shown
        .iter()
        .take(SHOWN)
        .map(|d| json!({ "path": quoted(&d.path, LONGEST_PATH), "before": side(&d.before, SIDE), "now": side(&d.now, SIDE) }))
        .collect();
    Refused::new(code, format!("plan `{id}`: {what}: {}", lines.join("; ")), again)
        .with_data(json!({ "plan_id": id, "differences": data }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_their_paths() {
        let before = json!({"a": {"b": [1, 2]}, "c": "x"});
        let now = json!({"a": {"b": [1, 3, 4]}, "d": "y"});
        let paths: Vec<String> = differences(&before, &now).into_iter().map(|d| d.path).collect();
        assert_eq!(paths, ["a.b[1]", "a.b[2]", "c", "d"]);
        let named = json!({"tags": {"a: 1 → 2; nothing to see\u{202e}": "b`\n"}});
        let told = differences(&json!({ "tags": {} }), &named).pop().unwrap().words();
        assert_eq!(told, "`tags.a: 1 → 2; nothing to see\\u{202E}`: none → `b\\u{60}\\n`");
    }
}
