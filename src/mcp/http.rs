//! MCP over Streamable HTTP: one endpoint for all callers, each with servers of its own.
//!
//! The versions 2025-06-18 and 2025-11-25 have sessions ([`super::sessions`]). 2026-07-28 has none: every request stands
//! alone, and what is counted for a session is counted for an agent, its human and a day in UTC, so that a client can't
//! shed its counts by coming again.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rmcp::handler::server::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::server::{Served, Server, Session, Shared};
use super::sessions::{OfCaller, Sessions, Visit};
use crate::auth::Principal;
use crate::config::{HttpConfig, HttpLimits};
use crate::digest::Digest;
use crate::http::guard::Guard;
use crate::http::limits::{BODY_TIME, Callers, MESSAGE_BYTES};
use crate::http::site::{AGENTS, Lasting, later, until_sent};
use crate::names::SessionId;
use crate::ports::Clock;

/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// The header that names a message's method (MCP 2026-07-28).
const METHOD: &str = "mcp-method";

/// The domain of the digests that stand for sessions where the protocol has none.
const SPAN_DOMAIN: &str = "countersign.session-span.v1";

/// A caller, as the endpoint hands it to whoever makes servers.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Who it is.
    pub principal: Principal,
    /// What happens in its session, or in its one request.
    pub visit: Arc<Visit>,
}

/// The endpoint, before it is mounted.
pub struct Endpoint<F> {
    make: F,
    sessions: Arc<Sessions>,
    callers: Callers,
    listeners: Callers,
    protocol: StreamableHttpServerConfig,
    answer_within: Duration,
}

impl<F, S> Endpoint<F>
where
    F: Fn(Guest) -> S + Clone + Send + Sync + 'static,
    S: ServerHandler + Send + 'static,
{
    /// An endpoint whose servers `make` makes: one for a session, or for a request where there are none.
    ///
    /// `answer_within`: how long a request without a session may take. `close` ends all sessions and streams.
    pub fn new(http: &HttpConfig, make: F, answer_within: Duration, close: CancellationToken) -> Self {
        let HttpLimits { sessions, sessions_per_caller, session_idle, requests_per_caller, .. } = http.limits;
        let listeners = Callers::new(sessions_per_caller);
        let sessions = Arc::new(Sessions::new(sessions, sessions_per_caller, session_idle));
        tokio::spawn(Arc::clone(&sessions).look_after(close.clone()));
        // The door has checked both; this is the second lock.
        let guard = Guard::new(http);
        let origins = guard.origins().map(|origin| with_port(origin.as_str()));
        let protocol = StreamableHttpServerConfig::default()
            .with_allowed_hosts(guard.hosts())
            .with_allowed_origins(origins)
            .enforce_origin_validation()
            .with_json_response(true)
            .with_max_request_body_bytes(MESSAGE_BYTES)
            .with_cancellation_token(close);
        Self { make, sessions, callers: Callers::new(requests_per_caller), listeners, protocol, answer_within }
    }

    /// Where requests with a [`Principal`] among their extensions are answered; others are turned away.
    pub fn routes(self) -> Router {
        Router::new().route(AGENTS, any(answer::<F, S>)).with_state(Arc::new(self))
    }

    async fn answer(&self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let Some(principal) = parts.extensions.get::<Principal>().cloned() else {
            return told(StatusCode::UNAUTHORIZED, "it is not known who calls");
        };
        let listens = listens(&parts);
        let places = if listens { &self.listeners } else { &self.callers };
        let Some(place) = places.enter(&principal.agent, &principal.human) else {
            let text = "this agent has too many requests under way for this person; wait for one to end";
            return later(StatusCode::TOO_MANY_REQUESTS, text, 1);
        };
        let view = Arc::new(OfCaller {
            sessions: Arc::clone(&self.sessions),
            whose: principal.clone(),
            visit: Arc::default(),
            no_room: OnceLock::new(),
        });
        let ends = parts.method == Method::DELETE;
        if ends && !names_own_session(&parts.headers, &view).await {
            return told(StatusCode::NOT_FOUND, "there is no such session");
        }
        let body = match whole(&parts.headers, body).await {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        parts.headers.remove(CONTENT_LENGTH);
        let guest = Guest { principal, visit: Arc::clone(&view.visit) };
        let make = self.make.clone();
        let serve = move || Ok(make(guest.clone()));
        let service = StreamableHttpService::new(serve, Arc::clone(&view), self.protocol.clone());
        let request = http::Request::from_parts(parts, Full::new(body));
        let Ok(response) = timeout(self.answer_within, service.handle(request)).await else {
            let text = "the call took too long, and was told to stop; ask `list_plans` before it is repeated";
            return told(StatusCode::GATEWAY_TIMEOUT, text);
        };
        if view.no_room.get().is_some() {
            let text = "too many sessions are open; end one, or try again when one has ended";
            return later(StatusCode::SERVICE_UNAVAILABLE, text, 60);
        }
        let mut response = until_sent(response.map(Body::new), place);
        if ends && response.status() == StatusCode::ACCEPTED {
            // It is done, and some clients warn their people of any other success.
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        if listens {
            response.extensions_mut().insert(Lasting);
        }
        response
    }
}

async fn answer<F, S>(State(endpoint): State<Arc<Endpoint<F>>>, request: Request) -> Response
where
    F: Fn(Guest) -> S + Clone + Send + Sync + 'static,
    S: ServerHandler + Send + 'static,
{
    endpoint.answer(request).await
}

/// Makes the servers of the product.
pub fn servers<D: Desk>(shared: Arc<Shared<D>>, clock: Arc<dyn Clock>) -> impl Fn(Guest) -> Server<D> + Clone {
    move |guest| {
        let span = span(&guest.principal, clock.now());
        let Principal { agent, human, .. } = guest.principal;
        shared.server(Served { agent, human, session: Session::OverHttp { visit: guest.visit, span } })
    }
}

/// What stands for a session where the protocol has none: an agent's day for a human.
fn span(principal: &Principal, now: Timestamp) -> SessionId {
    let day = now.to_zoned(TimeZone::UTC).date();
    let of = format!("{}\0{}\0{day}", principal.agent, principal.human);
    SessionId::new(format!("{day}-{}", Digest::of_bytes(SPAN_DOMAIN, of.as_bytes()).short()))
}

/// A message, read whole: within its size and its time.
async fn whole(headers: &HeaderMap, body: Body) -> Result<Bytes, Response> {
    let too_large = || told(StatusCode::PAYLOAD_TOO_LARGE, "the message is too large; the limit is 4 MiB");
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MESSAGE_BYTES as u64) {
        return Err(too_large());
    }
    match timeout(BODY_TIME, Limited::new(body, MESSAGE_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(told(StatusCode::BAD_REQUEST, "the message broke off")),
        Err(_) => Err(told(StatusCode::REQUEST_TIMEOUT, "the message took too long to arrive")),
    }
}

/// True for a request that only waits for what may come. Who says so falsely has as few places for it.
fn listens(parts: &Parts) -> bool {
    parts.method == Method::GET || parts.headers.get(METHOD).is_some_and(|method| method == "subscriptions/listen")
}

async fn names_own_session(headers: &HeaderMap, view: &OfCaller) -> bool {
    match headers.get(SESSION).map(|id| id.to_str()) {
        // What is missing altogether is told by the protocol.
        None => true,
        Some(Ok(id)) => view.has(id).await,
        Some(Err(_)) => false,
    }
}

/// A site with its port, without which any port would do.
fn with_port(origin: &str) -> String {
    let has_port = origin.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = match origin {
        _ if has_port => "",
        origin if origin.starts_with("https:") => ":443",
        origin if origin.starts_with("http:") => ":80",
        _ => ":*",
    };
    format!("{origin}{port}")
}

fn told(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}
