//! `countersign.toml` as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::document;
use crate::names::Stage;

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
    /// Only these toolsets. Default: all.
    #[serde(default)]
    pub(super) toolsets: Vec<String>,
    /// Tools that don't exist here.
    #[serde(default)]
    pub(super) disabled: Vec<String>,
}
