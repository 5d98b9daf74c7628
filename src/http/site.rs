//! Everything that is served, behind one door.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;

use super::guard::{Guard, Turned};
use super::held::Held;
use super::limits::{ANSWER_TIME, FORM_BYTES};
use super::source::{Peer, source};
use crate::config::{HttpConfig, Network};
use crate::text::escape::quoted;

/// Where agents' requests go.
pub const AGENTS: &str = "/mcp";

/// What is told about the agents' endpoint to those who are not let in yet.
const WELL_KNOWN: &str = "/.well-known/";

/// An extension of answers that stay open without anything under way: they take no place among the requests, and nobody
/// waits for them at the end. Whoever marks one so bounds their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting;

/// The door.
pub struct Door {
    guard: Guard,
    trusted: Vec<Network>,
    places: Arc<Semaphore>,
    all: u32,
    closing: CancellationToken,
}

impl Door {
    /// From the configuration. Once `closing`, nothing new is begun.
    pub fn new(http: &HttpConfig, closing: CancellationToken) -> Self {
        let all = u32::try_from(http.limits.requests).unwrap_or(u32::MAX);
        let places = Arc::new(Semaphore::new(all as usize));
        Self { all, guard: Guard::new(http), trusted: http.trusted_proxies.clone(), places, closing }
    }

    /// Waits until no request is under way, those [`Lasting`] left aside.
    pub fn quiet(&self) -> impl Future<Output = ()> + Send + use<> {
        let (places, all) = (Arc::clone(&self.places), self.all);
        async move {
            let _all = places.acquire_many(all).await;
        }
    }

    /// Puts everything behind the door: `agents` has limits of body and time of its own, `others` get the usual ones.
    /// Whatever there is not, is not found.
    pub fn before(self, agents: Router, others: Router) -> Router {
        let others = others.layer(RequestBodyLimitLayer::new(FORM_BYTES));
        Router::new()
            .merge(agents)
            .merge(others)
            .fallback(|| async { (StatusCode::NOT_FOUND, "there is nothing here\n") })
            .layer(middleware::from_fn_with_state(Arc::new(self), pass))
            .layer(CatchPanicLayer::new())
    }

    /// Lets a request through, with its place among those under way and where it came from; or says why not.
    fn check(&self, parts: &mut Parts) -> Result<OwnedSemaphorePermit, Response> {
        let told = |status: StatusCode, text: &str| (status, format!("{text}\n")).into_response();
        let path = parts.uri.path();
        let agents = path == AGENTS || path.starts_with(WELL_KNOWN);
        if let Err(turned) = self.guard.check(parts, agents) {
            let status = if turned == Turned::NoHost { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
            return Err(told(status, turned.text()));
        }
        let Some(Peer(peer)) = parts.extensions.get::<Peer>().copied() else {
            return Err(told(StatusCode::INTERNAL_SERVER_ERROR, "it is not known where the request came from"));
        };
        let source = source(peer, &parts.headers, &self.trusted);
        parts.extensions.insert(source);
        if self.closing.is_cancelled() && !is_health(parts.uri.path()) {
            return Err(later(StatusCode::SERVICE_UNAVAILABLE, "the server is ending; try again in a moment", 5));
        }
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            later(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way; try again in a moment", 1)
        })
    }
}

/// A refusal that may be gone after some seconds.
pub fn later(status: StatusCode, text: &str, seconds: u16) -> Response {
    let mut response = (status, format!("{text}\n")).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// An answer that keeps something until it has been sent.
pub fn until_sent<G: Send + Unpin + 'static>(response: Response, guard: G) -> Response {
    response.map(|body| Held::until_sent(body, guard))
}

fn is_health(path: &str) -> bool {
    ["/healthz", "/readyz"].contains(&path)
}

async fn pass(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (mut parts, body) = request.into_parts();
    let (method, part, peer) = (parts.method.clone(), first_part(parts.uri.path()), parts.extensions.get().copied());
    let to_agents = parts.uri.path() == AGENTS;
    let mut response = match door.check(&mut parts) {
        Err(refused) => refused,
        Ok(place) => {
            let answer = next.run(Request::from_parts(parts, body));
            let response = match to_agents {
                true => answer.await,
                false => tokio::time::timeout(ANSWER_TIME, answer)
                    .await
                    .unwrap_or_else(|_| later(StatusCode::SERVICE_UNAVAILABLE, "that took too long; try again", 5)),
            };
            let lasts = response.extensions().get() == Some(&Lasting) || (!to_agents && is_event_stream(&response));
            match lasts {
                true => response,
                false => until_sent(response, place),
            }
        }
    };
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let (status, milliseconds) = (response.status().as_u16(), began.elapsed().as_millis());
    let peer = peer.map(|Peer(peer)| peer.to_string()).unwrap_or_default();
    if response.status().is_client_error() || response.status().is_server_error() {
        tracing::info!(%method, part, status, milliseconds, peer, "refused over HTTP");
    } else {
        tracing::debug!(%method, part, status, milliseconds, peer, "answered over HTTP");
    }
    response
}

/// Only people who are signed in have such, and they are bounded by their connections.
fn is_event_stream(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// What of a path is logged: the rest may be somebody's one-time link.
fn first_part(path: &str) -> String {
    quoted(path.split('/').nth(1).unwrap_or_default(), 32).to_string()
}
