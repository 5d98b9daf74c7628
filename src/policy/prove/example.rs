//! [`Example`]: a request that is permitted and shouldn't be, told to people.

use std::fmt;

use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, EvalResult, Request, Schema};
use cedar_policy_symcc::Env;

use super::assume::{CLIENT, NOW};
use super::slice::Asked;
use crate::policy::set::Policies;
use crate::policy::vocabulary::ANY;
use crate::text::escape::quoted;

/// The longest name that is shown whole, in characters.
const LONGEST: usize = 200;

/// A request with the entities it speaks of.
#[derive(Debug)]
pub struct Example {
    asked: Asked,
    likelihood: Likelihood,
    request: Request,
    entities: Entities,
    replay: Replay,
}

/// Whether a request like this can come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likelihood {
    /// It fits together as the server's requests do.
    Possible,
    /// Only one was found that the server would not ask: its parts contradict each other.
    Impossible,
}

/// What the authorizer says when it is asked this very request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// It permits it too, by these policies.
    Permitted(Vec<String>),
    /// It doesn't; the reason. Then either the solver or this program is at fault.
    Refused(String),
}

impl Example {
    /// Reads a solver's example, and asks the authorizer.
    pub(super) fn new(env: Env, asked: Asked, likelihood: Likelihood, policies: &Policies) -> Result<Self, String> {
        let schema = policies.vocabulary().schema();
        let request = valid(&env.request, schema)?;
        let entities = Entities::from_entities(env.entities.iter().cloned(), Some(schema));
        let entities = entities.map_err(|error| format!("the example's entities don't fit the schema: {error}"))?;
        let replay = replay(&request, &entities, policies.cedar());
        Ok(Self { asked, likelihood, request, entities, replay })
    }

    /// What the authorizer says of it.
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// What the authorizer says of it under other policies.
    pub fn replay_with(&self, policies: &Policies) -> Replay {
        replay(&self.request, &self.entities, policies.cedar())
    }

    /// True where the server could come to ask it.
    pub fn possible(&self) -> bool {
        self.likelihood == Likelihood::Possible
    }

    fn entity(&self, uid: Option<&EntityUid>) -> Option<&Entity> {
        uid.and_then(|uid| self.entities.get(uid))
    }

    fn circumstance(&self, name: &str) -> Option<EvalResult> {
        self.request.context().and_then(|context| context.get(name))
    }

    fn is(&self, name: &str) -> bool {
        matches!(self.circumstance(name), Some(EvalResult::Bool(true)))
    }

    fn number(&self, name: &str) -> i64 {
        match self.circumstance(name) {
            Some(EvalResult::Long(number)) => number,
            _ => 0,
        }
    }
}

/// Who, what, to what, with which consent; and then only what is special about it.
impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |label: &str, text: String| writeln!(f, "{label:10} {text}");
        line("who", self.who())?;
        line("does", self.does())?;
        line("to", self.to())?;
        line("consent", self.consent())?;
        let special = self.special();
        let special = if special.is_empty() { "nothing special".to_owned() } else { special.join("; ") };
        line("otherwise", special)?;
        if self.likelihood == Likelihood::Impossible {
            line("but", "parts of it contradict each other: the server itself would not ask this".to_owned())?;
        }
        match &self.replay {
            Replay::Permitted(by) => line("authorizer", format!("permits it, by {}", by.join(", "))),
            Replay::Refused(why) => line("authorizer", format!("does NOT permit it: {why}")),
        }
    }
}

impl Example {
    fn who(&self) -> String {
        let uid = self.request.principal();
        let Some(agent) = self.entity(uid) else { return "an agent".to_owned() };
        let mut roles: Vec<String> = (self.entities.ancestors(&agent.uid()).into_iter().flatten())
            .filter(|parent| parent.type_name().to_string() == "Role")
            .map(name)
            .collect();
        roles.sort();
        let roles = match roles.as_slice() {
            [] => "without a role".to_owned(),
            [role] => format!("with the role {role}"),
            many => format!("with the roles {}", many.join(" and ")),
        };
        let human = reference(agent, "onBehalfOf").map_or("nobody".to_owned(), |human| name(&human));
        let most = match attribute(agent, "maxResources") {
            Some(EvalResult::Long(most)) => format!(", may touch {most}"),
            _ => String::new(),
        };
        let expires = attribute(agent, "expires").map(|time| format!(", expires {}", time_of(&time)));
        format!("{} for {human}, {roles}{most}{}", name(&agent.uid()), expires.unwrap_or_default())
    }

    fn does(&self) -> String {
        match self.asked.tool == ANY {
            true => format!("any tool that turns out {}", self.asked.effect),
            false => format!("{} ({})", self.asked.tool, self.asked.effect),
        }
    }

    fn to(&self) -> String {
        let Some(resource) = self.entity(self.request.resource()) else { return "a resource".to_owned() };
        let text = |name: &str| match attribute(resource, name) {
            Some(EvalResult::String(text)) => quoted(&text, LONGEST),
            _ => "unknown".to_owned(),
        };
        let account = reference(resource, "account");
        let stage = |entity: Option<&Entity>| {
            entity.and_then(|entity| reference(entity, "stage")).map_or("unknown".to_owned(), |stage| name(&stage))
        };
        let mut told = format!(
            "{} ({}, stage {}) in the account {} (stage {})",
            text("arn"),
            text("kind"),
            stage(Some(resource)),
            account.as_ref().map_or("unknown".to_owned(), name),
            stage(self.entity(account.as_ref())),
        );
        if attribute(resource, "protected") == Some(EvalResult::Bool(true)) {
            told.push_str(", protected");
        }
        if let Some(owner) = reference(resource, "owner") {
            told.push_str(&format!(", owned by {}", name(&owner)));
        }
        for (key, value) in resource.tags() {
            let value = value.map_or("unknown".to_owned(), |value| value.to_string());
            told.push_str(&format!(", tagged {} = {}", quoted(key, LONGEST), quoted(&value, LONGEST)));
        }
        let agent = self.entity(self.request.principal());
        let accounts = agent.and_then(|agent| attribute(agent, "accounts"));
        let own = matches!((accounts, &account), (Some(EvalResult::Set(accounts)), Some(account))
            if accounts.contains(&EvalResult::EntityUid(account.clone())));
        if !own {
            told.push_str(", which is none of the agent's");
        }
        told
    }

    fn consent(&self) -> String {
        let previewed = if self.is("previewed") { "previewed" } else { "no preview" };
        let confirmed = match (self.is("confirmed"), self.is("readable")) {
            (true, true) => "confirmed",
            (true, false) => "confirmed faster than a person can read",
            (false, _) => "not confirmed",
        };
        let mut groups: Vec<String> = match self.circumstance("approverGroups") {
            Some(EvalResult::Set(groups)) => groups.iter().map(value).collect(),
            _ => Vec::new(),
        };
        groups.sort();
        let approvals = match self.number("approvals") {
            0 => "no approval".to_owned(),
            1 => "one approval".to_owned(),
            many => format!("{many} approvals"),
        };
        let groups = if groups.is_empty() { String::new() } else { format!(" (of {})", groups.join(", ")) };
        let person = if self.is("appliedByPerson") { ", applied by a person" } else { "" };
        format!("{previewed}, {confirmed}, {approvals}{groups}{person}")
    }

    /// What isn't as it is in a request with nothing special about it.
    fn special(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut say = |special: bool, text: String| {
            if special {
                told.push(text);
            }
        };
        say(!self.is("scopedCredentials"), "AWS does not narrow its credentials".to_owned());
        say(self.is("revealsSecret"), "it returns a secret".to_owned());
        say(self.is("breakerOpen"), "a breaker is open".to_owned());
        say(!self.is("windowOpen"), "no change window is open".to_owned());
        let ticket = self.circumstance("ticket");
        say(ticket.is_some(), format!("ticket {}", ticket.as_ref().map(value).unwrap_or_default()));
        let resources = self.number("resources");
        say(resources != 1, format!("{resources} resources"));
        let known = self.is("dependentsKnown");
        say(!known, "dependents could not be counted".to_owned());
        let dependents = self.number("dependents");
        say(known && dependents != 0, format!("{dependents} dependents"));
        for (count, what) in [
            ("changedInSession", "resources changed in this session"),
            ("changedInHour", "resources changed within the hour"),
            ("errorsInHour", "errors within the hour"),
            ("denialsInHour", "refusals within the hour"),
        ] {
            let number = self.number(count);
            say(number != 0, format!("{number} {what}"));
        }
        let client = self.circumstance("client").as_ref().map(value).unwrap_or_default();
        say(client != quoted(CLIENT, LONGEST), format!("client {client}"));
        let trust = self.circumstance("clientTrust").as_ref().map(value).unwrap_or_default();
        say(trust != "`known`", format!("the client's trust is {trust}"));
        let address = self.circumstance("sourceIp").as_ref().map(value);
        say(address.is_some(), format!("from {}", address.unwrap_or_default()));
        let now = self.circumstance("now").as_ref().map(time_of).unwrap_or_default();
        say(now != NOW, format!("at {now}"));
        told
    }
}

fn valid(request: &Request, schema: &Schema) -> Result<Request, String> {
    match (request.principal(), request.action(), request.resource()) {
        (Some(principal), Some(action), Some(resource)) => {
            let context = request.context().cloned().unwrap_or_else(Context::empty);
            Request::new(principal.clone(), action.clone(), resource.clone(), context, Some(schema))
                .map_err(|error| format!("the example doesn't fit the schema: {error}"))
        }
        _ => Err("the example names no principal, action or resource".to_owned()),
    }
}

fn replay(request: &Request, entities: &Entities, policies: &cedar_policy::PolicySet) -> Replay {
    let response = Authorizer::new().is_authorized(request, policies, entities);
    let mut by: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    by.sort();
    let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
    match response.decision() {
        _ if !errors.is_empty() => Replay::Refused(errors.join("; ")),
        Decision::Allow => Replay::Permitted(by),
        Decision::Deny if by.is_empty() => Replay::Refused("nothing permits it".to_owned()),
        Decision::Deny => Replay::Refused(format!("forbidden by {}", by.join(", "))),
    }
}

fn attribute(entity: &Entity, name: &str) -> Option<EvalResult> {
    entity.attr(name).and_then(Result::ok)
}

fn reference(entity: &Entity, name: &str) -> Option<EntityUid> {
    match attribute(entity, name) {
        Some(EvalResult::EntityUid(uid)) => Some(uid),
        _ => None,
    }
}

fn name(uid: &EntityUid) -> String {
    quoted(uid.id().unescaped(), LONGEST)
}

fn value(value: &EvalResult) -> String {
    match value {
        EvalResult::EntityUid(uid) => name(uid),
        EvalResult::String(text) => quoted(text, LONGEST),
        other => quoted(&other.to_string(), LONGEST),
    }
}

/// A time as Cedar shows it, in ISO form where it can be read.
fn time_of(value: &EvalResult) -> String {
    let text = value.to_string();
    let offset =
        text.split_once(r#"duration("#).and_then(|(_, rest)| rest.split(['"', ')']).find(|part| !part.is_empty()));
    let milliseconds = offset.and_then(|text| text.trim_end_matches("ms").parse::<i64>().ok());
    let literal = text.split('"').nth(1).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let time = match (milliseconds, literal) {
        (Some(milliseconds), _) => jiff::Timestamp::from_millisecond(milliseconds).ok(),
        (None, literal) => literal,
    };
    time.map_or_else(|| quoted(&text, LONGEST), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
