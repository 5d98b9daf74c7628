//! How a call could be undone, from its state before.

use serde_json::{Value, json};

use super::filed::Undo;
use crate::call::refused::{Code, Refused};
use crate::call::resolve::ResolvedCall;
use crate::manifest::spec::UndoSpec;

/// The inverse call with its arguments filled in, or why there is none.
pub fn recipe(call: &ResolvedCall) -> Result<Undo, Refused> {
    let (tool, with, loses) = match &call.call().spec().undo {
        UndoSpec::None { reason } => return Ok(Undo::None { reason: reason.clone() }),
        UndoSpec::Recipe { tool, with, loses } => (tool, with, loses),
    };
    let mut context = match call.targets().first() {
        Some(first) => call.context(first),
        None => json!({ "arguments": call.call().arguments() }),
    };
    if let Value::Object(members) = &mut context {
        let states: Vec<Value> = call.targets().iter().map(|t| json!({ "id": t.id, "state": t.state })).collect();
        members.insert("targets".to_owned(), Value::Array(states));
    }
    let mut arguments = with.render(&context).map_err(|error| {
        let message = format!("the undo of `{}` can't be written down", call.call().spec().name);
        Refused::new(Code::PreviewFailed, message, "tell an operator: the manifest is at fault")
            .with_operator_detail(error.to_string())
    })?;
    if let Value::Object(members) = &mut arguments {
        members.insert("account".to_owned(), json!(call.call().account().name));
        members.insert("region".to_owned(), json!(call.call().region()));
    }
    Ok(Undo::Recipe { tool: tool.clone(), arguments, loses: loses.clone() })
}
