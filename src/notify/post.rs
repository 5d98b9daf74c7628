//! Posts one message.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::redirect::Policy;

use super::address::Address;
use super::message::Message;
use super::sign::Secret;
use crate::config::notify::NotifyConfig;

/// How long a receiver may take. It should take the message first, and work on it afterwards.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Posts messages to one receiver.
#[derive(Debug)]
pub struct Poster {
    to: Address,
    secret: Option<Secret>,
    http: reqwest::Client,
}

impl Poster {
    /// Reads the configured files.
    ///
    /// # Errors
    /// What is wrong with them, or with this machine's TLS.
    pub fn new(config: &NotifyConfig) -> Result<Self, String> {
        let to = Address::of(&config.to)?;
        let secret = config.secret_file.as_deref().map(Secret::read).transpose()?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .redirect(Policy::none());
        let http = if to.is_local() { http.no_proxy() } else { http };
        let http = http.build().map_err(|error| format!("TLS can't be used: {error}"))?;
        Ok(Self { to, secret, http })
    }

    /// Whom it posts to: the host only.
    pub fn receiver(&self) -> String {
        self.to.to_string()
    }

    /// Posts a message once.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn post(&self, message: &Message, now: Timestamp) -> Result<(), NotTaken> {
        let seconds = now.as_second();
        let mut request = self
            .http
            .post(self.to.reveal().clone())
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds);
        if let Some(secret) = &self.secret {
            request = request.header("webhook-signature", secret.sign(&message.id, seconds, &message.body));
        }
        let sent = request.body(message.body.clone()).send().await;
        let status =
            sent.map_err(|error| NotTaken { why: format!("no answer: {}", error.without_url()), may_pass: true })?;
        let status = status.status();
        if status.is_success() {
            return Ok(());
        }
        // What a receiver finds wrong with a message it will find wrong again; those after it must not wait for it.
        let may_pass = !status.is_client_error() || [408, 425, 429].contains(&status.as_u16());
        Err(NotTaken { why: format!("it answered {}", status.as_u16()), may_pass })
    }
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotTaken {
    /// What happened, for people.
    pub why: String,
    /// True where it may be taken later.
    pub may_pass: bool,
}
