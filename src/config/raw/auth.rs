//! Who may call over HTTP, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::auth::TokenAlgorithm;

/// A static bearer token. `countersign token new` makes one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawToken {
    /// SHA-256 of the token, 64 hexadecimal digits. Never the token itself.
    pub(in crate::config) sha256: String,
    /// The agent that holds it.
    #[schemars(length(min = 1, max = 64))]
    pub(in crate::config) agent: String,
    /// The human that agent acts for.
    #[schemars(length(min = 1, max = 64))]
    pub(in crate::config) human: String,
    /// From then on it is worth nothing: a date (midnight UTC) or a time with an offset.
    pub(in crate::config) expires: String,
}

/// The issuer whose access tokens are accepted, and what their claims mean here.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawOAuth {
    /// The issuer, exactly as it stands in its tokens.
    pub(in crate::config) issuer: String,
    /// Where its keys are. Default: where its own description says.
    pub(in crate::config) jwks_url: Option<String>,
    /// A file with its keys (a JSON Web Key Set), for servers that can't reach it.
    #[schemars(length(min = 1))]
    pub(in crate::config) jwks_file: Option<String>,
    /// A token must be for one of these. Default: the public address with `/mcp`.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub(in crate::config) audience: Option<Vec<String>>,
    /// A token must be signed with one of these. Default: RS256, PS256, ES256 and EdDSA.
    #[schemars(length(min = 1))]
    pub(in crate::config) algorithms: Option<Vec<TokenAlgorithm>>,
    /// The scope a token must have. Default: `countersign`.
    #[schemars(regex(pattern = r"^[\x21\x23-\x5B\x5D-\x7E]{1,128}$"))]
    pub(in crate::config) scope: Option<String>,
    /// The claim that names the human. Default: `email`, which counts only where `email_verified` is true.
    #[schemars(length(min = 1, max = 128))]
    pub(in crate::config) human_claim: Option<String>,
    /// Which agent a token is for: the first rule that matches. Tokens that none matches are refused.
    #[serde(default)]
    pub(in crate::config) agents: Vec<RawAgentRule>,
    /// The agent of tokens that no rule matches. Default: they are refused.
    pub(in crate::config) default_agent: Option<String>,
    /// How long after it was issued a token counts at most, `1m` to `720h`. Default: until it expires.
    pub(in crate::config) max_age: Option<String>,
    /// How long keys count while the issuer can't be reached, `10m` to `168h`. Default: `24h`.
    pub(in crate::config) stale_keys: Option<String>,
}

/// Tokens with this claim are for this agent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawAgentRule {
    /// The claim, such as `client_id` or `azp`.
    #[schemars(length(min = 1, max = 128))]
    pub(in crate::config) claim: String,
    /// What it must be, exactly; of a list, one of its members.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::config) value: String,
    /// The agent.
    pub(in crate::config) agent: String,
    /// The human, whatever the token says. For clients that act for one person and have no user of their own.
    #[schemars(length(min = 1, max = 64))]
    pub(in crate::config) human: Option<String>,
}
