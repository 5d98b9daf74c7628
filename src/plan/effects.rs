//! What the preview shows can only raise the effect, never lower it.

use serde_json::{Value, json};

use super::filed::{Dependents, Raised};
use crate::aws::iam::EscalationPath;
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::manifest::expression::Expression;

/// Known ways to more permissions that are named.
const MOST_PATHS: usize = 4;

/// Evaluates the manifest's conditions. One that can't be evaluated counts as met.
pub fn raise(call: &ResolvedCall, dependents: &[Dependents]) -> Vec<Raised> {
    let (spec, context) = (call.call().spec(), seen(call, dependents));
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

/// What the person is warned of: the manifest's warnings, and known ways to more permissions that the call's credentials
/// contain. A condition that can't be evaluated counts as met.
pub fn warnings(call: &ResolvedCall, dependents: &[Dependents]) -> Vec<String> {
    let (spec, context) = (call.call().spec(), seen(call, dependents));
    let met = spec.warn.iter().filter_map(|warning| match warning.when.search(&context) {
        Ok(found) if !truthy(&found) => None,
        Ok(_) => Some(warning.because.clone()),
        Err(error) => Some(format!("{} (not certain: {error})", warning.because)),
    });
    met.chain(escalation(&spec.escalates)).collect()
}

/// Refuses what the manifest says could only fail, before anybody is asked. A condition that can't be evaluated counts as
/// met.
pub fn refuse(call: &ResolvedCall, dependents: &[Dependents]) -> Result<(), Refused> {
    let (spec, mut context) = (call.call().spec(), seen(call, dependents));
    if let Value::Object(members) = &mut context {
        members.insert("narrowed".to_owned(), Value::from(call.call().account().change_role.is_some()));
    }
    for rule in &spec.refuse {
        let doubt = match rule.when.search(&context) {
            Ok(found) if !truthy(&found) => continue,
            Ok(_) => String::new(),
            Err(error) => format!(" (not certain: {error})"),
        };
        let message = format!("`{}` could only fail: {}{doubt}", spec.name, rule.because);
        return Err(Refused::new(Code::PreviewFailed, message, rule.instead.clone()));
    }
    Ok(())
}

/// The credentials' ways to more permissions, in one line.
fn escalation(paths: &[String]) -> Option<String> {
    let first = paths.first()?;
    let ids: Vec<String> = paths.iter().take(MOST_PATHS).map(|id| format!("`{id}`")).collect();
    let more = match paths.len().saturating_sub(MOST_PATHS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "its credentials contain a known way to more permissions: {}{more}, see {}",
        ids.join(", "),
        EscalationPath::page_of(first)
    ))
}

/// What conditions are asked of.
pub(super) fn seen(call: &ResolvedCall, dependents: &[Dependents]) -> Value {
    let targets: Vec<Value> = call
        .targets()
        .iter()
        .map(|t| json!({ "id": t.id, "arn": t.arn, "state": t.state, "tags": t.tags, "protected": t.protected }))
        .collect();
    json!({ "arguments": call.call().arguments(), "targets": targets, "dependents": dependents })
}

/// True where a condition is met, or can't be evaluated.
pub(super) fn holds(when: &Expression, context: &Value) -> bool {
    when.search(context).map_or(true, |found| truthy(&found))
}

/// JMESPath's own notion of truth: null, false, and empty texts, lists and objects are false.
pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_more_permissions_are_told_in_one_line() {
        assert_eq!(escalation(&[]), None);
        let paths: Vec<String> = (1..=6).map(|n| format!("iam-00{n}")).collect();
        insta::assert_snapshot!(escalation(&paths).unwrap(), @"its credentials contain a known way to more permissions: `iam-001`, `iam-002`, `iam-003`, `iam-004` and 2 more, see https://pathfinding.cloud/paths/iam-001");
    }
}
