//! A call described by hand, in a case or by flags: what policies are asked about it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::slice;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::ground::Ground;
use crate::aws::models::nearest;
use crate::config::{Account, AgentConfig, Trust};
use crate::manifest::catalog::Entry;
use crate::names::{Agent, Effect, Human, OperationId, Region, Stage};
use crate::policy::question::{Circumstances, Confirmation, Evidence, Question, Resource, kind_of};
use crate::policy::set::People;
use crate::policy::tags::standing;
use crate::policy::vocabulary::reachable;

/// The target of a call of which none is named.
const SOME_TARGET: &str = "example";

/// A call. What is left out is as it would be on a quiet day.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    /// The tool.
    pub(super) tool: Option<String>,
    /// The effect the preview shows. Default: the tool's own.
    pub(super) effect: Option<Effect>,
    /// The operation, where the tool is a family.
    pub(super) operation: Option<String>,
    /// The agent. Default: the caller's.
    pub(super) agent: Option<String>,
    /// The human it acts for. Default: the caller's.
    pub(super) human: Option<String>,
    /// The agent's roles. Default: those of the configuration.
    pub(super) roles: Option<Vec<String>>,
    /// Names of the accounts the agent may call. Default: those of the configuration.
    pub(super) agent_accounts: Option<Vec<String>>,
    /// Most targets and dependents of one call of the agent. Default: that of the configuration.
    pub(super) max_resources: Option<u32>,
    /// When the agent expires.
    #[schemars(with = "Option<String>")]
    pub(super) expires: Option<Timestamp>,
    /// The account's name. Default: the agent's first.
    pub(super) account: Option<String>,
    /// The region. Default: the account's first.
    pub(super) region: Option<String>,
    /// What the call acts on.
    pub(super) resource: AskedResource,
    /// The circumstances.
    pub(super) circumstances: AskedCircumstances,
    /// The consent there is.
    pub(super) consent: AskedConsent,
}

/// What a call acts on.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AskedResource {
    /// The target's name, such as `i-0123456789abcdef0`; the manifest makes an ARN of it.
    pub(super) id: Option<String>,
    /// Its ARN.
    pub(super) arn: Option<String>,
    /// Its kind, such as `ec2:instance`. Default: by its ARN.
    pub(super) kind: Option<String>,
    /// Its stage by its tags. It never lowers the account's.
    pub(super) stage: Option<Stage>,
    /// True where something protects it from deletion.
    pub(super) protected: bool,
    /// The team that owns it.
    pub(super) owner: Option<String>,
    /// Its tags.
    pub(super) tags: BTreeMap<String, String>,
}

/// The circumstances of a call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AskedCircumstances {
    /// The time. Default: now.
    #[schemars(with = "Option<String>")]
    pub(super) now: Option<Timestamp>,
    /// A ticket.
    pub(super) ticket: Option<String>,
    /// False outside of every change window.
    pub(super) window_open: bool,
    /// Targets of the call.
    pub(super) resources: u64,
    /// What depends on them.
    pub(super) dependents: u64,
    /// False where some of these could not be counted.
    pub(super) dependents_known: bool,
    /// Resources changed before in this session.
    pub(super) changed_in_session: u64,
    /// Resources this agent changed within the last hour.
    pub(super) changed_in_hour: u64,
    /// Calls of this agent that failed within the last hour.
    pub(super) errors_in_hour: u64,
    /// Refusals this agent got within the last hour.
    pub(super) denials_in_hour: u64,
    /// True while a breaker of the agent or of the account is open.
    pub(super) breaker_open: bool,
    /// True where the operation returns a secret. Default: by the effect.
    pub(super) reveals_secret: Option<bool>,
    /// False where the account has no role of its own. Default: by the configuration; true without one.
    pub(super) scoped_credentials: Option<bool>,
    /// What the client says it is.
    pub(super) client: String,
    /// How far it is trusted. Default: by the configuration.
    pub(super) client_trust: Option<Trust>,
    /// Where the call comes from; left out over stdio.
    pub(super) source_ip: Option<IpAddr>,
}

impl Default for AskedCircumstances {
    fn default() -> Self {
        Self {
            now: None,
            ticket: None,
            window_open: true,
            resources: 1,
            dependents: 0,
            dependents_known: true,
            changed_in_session: 0,
            changed_in_hour: 0,
            errors_in_hour: 0,
            denials_in_hour: 0,
            breaker_open: false,
            reveals_secret: None,
            scoped_credentials: None,
            client: String::new(),
            client_trust: None,
            source_ip: None,
        }
    }
}

/// The consent there is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AskedConsent {
    /// The person could see this very plan before. Default: true where there is any other consent.
    pub(super) previewed: Option<bool>,
    /// The human typed the text, and took long enough to have read it.
    pub(super) confirmed: bool,
    /// They answered faster than anybody reads.
    pub(super) hasty: bool,
    /// So many other people signed.
    pub(super) approvals: u32,
    /// Who signed, where it matters who.
    pub(super) approved_by: Vec<String>,
    /// The groups of the first of them, besides `approvers`.
    pub(super) groups: Vec<String>,
    /// A person applies it from the approvals console.
    pub(super) applied_by_person: bool,
}

impl Asked {
    /// The agents and accounts for this call: those of the ground, with what the call says of its agent.
    pub(super) fn people(&self, ground: &Ground) -> People {
        let mut people = ground.people.clone();
        let name = self.agent_name(ground);
        let known = people.agents.get(&name).cloned();
        let told = self.roles.is_some()
            || self.agent_accounts.is_some()
            || self.max_resources.is_some()
            || self.expires.is_some();
        if let Some(base) = known.or_else(|| told.then(|| self.stranger(ground))) {
            let agent = AgentConfig {
                roles: self.roles.clone().unwrap_or(base.roles),
                accounts: self.agent_accounts.clone().unwrap_or(base.accounts),
                max_resources: self.max_resources.unwrap_or(base.max_resources),
                expires: self.expires.or(base.expires),
            };
            people.agents.insert(name, agent);
        }
        people
    }

    /// An agent that only a case knows.
    fn stranger(&self, ground: &Ground) -> AgentConfig {
        AgentConfig {
            roles: Vec::new(),
            accounts: ground.people.accounts.iter().map(|account| account.name.clone()).collect(),
            max_resources: ground.people.agents.get(&ground.caller.agent).map_or(1, |agent| agent.max_resources),
            expires: None,
        }
    }

    fn agent_name(&self, ground: &Ground) -> Agent {
        self.agent.as_deref().map_or_else(|| ground.caller.agent.clone(), Agent::new)
    }

    /// What policies are asked. `people` as [`Asked::people`] gave them.
    ///
    /// # Errors
    /// A fragment that says which name there isn't, and the nearest.
    pub(super) fn question(&self, ground: &Ground, people: &People) -> Result<(Question, Evidence), String> {
        let tool = self.tool.as_deref().ok_or("no tool is named")?;
        let words = ground.vocabulary.tools();
        let word = words.iter().find(|word| word.name == tool).ok_or_else(|| {
            format!("there is no tool `{tool}`{}", meant(tool, words.iter().map(|word| word.name.as_str())))
        })?;
        let effect = self.effect.unwrap_or(word.effect);
        if !reachable(word.effect).any(|one| one == effect) {
            return Err(format!("`{tool}` is {}, it can't turn out {effect}", word.effect));
        }
        let agent = self.agent_name(ground);
        let config = people.agents.get(&agent).ok_or_else(|| {
            format!("there is no agent `{agent}`{}", meant(agent.as_str(), people.agents.keys().map(Agent::as_str)))
        })?;
        let account = self.account(people, config)?;
        let region = match &self.region {
            Some(named) => Region::new(named),
            None => account.regions.first().cloned().ok_or_else(|| format!("`{}` has no region", account.name))?,
        };
        let operation = self.operation(ground, tool)?;
        let resource = self.resource(ground, tool, &operation, account, &region)?;
        let human = self.human.as_deref().map_or_else(|| ground.caller.human.clone(), Human::new);
        let question = Question {
            agent,
            tool: tool.to_owned(),
            effect,
            operation,
            region,
            resource,
            circumstances: self.circumstances(ground, account, effect),
            account: account.clone(),
            human,
        };
        let evidence = self.consent.evidence();
        Ok((question, evidence))
    }

    fn account<'a>(&self, people: &'a People, agent: &AgentConfig) -> Result<&'a Account, String> {
        let name =
            self.account.as_ref().or(agent.accounts.first()).ok_or("the agent has no account, and none is named")?;
        people.accounts.iter().find(|account| account.name == *name).ok_or_else(|| {
            let known = people.accounts.iter().map(|account| account.name.as_str());
            format!("there is no account `{name}`{}", meant(name, known))
        })
    }

    fn operation(&self, ground: &Ground, tool: &str) -> Result<OperationId, String> {
        match (&self.operation, ground.catalog.entry(tool)) {
            (Some(named), _) => named.parse().map_err(|error: crate::names::NotAnOperation| error.to_string()),
            (None, Some(Entry::Tool(spec))) => Ok(spec.operation.clone()),
            (None, _) => {
                let service = self.resource.arn.as_deref().and_then(|arn| arn.split(':').nth(2));
                Ok(OperationId::new(service.unwrap_or("any"), "Any"))
            }
        }
    }

    fn resource(
        &self,
        ground: &Ground,
        tool: &str,
        operation: &OperationId,
        account: &Account,
        region: &Region,
    ) -> Result<Resource, String> {
        let about = &self.resource;
        let whole = Resource::whole_account(account, region, operation.service());
        let targets = match ground.catalog.entry(tool) {
            Some(Entry::Tool(spec)) => spec.targets.as_ref(),
            _ => None,
        };
        let arn = match (&about.arn, targets) {
            (Some(arn), _) => Some(arn.clone()),
            (None, Some(targets)) => {
                let target = about.id.as_deref().unwrap_or(SOME_TARGET);
                let context = json!({
                    "partition": region.partition(), "region": region, "account": account.id, "target": target,
                    "tool": tool, "arguments": {},
                });
                let arn = targets.arn.render_text(&context);
                Some(arn.map_err(|error| format!("its ARN can't be made, name it yourself: {error}"))?)
            }
            (None, None) if about.id.is_some() => {
                return Err(format!("`{tool}` has no targets of its own: name an ARN"));
            }
            (None, None) => None,
        };
        let kind = arn.as_deref().map_or(whole.kind, kind_of);
        let stage = about.stage.unwrap_or(account.stage).max(account.stage);
        let standing = standing(stage, about.protected, slice::from_ref(&about.tags), &ground.tag_rules);
        Ok(Resource {
            kind: about.kind.clone().unwrap_or(kind),
            arn: arn.unwrap_or(whole.arn),
            stage: standing.stage,
            protected: standing.protected,
            owner: about.owner.clone().or(standing.owner),
            tags: about.tags.clone(),
        })
    }

    fn circumstances(&self, ground: &Ground, account: &Account, effect: Effect) -> Circumstances {
        let about = &self.circumstances;
        let role = if effect == Effect::Read { &account.read_role } else { &account.change_role };
        let configured = ground.path.is_none() || role.is_some();
        Circumstances {
            now: about.now.unwrap_or(ground.now),
            ticket: about.ticket.clone(),
            window_open: about.window_open,
            resources: about.resources,
            dependents: about.dependents_known.then_some(about.dependents),
            changed_in_session: about.changed_in_session,
            changed_in_hour: about.changed_in_hour,
            errors_in_hour: about.errors_in_hour,
            denials_in_hour: about.denials_in_hour,
            breaker_open: about.breaker_open,
            reveals_secret: about.reveals_secret.unwrap_or(effect == Effect::Secret),
            scoped_credentials: about.scoped_credentials.unwrap_or(configured),
            client: about.client.clone(),
            client_trust: about.client_trust.or_else(|| ground.clients.get(&about.client).copied()).unwrap_or_default(),
            source_ip: about.source_ip,
        }
    }
}

impl AskedConsent {
    fn evidence(&self) -> Evidence {
        let unnamed = (1..=self.approvals).map(|number| format!("approver-{number}"));
        let names: Vec<String> = match self.approved_by.is_empty() {
            true => unnamed.collect(),
            false => self.approved_by.clone(),
        };
        let groups = |index: usize| {
            let own = self.groups.iter().filter(move |_| index == 0).cloned();
            own.chain(["approvers".to_owned()]).collect()
        };
        let confirmation = self.confirmed.then_some(match self.hasty {
            true => Confirmation { after: Duration::from_millis(100), readable: false },
            false => Confirmation { after: Duration::from_secs(60), readable: true },
        });
        let any = self.confirmed || !names.is_empty() || self.applied_by_person;
        Evidence {
            previewed: self.previewed.unwrap_or(any),
            confirmation,
            approvals: names.iter().enumerate().map(|(index, who)| (Human::new(who), groups(index))).collect(),
            applied_by_person: self.applied_by_person,
        }
    }
}

fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).first().map(|best| format!("; did you mean `{best}`?")).unwrap_or_default()
}
