//! `whoami`: for whom the agent acts, where, and by which rules.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Sheet, arguments, store_failed};
use crate::call::refused::Refused;
use crate::call::request::ToolRequest;
use crate::manifest::catalog::Catalog;
use crate::pipeline::World;
use crate::policy::circumstances::counted;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {}

pub(super) fn sheet() -> Sheet {
    Sheet {
        name: "whoami",
        title: "Who am I",
        description: "Says for whom this agent acts, in which accounts and regions, under which policies, and what is left of its budgets. Read only.",
        arguments: json!({}),
        required: &[],
    }
}

/// How many tools each toolset has, and how many of them are listed.
fn toolsets(catalog: &Catalog) -> Value {
    let mut sets: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for tool in catalog.heads() {
        let (all, listed) = sets.entry(&tool.toolset).or_default();
        *all += 1;
        *listed += u32::from(catalog.is_listed(&tool.name));
    }
    let sets: Map<String, Value> = sets
        .into_iter()
        .map(|(name, (all, listed))| (name.to_owned(), json!({ "tools": all, "listed": listed })))
        .collect();
    json!({
        "toolsets": sets,
        "not_listed": "are called by their operation, through a family; `find_operations` tells which and how",
    })
}

pub(super) async fn serve(request: &ToolRequest, world: &World) -> Result<(Value, String), Refused> {
    let Arguments {} = arguments(request)?;
    let policies = world.policies.now();
    let (config, now) = (&world.config, world.clock.now());
    let who = counted(&request.caller.agent, &request.caller.session, "");
    let tally = world.store.tally(&who, now).await.map_err(|error| store_failed(&error))?;
    let window = config.windows.at(now);
    let agent = config.agents.get(&request.caller.agent);
    let budget = |most: u32, used: u32| json!({ "most": most, "left": most.saturating_sub(used) });
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
        "roles": agent.map(|agent| &agent.roles),
        "own_accounts": agent.map(|agent| &agent.accounts),
        "expires": agent.and_then(|agent| agent.expires),
        "most_resources_of_a_call": agent.map(|agent| agent.max_resources),
        "budgets": {
            "changes_in_this_session": budget(config.budgets.changes_per_session, tally.changed_in_session),
            "changes_within_an_hour": budget(config.budgets.changes_per_hour, tally.changed_in_hour),
        },
        "open_breakers": tally.open,
        "change_window": {
            "open": window.open,
            "why_closed": (!window.open).then_some(window.why_closed),
            "opens": window.opens,
        },
        "policy": policies.describe(),
        "policy_digest": policies.digest(),
        "tools": toolsets(&world.catalog),
        "manifests_digest": world.catalog.digest(),
        "approvals_console": config.http.as_ref().map(|http| http.origin()),
        "plan_lifetime_seconds": world.config.limits.plan_ttl.as_secs(),
        "confirmation_timeout_seconds": world.config.limits.confirmation_timeout.as_secs(),
    });
    let text = structured.to_string();
    Ok((structured, text))
}
