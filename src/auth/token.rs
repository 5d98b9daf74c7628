//! Static bearer tokens, for small set-ups: 256 random bits, known to the server by their hash only.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::{Principal, Refusal, Source};
use crate::config::auth::TokenConfig;
use crate::ports::Clock;

/// What every static token begins with, so that people and scanners of secrets know one when they see it.
pub const PREFIX: &str = "cs_";

/// Random bytes of a token.
const BYTES: usize = 32;

/// A new token, the only time it is there as a whole.
#[derive(Clone)]
pub struct NewToken(String);

impl NewToken {
    /// Makes one from the operating system's randomness.
    ///
    /// # Errors
    /// The operating system gave none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The token, for the agent's configuration.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its SHA-256 in hexadecimal digits, for the server's configuration.
    pub fn sha256(&self) -> String {
        hex::encode(sha256(&self.0))
    }
}

/// True for a name a token can have in the configuration.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=32).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('-')
}

/// The configured tokens.
#[derive(Debug)]
pub(super) struct StaticTokens {
    tokens: Vec<TokenConfig>,
    clock: Arc<dyn Clock>,
}

impl StaticTokens {
    pub(super) fn new(tokens: Vec<TokenConfig>, clock: Arc<dyn Clock>) -> Self {
        Self { tokens, clock }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whose token this is. What isn't of the form of a token is not looked up: nobody's password becomes one by being
    /// hashed into the configuration. How long it takes says nothing about the hashes: all are compared, in whole.
    pub(super) fn principal(&self, token: &str) -> Result<Principal, Refusal> {
        if !is_well_formed(token) {
            return Err(Refusal::Invalid("it begins like a static token, and isn't one".to_owned()));
        }
        let digest = sha256(token);
        let mut found = None;
        for known in &self.tokens {
            if verify_slices_are_equal(&known.sha256, &digest).is_ok() {
                found = Some(known);
            }
        }
        match found {
            None => Err(Refusal::Invalid("no static token has this hash".to_owned())),
            Some(known) if known.expires <= self.clock.now() => {
                Err(Refusal::Invalid(format!("the static token `{}` expired at {}", known.name, known.expires)))
            }
            Some(known) => Ok(Principal {
                agent: known.agent.clone(),
                human: known.human.clone(),
                source: Source::Token { name: known.name.clone() },
            }),
        }
    }
}

fn is_well_formed(token: &str) -> bool {
    let random = token.strip_prefix(PREFIX).and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok());
    random.is_some_and(|bytes| bytes.len() == BYTES)
}

fn sha256(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Agent, Human};
    use crate::testing::FixedClock;
    use proptest::prelude::*;

    fn known(token: &NewToken, expires: &str) -> StaticTokens {
        let sha256 = sha256(token.reveal());
        let (agent, human) = (Agent::new("kiro"), Human::new("dana"));
        let token = TokenConfig { name: "ci".to_owned(), sha256, agent, human, expires: expires.parse().unwrap() };
        StaticTokens::new(vec![token], Arc::new(FixedClock::default()))
    }

    fn now() -> jiff::Timestamp {
        FixedClock::default().now()
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let token = NewToken::random().unwrap();
        assert_eq!(token.reveal().len(), 46);
        let later = (now() + jiff::SignedDuration::from_secs(1)).to_string();
        let principal = known(&token, &later).principal(token.reveal()).unwrap();
        assert_eq!((principal.agent.as_str(), principal.human.as_str()), ("kiro", "dana"));
        for expired in [now(), now() - jiff::SignedDuration::from_hours(1)] {
            let refusal = known(&token, &expired.to_string()).principal(token.reveal()).unwrap_err();
            assert!(matches!(&refusal, Refusal::Invalid(reason) if reason.contains("expired")), "{refusal:?}");
        }
    }

    #[test]
    fn a_hashed_password_is_no_token() {
        for word in ["cs_hunter2", "cs_", "hunter2"] {
            let tokens = known(&NewToken(word.to_owned()), "2100-01-01T00:00:00Z");
            assert!(tokens.principal(word).is_err(), "{word}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_the_token_is_good(at in 0_usize..46, byte in any::<char>(), insert in any::<bool>()) {
            let token = NewToken::random().unwrap();
            let tokens = known(&token, "2100-01-01T00:00:00Z");
            let mut characters: Vec<char> = token.reveal().chars().collect();
            if insert { characters.insert(at, byte) } else { characters[at] = byte }
            let mutated: String = characters.into_iter().collect();
            prop_assert_eq!(tokens.principal(&mutated).is_ok(), mutated == token.reveal());
        }
    }
}
