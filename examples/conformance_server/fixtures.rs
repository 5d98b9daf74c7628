//! What the scenarios ask for by name, as it is on the wire.

use serde_json::{Map, Value, json};

/// One red pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

/// A WAV file without a sound.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// Tools whose results never change.
pub(crate) fn content(tool: &str) -> Option<Value> {
    let content = match tool {
        "test_simple_text" => json!([{ "type": "text", "text": "This is a simple text response for testing." }]),
        "test_image_content" => json!([{ "type": "image", "data": PNG, "mimeType": "image/png" }]),
        "test_audio_content" => json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }]),
        "test_embedded_resource" => json!([{ "type": "resource", "resource": {
            "uri": "test://embedded-resource", "mimeType": "text/plain",
            "text": "This is an embedded resource content.",
        } }]),
        "test_multiple_content_types" => json!([
            { "type": "text", "text": "Multiple content types test:" },
            { "type": "image", "data": PNG, "mimeType": "image/png" },
            { "type": "resource", "resource": {
                "uri": "test://mixed-content-resource", "mimeType": "application/json",
                "text": r#"{"test":"data","value":123}"#,
            } },
        ]),
        "test_error_handling" => {
            let text = json!([{ "type": "text", "text": "This tool intentionally returns an error for testing" }]);
            return Some(json!({ "resultType": "complete", "content": text, "isError": true }));
        }
        _ => return None,
    };
    Some(json!({ "resultType": "complete", "content": content }))
}

/// The tools.
pub(crate) fn tools() -> Vec<Value> {
    let with_text = |name: &str, argument: &str| {
        json!({ "name": name, "description": "asks the client", "inputSchema": {
            "type": "object", "properties": { argument: { "type": "string" } }, "required": [argument],
        } })
    };
    let plain = [
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_error_handling",
        "test_tool_with_logging",
        "test_tool_with_progress",
        "test_elicitation_sep1034_defaults",
        "test_elicitation_sep1330_enums",
        "test_missing_capability",
        "test_reconnection",
        "test_trigger_tool_change",
        "test_trigger_prompt_change",
        "test_input_required_result_elicitation",
        "test_input_required_result_sampling",
        "test_input_required_result_list_roots",
        "test_input_required_result_request_state",
        "test_input_required_result_multiple_inputs",
        "test_input_required_result_multi_round",
        "test_input_required_result_tampered_state",
        "test_input_required_result_capabilities",
    ];
    let no_arguments = json!({ "type": "object", "properties": {} });
    let mut tools: Vec<Value> = plain
        .iter()
        .map(|name| json!({ "name": name, "description": "a fixture", "inputSchema": no_arguments }))
        .collect();
    tools.push(with_text("test_sampling", "prompt"));
    tools.push(with_text("test_elicitation", "message"));
    tools.sort_by_key(|tool| tool["name"].to_string());
    tools
}

/// The prompts.
pub(crate) fn prompts() -> Value {
    let argument = |name: &str| json!({ "name": name, "description": "any text", "required": true });
    json!([
        { "name": "test_simple_prompt", "description": "a fixture" },
        { "name": "test_prompt_with_arguments", "description": "a fixture", "arguments": [argument("arg1"), argument("arg2")] },
        { "name": "test_prompt_with_embedded_resource", "description": "a fixture", "arguments": [argument("resourceUri")] },
        { "name": "test_prompt_with_image", "description": "a fixture" },
        { "name": "test_input_required_result_prompt", "description": "a fixture" },
    ])
}

/// A prompt's messages.
pub(crate) fn messages(prompt: &str, arguments: &Map<String, Value>) -> Option<Value> {
    let given = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let user = |content: Value| json!({ "role": "user", "content": content });
    let says = |text: &str| user(json!({ "type": "text", "text": text }));
    Some(match prompt {
        "test_simple_prompt" => json!([says("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            let (one, two) = (given("arg1"), given("arg2"));
            json!([says(&format!("Prompt with arguments: arg1='{one}', arg2='{two}'"))])
        }
        "test_prompt_with_embedded_resource" => json!([
            user(json!({ "type": "resource", "resource": {
                "uri": given("resourceUri"), "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            } })),
            says("Please process the embedded resource above."),
        ]),
        "test_prompt_with_image" => json!([
            user(json!({ "type": "image", "data": PNG, "mimeType": "image/png" })),
            says("Please analyze the image above."),
        ]),
        _ => return None,
    })
}

/// The resources.
pub(crate) fn resources() -> Value {
    let resource =
        |uri: &str, kind: &str| json!({ "uri": uri, "name": uri, "description": "a fixture", "mimeType": kind });
    json!([
        resource("test://static-text", "text/plain"),
        resource("test://static-binary", "image/png"),
        resource("test://watched-resource", "text/plain"),
    ])
}

/// The resources' templates.
pub(crate) fn templates() -> Value {
    json!([{ "uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json" }])
}

/// A resource's contents.
pub(crate) fn read(uri: &str) -> Option<Value> {
    let plain = |text: &str| json!({ "uri": uri, "mimeType": "text/plain", "text": text });
    Some(match uri {
        "test://static-text" => plain("This is the content of the static text resource."),
        "test://watched-resource" => plain("This is watched."),
        "test://static-binary" => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let text = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }).to_string();
            json!({ "uri": uri, "mimeType": "application/json", "text": text })
        }
    })
}
