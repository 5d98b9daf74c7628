//! Who calls over HTTP: from a request's headers to a [`Principal`], or to a [`Challenge`] that says what is missing.
//!
//! Nothing here looks at a request's body, and nothing of a credential goes further than this folder.

use http::StatusCode;
use http::request::Parts;

use crate::config::CallerConfig;
use crate::names::{Agent, Human};

/// Who calls, authenticated. Comes from credentials or the configuration, never from a message.
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
}

/// Why a request goes no further, and how to ask for what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// 401 where credentials are missing or worth nothing, 403 where they don't suffice.
    pub status: StatusCode,
    /// The header `WWW-Authenticate` (RFC 6750, section 3), where there is one.
    pub authenticate: Option<String>,
    /// What is wrong, and the mend; goes to the caller.
    pub message: String,
}

/// Lets callers in.
#[derive(Clone, Debug)]
pub struct Gate {
    configured: Principal,
}

impl Gate {
    /// A gate without credentials: whoever reaches the listener is the configured caller. For loopback only.
    pub fn without_credentials(caller: &CallerConfig) -> Self {
        let (agent, human) = (caller.agent.clone(), caller.human.clone());
        Self { configured: Principal { agent, human, source: Source::Configured } }
    }

    /// True where callers need credentials.
    pub fn asks_for_credentials(&self) -> bool {
        match self.configured.source {
            Source::Configured => false,
        }
    }

    /// Who sent a request.
    pub async fn authenticate(&self, _parts: &Parts) -> Result<Principal, Challenge> {
        Ok(self.configured.clone())
    }
}
