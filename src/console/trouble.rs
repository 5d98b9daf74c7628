//! What went wrong, as a page or as JSON, by what was asked for.

use axum::Json;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::Markup;
use serde_json::json;

use super::view::enter;
use super::view::shell::bare;
use crate::approval::not_done::NotDone;
use crate::ports::StoreError;

/// Why there is no page, and what to do about it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Whoever asks isn't signed in. `next` is the page they wanted.
    SignIn {
        /// A path of the console.
        next: String,
    },
    /// Something else.
    Told {
        /// The status.
        status: StatusCode,
        /// What is wrong.
        what: String,
        /// The mend.
        mend: String,
    },
}

impl Trouble {
    /// With what is wrong, and the mend.
    pub(super) fn new(status: StatusCode, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Told { status, what: what.into(), mend: mend.into() }
    }

    /// There is nothing at this address.
    pub(super) fn nowhere() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this address", "the plans that wait are in the queue")
    }

    /// The request is not of the form that its page sends.
    pub(super) fn malformed() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the request can’t be read", "reload the page and try again")
    }

    /// In one line, for where it went wrong.
    pub(super) fn line(&self) -> String {
        match self {
            Self::SignIn { .. } => "You are not signed in any more. Sign in in another tab, then try again.".to_owned(),
            Self::Told { what, mend, .. } => format!("{}. {}.", sentence(what), sentence(mend)),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::SignIn { .. } => StatusCode::UNAUTHORIZED,
            Self::Told { status, .. } => *status,
        }
    }

    /// As a script reads it.
    pub(super) fn json(&self) -> Response {
        (self.status(), Json(json!({ "problem": self.line() }))).into_response()
    }

    fn page(&self) -> Markup {
        let title = match self.status() {
            StatusCode::NOT_FOUND => "There is no such page",
            StatusCode::INTERNAL_SERVER_ERROR => "That did not work",
            _ => "That can’t be done",
        };
        let (what, mend) = match self {
            Self::SignIn { .. } => ("You are not signed in.".to_owned(), String::new()),
            Self::Told { what, mend, .. } => (format!("{}.", sentence(what)), format!("{}.", sentence(mend))),
        };
        bare(title, &enter::trouble(title, &what, &mend))
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match &self {
            Self::SignIn { next } => {
                let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                Redirect::to(&format!("/sign-in?next={next}")).into_response()
            }
            Self::Told { status, .. } => (*status, self.page()).into_response(),
        }
    }
}

impl From<NotDone> for Trouble {
    fn from(not: NotDone) -> Self {
        if let NotDone::Failed(why) = &not {
            tracing::error!(why, "the console could not do what was asked");
        }
        let status = match &not {
            NotDone::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            NotDone::NoPlan(_) | NotDone::NoProposal(_) | NotDone::NoInvitation => StatusCode::NOT_FOUND,
            NotDone::NotAnApprover(_) | NotDone::NotAdmin(_) | NotDone::OwnPlan(_) | NotDone::NotOwnPlan(_) => {
                StatusCode::FORBIDDEN
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let mend = not.mend();
        Self::new(status, not.to_string(), mend)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        NotDone::from(error).into()
    }
}

/// With a capital letter in front.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
