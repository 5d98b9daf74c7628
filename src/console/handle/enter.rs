//! Signing in and out, and enrolling a passkey.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::Cookie;
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::decide::Finish;
use super::{asked, told};
use crate::console::Console;
use crate::console::ask::{Form, Open};
use crate::console::trouble::Trouble;
use crate::console::view::enter;

/// Who wants to sign in; nobody in particular where the browser finds the passkey.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Name {
    #[serde(default)]
    name: Option<String>,
}

/// A one-time link's token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Token {
    token: String,
}

/// A created passkey.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Enrolled {
    token: String,
    ticket: String,
    label: String,
    credential: Value,
}

/// `/sign-in`
pub(in crate::console) async fn sign_in_page(State(console): State<Console>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let wanted = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
    let next = wanted.map(|(_, path)| own_path(&path)).unwrap_or_else(|| "/".to_owned());
    enter::sign_in(&next, console.origin()).into_response()
}

/// A path of the console's pages; its first page for everything else.
fn own_path(path: &str) -> String {
    let of_plan = path.strip_prefix("/plans/").is_some_and(|id| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    if of_plan || ["/history", "/people"].contains(&path) { path.to_owned() } else { "/".to_owned() }
}

/// `/api/sign-in/begin`
pub(in crate::console) async fn begin_sign_in(State(console): State<Console>, call: Open<Name>) -> Response {
    if let Err(trouble) = allowed(&console, &call.from) {
        return trouble.json();
    }
    let name = call.body.name.filter(|name| !name.trim().is_empty());
    told(console.approvals().begin_sign_in(name.as_deref()).await.map(asked).map_err(Trouble::from))
}

/// `/api/sign-in/finish`
pub(in crate::console) async fn finish_sign_in(State(console): State<Console>, call: Open<Finish>) -> Response {
    if let Err(trouble) = allowed(&console, &call.from) {
        return trouble.json();
    }
    let Finish { ticket, credential } = call.body;
    let person = match console.approvals().finish_sign_in(&ticket, &credential).await {
        Ok(person) => person,
        Err(not) => return Trouble::from(not).json(),
    };
    match console.sessions().begin(person.name, console.clock().now()) {
        Ok(cookie) => with_cookie(told(Ok(json!({ "done": "You are signed in." }))), &cookie),
        Err(error) => {
            tracing::error!(%error, "nobody can sign in");
            Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, "the server can’t begin a session", "tell an operator")
                .json()
        }
    }
}

/// `/sign-out`
pub(in crate::console) async fn sign_out(State(console): State<Console>, form: Form) -> Response {
    let cookie = console.sessions().end(&form.me.found.key);
    with_cookie(Redirect::to("/sign-in").into_response(), &cookie)
}

/// `/enrol/{token}`
pub(in crate::console) async fn enrol_page(
    State(console): State<Console>,
    Path(token): Path<String>,
) -> Result<Response, Trouble> {
    let invitation = console.approvals().invitation(&token).await?;
    let now = console.clock().now();
    Ok(enter::enrol(&invitation, &token, console.host(), console.origin(), now).into_response())
}

/// `/api/enrol/begin`
pub(in crate::console) async fn begin_enrol(State(console): State<Console>, call: Open<Token>) -> Response {
    if let Err(trouble) = allowed(&console, &call.from) {
        return trouble.json();
    }
    told(console.approvals().begin_enrol(&call.body.token).await.map(asked).map_err(Trouble::from))
}

/// `/api/enrol/finish`
pub(in crate::console) async fn finish_enrol(State(console): State<Console>, call: Open<Enrolled>) -> Response {
    if let Err(trouble) = allowed(&console, &call.from) {
        return trouble.json();
    }
    let Enrolled { token, ticket, label, credential } = call.body;
    let done = console.approvals().finish_enrol(&ticket, &token, &label, &credential).await;
    told(done.map(|_| json!({ "done": "The passkey is enrolled." })).map_err(Trouble::from))
}

fn allowed(console: &Console, from: &str) -> Result<(), Trouble> {
    if console.throttle().allows(from, console.clock().now()) {
        return Ok(());
    }
    Err(Trouble::new(StatusCode::TOO_MANY_REQUESTS, "that were too many tries", "wait a minute, then try again"))
}

fn with_cookie(mut response: Response, cookie: &Cookie<'_>) -> Response {
    // A session's id and the flags are of characters that headers take.
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for path in ["/plans/plan-01jd0000000000000000000000", "/history", "/people", "/"] {
            assert_eq!(own_path(path), path);
        }
        for path in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/plans/../sign-out",
            "/plans/",
            "/plans/a%2f",
            "/plans/a?b",
            "javascript:alert(1)",
            "/enrol/x",
            "",
        ] {
            assert_eq!(own_path(path), "/", "{path}");
        }
    }
}
