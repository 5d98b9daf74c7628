//! The sealed state that ties a question to the call that brings its answer (MCP 2026-07-28, `requestState`).
//!
//! The client keeps the state between the two calls, so it is in an attacker's hands. It is authenticated with a key
//! that all processes before one store share and nobody else knows, is worth something only for the very call it was made
//! for, expires, and is used once, by the store's own record. It holds no secret: the client can read it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rmcp::model::{RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize};

use crate::approval::ask::{Answer, Page, Prompt};
use crate::approval::redeem::Suspension;
use crate::call::request::{Caller, ToolRequest};
use crate::digest::{Digest, NotCanonical, canonical_json};
use crate::names::{PlanId, SessionId};
use crate::ports::{Clock, Store};

/// The domain of argument digests.
const ARGUMENTS_DOMAIN: &str = "countersign.arguments.v1";

/// How long after its expiry a used mark is kept, in case the clock is set back.
const KEEP_USED: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// Seals and redeems states. One per process.
pub struct Sealer {
    codec: RequestStateCodec,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    valid_for: Duration,
}

/// Why a question can't be sealed. Nothing was asked.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The codec failed.
    #[error(transparent)]
    Codec(#[from] rmcp::model::RequestStateError),
    /// The prompt or the arguments have no canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// The expiry lies beyond the end of time.
    #[error("no such time: {0}")]
    Time(#[from] jiff::Error),
}

/// The call a state is for: it must be the same when the answer comes.
#[derive(Clone, Debug, Serialize)]
pub struct Binding {
    caller: Caller,
    tool: String,
    arguments: Digest,
}

impl Binding {
    /// Binds to the caller (agent, human, session and what the client says of itself), the tool and all arguments.
    /// A person may walk from one network into another meanwhile: the address is left out.
    pub fn of(request: &ToolRequest) -> Result<Self, NotCanonical> {
        Ok(Self {
            caller: Caller { source: None, ..request.caller.clone() },
            tool: request.tool.clone(),
            arguments: Digest::of(ARGUMENTS_DOMAIN, &request.arguments)?,
        })
    }

    /// The same for any session: for calls of a version that knows none, so that an answer is not void because the
    /// session their budgets are counted in ended meanwhile.
    pub fn in_any_session(mut self) -> Self {
        self.caller.session = SessionId::new("any");
        self
    }

    fn associated_data(&self) -> Result<Vec<u8>, NotCanonical> {
        Ok(canonical_json(&serde_json::to_value(self)?)?)
    }
}

/// What a question is about, and the digest of all that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    plan: PlanId,
    digest: Digest,
    shown: Digest,
}

impl Asked {
    /// What a suspended call asks.
    pub fn of(suspension: &Suspension) -> Result<Self, NotCanonical> {
        match suspension {
            Suspension::Form(prompt) => Self::form(prompt),
            Suspension::Page(page) => Self::page(page),
        }
    }

    /// What a form asks.
    pub fn form(prompt: &Prompt) -> Result<Self, NotCanonical> {
        Ok(Self { plan: prompt.plan.clone(), digest: prompt.digest, shown: prompt.shown()? })
    }

    /// What a page is for.
    pub fn page(page: &Page) -> Result<Self, NotCanonical> {
        Ok(Self { plan: page.plan.clone(), digest: page.digest, shown: page.shown()? })
    }
}

/// A question that was asked: what an authentic state says. The text to type is not in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    plan: PlanId,
    digest: Digest,
    prompt: Digest,
    nonce: String,
    asked_at: Timestamp,
    expires_at: Timestamp,
}

impl Sealer {
    /// A sealer with a secret key (32 bytes). Answers count for `valid_for` after the question.
    pub fn new(
        key: &[u8; 32],
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        valid_for: Duration,
    ) -> Result<Self, SealError> {
        Ok(Self { codec: RequestStateCodec::try_new(key.to_vec())?, clock, store, valid_for })
    }

    /// Seals what is `asked` for the call `binding` names.
    pub fn seal(&self, binding: &Binding, asked: &Asked) -> Result<String, SealError> {
        let mut nonce = [0_u8; 16];
        getrandom::fill(&mut nonce)?;
        let asked_at = self.clock.now();
        let question = Question {
            plan: asked.plan.clone(),
            digest: asked.digest,
            prompt: asked.shown,
            nonce: hex::encode(nonce),
            asked_at,
            expires_at: asked_at.checked_add(self.valid_for)?,
        };
        Ok(self.codec.seal_json_with(&question, &SealOptions::new().associated_data(&binding.associated_data()?))?)
    }

    /// Opens a state that came back. It is authentic then, and may still be used, late, or of another question.
    ///
    /// All failures look alike from outside.
    pub fn open(&self, binding: &Binding, sealed: &str) -> Result<Question, Answer> {
        let void = || Answer::Void {
            why: "the state that came with the answer was not made by this server for this call".to_owned(),
        };
        let associated_data = binding.associated_data().map_err(|_| void())?;
        self.codec.open_json_with(sealed, &associated_data).map_err(|error| {
            tracing::warn!(%error, "a request state was rejected");
            void()
        })
    }

    /// Uses a question up for an answer to what is `asked`.
    ///
    /// Returns the time since it was asked; or, as an `Err`, what the answer counts as instead.
    pub async fn redeem(&self, question: Question, asked: &Asked) -> Result<Duration, Answer> {
        let void = |why: &str| Answer::Void { why: why.to_owned() };
        let forget_after = question.expires_at.checked_add(KEEP_USED).unwrap_or(question.expires_at);
        match self.store.use_once(&format!("consent:{}", question.nonce), forget_after).await {
            Ok(true) => {}
            Ok(false) => return Err(void("the answer was used before")),
            Err(error) => {
                tracing::error!(%error, "a request state could not be marked as used");
                return Err(void("it could not be checked whether the answer was used before"));
            }
        }

        let now = self.clock.now();
        let after = Duration::try_from(now.duration_since(question.asked_at)).unwrap_or_default();
        if now >= question.expires_at {
            return Err(Answer::TimedOut { after });
        }
        if question.plan != asked.plan || question.digest != asked.digest || question.prompt != asked.shown {
            return Err(void("the answer is to another question than this call asks"));
        }
        Ok(after)
    }
}

impl Question {
    /// The plan it was about.
    pub fn plan(&self) -> &PlanId {
        &self.plan
    }
}
