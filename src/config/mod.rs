//! `countersign.toml`, parsed once: [`find()`] the file, [`load`] it. Every unknown key and every doubtful value is an error.

pub mod auth;
mod compile;
mod find;
mod http;
pub mod notify;
mod raw;
mod ticket;
mod web;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::document::Problem;
use crate::names::{Agent, Human, Region, Stage};
use crate::policy::set::People;
use crate::policy::windows::Windows;

pub use auth::AuthConfig;
pub use compile::load;
pub use find::{Environment, NotFound, find};
pub use http::{DEFAULT_PORT, HttpConfig, HttpLimits, TlsFiles};
pub use notify::NotifyConfig;
pub use raw::schema;
pub use ticket::TicketConfig;
pub use web::{Host, Network, Origin};

/// The whole configuration, checked, with defaults filled in and relative paths resolved against the file's folder.
#[derive(Clone, Debug)]
pub struct Config {
    /// The accounts calls may go to; at least one.
    pub accounts: Vec<Account>,
    /// Who is served over stdio.
    pub caller: CallerConfig,
    /// Where plans and the record are kept.
    pub store: PathBuf,
    /// How AWS is reached.
    pub aws: AwsConfig,
    /// Limits of time and size.
    pub limits: LimitsConfig,
    /// Which tools there are.
    pub manifests: ManifestsConfig,
    /// Which policies hold.
    pub policy: PolicyConfig,
    /// The agents, by name. Never empty, and the caller's is among them.
    pub agents: BTreeMap<Agent, AgentConfig>,
    /// How far clients are trusted, by the name they give themselves; others are unknown.
    pub clients: BTreeMap<String, Trust>,
    /// What tags say of a resource.
    pub tag_rules: Vec<TagRule>,
    /// When things may be changed.
    pub windows: Windows,
    /// What a ticket looks like; `None` where calls name none.
    pub ticket: Option<TicketConfig>,
    /// Most resources an agent changes.
    pub budgets: BudgetsConfig,
    /// When a breaker opens.
    pub breakers: BreakersConfig,
    /// How agents and approvers reach the server over HTTP; `None` where they don't.
    pub http: Option<HttpConfig>,
    /// Who is told when a plan needs people; `None` where nobody is.
    pub notify: Option<NotifyConfig>,
    /// Digest of the file's text.
    pub digest: Digest,
    /// The file it came from.
    pub path: PathBuf,
}

impl Config {
    /// The agents and accounts that policies may name.
    pub fn people(&self) -> People {
        let stage = |rule: &TagRule| match rule.says {
            TagSays::Stage(stage) => Some(stage),
            TagSays::Protected => Some(Stage::Prod),
            TagSays::Owner => None,
        };
        People {
            agents: self.agents.clone(),
            accounts: self.accounts.clone(),
            highest_by_tags: self.tag_rules.iter().filter_map(stage).max(),
        }
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name, such as `shop-prod`.
    pub name: String,
    /// Its twelve digits.
    pub id: String,
    /// What it is used for.
    pub stage: Stage,
    /// The regions calls may go to; the first is the default. At least one.
    pub regions: Vec<Region>,
    /// The role for reading; `None`: the server's own identity.
    pub read_role: Option<String>,
    /// The role for changing; `None`: the server's own identity.
    pub change_role: Option<String>,
    /// The external id both roles ask for.
    pub external_id: Option<String>,
}

/// Who is served over stdio.
#[derive(Clone, Debug)]
pub struct CallerConfig {
    /// The human the agent acts for.
    pub human: Human,
    /// The agent.
    pub agent: Agent,
}

/// Which policies hold.
#[derive(Clone, Debug, Default)]
pub struct PolicyConfig {
    /// The shipped profile; default [`Profile::Standard`].
    pub profile: Profile,
    /// Files and folders of the admin's own policies (`*.cedar`), in force besides the profile.
    pub files: Vec<PathBuf>,
    /// Roles besides the built-in ones.
    pub roles: Vec<String>,
    /// Groups of approvers besides the built-in one.
    pub groups: Vec<String>,
    /// Files and folders of the admin's own invariants (`*.cedar`), besides the shipped ones.
    pub invariants: Vec<PathBuf>,
    /// True where policies come into force only with their invariants proved.
    pub require_proof: bool,
}

/// A shipped set of policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Reads only.
    Observe,
    /// Everything can be planned; a person applies it.
    Suggest,
    /// Writes in dev are free; production needs other people.
    #[default]
    Standard,
    /// As `standard`, with tickets and change windows.
    Regulated,
    /// Nothing but the floor: all that is permitted stands in the admin's own files.
    None,
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Standard => "standard",
            Self::Regulated => "regulated",
            Self::None => "none",
        })
    }
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// Its roles.
    pub roles: Vec<String>,
    /// Names of the accounts it may call.
    pub accounts: Vec<String>,
    /// Most targets and dependents of one call.
    pub max_resources: u32,
    /// From then on it may do nothing.
    pub expires: Option<Timestamp>,
}

/// How far a client is trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// An admin has looked at it.
    Known,
    /// It is installed and configured by the organisation.
    Managed,
}

/// What one tag says of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRule {
    /// The tag's key.
    pub tag: String,
    /// What the value must be like, `*` for anything; `None`: any value.
    pub value: Option<String>,
    /// What follows where it matches.
    pub says: TagSays,
}

/// What follows from a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagSays {
    /// At least this stage; a tag never lowers the account's.
    Stage(Stage),
    /// It is protected from deletion.
    Protected,
    /// The tag's value is the team that owns it.
    Owner,
}

/// Most resources an agent changes, whatever policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetsConfig {
    /// In one session; default 100.
    pub changes_per_session: u32,
    /// In any hour, over all sessions; default 100.
    pub changes_per_hour: u32,
}

impl Default for BudgetsConfig {
    fn default() -> Self {
        Self { changes_per_session: 100, changes_per_hour: 100 }
    }
}

/// When a breaker opens. It stays open until a person closes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakersConfig {
    /// An agent's calls that failed at AWS, or whose outcome is unknown, within an hour; default 5. Zero switches it off.
    pub agent_errors_per_hour: u32,
    /// Refusals an agent got within an hour; default 30. Zero switches it off.
    pub agent_denials_per_hour: u32,
    /// Calls of all agents to one account that failed, or whose outcome is unknown, within an hour; default 10. Zero
    /// switches it off.
    pub account_errors_per_hour: u32,
}

impl Default for BreakersConfig {
    fn default() -> Self {
        Self { agent_errors_per_hour: 5, agent_denials_per_hour: 30, account_errors_per_hour: 10 }
    }
}

/// How AWS is reached. Environment variables for endpoints are not honoured: only this is.
#[derive(Clone, Debug, Default)]
pub struct AwsConfig {
    /// The profile of the server's own identity.
    pub profile: Option<String>,
    /// The credentials file, where it isn't the usual one.
    pub credentials_file: Option<PathBuf>,
    /// One endpoint for all services.
    pub endpoint_url: Option<String>,
    /// Endpoints by service (botocore's name).
    pub endpoint_urls: BTreeMap<String, String>,
    /// FIPS endpoints.
    pub use_fips: bool,
    /// Dual-stack endpoints.
    pub use_dual_stack: bool,
}

/// Limits of time and size.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// How long a plan can be applied; default 15 minutes.
    pub plan_ttl: Duration,
    /// How long a plan that needs other people can be applied; default 4 hours.
    pub approval_ttl: Duration,
    /// How long the steps of a chain about one thing are remembered; default 24 hours.
    pub chain: Duration,
    /// How long a person may take to answer; default 240 seconds, under clients' own limits.
    pub confirmation_timeout: Duration,
    /// How long one call to AWS may take, retries included; default 60 seconds.
    pub call_timeout: Duration,
    /// Most bytes of a result that go to the agent; default 64 KiB.
    pub result_bytes: usize,
    /// Most calls at AWS at the same time; default 64.
    pub concurrent_calls: usize,
}

/// Which tools there are.
#[derive(Clone, Debug, Default)]
pub struct ManifestsConfig {
    /// Folders of manifests besides the shipped ones; a tool of the same name replaces the shipped one.
    pub folders: Vec<PathBuf>,
    /// Which are listed for clients: toolsets, `core` or `all`; empty means `core`.
    pub toolsets: Vec<String>,
    /// Tools that don't exist here.
    pub disabled: Vec<String>,
    /// Where the names stand in the file, by their JSON pointers, such as `/manifests/disabled/0`.
    pub places: BTreeMap<String, Problem>,
}
