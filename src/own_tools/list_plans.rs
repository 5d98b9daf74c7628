//! `list_plans`: the plans of the agent that asks.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sheet, arguments, store_failed};
use crate::call::refused::Refused;
use crate::call::request::ToolRequest;
use crate::pipeline::World;
use crate::plan::filed::PlanState;
use crate::plan::text;
use crate::ports::PlanFilter;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    state: Option<PlanState>,
}

/// Most plans of one answer.
const MOST: u32 = 20;

pub(super) fn sheet() -> Sheet {
    Sheet {
        name: "list_plans",
        title: "List my plans",
        description: "Lists this agent's plans, newest first. Read only.",
        arguments: json!({
            "state": { "type": "string", "enum": ["open", "applying", "applied", "failed", "unknown", "expired"] },
        }),
        required: &[],
    }
}

pub(super) async fn serve(request: &ToolRequest, world: &World) -> Result<(Value, String), Refused> {
    let asked: Arguments = arguments(request)?;
    rows(request, world, asked.state).await
}

/// The agent's latest plans, of one state where it is given.
pub(super) async fn rows(
    request: &ToolRequest,
    world: &World,
    state: Option<PlanState>,
) -> Result<(Value, String), Refused> {
    let filter = PlanFilter {
        agent: Some(request.caller.agent.clone()),
        states: state.into_iter().collect(),
        limit: MOST,
        ..PlanFilter::default()
    };
    let mut plans = world.store.plans(filter, world.clock.now()).await.map_err(|error| store_failed(&error))?;
    plans.retain(|plan| plan.content.human == request.caller.human);
    let lines: Vec<String> = plans.iter().map(text::line).collect();
    let rows: Vec<Value> = plans
        .iter()
        .map(|plan| {
            json!({
                "plan_id": plan.content.id,
                "state": plan.state,
                "tool": plan.content.tool,
                "effect": plan.content.effect,
                "account": plan.content.account.name,
                "targets": plan.content.targets.iter().map(|target| &target.id).collect::<Vec<_>>(),
                "expires_at": plan.content.expires_at,
                "undone": plan.undone.as_deref().map(|undone| undone.state),
                "undoes": plan.content.undoes.as_ref().map(|undoes| &undoes.plan),
            })
        })
        .collect();
    let text = if lines.is_empty() { "no plans".to_owned() } else { lines.join("\n") };
    Ok((json!({ "plans": rows }), text))
}
