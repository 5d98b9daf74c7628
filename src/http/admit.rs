//! Lets callers in to the agents' endpoint.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::auth::{Challenge, Gate};

/// Puts the [`Principal`](crate::auth::Principal) of a request among its extensions, or answers that it lacks one.
///
/// The credentials end here: what is behind never sees them.
pub async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match gate.authenticate(&parts).await {
        Ok(principal) => {
            for credential in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
                parts.headers.remove(credential);
            }
            parts.extensions.insert(principal);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(challenge) => refused(challenge),
    }
}

fn refused(challenge: Challenge) -> Response {
    let unavailable = challenge.status == StatusCode::SERVICE_UNAVAILABLE;
    // A challenge is a refusal, whatever else it says.
    let refuses = challenge.status.is_client_error() || unavailable;
    let status = if refuses { challenge.status } else { StatusCode::UNAUTHORIZED };
    let mut response = (status, challenge.message + "\n").into_response();
    if unavailable {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
    }
    if let Some(Ok(how)) = challenge.authenticate.map(|how| HeaderValue::from_str(&how)) {
        response.headers_mut().insert(WWW_AUTHENTICATE, how);
    }
    response
}
