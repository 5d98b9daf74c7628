//! What the agent gets of AWS's answer: sensitive values redacted, projected as the manifest says, cut at a stated size.
//!
//! Secrets are redacted in every answer but one: that of a tool whose own effect is `secret`. Only policy and a preview lead
//! there, so whoever wrote the policy has let the value through. Families and tools with other effects never show one, and
//! the record holds no answers at all.

use serde_json::{Value, json};

use super::pages::Gathered;
use super::run::Outcome;
use crate::aws::models::Models;
use crate::aws::redact::{Direction, redact};
use crate::names::{Effect, OperationId, PlanId};
use crate::ports::CloudReply;
use crate::text::escape::visible_json;

/// The answer of a read: structured and as text.
pub fn read(gathered: &Gathered) -> (Value, String) {
    let structured = gathered.structured();
    let text = visible_json(&structured.to_string());
    (structured, text)
}

/// The answer of a change.
pub fn applied(
    outcome: &Outcome,
    reply: &CloudReply,
    plan: &PlanId,
    models: &Models,
    most_bytes: usize,
) -> (Value, String) {
    let call = outcome.approved().plan().call().call();
    let spec = call.call().spec();
    let shown = match (spec.effect, outcome.approved().plan().call().reveals_secret()) {
        (Effect::Secret, _) | (_, false) => given(spec.effect, &spec.operation, &reply.output, models),
        (_, true) => {
            json!({ "withheld": "what this operation returns is a secret; only a tool of effect `secret` shows it" })
        }
    };
    let (result, cut) = fit(shown, most_bytes);
    let targets: Vec<&str> = call.targets().iter().map(|target| target.arn.as_str()).collect();
    let mut structured = json!({
        "status": "applied",
        "plan_id": plan,
        "operation": spec.operation,
        "targets": targets,
        "request_id": reply.request_id,
        "result": result,
    });
    note(&mut structured, cut);
    let text = format!(
        "Applied plan {plan}: {} was accepted by AWS.\n{}",
        spec.operation,
        visible_json(&structured.to_string())
    );
    (structured, text)
}

fn note(structured: &mut Value, cut: Option<String>) {
    if let (Some(cut), Value::Object(members)) = (cut, structured) {
        members.insert("cut".to_owned(), json!(cut));
    }
}

/// Of a tool that is there to return a secret, all; of others what is no secret.
fn given(effect: Effect, operation: &OperationId, output: &Value, models: &Models) -> Value {
    match effect {
        Effect::Secret => output.clone(),
        Effect::Read | Effect::Write | Effect::Destructive | Effect::Irreversible => {
            without_secrets(models, operation, output)
        }
    }
}

/// An answer that can't be judged is withheld.
fn without_secrets(models: &Models, operation: &OperationId, output: &Value) -> Value {
    redact(models, operation, Direction::Output, output)
        .unwrap_or_else(|error| json!({ "withheld": error.to_string() }))
}

/// Makes a value fit by dropping items from the end of its longest list, and says so; a value that can't be made to fit
/// that way is replaced by its beginning as text.
pub(super) fn fit(mut value: Value, most_bytes: usize) -> (Value, Option<String>) {
    let size = |value: &Value| value.to_string().len();
    let whole = size(&value);
    if whole <= most_bytes {
        return (value, None);
    }
    while size(&value) > most_bytes {
        let over = size(&value) - most_bytes;
        let Some(list) = longest_list(&mut value) else { break };
        // Each item and the comma behind it; rounded up, so that rather one item too many stays for the next round.
        let average = list.iter().map(size).sum::<usize>() / list.len().max(1) + 2;
        let drop = (over / average).clamp(1, list.len());
        list.truncate(list.len() - drop);
    }
    if size(&value) <= most_bytes {
        let note = format!(
            "cut from {whole} to {most_bytes} bytes by dropping items from the end of the longest list; ask for less: \
             pass a filter or a smaller page (such as `MaxResults`)"
        );
        return (value, Some(note));
    }
    let beginning: String = value.to_string().chars().take(most_bytes / 4).collect();
    (json!({ "beginning": beginning }), Some(format!("cut from {whole} bytes; ask for less")))
}

/// The list with most bytes that still has items.
fn longest_list(value: &mut Value) -> Option<&mut Vec<Value>> {
    fn weight(value: &Value) -> usize {
        match value {
            Value::Array(items) if !items.is_empty() => value.to_string().len().max(1),
            Value::Object(members) => members.values().map(weight).max().unwrap_or(0),
            _ => 0,
        }
    }
    match value {
        Value::Array(items) if !items.is_empty() => Some(items),
        Value::Object(members) => {
            let heaviest = members.iter().map(|(key, v)| (weight(v), key.clone())).filter(|(w, _)| *w > 0).max()?;
            longest_list(members.get_mut(&heaviest.1)?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_it_is_said() {
        let long = json!({ "Items": (0..1000).map(|n| json!({"n": n})).collect::<Vec<_>>(), "NextToken": "t" });
        let (cut, note) = fit(long, 1000);
        assert!(cut.to_string().len() <= 1000);
        assert!(cut["Items"].as_array().unwrap().len() > 50);
        assert_eq!(cut["NextToken"], "t");
        assert!(note.unwrap().contains("cut from"));
    }

    #[test]
    fn one_huge_text_is_cut_too() {
        let (cut, note) = fit(json!({ "Body": "ü".repeat(5000) }), 1000);
        assert!(cut.to_string().len() <= 1000, "{}", cut.to_string().len());
        assert!(note.is_some());
    }

    #[test]
    fn a_secret_passes_only_where_the_tool_is_there_to_return_one() {
        let models = Models::embedded().unwrap();
        let operation: OperationId = "secretsmanager:GetSecretValue".parse().unwrap();
        let output = json!({ "Name": "prod/db", "SecretString": "hunter2" });
        assert_eq!(given(Effect::Secret, &operation, &output, &models), output);
        for effect in [Effect::Read, Effect::Write, Effect::Destructive, Effect::Irreversible] {
            let shown = given(effect, &operation, &output, &models);
            assert_eq!(shown, json!({ "Name": "prod/db", "SecretString": "[redacted]" }), "{effect}");
        }
        let odd: OperationId = "nowhere:GetNothing".parse().unwrap();
        assert!(given(Effect::Read, &odd, &output, &models).get("withheld").is_some());
    }

    #[test]
    fn what_fits_stays() {
        assert_eq!(fit(json!({"a": [1]}), 100), (json!({"a": [1]}), None));
    }
}
