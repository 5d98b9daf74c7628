//! `countersign.toml` as it is written.

mod auth;
mod notify;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Profile, Trust};
use crate::document;
use crate::names::Stage;

pub(super) use auth::{RawOAuth, RawToken};
pub(super) use notify::RawNotify;

/// The JSON Schema of `countersign.toml`, for editors and for [`super::load`].
pub fn schema() -> Value {
    document::schema::of::<RawConfig>("https://countersign.dev/schemas/countersign.toml.schema.json")
}

/// The configuration of countersign.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "countersign.toml")]
pub(super) struct RawConfig {
    /// Who is served over stdio.
    pub(super) caller: RawCaller,
    /// The accounts calls may go to, by name.
    #[schemars(length(min = 1))]
    pub(super) accounts: BTreeMap<String, RawAccount>,
    /// Where plans and the record are kept.
    #[serde(default)]
    pub(super) store: RawStore,
    /// How AWS is reached. Environment variables for endpoints are not honoured.
    #[serde(default)]
    pub(super) aws: RawAws,
    /// Limits of time and size.
    #[serde(default)]
    pub(super) limits: RawLimits,
    /// Which tools there are.
    #[serde(default)]
    pub(super) manifests: RawManifests,
    /// Which policies hold.
    #[serde(default)]
    pub(super) policy: RawPolicy,
    /// The agents, by name. Without any, the caller's agent is an `operator` in all accounts.
    #[serde(default)]
    pub(super) agents: BTreeMap<String, RawAgent>,
    /// How far clients are trusted, by the name they give themselves.
    #[serde(default)]
    pub(super) clients: BTreeMap<String, Trust>,
    /// What tags say of a resource.
    #[serde(default)]
    pub(super) tags: Vec<RawTagRule>,
    /// When things may be changed. Default: always.
    pub(super) windows: Option<RawWindows>,
    /// What a ticket looks like. Without it calls name none.
    pub(super) ticket: Option<RawTicket>,
    /// Most resources an agent changes, whatever policy says.
    #[serde(default)]
    pub(super) budgets: RawBudgets,
    /// When a breaker opens; it stays open until a person closes it.
    #[serde(default)]
    pub(super) breakers: RawBreakers,
    /// How agents and approvers reach the server over HTTP. Without it plans can't be put before other people.
    pub(super) http: Option<RawHttp>,
    /// Who is told when a plan needs people. Default: nobody.
    pub(super) notify: Option<RawNotify>,
}

/// How agents and approvers reach the server over HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    /// Where it listens. Default: `127.0.0.1:8470`.
    pub(super) listen: Option<String>,
    /// How browsers and agents reach it: scheme, host and port. Passkeys are bound to the host, so choose it once.
    /// Default: `http://localhost` with the port.
    pub(super) public_url: Option<String>,
    /// How long the page of an irreversible plan must have been open before it can be approved, `0s` to `10m`.
    /// Default: `20s`.
    pub(super) reading_time: Option<String>,
    /// Static bearer tokens, by name. `countersign token new` makes one.
    #[serde(default)]
    pub(super) tokens: BTreeMap<String, RawToken>,
    /// The OAuth issuer whose access tokens are accepted.
    pub(super) oauth: Option<RawOAuth>,
    /// The certificate chain for TLS, a PEM file. Read again on SIGHUP. Default: no TLS, on this machine only.
    pub(super) tls_certificate: Option<String>,
    /// The certificate's private key, a PEM file.
    pub(super) tls_key: Option<String>,
    /// Listen without TLS for other machines too: where a proxy in front does TLS, and nobody else can get past it.
    /// Default: no.
    #[serde(default)]
    pub(super) plaintext_beyond_loopback: bool,
    /// Names (`HOST` or `HOST:PORT`) that requests may give as their host, besides `public_url` and this machine's own.
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 255)))]
    pub(super) allowed_hosts: Vec<String>,
    /// Sites whose pages may reach the agents' endpoint, such as `https://inspector.example.com`. Default: none.
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 255)))]
    pub(super) allowed_origins: Vec<String>,
    /// Addresses and networks, such as `10.0.0.0/8`, of proxies that are believed about where a request came from
    /// (`X-Forwarded-For`). Default: none.
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 64)))]
    pub(super) trusted_proxies: Vec<String>,
    /// Most open connections. Default: 4096.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) connections: Option<usize>,
    /// Most requests under way. Default: 1024.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) requests: Option<usize>,
    /// Most requests under way for one agent and human. Default: 64.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) requests_per_caller: Option<usize>,
    /// Most open MCP sessions. Default: 4096.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) sessions: Option<usize>,
    /// Most open MCP sessions of one agent and human; a further one ends the one that was idle longest. Default: 256.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) sessions_per_caller: Option<usize>,
    /// How long an MCP session may be idle before it ends, `1m` to `24h`. Default: `30m`.
    pub(super) session_idle: Option<String>,
}

/// Who is served over stdio.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCaller {
    /// The human the agent acts for; named in every plan, every record and in CloudTrail.
    #[schemars(length(min = 1, max = 64))]
    pub(super) human: String,
    /// The agent. Default: `agent`.
    #[schemars(length(min = 1, max = 64))]
    pub(super) agent: Option<String>,
}

/// One account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccount {
    /// Its twelve digits, in quotes.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub(super) id: String,
    /// What it is used for.
    pub(super) stage: Stage,
    /// The regions calls may go to; the first is the default.
    #[schemars(length(min = 1))]
    pub(super) regions: Vec<String>,
    /// The role for reading. Default: the server's own identity.
    pub(super) read_role: Option<String>,
    /// The role for changing. Default: the server's own identity.
    pub(super) change_role: Option<String>,
    /// The external id both roles ask for.
    #[schemars(length(min = 2, max = 1224))]
    pub(super) external_id: Option<String>,
}

/// Where plans and the record are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStore {
    /// The database file. Default: `$XDG_STATE_HOME/countersign/countersign.db`.
    #[schemars(length(min = 1))]
    pub(super) path: Option<String>,
}

/// How AWS is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAws {
    /// The profile of the server's own identity.
    #[schemars(length(min = 1))]
    pub(super) profile: Option<String>,
    /// The credentials file, where it isn't the usual one.
    #[schemars(length(min = 1))]
    pub(super) credentials_file: Option<String>,
    /// One endpoint for all services, such as that of a local cloud.
    pub(super) endpoint_url: Option<String>,
    /// Endpoints by service, with the names of the AWS CLI.
    #[serde(default)]
    pub(super) endpoint_urls: BTreeMap<String, String>,
    /// FIPS endpoints. Default: no.
    #[serde(default)]
    pub(super) use_fips: bool,
    /// Dual-stack endpoints. Default: no.
    #[serde(default)]
    pub(super) use_dual_stack: bool,
}

/// Limits of time and size.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    /// How long a plan can be applied, `1m` to `24h`. Default: `15m`.
    pub(super) plan_ttl: Option<String>,
    /// How long a plan that needs other people can be applied, `5m` to `72h`. Default: `4h`.
    pub(super) approval_ttl: Option<String>,
    /// How long the steps of a chain about one thing are remembered, such as a delete and then a create, `1h` to `168h`.
    /// Default: `24h`.
    pub(super) chain: Option<String>,
    /// How long a person may take to answer, `10s` to `270s`. Default: `240s`.
    pub(super) confirmation_timeout: Option<String>,
    /// How long one call to AWS may take, retries included, `1s` to `15m`. Default: `60s`.
    pub(super) call_timeout: Option<String>,
    /// Most bytes of a result that go to the agent. Default: 65536.
    #[schemars(range(min = 1024, max = 10_485_760))]
    pub(super) result_bytes: Option<usize>,
    /// Most calls at AWS at the same time. Default: 64.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) concurrent_calls: Option<usize>,
}

/// Which tools there are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawManifests {
    /// Folders of manifests besides the shipped ones; a tool of the same name replaces the shipped one.
    #[serde(default)]
    pub(super) folders: Vec<String>,
    /// Which tools are listed for clients: toolsets by name, `core` (few of each service, and what lies in your own folders),
    /// or `all`. What isn't listed can be called all the same. Default: `core`.
    #[serde(default)]
    pub(super) toolsets: Vec<String>,
    /// Tools that don't exist here, neither by their name nor by their operation.
    #[serde(default)]
    pub(super) disabled: Vec<String>,
}

/// Which policies hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    /// The shipped profile. Default: `standard`.
    #[serde(default)]
    pub(super) profile: Profile,
    /// Your own policies, in force besides the profile: `*.cedar` files and folders of them.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub(super) files: Vec<String>,
    /// Roles besides `reader`, `operator` and `secrets`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[a-z0-9][a-z0-9-]{0,31}$")))]
    pub(super) roles: Vec<String>,
    /// Groups of approvers besides `approvers`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[a-z0-9][a-z0-9-]{0,31}$")))]
    pub(super) groups: Vec<String>,
    /// Your own invariants, proved besides the shipped ones: `*.cedar` files and folders of them.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub(super) invariants: Vec<String>,
    /// Take policies into force only where no policy can fail and every invariant is proved; needs the solver cvc5.
    /// Default: no, what is not proved is only told.
    #[serde(default)]
    pub(super) require_proof: bool,
}

/// One agent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAgent {
    /// Its roles.
    #[schemars(length(min = 1))]
    pub(super) roles: Vec<String>,
    /// The accounts it may call, by name.
    #[schemars(length(min = 1))]
    pub(super) accounts: Vec<String>,
    /// Most targets and dependents of one call. Default: 100.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) max_resources: Option<u32>,
    /// From then on it may do nothing: a date (midnight UTC) or a time with an offset. Default: never.
    pub(super) expires: Option<String>,
}

/// What one tag says of a resource: exactly one of `stage`, `protected` and `owner`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTagRule {
    /// The tag's key, exactly.
    #[schemars(length(min = 1, max = 128))]
    pub(super) tag: String,
    /// What the value must be like; `*` stands for anything. Default: any value.
    #[schemars(length(max = 256))]
    pub(super) value: Option<String>,
    /// The resource has at least this stage; a tag never lowers the account's.
    pub(super) stage: Option<Stage>,
    /// True: the resource is protected from deletion.
    pub(super) protected: Option<bool>,
    /// True: the tag's value is the team that owns it.
    pub(super) owner: Option<bool>,
}

/// When things may be changed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWindows {
    /// The place whose clocks count, such as `Europe/Berlin`; needed wherever there is a span or a freeze.
    pub(super) time_zone: Option<String>,
    /// Open then, and else not, such as `Mon-Thu 09:00-16:00`. Default: always.
    #[serde(default)]
    pub(super) allowed: Vec<String>,
    /// Closed then, whatever is allowed, such as `Sat-Sun` or `Fri 12:00 - Mon 08:00`.
    #[serde(default)]
    pub(super) frozen: Vec<String>,
    /// Closed then, once.
    #[serde(default)]
    pub(super) freezes: Vec<RawFreeze>,
}

/// Nothing is changed for a while.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFreeze {
    /// Its beginning, such as `2026-12-20T00:00`, by the clocks there, or with an offset.
    pub(super) from: String,
    /// Its end, not part of it.
    pub(super) to: String,
    /// Why; agents and people are told.
    #[schemars(length(min = 1, max = 120))]
    pub(super) why: String,
}

/// What a ticket looks like.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTicket {
    /// A regular expression for the whole ticket.
    #[schemars(length(min = 1, max = 200))]
    pub(super) pattern: String,
}

/// Most resources an agent changes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBudgets {
    /// In one session. Default: 100.
    pub(super) changes_per_session: Option<u32>,
    /// In any hour, over all its sessions. Default: 100.
    pub(super) changes_per_hour: Option<u32>,
}

/// When a breaker opens; 0 switches one off.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBreakers {
    /// An agent's calls that failed or whose outcome is unknown, within an hour. Default: 5.
    pub(super) agent_errors_per_hour: Option<u32>,
    /// Refusals an agent got within an hour. Default: 30.
    pub(super) agent_denials_per_hour: Option<u32>,
    /// Calls of all agents to one account that failed or whose outcome is unknown, within an hour. Default: 10.
    pub(super) account_errors_per_hour: Option<u32>,
}
