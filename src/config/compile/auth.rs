//! `[http.tokens]` and `[http.oauth]`.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::policy::meant;
use super::{Compiler, MINUTE};
use crate::auth::jwks::KeySet;
use crate::auth::token;
use crate::config::auth::{AgentRule, KeySource, OAuthConfig, TokenAlgorithm, TokenConfig, is_loopback};
use crate::config::raw::{RawOAuth, RawToken};
use crate::config::{AgentConfig, AuthConfig};
use crate::manifest::template::join_pointer;
use crate::names::{Agent, Human};
use crate::text::escape::quoted;

const HOUR: u64 = 60 * MINUTE;

const OAUTH: &str = "/http/oauth";

impl Compiler<'_> {
    pub(super) fn auth(
        &mut self,
        tokens: BTreeMap<String, RawToken>,
        oauth: Option<RawOAuth>,
        agents: &BTreeMap<Agent, AgentConfig>,
    ) -> AuthConfig {
        let known: Vec<String> = agents.keys().map(|agent| agent.as_str().to_owned()).collect();
        AuthConfig { tokens: self.tokens(tokens, &known), oauth: oauth.map(|oauth| self.oauth(oauth, &known)) }
    }

    fn tokens(&mut self, raw: BTreeMap<String, RawToken>, agents: &[String]) -> Vec<TokenConfig> {
        let mut tokens: Vec<TokenConfig> = Vec::new();
        for (name, token) in raw {
            let pointer = join_pointer("/http/tokens", &name);
            if !token::is_name(&name) {
                let message = format!("{} is not a token's name", quoted(&name, 64));
                let mend = "use at most 32 lower-case letters, digits and `-`";
                self.problems.push(self.document.problem_at_key(&pointer, message, mend));
            }
            let sha256 = self.sha256(&format!("{pointer}/sha256"), &token.sha256);
            if let Some(other) = tokens.iter().find(|other| Some(other.sha256) == sha256) {
                let message = format!("the tokens `{}` and `{name}` are the same", other.name);
                self.wrong(&format!("{pointer}/sha256"), message, "make another with `countersign token new`");
            }
            let agent = self.known_agent(&format!("{pointer}/agent"), token.agent, agents);
            let human = Human::new(self.name(&format!("{pointer}/human"), token.human));
            let expires = self.expiry(&format!("{pointer}/expires"), &token.expires);
            if let (Some(sha256), Some(expires)) = (sha256, expires) {
                tokens.push(TokenConfig { name, sha256, agent, human, expires });
            }
        }
        tokens
    }

    /// Whoever is wrong here may have written the token itself, so what is written is not repeated.
    fn sha256(&mut self, pointer: &str, written: &str) -> Option<[u8; 32]> {
        let digest = hex::decode(written).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        match digest {
            Some(digest) => return Some(digest),
            None if written.starts_with(token::PREFIX) => self.wrong(
                pointer,
                "this is the token itself, not its SHA-256",
                "it is in a file now, so make another with `countersign token new`, and write what that prints",
            ),
            None => self.wrong(
                pointer,
                "this is not a SHA-256 in 64 hexadecimal digits",
                "write what `countersign token new` prints",
            ),
        }
        None
    }

    fn known_agent(&mut self, pointer: &str, name: String, agents: &[String]) -> Agent {
        if !agents.contains(&name) {
            let message = format!("there is no agent {} among `[agents]`", quoted(&name, 64));
            self.wrong(pointer, message, meant(&name, agents));
        }
        Agent::new(name)
    }

    fn oauth(&mut self, raw: RawOAuth, agents: &[String]) -> OAuthConfig {
        self.issuer(&raw.issuer);
        let keys = self.keys(&raw);
        if raw.agents.is_empty() && raw.default_agent.is_none() {
            let mend = "add `[[http.oauth.agents]]` with `claim`, `value` and `agent`";
            self.wrong(OAUTH, "no token is for any agent: there is no rule", mend);
        }
        let mut rules: Vec<AgentRule> = Vec::new();
        for (index, rule) in raw.agents.into_iter().enumerate() {
            let pointer = format!("{OAUTH}/agents/{index}");
            if rules.iter().any(|earlier| earlier.claim == rule.claim && earlier.value == rule.value) {
                let message = "an earlier rule has the same claim and value, so this one never matches";
                self.wrong(&pointer, message, "keep one of the two");
            }
            let agent = self.known_agent(&format!("{pointer}/agent"), rule.agent, agents);
            let human = rule.human.map(|human| Human::new(self.name(&format!("{pointer}/human"), human)));
            rules.push(AgentRule { claim: rule.claim, value: rule.value, agent, human });
        }
        let default_agent =
            raw.default_agent.map(|name| self.known_agent(&format!("{OAUTH}/default_agent"), name, agents));
        let max_age = raw
            .max_age
            .is_some()
            .then(|| self.duration_at(&format!("{OAUTH}/max_age"), &raw.max_age, Duration::ZERO, MINUTE, 720 * HOUR));
        let day = Duration::from_secs(24 * HOUR);
        let stale_keys =
            self.duration_at(&format!("{OAUTH}/stale_keys"), &raw.stale_keys, day, 10 * MINUTE, 168 * HOUR);
        OAuthConfig {
            issuer: raw.issuer,
            keys,
            audience: raw.audience,
            algorithms: raw.algorithms.unwrap_or_else(|| {
                vec![TokenAlgorithm::RS256, TokenAlgorithm::PS256, TokenAlgorithm::ES256, TokenAlgorithm::EdDSA]
            }),
            scope: raw.scope.unwrap_or_else(|| "countersign".to_owned()),
            human_claim: raw.human_claim.unwrap_or_else(|| "email".to_owned()),
            agents: rules,
            default_agent,
            max_age,
            stale_keys,
        }
    }

    /// An issuer is an address without query and fragment (RFC 8414, section 2).
    fn issuer(&mut self, written: &str) {
        let is_good = |url: &Url| is_secure(url) && url.query().is_none() && url.fragment().is_none();
        if !Url::parse(written).is_ok_and(|url| is_good(&url)) {
            let message = format!("{} is not an issuer", quoted(written, 200));
            let mend = "write the `iss` of its tokens, such as `\"https://login.example.com\"`; only on this machine \
                        it can do without https";
            self.wrong(&format!("{OAUTH}/issuer"), message, mend);
        }
    }

    fn keys(&mut self, raw: &RawOAuth) -> KeySource {
        match (&raw.jwks_url, &raw.jwks_file) {
            (None, None) => KeySource::Discovery,
            (Some(_), Some(_)) => {
                let mend = "keep one of the two";
                self.wrong(&format!("{OAUTH}/jwks_file"), "there are both `jwks_url` and `jwks_file`", mend);
                KeySource::Discovery
            }
            (Some(written), None) => match Url::parse(written) {
                Ok(url) if is_secure(&url) => KeySource::Url(url),
                _ => {
                    let message = format!("{} is not an address for keys", quoted(written, 200));
                    let mend = "write an `https://` address; only on this machine it can do without https";
                    self.wrong(&format!("{OAUTH}/jwks_url"), message, mend);
                    KeySource::Discovery
                }
            },
            (None, Some(written)) => {
                let file = self.path(written);
                let read = std::fs::read(&file).map_err(|error| error.to_string());
                if let Err(wrong) = read.and_then(|bytes| KeySet::parse(&bytes)) {
                    let message = format!("the keys in `{}` can't be used: {wrong}", file.display());
                    let mend = "save there what the issuer has at its `jwks_uri`";
                    self.wrong(&format!("{OAUTH}/jwks_file"), message, mend);
                }
                KeySource::File(file)
            }
        }
    }
}

/// Keys that came over a network anybody can write to are nobody's.
pub(super) fn is_secure(url: &Url) -> bool {
    let bare = url.username().is_empty() && url.password().is_none() && url.host().is_some();
    bare && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
}
