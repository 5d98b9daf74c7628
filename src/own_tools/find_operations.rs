//! `find_operations`: from words to AWS operations, with what each needs and which tool calls it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Sheet, arguments};
use crate::aws::find;
use crate::call::refused::{Code, Refused};
use crate::call::request::ToolRequest;
use crate::manifest::catalog::Catalog;
use crate::manifest::spec::Tool;
use crate::manifest::tool_schema;
use crate::names::{Effect, OperationId};
use crate::pipeline::World;

/// Most hits of one answer.
const MOST: usize = 20;

/// Most bytes of a tool's input schema; a longer one is told without the inner of its members.
const LONGEST_SCHEMA: usize = 12 << 10;

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
                      each, and how. The exact name of an operation or tool tells its input schema too. Read only.",
        arguments: json!({
            "query": { "type": "string", "minLength": 1, "maxLength": 200, "description": "words, such as `rds snapshot`, or a name, such as `rds:DeleteDBInstance`" },
            "limit": { "type": "integer", "minimum": 1, "maximum": MOST },
        }),
        required: &["query"],
    }
}

pub(super) fn serve(request: &ToolRequest, world: &World) -> Result<(Value, String), Refused> {
    let asked: Arguments = arguments(request)?;
    let query: String = asked.query.trim().chars().take(200).collect();
    let structured = match exact(&query, world)? {
        Some(found) => found,
        None => search(&query, asked.limit.unwrap_or(8).clamp(1, MOST), world)?,
    };
    let text = structured.to_string();
    Ok((structured, text))
}

fn search(query: &str, limit: usize, world: &World) -> Result<Value, Refused> {
    let found = find::find_operations(&world.models, world.catalog.iam(), query, limit).map_err(|error| {
        Refused::new(Code::Internal, "the operations can't be searched", "tell an operator")
            .with_operator_detail(error.to_string())
    })?;
    let hits = found.into_iter().map(|hit| {
        let mut told = how(&hit.operation, hit.effect, &world.catalog);
        let more = json!({
            "required": hit.required,
            "optional": hit.optional,
            "more_optional": hit.more_optional,
            "iam_actions": hit.actions,
            "returns_secret": hit.reveals,
            "deprecated": hit.deprecated,
        });
        if let Value::Object(more) = more {
            told.extend(more);
        }
        Value::Object(told)
    });
    Ok(json!({ "operations": hits.collect::<Vec<_>>() }))
}

/// The tools of an operation, or of that name, with their input schemas; `None` where it is no such name.
fn exact(query: &str, world: &World) -> Result<Option<Value>, Refused> {
    let catalog = &world.catalog;
    let tools: Vec<&Tool> = match (catalog.get(query), query.parse::<OperationId>()) {
        (Some(tool), _) => vec![&***tool],
        (None, Ok(operation)) => catalog.declared_by(&operation).map(|tool| &***tool).collect(),
        (None, Err(_)) => Vec::new(),
    };
    if tools.is_empty() {
        return Ok(None);
    }
    let told = tools.into_iter().map(|tool| {
        let listing = tool_schema::of_tool(tool, &world.models, &world.config.accounts, world.config.ticket.as_ref());
        let listing = listing.map_err(|error| {
            Refused::new(Code::Internal, "the tool can't be described", "tell an operator")
                .with_operator_detail(error.to_string())
        })?;
        let mut told = call(&tool.operation, tool, catalog);
        told.insert("description".to_owned(), json!(listing.description));
        told.insert("input_schema".to_owned(), bounded(listing.input_schema));
        Ok(Value::Object(told))
    });
    Ok(Some(json!({ "operations": told.collect::<Result<Vec<_>, Refused>>()? })))
}

/// Which tool calls an operation, and how it is called.
fn how(operation: &OperationId, floor: Effect, catalog: &Catalog) -> Map<String, Value> {
    if let Some(tool) = catalog.declared_by(operation).next() {
        return call(operation, tool, catalog);
    }
    let mut told = Map::new();
    told.insert("operation".to_owned(), json!(operation));
    let refusal = catalog.families().find_map(|family| family.refuses(operation));
    match (catalog.declared(operation), catalog.families().find(|family| family.takes(operation, catalog))) {
        (Some(off), _) => {
            told.insert("effect".to_owned(), json!(floor));
            told.insert("tool".to_owned(), json!(off));
            told.insert("call".to_owned(), json!("not here: an operator has switched it off"));
        }
        (None, Some(family)) => {
            told.insert("effect".to_owned(), json!(family.effect_of(operation, floor)));
            told.insert("tool".to_owned(), json!(family.name()));
            told.insert("call".to_owned(), json!("with `operation`, its members in `arguments`"));
            if let Some(worse) = family.worse(operation) {
                told.insert("because".to_owned(), json!(worse.because));
            }
        }
        (None, None) => {
            told.insert("effect".to_owned(), json!(floor));
            told.insert("tool".to_owned(), Value::Null);
            let why = match refusal {
                Some(refusal) => format!("not here: {}; {}", refusal.because, refusal.hint(catalog)),
                None => "not here: no tool calls it".to_owned(),
            };
            told.insert("call".to_owned(), json!(why));
        }
    }
    told
}

fn call(operation: &OperationId, tool: &Tool, catalog: &Catalog) -> Map<String, Value> {
    let changes = tool.effect.changes() || tool.effect.needs_preview();
    let family = catalog.families().find(|family| family.changes() == changes).map(|family| family.name());
    let how = match (catalog.is_listed(&tool.name), family) {
        (false, Some(family)) => {
            format!("`{family}` with `operation`, the tool's own input in `arguments`, the rest beside it")
        }
        _ => "by its name".to_owned(),
    };
    let mut told = Map::new();
    told.insert("operation".to_owned(), json!(operation));
    told.insert("effect".to_owned(), json!(tool.effect));
    told.insert("tool".to_owned(), json!(tool.name));
    told.insert("call".to_owned(), json!(how));
    told
}

/// A schema as it is, or with nothing but the types and descriptions of its members.
fn bounded(mut schema: Map<String, Value>) -> Value {
    let length = |schema: &Map<String, Value>| serde_json::to_string(schema).map_or(usize::MAX, |text| text.len());
    if length(&schema) > LONGEST_SCHEMA
        && let Some(Value::Object(members)) = schema.get_mut("properties")
    {
        for member in members.values_mut().filter_map(Value::as_object_mut) {
            member.retain(|name, _| matches!(name.as_str(), "type" | "description"));
        }
    }
    if length(&schema) > LONGEST_SCHEMA
        && let Some(Value::Object(members)) = schema.get_mut("properties")
    {
        members.values_mut().for_each(|member| *member = json!({}));
    }
    Value::Object(schema)
}
