//! From a recorded answer to what the client gets. Nothing but [`Recorded`] is accepted.

use std::sync::Arc;

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ElicitRequest, InputRequest, InputRequests, InputRequiredResult,
    Tool, ToolAnnotations,
};
use serde_json::{Map, Value, json};

use super::elicit::{PAGE, QUESTION, form, link};
use super::sealed::{Asked, Binding, SealError, Sealer};
use crate::approval::redeem::Suspension;
use crate::audit::record::{Answered, Recorded};
use crate::call::listing::ToolListing;
use crate::call::refused::Refused;
use crate::names::Effect;

/// Why an answer can't be shown. Whatever it says stays on record.
#[derive(Debug, thiserror::Error)]
pub enum NotPresentable {
    /// The question can't be sealed.
    #[error("the question could not be sealed: {0}")]
    Seal(#[from] SealError),
    /// The form can't be made.
    #[error("the form could not be made: {0}")]
    Form(&'static str),
    /// The answer is a question, and this protocol version has no such results.
    #[error("a call of this protocol version can't be suspended")]
    NoSuspension,
}

/// A call's result. `across`: what a question is sealed with, where the protocol version has such results.
pub fn result(recorded: &Recorded, across: Option<(&Sealer, &Binding)>) -> Result<CallToolResponse, NotPresentable> {
    match (recorded.answer(), across) {
        (Answered::Result { structured, text }, _) => Ok(success(structured, text).into()),
        (Answered::Refused(refused), _) => Ok(refusal(refused).into()),
        (Answered::Suspended(suspension), Some((sealer, binding))) => {
            Ok(question(suspension, sealer.seal(binding, &Asked::of(suspension).map_err(SealError::from)?)?)?.into())
        }
        (Answered::Suspended(_), None) => Err(NotPresentable::NoSuspension),
    }
}

fn success(structured: &Value, text: &str) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured.clone());
    result
}

/// A refusal is a result that the model reads, not a protocol error that the client swallows.
fn refusal(refused: &Refused) -> CallToolResult {
    let mut error = json!({ "code": refused.code, "message": refused.message, "hint": refused.hint });
    if let (Some(members), false) = (error.as_object_mut(), refused.data.is_null()) {
        members.insert("data".into(), refused.data.clone());
    }
    let text = format!("refused ({}): {}.\nWhat to do: {}", refused.code.word(), refused.message, refused.hint);
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(json!({ "error": error }));
    result
}

fn question(suspension: &Suspension, sealed: String) -> Result<InputRequiredResult, NotPresentable> {
    let (name, asks) = match suspension {
        Suspension::Form(prompt) => (QUESTION, form(prompt).map_err(NotPresentable::Form)?),
        Suspension::Page(page) => (PAGE, link(page)),
    };
    let questions = InputRequests::from([(name.to_owned(), InputRequest::Elicitation(ElicitRequest::new(asks)))]);
    Ok(InputRequiredResult::new(Some(questions), Some(sealed)))
}

/// A tool as clients list it. The hints follow from the effect.
///
/// A tool that returns secrets changes nothing, and is still not called read-only: clients let read-only tools run
/// without asking. A `write` isn't called destructive, since it can be put back by the same means.
pub fn tool(listing: ToolListing) -> Tool {
    let hints = ToolAnnotations::with_title(listing.title.clone())
        .read_only(listing.effect == Effect::Read)
        .destructive(listing.effect >= Effect::Destructive)
        .idempotent(listing.idempotent)
        .open_world(true);
    Tool::new(listing.name, listing.description, Arc::new(listing.input_schema))
        .with_title(listing.title)
        .with_raw_output_schema(Arc::new(or_error(listing.output_schema)))
        .with_annotations(hints)
}

/// A schema that refusals fit as well: MCP asks for that of successes only, but the official TypeScript SDK validates
/// every structured result, and would show the person its own complaint in place of the reason.
fn or_error(mut success: Map<String, Value>) -> Map<String, Value> {
    let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
    // References are from the root.
    for name in ["$schema", "$defs", "definitions"] {
        if let Some(value) = success.remove(name) {
            schema.insert(name.to_owned(), value);
        }
    }
    let error = json!({ "properties": { "error": { "type": "object" } }, "required": ["error"] });
    schema.insert("anyOf".to_owned(), json!([success, error]));
    schema
}
