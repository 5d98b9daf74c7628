//! `Refused`: why a request went no further.

use serde::{Deserialize, Serialize};

/// Why a request was refused. Written for the agent (`message`, `hint`) and for the operator (`operator_detail`).
///
/// Messages are lower-case fragments; whatever came from outside stands in backticks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// What kind of refusal; stable, for programs.
    pub code: Code,
    /// What is wrong, and where.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// More for the operator's log and record; never shown to the agent.
    pub operator_detail: Option<String>,
    /// Structured detail the agent may use, such as the list of problems or the drift; null where there is none.
    pub data: serde_json::Value,
}

impl Refused {
    /// A refusal with what the agent is told.
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into(), operator_detail: None, data: serde_json::Value::Null }
    }

    /// Adds what only the operator sees.
    pub fn with_operator_detail(mut self, detail: impl Into<String>) -> Self {
        self.operator_detail = Some(detail.into());
        self
    }

    /// Adds structured detail for the agent.
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = data;
        self
    }
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No tool of that name.
    UnknownTool,
    /// The arguments do not fit the manifest or AWS's service model.
    InvalidArguments,
    /// The account or region is not in the configuration.
    UnknownAccountOrRegion,
    /// A target does not exist.
    TargetNotFound,
    /// What the call would make is there already.
    TargetExists,
    /// AWS could not be asked for the targets' state.
    TargetUnreadable,
    /// Policy forbids it.
    Forbidden,
    /// Policy asks for a second person.
    NeedsSecondPerson,
    /// Policy asks for a ticket.
    NeedsTicket,
    /// Policy asks for a change window, and none is open.
    WindowClosed,
    /// Policy wants a person to apply it, not an agent.
    NeedsPerson,
    /// A preview must come first.
    NeedsPreview,
    /// The preview could not be made.
    PreviewFailed,
    /// The plan is unknown, somebody else's, used, or expired.
    PlanNotUsable,
    /// The request differs from the plan.
    PlanMismatch,
    /// A target's state changed since the preview.
    Drift,
    /// The client can't ask its person.
    ElicitationUnavailable,
    /// A person rejected the plan.
    Rejected,
    /// The person declined, cancelled, typed something else, or did not answer in time.
    NotConfirmed,
    /// A limit or budget is exceeded.
    OverLimit,
    /// Another call is changing the same target.
    TargetBusy,
    /// AWS refused the call; nothing was changed.
    AwsRefused,
    /// The request left, and no conclusive answer came.
    OutcomeUnknown,
    /// The server's own fault; nothing was sent.
    Internal,
}

impl Code {
    /// The code as it is written in results and records.
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// What becomes of a request that is cancelled before anything was sent.
pub fn cancelled() -> Refused {
    Refused::new(
        Code::NotConfirmed,
        "the request was cancelled",
        "nothing was changed; call again if it is still wanted",
    )
}
