//! What a caller who is not let in is told: RFC 6750, section 3, with RFC 9728's pointer to the metadata.

use http::StatusCode;

use super::metadata::Metadata;

/// Why a caller is not let in. What is in it goes to the log, not to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are no credentials.
    Missing,
    /// The request can't be understood.
    Malformed(&'static str),
    /// The token is worth nothing here.
    Invalid(String),
    /// The token is good, but lacks the scope.
    Scope(String),
    /// The token is good, but for nobody who is configured.
    Nobody(String),
    /// Whether the token is good can't be found out now.
    Unavailable(String),
}

impl Refusal {
    /// What the log says; nothing where there were no credentials, as that is how clients begin.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Missing => None,
            Self::Malformed(reason) => Some(reason),
            Self::Invalid(reason) | Self::Scope(reason) | Self::Nobody(reason) | Self::Unavailable(reason) => {
                Some(reason)
            }
        }
    }
}

/// Why a request goes no further, and how to ask for what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// 400 where the request can't be understood, 401 where credentials are missing or worth nothing, 403 where they
    /// don't suffice, 503 where they can't be checked now.
    pub status: StatusCode,
    /// The header `WWW-Authenticate` (RFC 6750, section 3), where there is one.
    pub authenticate: Option<String>,
    /// What is wrong, and the mend; goes to the caller.
    pub message: String,
}

/// Makes challenges.
#[derive(Clone, Debug)]
pub struct Challenger {
    /// Address of the metadata and the scope to ask for; `None` where there is no issuer.
    oauth: Option<(String, String)>,
}

impl Challenger {
    /// For a resource with this metadata, or with static tokens only.
    pub fn new(metadata: Option<&Metadata>) -> Self {
        Self { oauth: metadata.map(|metadata| (metadata.address(), metadata.scope().to_owned())) }
    }

    /// What the caller is told.
    pub fn challenge(&self, refusal: &Refusal) -> Challenge {
        let (status, error, message) = match refusal {
            Refusal::Missing => (StatusCode::UNAUTHORIZED, None, "a bearer token is needed"),
            Refusal::Malformed(what) => (StatusCode::BAD_REQUEST, Some("invalid_request"), *what),
            Refusal::Invalid(_) => {
                (StatusCode::UNAUTHORIZED, Some("invalid_token"), "this token is not valid here: get a new one")
            }
            Refusal::Scope(_) => (
                StatusCode::FORBIDDEN,
                Some("insufficient_scope"),
                "this token lacks the scope: get one with the scope that `WWW-Authenticate` names",
            ),
            Refusal::Nobody(_) => (
                StatusCode::FORBIDDEN,
                None,
                "this token is for nobody who may call here: ask the operator, whose log says more",
            ),
            Refusal::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, None, "tokens can't be checked now: try again in half a minute")
            }
        };
        let asks = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) || error.is_some();
        Challenge { status, authenticate: asks.then(|| self.header(error)), message: message.to_owned() }
    }

    fn header(&self, error: Option<&str>) -> String {
        let mut parameters = Vec::new();
        if let Some(error) = error {
            parameters.push(format!("error=\"{error}\""));
        }
        match &self.oauth {
            Some((address, scope)) => {
                parameters.push(format!("scope=\"{scope}\""));
                parameters.push(format!("resource_metadata=\"{address}\""));
            }
            None if parameters.is_empty() => parameters.push("realm=\"countersign\"".to_owned()),
            None => {}
        }
        format!("Bearer {}", parameters.join(", "))
    }
}
