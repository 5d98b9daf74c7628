//! Fixtures that tell or ask the client something.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value, json};

use super::{made, text};

const STEP: Duration = Duration::from_millis(50);

fn broke(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// Sends three lines of a log.
pub(crate) async fn logs(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    for line in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let told = json!({ "method": "notifications/message", "params": { "level": "info", "data": line } });
        context.peer.send_notification(made(told)?).await.map_err(broke)?;
        tokio::time::sleep(STEP).await;
    }
    text("logged three lines")
}

/// Tells how far it is, if the client wants to know.
pub(crate) async fn tells_progress(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    for progress in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let told = ProgressNotificationParam::new(token, progress).with_total(100.0);
            context.peer.notify_progress(told).await.map_err(broke)?;
        }
        tokio::time::sleep(STEP).await;
    }
    text("told of progress")
}

fn has(context: &RequestContext<RoleServer>, capability: &str) -> bool {
    let declared = context.client_capabilities().and_then(|capabilities| serde_json::to_value(capabilities).ok());
    declared.is_some_and(|declared| declared.get(capability).is_some())
}

/// Can't be done for a client that has no sampling.
pub(crate) fn needs_sampling(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    if has(context, "sampling") {
        return text("the client has sampling");
    }
    let required: ClientCapabilities = made(json!({ "sampling": {} }))?;
    Err(ErrorData::missing_required_client_capability(required))
}

/// Asks with a request of its own (2025-06-18 and 2025-11-25).
pub(crate) async fn in_call(
    params: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let arguments = params.arguments.unwrap_or_default();
    let given = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (request, before) = match &*params.name {
        "test_sampling" => (sampling(&given("prompt"), 100), "LLM response: "),
        "test_elicitation" => {
            let schema = json!({
                "type": "object",
                "properties": {
                    "username": { "type": "string", "description": "User's response" },
                    "email": { "type": "string", "description": "User's email address" },
                },
                "required": ["username", "email"],
            });
            (form(&given("message"), schema), "User response: ")
        }
        "test_elicitation_sep1034_defaults" => (form("Fill this in", defaults()), "Elicitation completed: "),
        "test_elicitation_sep1330_enums" => (form("Choose", enums()), "Elicitation completed: "),
        _ => return Err(ErrorData::invalid_params("there is no such tool", None)),
    };
    let answer = context.peer.send_request(made(request)?).await.map_err(broke)?;
    let answer = serde_json::to_value(answer).map_err(broke)?;
    text(match answer.get("action").and_then(Value::as_str) {
        Some(action) => {
            let content = answer.get("content").cloned().unwrap_or(json!({}));
            format!("{before}action={action}, content={content}")
        }
        None => format!("{before}{}", said(&answer, "/content/text").unwrap_or_default()),
    })
}

fn form(message: &str, schema: Value) -> Value {
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": schema } })
}

fn sampling(prompt: &str, most: u32) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": most } })
}

fn defaults() -> Value {
    json!({ "type": "object", "properties": {
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true },
    } })
}

fn enums() -> Value {
    let titled = |count: &str| {
        json!([
            { "const": "value1", "title": format!("First {count}") },
            { "const": "value2", "title": format!("Second {count}") },
            { "const": "value3", "title": format!("Third {count}") },
        ])
    };
    let plain = json!(["option1", "option2", "option3"]);
    json!({ "type": "object", "properties": {
        "untitledSingle": { "type": "string", "enum": plain },
        "titledSingle": { "type": "string", "oneOf": titled("Option") },
        "legacyEnum": {
            "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
    } })
}

fn asks(message: &str, field: &str, kind: &str) -> Value {
    form(message, json!({ "type": "object", "properties": { field: { "type": kind } }, "required": [field] }))
}

fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

/// Asks with its result, and is called again with the answers (2026-07-28).
pub(crate) fn across_calls(
    codec: &RequestStateCodec,
    params: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let answers = params.input_responses.unwrap_or_default();
    let state = match &params.request_state {
        Some(sealed) => Some(
            codec
                .open_json_with::<Value>(sealed, b"")
                .map_err(|_| ErrorData::invalid_params("the request state was not made by this server", None))?,
        ),
        None => None,
    };
    let seal = |state: Value| codec.seal_json_with(&state, &SealOptions::new()).map_err(broke);
    let answered = |key: &str, member: &str| -> Option<String> {
        answers
            .get(key)?
            .get("content")?
            .get(member)
            .map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
    };
    let round = state.as_ref().and_then(|state| state["round"].as_u64()).unwrap_or(0);
    let question = match &*params.name {
        "test_input_required_result_elicitation" => match answered("user_name", "name") {
            Some(name) => return text(format!("Hello, {name}!")),
            None => (json!({ "user_name": asks("What is your name?", "name", "string") }), None),
        },
        "test_input_required_result_sampling" => match answers.get("capital_question") {
            Some(answer) => return text(said(answer, "/content/text").unwrap_or_default()),
            None => (json!({ "capital_question": sampling("What is the capital of France?", 100) }), None),
        },
        "test_input_required_result_list_roots" => match answers.get("client_roots") {
            Some(answer) => return text(format!("roots: {}", answer["roots"])),
            None => (json!({ "client_roots": roots() }), None),
        },
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            match (answered("confirm", "ok"), round) {
                (Some(_), 1) => return text("state-ok"),
                _ => {
                    (json!({ "confirm": asks("Please confirm", "ok", "boolean") }), Some(seal(json!({ "round": 1 }))?))
                }
            }
        }
        "test_input_required_result_multiple_inputs" => {
            if round == 1 && ["user_name", "greeting", "client_roots"].iter().all(|key| answers.contains_key(*key)) {
                return text("all three were answered");
            }
            let questions = json!({
                "user_name": asks("What is your name?", "name", "string"),
                "greeting": sampling("Generate a greeting", 50),
                "client_roots": roots(),
            });
            (questions, Some(seal(json!({ "round": 1 }))?))
        }
        "test_input_required_result_multi_round" => {
            match (round, answered("step1", "name"), answered("step2", "color")) {
                (2, _, Some(color)) => {
                    return text(format!(
                        "{} likes {color}",
                        state.unwrap_or_default().get("name").unwrap_or(&Value::Null)
                    ));
                }
                (1, Some(name), _) => (
                    json!({ "step2": asks("Step 2: What is your favorite color?", "color", "string") }),
                    Some(seal(json!({ "round": 2, "name": name }))?),
                ),
                _ => (
                    json!({ "step1": asks("Step 1: What is your name?", "name", "string") }),
                    Some(seal(json!({ "round": 1 }))?),
                ),
            }
        }
        "test_input_required_result_capabilities" => {
            // Only what the client says it can do.
            let mut questions = Map::new();
            if has(context, "sampling") {
                questions.insert("greeting".to_owned(), sampling("Generate a greeting", 50));
            }
            if has(context, "elicitation") {
                questions.insert("user_name".to_owned(), asks("What is your name?", "name", "string"));
            }
            if questions.is_empty() || questions.keys().all(|key| answers.contains_key(key)) {
                return text("nothing more to ask");
            }
            (Value::Object(questions), None)
        }
        _ => return Err(ErrorData::invalid_params("there is no such tool", None)),
    };
    let (questions, state) = question;
    Ok(InputRequiredResult::new(Some(made(questions)?), state).into())
}

/// The same for a prompt.
pub(crate) fn prompt_across_calls(params: GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let answers = params.input_responses.unwrap_or_default();
    match answers.get("user_context").and_then(|answer| said(answer, "/content/context")) {
        Some(about) => {
            let message = json!({ "role": "user", "content": { "type": "text", "text": format!("About {about}") } });
            Ok(made::<GetPromptResult>(json!({ "resultType": "complete", "messages": [message] }))?.into())
        }
        None => {
            let questions = json!({ "user_context": asks("What context should the prompt use?", "context", "string") });
            Ok(InputRequiredResult::new(Some(made(questions)?), None).into())
        }
    }
}

fn said<'a>(answer: &'a Value, pointer: &str) -> Option<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str)
}
