//! What requests carry: who is signed in, forms, JSON. All that changes something carries the session's token.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;

use super::Console;
use super::guard::is_call;
use super::session::{Found, same_token};
use super::trouble::Trouble;
use crate::approval::people::Approver;
use crate::names::Human;

/// In which scripts send the session's token.
const TOKEN: &str = "x-csrf";
/// With which the script asks for a page again by itself: that is no use of the session.
const REFRESH: &str = "x-refresh";

/// Whoever is signed in.
#[derive(Debug)]
pub(super) struct SignedIn {
    /// Who.
    pub(super) person: Approver,
    /// Their session.
    pub(super) found: Found,
}

impl SignedIn {
    /// Who.
    pub(super) fn name(&self) -> &Human {
        &self.person.name
    }
}

impl FromRequestParts<Console> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        let path = parts.uri.path().to_owned();
        let told = |trouble: Trouble| if is_call(&path) { trouble.json() } else { trouble.into_response() };
        let uses = !parts.headers.contains_key(REFRESH) && path != "/events";
        let next = if parts.method == Method::GET { path.clone() } else { "/".to_owned() };
        let sign_in = || Trouble::SignIn { next: next.clone() };
        let now = console.clock().now();
        let found = console.sessions().find(&parts.headers, now, uses).ok_or_else(|| told(sign_in()))?;
        match console.person(&found).await {
            Ok(Some(person)) => Ok(Self { person, found }),
            Ok(None) => Err(told(sign_in())),
            Err(error) => Err(told(error.into())),
        }
    }
}

/// A form of somebody who is signed in, with the session's token in it.
#[derive(Debug)]
pub(super) struct Form {
    /// Who.
    pub(super) me: SignedIn,
    fields: Vec<(String, String)>,
}

impl Form {
    /// A field; empty where it isn't there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// All fields of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest<Console> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let me = SignedIn::from_request_parts(&mut parts, console).await?;
        if !is_of_kind(&parts.headers, "application/x-www-form-urlencoded") {
            return Err(Trouble::malformed().into_response());
        }
        let body = Bytes::from_request(Request::from_parts(parts, body), console).await;
        let body = body.map_err(|rejection| too_much(rejection.status()).into_response())?;
        let fields = url::form_urlencoded::parse(&body).into_owned().collect();
        let form = Self { me, fields };
        if same_token(&form.me.found, form.get("csrf")) { Ok(form) } else { Err(no_token().into_response()) }
    }
}

/// A call of somebody who is signed in, with the session's token in a header.
#[derive(Debug)]
pub(super) struct Call<T> {
    /// Who.
    pub(super) me: SignedIn,
    /// What they send.
    pub(super) body: T,
}

impl<T: DeserializeOwned> FromRequest<Console> for Call<T> {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let me = SignedIn::from_request_parts(&mut parts, console).await?;
        let token = parts.headers.get(TOKEN).and_then(|token| token.to_str().ok()).unwrap_or_default();
        if !same_token(&me.found, token) {
            return Err(no_token().json());
        }
        let Open { body, .. } = Open::from_request(Request::from_parts(parts, body), console).await?;
        Ok(Self { me, body })
    }
}

/// A call of somebody who isn't signed in.
#[derive(Debug)]
pub(super) struct Open<T> {
    /// What they send.
    pub(super) body: T,
    /// Where it comes from, for counting tries.
    pub(super) from: String,
}

impl<T: DeserializeOwned> FromRequest<Console> for Open<T> {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        if !is_of_kind(request.headers(), "application/json") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Trouble::new(status, "the request is not JSON", "reload the page and try again").json());
        }
        let from = source(request.extensions());
        let body = Bytes::from_request(request, console).await;
        let body = body.map_err(|rejection| too_much(rejection.status()).json())?;
        let body = serde_json::from_slice(&body).map_err(|_| Trouble::malformed().json())?;
        Ok(Self { body, from })
    }
}

/// The address a request came from, as the listener found out.
pub(super) fn source(extensions: &http::Extensions) -> String {
    extensions.get::<crate::http::Source>().map(|source| source.0.to_string()).unwrap_or_default()
}

fn is_of_kind(headers: &HeaderMap, kind: &str) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind)
}

fn no_token() -> Trouble {
    Trouble::new(StatusCode::FORBIDDEN, "the page is of another session", "reload it and try again")
}

fn too_much(status: StatusCode) -> Trouble {
    Trouble::new(status, "the request is too large, or broke off", "send less, or try again")
}
