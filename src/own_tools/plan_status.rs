//! `plan_status`: what has become of a plan. An unknown outcome is settled by reading the targets, where they tell.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sheet, arguments, store_failed};
use crate::call::refused::{Code, Refused};
use crate::call::request::ToolRequest;
use crate::execute::reconcile::reconcile;
use crate::names::PlanId;
use crate::pipeline::World;
use crate::plan::filed::{FiledPlan, PlanState};
use crate::plan::text;
use crate::text::escape::quoted;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    plan_id: String,
}

pub(super) fn sheet() -> Sheet {
    Sheet {
        name: "plan_status",
        title: "Status of a plan",
        description: "Shows one of this agent's plans and what has become of it. Where an outcome is unknown it reads \
                      the targets to settle it. Read only.",
        arguments: json!({ "plan_id": { "type": "string", "maxLength": 64 } }),
        required: &["plan_id"],
    }
}

pub(super) async fn serve(request: &ToolRequest, world: &World) -> Result<(Value, String), Refused> {
    let asked: Arguments = arguments(request)?;
    let id = PlanId::from_outside(&asked.plan_id);
    let mut filed = find(&id, request, world).await?;
    if filed.state == PlanState::Unknown {
        reconcile(&filed, &world.witness()).await.map_err(|error| store_failed(&error))?;
        filed = find(&id, request, world).await?;
    }
    let text = format!("{}\n{}", text::line(&filed), text::full(&filed.content, filed.digest));
    Ok((text::status(&filed), text))
}

async fn find(id: &PlanId, request: &ToolRequest, world: &World) -> Result<FiledPlan, Refused> {
    let found = world.store.plan(id, world.clock.now()).await.map_err(|error| store_failed(&error))?;
    found
        .filter(|plan| plan.content.agent == request.caller.agent && plan.content.human == request.caller.human)
        .ok_or_else(|| {
            let message = format!("there is no plan {} of yours", quoted(id.as_str(), 64));
            Refused::new(Code::PlanNotUsable, message, "`list_plans` shows yours")
        })
}
