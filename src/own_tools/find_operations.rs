//! `find_operations`: from words to AWS operations, with what each needs and which tool calls it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sheet, arguments};
use crate::aws::find;
use crate::call::refused::{Code, Refused};
use crate::call::request::ToolRequest;
use crate::names::Effect;
use crate::pipeline::World;

/// Most hits of one answer.
const MOST: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    query: String,
    limit: Option<usize>,
}

pub(super) fn sheet() -> Sheet {
    Sheet {
        name: "find_operations",
        title: "Find AWS operations",
        description: "Finds AWS API operations by words of their name, service or parameters, and says which tool calls \
                      each. Read only.",
        arguments: json!({
            "query": { "type": "string", "minLength": 1, "maxLength": 200, "description": "words, such as `rds snapshot`" },
            "limit": { "type": "integer", "minimum": 1, "maximum": MOST },
        }),
        required: &["query"],
    }
}

pub(super) fn serve(request: &ToolRequest, world: &World) -> Result<(Value, String), Refused> {
    let asked: Arguments = arguments(request)?;
    let query: String = asked.query.chars().take(200).collect();
    let limit = asked.limit.unwrap_or(8).clamp(1, MOST);
    let found = find::find_operations(&world.models, world.catalog.iam(), &query, limit).map_err(|error| {
        Refused::new(Code::Internal, "the operations can't be searched", "tell an operator")
            .with_operator_detail(error.to_string())
    })?;
    let hits: Vec<Value> = found
        .into_iter()
        .map(|hit| {
            let tool = match world.catalog.declared(&hit.operation) {
                Some(declared) => declared,
                None if hit.effect == Effect::Read => "aws_read",
                None => "aws_change",
            };
            json!({
                "operation": hit.operation,
                "effect": hit.effect,
                "tool": tool,
                "required": hit.required,
                "optional": hit.optional,
                "more_optional": hit.more_optional,
                "iam_actions": hit.actions,
                "returns_secret": hit.reveals,
                "deprecated": hit.deprecated,
            })
        })
        .collect();
    let structured = json!({ "operations": hits });
    let text = structured.to_string();
    Ok((structured, text))
}
