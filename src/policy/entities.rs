//! A question as Cedar's entities and context.

use std::collections::HashSet;

use cedar_policy::{Entity, EntityAttrEvaluationError, EntityUid, RestrictedExpression as Value};

use super::question::{Evidence, Question, UNKNOWN_DEPENDENTS};
use super::vocabulary::entity;
use crate::config::{Account, AgentConfig, Trust};
use crate::names::{Agent, Effect, Human};

/// The agent.
pub(super) fn agent(name: &Agent, human: &Human, config: &AgentConfig) -> Result<Entity, EntityAttrEvaluationError> {
    let accounts = config.accounts.iter().map(|account| Value::new_entity_uid(entity("Account", account)));
    let mut attributes = vec![
        ("onBehalfOf".to_owned(), Value::new_entity_uid(entity("Human", human.as_str()))),
        ("accounts".to_owned(), Value::new_set(accounts)),
        ("maxResources".to_owned(), Value::new_long(config.max_resources.into())),
    ];
    if let Some(expires) = config.expires {
        attributes.push(("expires".to_owned(), datetime(expires)));
    }
    let roles: Vec<EntityUid> = config.roles.iter().map(|role| entity("Role", role)).collect();
    Entity::new_with_tags(entity("Agent", name.as_str()), attributes, roles, [])
}

/// An account.
pub(super) fn account(account: &Account) -> Result<Entity, EntityAttrEvaluationError> {
    let attributes = [
        ("id".to_owned(), Value::new_string(account.id.clone())),
        ("stage".to_owned(), Value::new_entity_uid(entity("Stage", &account.stage.to_string()))),
    ];
    Entity::new_with_tags(entity("Account", &account.name), attributes, [], [])
}

/// What the call would act on.
pub(super) fn resource(question: &Question) -> Result<Entity, EntityAttrEvaluationError> {
    let resource = &question.resource;
    let mut attributes = vec![
        ("account".to_owned(), Value::new_entity_uid(entity("Account", &question.account.name))),
        ("region".to_owned(), Value::new_string(question.region.as_str().to_owned())),
        ("kind".to_owned(), Value::new_string(resource.kind.clone())),
        ("arn".to_owned(), Value::new_string(resource.arn.clone())),
        ("stage".to_owned(), Value::new_entity_uid(entity("Stage", &resource.stage.to_string()))),
        ("protected".to_owned(), Value::new_bool(resource.protected)),
    ];
    if let Some(owner) = &resource.owner {
        attributes.push(("owner".to_owned(), Value::new_entity_uid(entity("Team", owner))));
    }
    let tags = resource.tags.iter().map(|(key, value)| (key.clone(), Value::new_string(value.clone())));
    Entity::new_with_tags(entity("AwsResource", &resource.arn), attributes, [], tags.collect::<Vec<_>>())
}

/// The groups an action belongs to, all the way up.
pub(super) fn ancestors(tool: &str, toolset: &str, effect: Effect) -> HashSet<EntityUid> {
    let mut names = vec![tool.to_owned(), effect.word().to_owned()];
    if tool != super::vocabulary::ANY {
        names.push(format!("toolset:{toolset}"));
    }
    if effect.changes() {
        names.push("change".to_owned());
    }
    if effect == Effect::Irreversible {
        names.push(Effect::Destructive.word().to_owned());
    }
    names.into_iter().map(|name| entity("Action", &name)).collect()
}

/// Circumstances and consent.
pub(super) fn context(question: &Question, evidence: &Evidence) -> Vec<(String, Value)> {
    let about = &question.circumstances;
    let long = |number: u64| Value::new_long(i64::try_from(number).unwrap_or(i64::MAX));
    let groups: HashSet<&String> = evidence.approvals.values().flatten().collect();
    let others = evidence.approvals.keys().filter(|human| **human != question.human).count();
    let confirmation = evidence.confirmation;
    let after =
        confirmation.map_or(0, |confirmation| u64::try_from(confirmation.after.as_millis()).unwrap_or(u64::MAX));
    let mut pairs = vec![
        ("operation", Value::new_string(question.operation.to_string())),
        ("revealsSecret", Value::new_bool(about.reveals_secret)),
        ("previewed", Value::new_bool(evidence.previewed)),
        ("confirmed", Value::new_bool(confirmation.is_some())),
        ("confirmedAfter", long(after)),
        ("readable", Value::new_bool(confirmation.is_some_and(|confirmation| confirmation.readable))),
        ("approvals", long(others as u64)),
        (
            "approverGroups",
            Value::new_set(groups.into_iter().map(|group| Value::new_entity_uid(entity("Group", group)))),
        ),
        ("appliedByPerson", Value::new_bool(evidence.applied_by_person)),
        ("windowOpen", Value::new_bool(about.window_open)),
        ("now", datetime(about.now)),
        ("resources", long(about.resources)),
        ("dependents", long(about.dependents.unwrap_or(UNKNOWN_DEPENDENTS))),
        ("dependentsKnown", Value::new_bool(about.dependents.is_some())),
        ("changedInSession", long(about.changed_in_session)),
        ("changedInHour", long(about.changed_in_hour)),
        ("errorsInHour", long(about.errors_in_hour)),
        ("denialsInHour", long(about.denials_in_hour)),
        ("breakerOpen", Value::new_bool(about.breaker_open)),
        ("scopedCredentials", Value::new_bool(about.scoped_credentials)),
        ("client", Value::new_string(about.client.clone())),
        ("clientTrust", Value::new_entity_uid(entity("Trust", trust(about.client_trust)))),
    ];
    if let Some(ticket) = &about.ticket {
        pairs.push(("ticket", Value::new_string(ticket.clone())));
    }
    if let Some(address) = about.source_ip {
        pairs.push(("sourceIp", Value::new_ip(address.to_string())));
    }
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Unknown => "unknown",
        Trust::Known => "known",
        Trust::Managed => "managed",
    }
}

/// Cedar takes milliseconds at most.
fn datetime(time: jiff::Timestamp) -> Value {
    Value::new_datetime(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
