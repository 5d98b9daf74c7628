//! Who may do what: the policies, the agents, clients, tag rules, tickets and limits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Compiler;
use crate::aws::models::nearest;
use crate::config::raw::{RawAgent, RawBreakers, RawBudgets, RawPolicy, RawTagRule, RawTicket};
use crate::config::{
    Account, AgentConfig, BreakersConfig, BudgetsConfig, PolicyConfig, TagRule, TagSays, TicketConfig, Trust,
};
use crate::manifest::template::join_pointer;
use crate::names::Agent;
use crate::policy::vocabulary::{GROUPS, ROLES};
use crate::text::escape::quoted;

/// Most targets and dependents of one call, where nothing else is said.
const MAX_RESOURCES: u32 = 100;

/// The role of an agent that nothing is said of.
const DEFAULT_ROLE: &str = "operator";

impl Compiler<'_> {
    pub(super) fn policy(&mut self, raw: RawPolicy) -> PolicyConfig {
        let files = self.policy_files("/policy/files", &raw.files);
        let invariants = self.policy_files("/policy/invariants", &raw.invariants);
        self.new_words("/policy/roles", "role", &raw.roles, &ROLES);
        self.new_words("/policy/groups", "group", &raw.groups, &GROUPS);
        let (roles, groups, require_proof) = (raw.roles, raw.groups, raw.require_proof);
        PolicyConfig { profile: raw.profile, files, roles, groups, invariants, require_proof }
    }

    fn policy_files(&mut self, pointer: &str, written: &[String]) -> Vec<PathBuf> {
        let files: Vec<PathBuf> = written.iter().map(|written| self.path(written)).collect();
        for (index, file) in files.iter().enumerate() {
            if let Err((message, mend)) = holds_policies(file) {
                self.wrong(&format!("{pointer}/{index}"), message, mend);
            }
        }
        files
    }

    fn new_words(&mut self, pointer: &str, what: &str, words: &[String], built_in: &[&str]) {
        for (index, word) in words.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            if built_in.contains(&word.as_str()) {
                self.wrong(&pointer, format!("the {what} `{word}` is there already"), "take it out");
            } else if words.iter().take(index).any(|earlier| earlier == word) {
                self.wrong(&pointer, format!("`{word}` is here a second time"), "keep one of the two");
            }
        }
    }

    pub(super) fn agents(
        &mut self,
        raw: BTreeMap<String, RawAgent>,
        caller: &Agent,
        accounts: &[Account],
        policy: &PolicyConfig,
    ) -> BTreeMap<Agent, AgentConfig> {
        let accounts: Vec<String> = accounts.iter().map(|account| account.name.clone()).collect();
        if raw.is_empty() {
            let roles = vec![DEFAULT_ROLE.to_owned()];
            let agent = AgentConfig { roles, accounts, max_resources: MAX_RESOURCES, expires: None };
            return BTreeMap::from([(caller.clone(), agent)]);
        }
        if !raw.contains_key(caller.as_str()) {
            let names: Vec<String> = raw.keys().cloned().collect();
            let message = format!("there is no agent {} among `[agents]`", quoted(caller.as_str(), 64));
            self.wrong("/caller/agent", message, meant(caller.as_str(), &names));
        }
        let mut roles: Vec<String> = ROLES.iter().map(|role| (*role).to_owned()).collect();
        for role in &policy.roles {
            if !roles.contains(role) {
                roles.push(role.clone());
            }
        }
        let mut agents = BTreeMap::new();
        for (name, agent) in raw {
            let pointer = join_pointer("/agents", &name);
            self.key(&pointer, &name, "an agent's name");
            self.known(&format!("{pointer}/roles"), "role", &agent.roles, &roles);
            self.known(&format!("{pointer}/accounts"), "account", &agent.accounts, &accounts);
            let expires = agent.expires.and_then(|written| self.expiry(&format!("{pointer}/expires"), &written));
            let RawAgent { roles, accounts, max_resources, .. } = agent;
            let max_resources = max_resources.unwrap_or(MAX_RESOURCES);
            agents.insert(Agent::new(name), AgentConfig { roles, accounts, max_resources, expires });
        }
        agents
    }

    /// A key that is a name of the world's: short, and without what could pass for something else.
    fn key(&mut self, pointer: &str, name: &str, what: &str) {
        let plain = name.trim() == name && !name.chars().any(char::is_control);
        if name.is_empty() || name.chars().count() > 64 || !plain {
            let message = format!("{} is not {what}", quoted(name, 64));
            let problem = self.document.problem_at_key(pointer, message, "write a plain name of at most 64 characters");
            self.problems.push(problem);
        }
    }

    fn known(&mut self, pointer: &str, what: &str, words: &[String], known: &[String]) {
        for (index, word) in words.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            if !known.contains(word) {
                self.wrong(&pointer, format!("there is no {what} {}", quoted(word, 64)), meant(word, known));
            } else if words.iter().take(index).any(|earlier| earlier == word) {
                self.wrong(&pointer, format!("`{word}` is here a second time"), "keep one of the two");
            }
        }
    }

    pub(super) fn expiry(&mut self, pointer: &str, written: &str) -> Option<Timestamp> {
        let found = expiry(written);
        if found.is_none() {
            let message = format!("{} is neither a date nor a time with an offset", quoted(written, 40));
            self.wrong(pointer, message, "write `2027-01-01`, which is midnight UTC, or `2027-01-01T08:00:00+01:00`");
        }
        found
    }

    pub(super) fn clients(&mut self, raw: BTreeMap<String, Trust>) -> BTreeMap<String, Trust> {
        for name in raw.keys() {
            self.key(&join_pointer("/clients", name), name, "a client's name");
        }
        raw
    }

    pub(super) fn tag_rules(&mut self, raw: Vec<RawTagRule>) -> Vec<TagRule> {
        let mut rules = Vec::new();
        for (index, rule) in raw.into_iter().enumerate() {
            let pointer = format!("/tags/{index}");
            for (key, value) in [("protected", rule.protected), ("owner", rule.owner)] {
                if value == Some(false) {
                    let message = format!("`{key} = false` says nothing: a tag takes nothing away");
                    self.wrong(&format!("{pointer}/{key}"), message, "write `true`, or take the rule out");
                }
            }
            let says = match (rule.stage, rule.protected, rule.owner) {
                (Some(stage), None, None) => TagSays::Stage(stage),
                (None, Some(_), None) => TagSays::Protected,
                (None, None, Some(_)) => TagSays::Owner,
                _ => {
                    let mend = "write exactly one of `stage = \"...\"`, `protected = true` and `owner = true`";
                    self.wrong(&pointer, format!("what follows from the tag `{}` is not clear", rule.tag), mend);
                    continue;
                }
            };
            rules.push(TagRule { tag: rule.tag, value: rule.value, says });
        }
        rules
    }

    pub(super) fn ticket(&mut self, raw: &RawTicket) -> Option<TicketConfig> {
        match TicketConfig::new(&raw.pattern) {
            Ok(ticket) => Some(ticket),
            Err(wrong) => {
                let message = format!("this is no pattern for tickets: {wrong}");
                self.wrong("/ticket/pattern", message, "write a regular expression such as `CHG-[0-9]+`");
                None
            }
        }
    }
}

pub(super) fn budgets(raw: &RawBudgets) -> BudgetsConfig {
    let default = BudgetsConfig::default();
    BudgetsConfig {
        changes_per_session: raw.changes_per_session.unwrap_or(default.changes_per_session),
        changes_per_hour: raw.changes_per_hour.unwrap_or(default.changes_per_hour),
    }
}

pub(super) fn breakers(raw: &RawBreakers) -> BreakersConfig {
    let default = BreakersConfig::default();
    BreakersConfig {
        agent_errors_per_hour: raw.agent_errors_per_hour.unwrap_or(default.agent_errors_per_hour),
        agent_denials_per_hour: raw.agent_denials_per_hour.unwrap_or(default.agent_denials_per_hour),
        account_errors_per_hour: raw.account_errors_per_hour.unwrap_or(default.account_errors_per_hour),
    }
}

pub(super) fn meant(wanted: &str, known: &[String]) -> String {
    match nearest(wanted, known.iter().map(String::as_str)).as_slice() {
        [] => format!("use one of `{}`", known.join("`, `")),
        names => format!("did you mean `{}`?", names.join("` or `")),
    }
}

/// A date alone is its midnight in UTC.
fn expiry(written: &str) -> Option<Timestamp> {
    if !written.chars().all(|c| c.is_ascii_digit() || "-+:.TZ".contains(c)) {
        return None;
    }
    let date = || -> Option<Timestamp> {
        let date = written.parse::<Date>().ok().filter(|date| date.to_string() == written)?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    written.parse::<Timestamp>().ok().or_else(date)
}

/// Whether a path is a policy file, or a folder with at least one in it. A folder that is empty is more likely the
/// wrong one than meant.
fn holds_policies(path: &Path) -> Result<(), (String, &'static str)> {
    let is_policy = |path: &Path| path.extension().is_some_and(|extension| extension == "cedar");
    let shown = path.display();
    if path.is_dir() {
        let entries = std::fs::read_dir(path)
            .map_err(|error| (format!("the folder `{shown}` can't be read: {error}"), "check its permissions"))?;
        let any = entries.flatten().any(|entry| is_policy(&entry.path()));
        return match any {
            true => Ok(()),
            false => Err((format!("the folder `{shown}` holds no `*.cedar` file"), "add one, or take the folder out")),
        };
    }
    if !path.is_file() {
        return Err((format!("there is no file or folder `{shown}`"), "create it, or take it out"));
    }
    match is_policy(path) {
        true => Ok(()),
        false => Err((format!("`{shown}` is not a `*.cedar` file"), "rename it, or name the folder it lies in")),
    }
}
