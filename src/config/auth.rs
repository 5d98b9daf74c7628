//! Who may call over HTTP: static tokens, and the tokens of one OAuth issuer.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::names::{Agent, Human};

/// Who may call over HTTP. Without anything in it nobody may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthConfig {
    /// The static tokens. No two have the same hash.
    pub tokens: Vec<TokenConfig>,
    /// The issuer whose tokens are accepted.
    pub oauth: Option<OAuthConfig>,
}

/// A static bearer token, known by its hash only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// Its name in the configuration; goes into logs.
    pub name: String,
    /// SHA-256 of the whole token as it is sent, `cs_` included.
    pub sha256: [u8; 32],
    /// The agent that holds it.
    pub agent: Agent,
    /// The human that agent acts for.
    pub human: Human,
    /// From then on it is worth nothing.
    pub expires: Timestamp,
}

/// The issuer whose access tokens (JWT) are accepted, and what their claims mean here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthConfig {
    /// The issuer, exactly as it stands in its tokens.
    pub issuer: String,
    /// Where its public keys are.
    pub keys: KeySource,
    /// A token must be for one of these; `None`: for this server, by its own address with `/mcp`.
    pub audience: Option<Vec<String>>,
    /// A token must be signed with one of these. Never empty.
    pub algorithms: Vec<TokenAlgorithm>,
    /// The scope a token must have; default `countersign`.
    pub scope: String,
    /// The claim that names the human; default `email`, which counts only where the issuer says that it is verified.
    pub human_claim: String,
    /// Which agent a token is for: the first that matches.
    pub agents: Vec<AgentRule>,
    /// The agent of tokens that no rule matches; `None`: they are refused.
    pub default_agent: Option<Agent>,
    /// How long after it was issued a token counts at most; `None`: until it expires.
    pub max_age: Option<Duration>,
    /// How long keys count that could not be fetched again; default 24 hours.
    pub stale_keys: Duration,
}

/// Where an issuer's public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Where the issuer's own description says (OpenID Connect Discovery, RFC 8414).
    Discovery,
    /// At this address.
    Url(Url),
    /// In this file, which is read again as keys from the network are.
    File(PathBuf),
}

/// A signature algorithm (RFC 7518, RFC 8037). There are none with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TokenAlgorithm {
    /// RSA PKCS #1 1.5 with SHA-256.
    RS256,
    /// RSA PKCS #1 1.5 with SHA-384.
    RS384,
    /// RSA PKCS #1 1.5 with SHA-512.
    RS512,
    /// RSA PSS with SHA-256.
    PS256,
    /// RSA PSS with SHA-384.
    PS384,
    /// RSA PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

/// Tokens with this claim are for this agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRule {
    /// The claim, such as `client_id`.
    pub claim: String,
    /// What it must be; of a list, one of its members.
    pub value: String,
    /// The agent.
    pub agent: Agent,
    /// The human, whatever the token says; `None`: as its claim says. For clients that act for one person and have no
    /// user of their own.
    pub human: Option<Human>,
}

/// True for an address on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(host)) => host == "localhost" || host.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
