//! `countersign.toml`, parsed once: [`find()`] the file, [`load`] it. Every unknown key and every doubtful value is an error.

mod compile;
mod find;
mod raw;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::names::{Agent, Human, Region, Stage};

pub use compile::load;
pub use find::{Environment, NotFound, find};
pub use raw::schema;

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
    /// Digest of the file's text.
    pub digest: Digest,
    /// The file it came from.
    pub path: PathBuf,
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
    /// Only these toolsets; empty means all.
    pub toolsets: Vec<String>,
    /// Tools that don't exist here.
    pub disabled: Vec<String>,
}
