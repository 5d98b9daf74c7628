//! What the preview shows can only raise the effect, never lower it.

use serde_json::{Value, json};

use super::filed::{Dependents, Raised};
use crate::call::resolve::ResolvedCall;

/// Evaluates the manifest's conditions. One that can't be evaluated counts as met.
pub fn raise(call: &ResolvedCall, dependents: &[Dependents]) -> Vec<Raised> {
    let spec = call.call().spec();
    let targets: Vec<Value> = call
        .targets()
        .iter()
        .map(|t| json!({ "id": t.id, "arn": t.arn, "state": t.state, "tags": t.tags, "protected": t.protected }))
        .collect();
    let context = json!({ "arguments": call.call().arguments(), "targets": targets, "dependents": dependents });
    spec.raise_effect
        .iter()
        .filter(|rule| rule.to > spec.effect)
        .filter_map(|rule| match rule.when.search(&context) {
            Ok(found) if !truthy(&found) => None,
            Ok(_) => Some(Raised { to: rule.to, because: rule.because.clone() }),
            Err(error) => Some(Raised { to: rule.to, because: format!("{} (not certain: {error})", rule.because) }),
        })
        .collect()
}

/// JMESPath's own notion of truth: null, false, and empty texts, lists and objects are false.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}
