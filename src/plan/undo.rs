//! How a call could be undone, from its state before.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::effects::{seen, truthy};
use super::filed::{Dependents, Later, PlanContent, Undo};
use super::kept::KeptPoint;
use crate::aws::redact::{Direction, holds_redacted, redact};
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::manifest::spec::{LATER, UndoHow, UndoWay};
use crate::names::Effect;

/// The inverse call, or why there is none: the first way whose condition holds. What only the call's answer or its
/// recovery points will tell is left open, and told as such.
///
/// # Errors
/// Where a condition or an argument can't be evaluated: nobody could say how the call would be undone.
pub fn recipe(call: &ResolvedCall, dependents: &[Dependents]) -> Result<Undo, Refused> {
    let way = chosen(call, dependents)?;
    let by_hand = way.by_hand.clone();
    let (tool, with, loses) = match &way.how {
        UndoHow::None { reason } => return Ok(Undo::None { reason: reason.clone(), by_hand }),
        UndoHow::Recipe { tool, with, loses } => (tool, with, loses),
    };
    let (mut arguments, later) = with
        .render_known(&before(call), &|expression| expression.mentions(&LATER))
        .map_err(|error| fault(call, &error))?;
    if let Value::Object(members) = &mut arguments {
        members.insert("account".to_owned(), json!(call.call().account().name));
        members.insert("region".to_owned(), json!(call.call().region()));
    }
    if holds_redacted(&arguments) {
        let reason = "a sensitive value that it would take is kept nowhere".to_owned();
        return Ok(Undo::None { reason, by_hand });
    }
    let later = later.into_iter().map(|(at, from)| Later { at, from }).collect();
    Ok(Undo::Recipe { tool: tool.clone(), arguments, loses: loses.clone(), later, by_hand })
}

/// Most bytes of all that is kept of a call for its undo.
const MOST_KEPT: usize = 64 << 10;

/// What was left open in a plan's undo, from AWS's answer and the recovery points: by JSON pointer, and null where it is to
/// be left out. `None` where it can't be found out. Nothing else of the answer is kept, and nothing sensitive.
pub fn later(
    call: &ResolvedCall,
    content: &PlanContent,
    output: &Value,
    points: &[KeptPoint],
) -> Option<BTreeMap<String, Value>> {
    let Undo::Recipe { later, .. } = &content.undo else { return None };
    if later.is_empty() {
        return Some(BTreeMap::new());
    }
    let UndoHow::Recipe { with, .. } = &chosen(call, &content.dependents).ok()?.how else { return None };
    let result = match call.call().spec().effect {
        // Its answer is the secret.
        Effect::Secret => Value::Null,
        _ => redact(call.models(), &call.call().spec().operation, Direction::Output, output).ok()?,
    };
    let mut context = before(call);
    if let Value::Object(members) = &mut context {
        let point = |point: &KeptPoint| {
            let KeptPoint { label, target, name, id, .. } = point;
            json!({ "label": label, "target": target, "name": name, "id": id })
        };
        members.insert("points".to_owned(), points.iter().map(point).collect());
        members.insert("result".to_owned(), result);
    }
    let filled = with.render(&context).ok()?;
    let value = |at: &String| filled.pointer(at).cloned().unwrap_or_default();
    let known: BTreeMap<String, Value> = later.iter().map(|open| (open.at.clone(), value(&open.at))).collect();
    let bytes: usize = known.values().map(|value| value.to_string().len()).sum();
    (bytes <= MOST_KEPT).then_some(known)
}

fn chosen<'a>(call: &'a ResolvedCall, dependents: &[Dependents]) -> Result<&'a UndoWay, Refused> {
    let context = seen(call, dependents);
    for way in &call.call().spec().undo {
        let holds = match &way.when {
            None => true,
            Some(when) => truthy(&when.search(&context).map_err(|error| fault(call, &error))?),
        };
        if holds {
            return Ok(way);
        }
    }
    Err(fault(call, &"no way to undo it counts"))
}

/// What the undo's arguments may use: the context of the first target, and all targets as they were before the call.
fn before(call: &ResolvedCall) -> Value {
    let mut context = match call.targets().first() {
        Some(first) => call.context(first),
        None => json!({}),
    };
    if let Value::Object(members) = &mut context {
        // A sensitive argument is kept nowhere, so no undo can pass it on.
        members.insert("arguments".to_owned(), call.arguments_to_show());
        let states: Vec<Value> = call.targets().iter().map(|t| json!({ "id": t.id, "state": t.state })).collect();
        members.insert("targets".to_owned(), Value::Array(states));
    }
    context
}

fn fault(call: &ResolvedCall, error: &dyn std::fmt::Display) -> Refused {
    let message = format!("the undo of `{}` can't be written down", call.call().spec().name);
    Refused::new(Code::PreviewFailed, message, "tell an operator: the manifest is at fault")
        .with_operator_detail(error.to_string())
}
