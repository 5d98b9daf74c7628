//! Access tokens of the configured issuer: signed JWTs (RFC 7519), checked as RFC 9068 and RFC 8725 say.
//!
//! What is refused, beyond a signature, issuer, audience or time that is wrong: every algorithm that isn't configured
//! (those with a shared secret can't be); headers that bring a key of their own or a demand that isn't understood; tokens
//! that were made for something else and show it (ID tokens, refresh tokens); and tokens bound to a key (`cnf`), which
//! prove nothing without that key.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::keys::Keys;
use super::{Principal, Refusal, mapping};
use crate::config::auth::{OAuthConfig, TokenAlgorithm};
use crate::ports::Clock;
use crate::text::escape::quoted;

/// Most bytes of a token.
pub const LONGEST: usize = 16 << 10;

/// How far the issuer's clock may be off.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// Claims that only ID tokens have (OpenID Connect Core 1.0, sections 2 and 3.3.2.11).
const OF_ID_TOKENS: [&str; 4] = ["nonce", "at_hash", "c_hash", "s_hash"];

/// Takes access tokens.
#[derive(Debug)]
pub(super) struct AccessTokens {
    config: OAuthConfig,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

impl AccessTokens {
    /// Begins to fetch the issuer's keys. Needs tokio's runtime. Tokens must be for `resource`, unless the configuration
    /// names another audience.
    pub(super) fn new(
        mut config: OAuthConfig,
        resource: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        config.audience.get_or_insert_with(|| vec![resource]);
        let keys = Keys::new(&config, Arc::clone(&clock))?;
        keys.keep_fresh();
        Ok(Self { config, keys, clock })
    }

    /// Whose token this is.
    pub(super) async fn principal(&self, token: &str) -> Result<Principal, Refusal> {
        let claims = self.verified(token).await?;
        mapping::principal(&claims, &self.config)
    }

    async fn verified(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::Invalid(format!("it is longer than {LONGEST} bytes")));
        }
        let header = decode_header(token).map_err(|error| Refusal::Invalid(format!("it is no JWT: {error}")))?;
        let allowed: Vec<Algorithm> = self.config.algorithms.iter().map(|algorithm| known(*algorithm)).collect();
        check_header(&header, &allowed).map_err(Refusal::Invalid)?;
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let verified = decode::<Map<String, Value>>(token, &key, &signature_only(header.alg));
        let claims = verified.map_err(|error| Refusal::Invalid(format!("it can't be verified: {error}")))?.claims;
        check_claims(&claims, &header, &self.config, self.clock.now()).map_err(Refusal::Invalid)?;
        Ok(claims)
    }
}

/// The claims are checked here, by this server's clock and more strictly.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn check_header(header: &Header, allowed: &[Algorithm]) -> Result<(), String> {
    if !allowed.contains(&header.alg) {
        return Err(format!("its algorithm {:?} is not allowed", header.alg));
    }
    let brings_a_key = header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() || header.x5c.is_some();
    if brings_a_key {
        return Err("its header brings a key of its own (`jwk`, `jku`, `x5u` or `x5c`)".to_owned());
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err("its header demands what isn't done here (`crit`, `enc` or `zip`)".to_owned());
    }
    match header.typ.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("jwt" | "at+jwt" | "application/at+jwt") => Ok(()),
        Some(other) => Err(format!("its type is {}, not `at+jwt` or `JWT`", quoted(other, 40))),
    }
}

fn check_claims(
    claims: &Map<String, Value>,
    header: &Header,
    config: &OAuthConfig,
    now: Timestamp,
) -> Result<(), String> {
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    if text("iss") != Some(&config.issuer) {
        return Err(format!("it is of another issuer: {}", shown(claims.get("iss"))));
    }
    let is_ours = |audience: &str| config.audience.iter().flatten().any(|ours| ours == audience);
    let for_us = match claims.get("aud") {
        Some(Value::String(audience)) => is_ours(audience),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(is_ours),
        _ => false,
    };
    if !for_us {
        return Err(format!("it is for another audience: {}", shown(claims.get("aud"))));
    }
    check_times(claims, config, now)?;
    if text("sub").is_none_or(str::is_empty) {
        return Err("it has no subject".to_owned());
    }
    check_purpose(claims, header)
}

fn check_times(claims: &Map<String, Value>, config: &OAuthConfig, now: Timestamp) -> Result<(), String> {
    let expires = time(claims, "exp")?.ok_or("it never expires: there is no `exp`")?;
    if now >= expires + LEEWAY {
        return Err(format!("it expired at {expires:.0}"));
    }
    if let Some(not_before) = time(claims, "nbf")?.filter(|not_before| now < *not_before - LEEWAY) {
        return Err(format!("it is not good before {not_before:.0}"));
    }
    let issued = time(claims, "iat")?;
    if let Some(issued) = issued.filter(|issued| now < *issued - LEEWAY) {
        return Err(format!("it was issued in the future, at {issued:.0}"));
    }
    if let Some(max_age) = config.max_age {
        let issued = issued.ok_or("it doesn't say when it was issued (`iat`), and `max_age` is set")?;
        let max_age = SignedDuration::try_from(max_age).map_err(|error| error.to_string())?;
        if now.duration_since(issued) > max_age + LEEWAY {
            return Err(format!("it was issued at {issued:.0}: longer ago than `max_age`"));
        }
    }
    Ok(())
}

/// A time in seconds since 1970, with or without a fraction (RFC 7519, section 2). One that makes no sense is an error.
fn time(claims: &Map<String, Value>, claim: &str) -> Result<Option<Timestamp>, String> {
    let Some(written) = claims.get(claim) else { return Ok(None) };
    let whole = written.as_i64().or_else(|| {
        // Rounded down: a token ends early rather than late.
        let seconds = written.as_f64().filter(|seconds| seconds.abs() < 1e11)?;
        Some(seconds.floor() as i64)
    });
    let time = whole.and_then(|seconds| Timestamp::from_second(seconds).ok());
    // With the leeway it must still be a time.
    let sane = time.filter(|time| time.checked_add(LEEWAY).is_ok() && time.checked_sub(LEEWAY).is_ok());
    sane.map(Some).ok_or_else(|| format!("`{claim}` is no time: {}", shown(Some(written))))
}

/// Refuses what isn't an access token for a bearer.
fn check_purpose(claims: &Map<String, Value>, header: &Header) -> Result<(), String> {
    if claims.contains_key("cnf") {
        return Err("it is bound to a key (`cnf`), so a bearer's word is not enough".to_owned());
    }
    let says_access = header.typ.as_deref().is_some_and(|typ| typ.to_ascii_lowercase().ends_with("at+jwt"));
    if let Some(claim) = OF_ID_TOKENS.iter().find(|claim| !says_access && claims.contains_key(**claim)) {
        return Err(format!("it is an ID token: it has `{claim}`"));
    }
    // Keycloak's and Cognito's words for what a token is.
    for (claim, access) in [("typ", "bearer"), ("token_use", "access")] {
        let wrong = |said: &&Value| !said.as_str().is_some_and(|said| said.eq_ignore_ascii_case(access));
        if let Some(said) = claims.get(claim).filter(wrong) {
            return Err(format!("it is no access token: its claim `{claim}` is {}", shown(Some(said))));
        }
    }
    Ok(())
}

fn shown(claim: Option<&Value>) -> String {
    match claim {
        None => "there is none".to_owned(),
        Some(Value::String(text)) => quoted(text, 200),
        Some(other) => quoted(&other.to_string(), 200),
    }
}

fn known(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::RS256 => Algorithm::RS256,
        TokenAlgorithm::RS384 => Algorithm::RS384,
        TokenAlgorithm::RS512 => Algorithm::RS512,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::PS384 => Algorithm::PS384,
        TokenAlgorithm::PS512 => Algorithm::PS512,
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::ES384 => Algorithm::ES384,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
