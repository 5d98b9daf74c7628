//! `whoami`: for whom the agent acts, where, and by which rules.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sheet, arguments};
use crate::call::refused::Refused;
use crate::call::request::ToolRequest;
use crate::pipeline::World;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {}

pub(super) fn sheet() -> Sheet {
    Sheet {
        name: "whoami",
        title: "Who am I",
        description: "Says for whom this agent acts, which accounts and regions there are, and which rules hold. Read only.",
        arguments: json!({}),
        required: &[],
    }
}

pub(super) fn serve(request: &ToolRequest, world: &World) -> Result<(Value, String), Refused> {
    let Arguments {} = arguments(request)?;
    let policies = world.policies.now();
    let accounts: Vec<Value> = world
        .config
        .accounts
        .iter()
        .map(|account| {
            json!({
                "name": account.name,
                "id": account.id,
                "stage": account.stage,
                "regions": account.regions,
                "credentials": match (&account.read_role, &account.change_role) {
                    (Some(_), Some(_)) => "a role for reading and one for changing, assumed for each call",
                    _ => "NO ROLE: the server's own credentials are used; AWS does not narrow what a call can do",
                },
            })
        })
        .collect();
    let structured = json!({
        "agent": request.caller.agent,
        "human": request.caller.human,
        "client": request.caller.client,
        "accounts": accounts,
        "policy": policies.describe(),
        "policy_digest": policies.digest(),
        "manifests_digest": world.catalog.digest(),
        "plan_lifetime_seconds": world.config.limits.plan_ttl.as_secs(),
        "confirmation_timeout_seconds": world.config.limits.confirmation_timeout.as_secs(),
    });
    let text = structured.to_string();
    Ok((structured, text))
}
