//! Who calls over HTTP: from a request's headers to a [`Principal`], or to a [`Challenge`] that says what is missing.
//!
//! Two kinds of credentials are taken, from the header `Authorization` only: static tokens ([`token`]), and access tokens
//! of one OAuth issuer ([`jwt`]), for which this server is a resource server as MCP's authorization says. Nothing here
//! looks at a request's body, and nothing of a credential goes further than this folder: not to AWS, not into the record,
//! not into the log. A refused caller learns what the standards say and no more; the reasons are in the log.
//!
//! Humans have one namespace: `dana` of a static token, of an issuer's claim, of `[caller]` and among the approvers are
//! one person. So a claim must name people by what the issuer itself vouches for.

pub mod challenge;
mod fetch;
pub mod jwks;
pub mod jwt;
mod keys;
mod mapping;
pub mod metadata;
pub mod token;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::config::{AuthConfig, CallerConfig, HttpConfig};
use crate::digest::Digest;
use crate::names::{Agent, Human};
use crate::ports::Clock;

pub use challenge::{Challenge, Challenger, Refusal};
use jwt::AccessTokens;
use metadata::Metadata;
use token::StaticTokens;

/// Who calls, authenticated. Comes from credentials or the configuration, never from a message. What one principal began
/// belongs to nobody who is not equal to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The agent.
    pub agent: Agent,
    /// The human it acts for.
    pub human: Human,
    /// What says so.
    pub source: Source,
}

/// What says who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The configured caller: nobody else can reach the listener.
    Configured,
    /// A static token.
    Token {
        /// Its name in the configuration.
        name: String,
    },
    /// An access token of the configured issuer.
    OAuth {
        /// Digest of issuer and subject: the same for all tokens of one account there, and nothing by itself.
        subject: Digest,
    },
}

/// Lets callers in.
#[derive(Clone, Debug)]
pub struct Gate(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Whoever reaches the listener is this caller.
    Open(Principal),
    /// Credentials are asked for.
    Guarded(Arc<Guard>),
}

#[derive(Debug)]
struct Guard {
    tokens: StaticTokens,
    oauth: Option<AccessTokens>,
    metadata: Option<Metadata>,
    challenger: Challenger,
}

/// Why there is no gate.
#[derive(Debug, thiserror::Error)]
#[error("the issuer's keys can't be fetched: {0}; look at this machine's TLS certificates, or set `jwks_file`")]
pub struct GateError(#[from] reqwest::Error);

impl Gate {
    /// The gate for what is configured.
    ///
    /// Without any credentials in the configuration, callers are the configured one where nobody but this machine can
    /// reach the listener: it is bound to the loopback interface, and no public address leads to it. Else nobody is let in.
    pub fn new(http: &HttpConfig, caller: &CallerConfig, clock: Arc<dyn Clock>) -> Result<Self, GateError> {
        let AuthConfig { tokens, oauth } = &http.auth;
        if tokens.is_empty() && oauth.is_none() && is_local(http) {
            return Ok(Self::without_credentials(caller));
        }
        let metadata = oauth.as_ref().map(|oauth| Metadata::of(http, oauth));
        Ok(Self(Kind::Guarded(Arc::new(Guard {
            tokens: StaticTokens::new(tokens.clone(), Arc::clone(&clock)),
            oauth: oauth.clone().map(|oauth| AccessTokens::new(oauth, http.resource(), clock)).transpose()?,
            challenger: Challenger::new(metadata.as_ref()),
            metadata,
        }))))
    }

    /// A gate without credentials: whoever reaches the listener is the configured caller. For loopback only.
    pub fn without_credentials(caller: &CallerConfig) -> Self {
        let (agent, human) = (caller.agent.clone(), caller.human.clone());
        Self(Kind::Open(Principal { agent, human, source: Source::Configured }))
    }

    /// True where callers need credentials.
    pub fn asks_for_credentials(&self) -> bool {
        match self.0 {
            Kind::Open(_) => false,
            Kind::Guarded(_) => true,
        }
    }

    /// True where no credentials are good enough, because none are configured.
    pub fn is_closed(&self) -> bool {
        match &self.0 {
            Kind::Open(_) => false,
            Kind::Guarded(guard) => guard.tokens.is_empty() && guard.oauth.is_none(),
        }
    }

    /// Serves the protected resource's metadata, where there is an issuer that clients can get tokens from.
    pub fn routes(&self) -> axum::Router {
        match &self.0 {
            Kind::Open(_) => axum::Router::new(),
            Kind::Guarded(guard) => guard.metadata.as_ref().map(Metadata::routes).unwrap_or_default(),
        }
    }

    /// Who sent a request.
    pub async fn authenticate(&self, parts: &Parts) -> Result<Principal, Challenge> {
        let guard = match &self.0 {
            Kind::Open(_) if came_by_a_proxy(parts) => {
                tracing::warn!("a request came by a proxy, where no credentials are configured: it is not let in");
                return Err(Challenger::new(None).challenge(&Refusal::Missing));
            }
            Kind::Open(principal) => return Ok(principal.clone()),
            Kind::Guarded(guard) => guard,
        };
        match guard.authenticate(parts).await {
            Ok(principal) => {
                tracing::debug!(agent = %principal.agent, human = %principal.human, "a caller was let in");
                Ok(principal)
            }
            Err(refusal) => {
                if let Some(reason) = refusal.reason() {
                    tracing::warn!(reason, "a caller was not let in");
                }
                Err(guard.challenger.challenge(&refusal))
            }
        }
    }
}

/// True where a proxy says so: then whoever called is perhaps not on this machine.
fn came_by_a_proxy(parts: &Parts) -> bool {
    let says =
        |name: &str| name == "forwarded" || name == "via" || name == "x-real-ip" || name.starts_with("x-forwarded-");
    parts.headers.keys().any(|name| says(name.as_str()))
}

impl Guard {
    async fn authenticate(&self, parts: &Parts) -> Result<Principal, Refusal> {
        let token = bearer(parts)?;
        if token.starts_with(token::PREFIX) {
            return self.tokens.principal(token);
        }
        match &self.oauth {
            Some(oauth) => oauth.principal(token).await,
            None => Err(Refusal::Invalid("it is not a static token, and no issuer is configured".to_owned())),
        }
    }
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750, section 2.1). The query and the body are no places for one.
fn bearer(parts: &Parts) -> Result<&str, Refusal> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else { return Err(Refusal::Missing) };
    if headers.next().is_some() {
        return Err(Refusal::Malformed("there is more than one header `Authorization`"));
    }
    let written = header.to_str().map_err(|_| Refusal::Malformed("the header `Authorization` is not ASCII"))?;
    let Some((scheme, token)) = written.split_once(' ') else {
        return Err(Refusal::Malformed("the header `Authorization` holds one word only"));
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Missing);
    }
    let token = token.trim_matches(' ');
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if token.is_empty() || !token.chars().all(is_token) {
        return Err(Refusal::Malformed("the header `Authorization` holds no bearer token"));
    }
    Ok(token)
}

/// True where nobody but this machine reaches the listener: not by its address, and not through a proxy before it.
fn is_local(http: &HttpConfig) -> bool {
    let public = http.public_url.as_ref().is_some_and(|url| !crate::config::auth::is_loopback(url));
    http.listen.ip().to_canonical().is_loopback() && !public && http.trusted_proxies.is_empty()
}

#[cfg(test)]
mod tests;
