//! `Recorded`: the proof that an answer is in the record. Nothing else can be shown to a client.

use serde_json::Value;

use crate::approval::ask::Prompt;
use crate::audit::event::Event;
use crate::call::refused::Refused;
use crate::ports::{Store, StoreError};

/// What a request came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// It was answered.
    Result {
        /// The structured result; fits the tool's output schema.
        structured: Value,
        /// The same for clients and models that read text.
        text: String,
    },
    /// It was refused, and nothing was changed.
    Refused(Refused),
    /// It waits for the person's answer, which comes with another call (MCP 2026-07-28).
    Suspended {
        /// What the person is asked.
        prompt: Prompt,
    },
}

/// An answer whose events are durable.
#[derive(Debug)]
#[must_use = "an answer that was recorded must reach the client"]
pub struct Recorded {
    answered: Answered,
}

impl Recorded {
    /// What the client is told.
    pub fn answer(&self) -> &Answered {
        &self.answered
    }
}

/// Appends an answer's events to the record, and only then gives the answer out.
pub async fn record(store: &dyn Store, events: Vec<Event>, answered: Answered) -> Result<Recorded, StoreError> {
    store.append(events).await?;
    Ok(Recorded { answered })
}
