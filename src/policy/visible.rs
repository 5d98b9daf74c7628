//! Which tools an agent could ever be permitted: those it is shown.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{Decision, Entities, Entity, EntityUid, PartialEntities, Schema};

use super::entities;
use super::residual::{Known, partial};
use super::set::Policies;
use super::vocabulary::{action, reachable};
use crate::names::{Agent, Effect, Human};

/// The names of the tools an agent could be permitted: for at least one effect a tool can turn out to have, on some
/// resource, in some circumstances.
///
/// Found by evaluating the policies with the resource and the context unknown. It errs on the side of showing: what
/// depends on a resource counts as possible. That is harmless, since a list guards nothing; each call is decided anew.
///
/// What can't be evaluated is hidden, and logged: every call of it would be denied for the same reason, so showing it
/// would only send the agent into refusals, while its absence sends somebody to the log.
pub fn visible(policies: &Policies, agent: &Agent, human: &Human) -> BTreeSet<String> {
    look(policies, agent, human).unwrap_or_else(|error| {
        tracing::warn!(%agent, %error, "no tools are shown, because policies can't be evaluated for this agent");
        BTreeSet::new()
    })
}

/// The policies that were asked, and the action where one of them speaks of it. For actions that are alike in this the same
/// comes out.
type Alike = (Vec<String>, Option<EntityUid>);

fn look(policies: &Policies, agent: &Agent, human: &Human) -> Result<BTreeSet<String>, String> {
    let of_action: BTreeSet<String> =
        policies.cedar().policies().filter(|policy| speaks_of_action(policy)).map(id).collect();
    let alike = |tool: &str, effect: Effect| -> Option<Alike> {
        let asked = action(tool, effect);
        let ids = policies.concerning_by_name(&asked)?;
        let particular = ids.iter().any(|id| of_action.contains(id)).then_some(asked);
        Some((ids, particular))
    };
    // One action of those that are alike is enough, and the schema needs no more tools than are asked about.
    let mut groups: HashMap<Alike, Vec<(&str, Effect)>> = HashMap::new();
    for tool in policies.vocabulary().tools() {
        for effect in reachable(tool.effect) {
            if let Some(alike) = alike(&tool.name, effect) {
                groups.entry(alike).or_default().push((&tool.name, effect));
            }
        }
    }
    let asked: BTreeSet<&str> = groups.values().filter_map(|group| group.first()).map(|(tool, _)| *tool).collect();
    let schema = policies.schema_around(&|tool| asked.contains(tool.name.as_str()))?;
    let agent = policies.principal(agent, human)?;
    let uid = agent.uid();
    let accounts = policies.people().accounts.iter().map(entities::account);
    let mut known: Vec<Entity> = accounts.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    known.push(agent);
    let known = Entities::from_entities(known, None).map_err(|error| error.to_string())?;
    let entities = PartialEntities::from_concrete(known, &schema).map_err(|error| error.to_string())?;
    let possible = |group: &&Vec<(&str, Effect)>| {
        group.first().is_some_and(|(tool, effect)| {
            decided(policies, &action(tool, *effect), &uid, &entities, &schema).unwrap_or_else(|error| {
                tracing::warn!(%tool, %effect, %error, "hidden, because policies can't be evaluated for it");
                false
            })
        })
    };
    Ok(groups.values().filter(possible).flatten().map(|(tool, _)| (*tool).to_owned()).collect())
}

fn decided(
    policies: &Policies,
    asked: &EntityUid,
    agent: &EntityUid,
    entities: &PartialEntities,
    schema: &Schema,
) -> Result<bool, String> {
    let slice = policies.concerning(asked).ok_or("there is no such action")?;
    let request = partial(schema, asked, Known::Agent(agent))?;
    let response = slice.tpe(&request, entities, schema).map_err(|error| error.to_string())?;
    Ok(response.decision() != Some(Decision::Deny))
}

fn id(policy: &cedar_policy::Policy) -> String {
    policy.id().to_string()
}

/// What can't be looked into might.
fn speaks_of_action(policy: &cedar_policy::Policy) -> bool {
    let conditions = policy.to_json().ok().and_then(|json| json.get("conditions").map(ToString::to_string));
    conditions.is_none_or(|conditions| conditions.contains(r#"{"Var":"action"}"#))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config::Profile;
    use crate::policy::fixtures::{ann, kiro, policies, policies_over};
    use crate::policy::vocabulary::ToolWord;

    fn shown(policies: &Policies) -> Vec<String> {
        visible(policies, &kiro(), &ann()).into_iter().collect()
    }

    #[test]
    fn an_agent_sees_what_it_could_ever_be_permitted() {
        assert_eq!(shown(&policies(Profile::Observe, &["operator"], "")), ["aws_read", "ec2_describe_instances"]);
        assert_eq!(shown(&policies(Profile::None, &["operator"], "")), Vec::<String>::new());
        assert_eq!(shown(&policies(Profile::Standard, &[], "")), ["aws_read", "ec2_describe_instances"]);
        let operator = [
            "aws_change",
            "aws_read",
            "ec2_create_tags",
            "ec2_describe_instances",
            "ec2_reboot_instances",
            "ec2_terminate_instances",
            "rds_delete_db_instance",
        ];
        assert_eq!(shown(&policies(Profile::Standard, &["operator"], "")), operator);
        assert_eq!(shown(&policies(Profile::Standard, &["operator", "reader"], "")).len(), 2);
        let secrets = shown(&policies(Profile::Standard, &["secrets"], ""));
        assert_eq!(secrets, ["aws_read", "ec2_describe_instances", "secretsmanager_get_secret_value"]);
    }

    #[test]
    fn own_policies_hide_and_show() {
        let hide = r#"@id("own") forbid (principal, action in Action::"toolset:rds", resource);"#;
        let set = policies(Profile::Standard, &["operator"], hide);
        assert!(!shown(&set).contains(&"rds_delete_db_instance".to_owned()));
        let one = r#"@id("own") permit (principal, action, resource) when { action in Action::"ec2_create_tags" };"#;
        assert_eq!(shown(&policies(Profile::None, &[], one)), ["ec2_create_tags"]);
        let some =
            r#"@id("own") permit (principal, action in Action::"write", resource) when { context.approvals > 1 };"#;
        assert_eq!(shown(&policies(Profile::None, &[], some)), ["ec2_create_tags"]);
    }

    #[test]
    fn an_agent_nobody_knows_sees_nothing() {
        let set = policies(Profile::Standard, &["operator"], "");
        assert!(visible(&set, &Agent::new("nobody"), &ann()).is_empty());
    }

    #[test]
    fn two_hundred_tools_are_looked_through_quickly() {
        let tool = |number: usize| ToolWord {
            name: format!("tool_{number}"),
            toolset: format!("set_{}", number % 20),
            effect: if number.is_multiple_of(2) { Effect::Write } else { Effect::Read },
        };
        let own = r#"@id("own") forbid (principal, action in Action::"toolset:set_3", resource);"#;
        let set = policies_over((0..200).map(tool).collect(), Profile::Standard, &["operator"], own);
        let before = Instant::now();
        assert_eq!(visible(&set, &kiro(), &ann()).len(), 190);
        let took = before.elapsed();
        assert!(took.as_millis() < 500, "{took:?}");
    }
}
