//! What agents and people read as MCP resources: manifests, the agent's plans, the record of its session.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sheet, arguments, list_plans, plan_status, store_failed};
use crate::audit::event::Event;
use crate::call::refused::{Code, Refused};
use crate::call::request::ToolRequest;
use crate::names::PlanId;
use crate::pipeline::World;
use crate::plan::text;
use crate::text::escape::quoted;

/// The name such a request has on record. No tool can be called so: names of tools hold no slash.
pub const NAME: &str = "resources/read";

/// Entries at the end of the record that are looked through for those of the session.
const LOOKED_THROUGH: u64 = 5_000;

/// Entries read at once.
const PAGE: u32 = 500;

/// Something to read.
#[derive(Debug)]
pub struct Readable {
    /// Its address; `{...}` is a place to fill in.
    pub uri: &'static str,
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// For people and models.
    pub description: &'static str,
    /// What it is written in.
    pub mime_type: &'static str,
}

/// Everything there is to read.
pub const ALL: [Readable; 5] = [
    Readable {
        uri: "countersign://manifests",
        name: "manifests",
        title: "Tools and their manifests",
        description: "All tools, listed or not, with operation, effect and toolset",
        mime_type: "application/json",
    },
    Readable {
        uri: "countersign://manifests/{tool}",
        name: "manifest",
        title: "Manifest of a tool",
        description: "What a tool may touch, how it is previewed and undone, as its admin wrote it",
        mime_type: "application/yaml",
    },
    Readable {
        uri: "countersign://plans",
        name: "plans",
        title: "My plans",
        description: "This agent's latest plans with their states",
        mime_type: "application/json",
    },
    Readable {
        uri: "countersign://plans/{plan_id}",
        name: "plan",
        title: "A plan",
        description: "All of one of this agent's plans, as people see it",
        mime_type: "text/plain",
    },
    Readable {
        uri: "countersign://session/record",
        name: "session-record",
        title: "Record of this session",
        description: "What the record holds of this session, with numbers and hashes to check it by",
        mime_type: "application/json",
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    uri: String,
}

pub(super) fn sheet() -> Sheet {
    Sheet {
        name: NAME,
        title: "Read a resource",
        description: "Reads a manifest, a plan or the record of the session. Read only.",
        arguments: json!({ "uri": { "type": "string" } }),
        required: &["uri"],
    }
}

pub(super) async fn serve(request: &ToolRequest, world: &World) -> Result<(Value, String), Refused> {
    let asked: Arguments = arguments(request)?;
    let path = asked.uri.strip_prefix("countersign://").ok_or_else(|| nothing(&asked.uri))?;
    let parts: Vec<&str> = path.split('/').collect();
    let (mime_type, text) = match parts.as_slice() {
        ["manifests"] => ("application/json", manifests(world).to_string()),
        ["manifests", tool] => {
            let text = world.catalog.manifest(tool).ok_or_else(|| nothing(&asked.uri))?;
            ("application/yaml", text.to_owned())
        }
        ["plans"] => ("application/json", list_plans::rows(request, world, None).await?.0.to_string()),
        ["plans", id] => {
            let filed = plan_status::find(&PlanId::from_outside(id), request, world).await?;
            let whole = format!("{}\n{}", text::line(&filed), text::full(&filed.content, filed.digest));
            ("text/plain", whole)
        }
        ["session", "record"] => ("application/json", session(request, world).await?.to_string()),
        _ => return Err(nothing(&asked.uri)),
    };
    Ok((json!({ "uri": asked.uri, "mime_type": mime_type }), text))
}

fn nothing(uri: &str) -> Refused {
    let there: Vec<&str> = ALL.iter().map(|readable| readable.uri).collect();
    Refused::new(
        Code::InvalidArguments,
        format!("there is no resource {}", quoted(uri, 120)),
        format!("there are {}", there.join(", ")),
    )
}

fn manifests(world: &World) -> Value {
    let tools = world.catalog.heads().map(|tool| {
        json!({
            "tool": tool.name,
            "operation": tool.operation,
            "effect": tool.effect,
            "toolset": tool.toolset,
            "digest": tool.digest,
        })
    });
    let families = world.catalog.families().map(|family| {
        json!({
            "tool": family.name(),
            "title": family.title(),
            "effect": family.effect(),
            "toolset": family.toolset(),
            "digest": family.digest(),
        })
    });
    json!({ "tools": tools.chain(families).collect::<Vec<_>>(), "digest": world.catalog.digest() })
}

/// The session's entries, oldest first, without what is for operators only.
async fn session(request: &ToolRequest, world: &World) -> Result<Value, Refused> {
    let head = world.store.head().await.map_err(|error| store_failed(&error))?.seq;
    let first = head.saturating_sub(LOOKED_THROUGH) + 1;
    let (mut from, mut entries) = (first, Vec::new());
    while from <= head {
        let page = world.store.records(from, PAGE).await.map_err(|error| store_failed(&error))?;
        let Some(last) = page.last() else { break };
        from = last.seq + 1;
        for record in page {
            let event: Event = serde_json::from_str(&record.event).map_err(|error| store_failed(&error))?;
            let Some(caller) = event.caller.filter(|caller| caller.session == request.caller.session) else { continue };
            if caller.agent != request.caller.agent || caller.human != request.caller.human {
                continue;
            }
            let mut what = json!(event.what);
            if let Some(members) = what.as_object_mut() {
                members.shift_remove("operator_detail");
            }
            entries.push(json!({
                "seq": record.seq, "hash": record.hash, "at": event.at, "call": event.call, "what": what,
            }));
        }
    }
    Ok(json!({ "session": request.caller.session, "looked_through_from": first, "entries": entries }))
}
