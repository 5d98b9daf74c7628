//! The protocol against `rmcp`'s own client over a pipe in memory, before a desk that stands for the pipeline.

mod asking;
mod calls;
mod desk;
mod pages;
mod replay;
mod session;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, ErrorData, FormElicitationCapability, Implementation,
    ProgressNotificationParam, ProtocolVersion, UrlElicitationCapability,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, NotificationContext, RequestContext, RoleClient, RunningService,
};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::desk::FakeDesk;
use super::sealed::Sealer;
use super::server::{Served, Server, Shared};
use super::stdio::{ServeError, serve_on};
use crate::names::{Agent, Human, SessionId};
use crate::testing::FixedClock;

const OLDER: [ProtocolVersion; 2] = [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25];
const NEWEST: ProtocolVersion = ProtocolVersion::V_2026_07_28;

/// What the person at the client does with a form.
#[derive(Clone, Debug)]
enum Act {
    Types(&'static str),
    Accepts(Option<Value>),
    Declines,
    Cancels,
    Ignores,
    HasNoForms,
    FailsToShow,
    /// Opens pages, and types this into forms.
    Opens(&'static str),
    WontOpen,
}

/// A client and its person.
#[derive(Clone)]
struct Person {
    version: ProtocolVersion,
    act: Act,
    asked: Arc<Mutex<Vec<ElicitRequestParams>>>,
    told: Arc<Mutex<Vec<String>>>,
    withdrawn: CancellationToken,
}

impl Person {
    fn who(act: Act, version: ProtocolVersion) -> Self {
        let (asked, told) = (Arc::default(), Arc::default());
        Self { version, act, asked, told, withdrawn: CancellationToken::new() }
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities = match self.act {
            Act::HasNoForms => ClientCapabilities::builder().build(),
            Act::Opens(_) | Act::WontOpen => {
                let mut capabilities = ClientCapabilities::builder().enable_elicitation().build();
                let both = ElicitationCapability::new().with_form(FormElicitationCapability::default());
                capabilities.elicitation = Some(both.with_url(UrlElicitationCapability::default()));
                capabilities
            }
            _ => ClientCapabilities::builder().enable_elicitation().build(),
        };
        ClientConfig::new(capabilities, Implementation::new("test-client", "1.2.3"))
            .with_protocol_version(self.version.clone())
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let form = matches!(request, ElicitRequestParams::FormElicitationParams { .. });
        self.asked.lock().unwrap().push(request);
        let accept = || ElicitResult::new(ElicitationAction::Accept);
        Ok(match &self.act {
            Act::Types(text) => accept().with_content(json!({ "confirmation": text })),
            Act::Accepts(Some(content)) => accept().with_content(content.clone()),
            Act::Accepts(None) => accept(),
            Act::Opens(text) if form => accept().with_content(json!({ "confirmation": text })),
            Act::Opens(_) => accept(),
            Act::WontOpen | Act::Declines => ElicitResult::new(ElicitationAction::Decline),
            Act::Cancels => ElicitResult::new(ElicitationAction::Cancel),
            Act::HasNoForms | Act::FailsToShow => return Err(ErrorData::internal_error("no\nwindow", None)),
            Act::Ignores => {
                context.ct.cancelled().await;
                self.withdrawn.cancel();
                ElicitResult::new(ElicitationAction::Cancel)
            }
        })
    }

    async fn on_progress(&self, progress: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        self.told.lock().unwrap().push(format!("{} {}", progress.progress, progress.message.unwrap_or_default()));
    }
}

/// A served session.
struct Session {
    client: RunningService<RoleClient, Person>,
    person: Person,
    desk: Arc<FakeDesk>,
    clock: FixedClock,
    closing: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

/// A server before a fresh desk; `patience` is how long it waits for the person.
async fn server(patience: Duration) -> (Server<FakeDesk>, Arc<FakeDesk>, FixedClock) {
    let (clock, desk) = (FixedClock::default(), Arc::new(FakeDesk::open().await));
    let served = Served {
        agent: Agent::new("test-agent"),
        human: Human::new("ana"),
        session: crate::mcp::server::Session::Of(SessionId::new("session-1")),
    };
    let mut key = [0; 32];
    getrandom::fill(&mut key).unwrap();
    let sealer = Sealer::new(&key, Arc::new(clock.clone()), desk.store.clone(), patience).unwrap();
    let shared = Shared::new(desk.clone(), sealer, patience).telling_every(Duration::from_millis(20));
    (Arc::new(shared).server(served), desk, clock)
}

fn serve(server: Server<FakeDesk>) -> (DuplexStream, JoinHandle<Result<(), ServeError>>) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(theirs);
    (ours, tokio::spawn(serve_on(server, read, write, Duration::from_secs(5))))
}

impl Session {
    async fn of(act: Act, version: ProtocolVersion) -> Self {
        Self::with_patience(act, version, Duration::from_secs(20)).await
    }

    async fn with_patience(act: Act, version: ProtocolVersion, patience: Duration) -> Self {
        let (server, desk, clock) = server(patience).await;
        let closing = server.closing();
        let (ours, served) = serve(server);
        let lifecycle = if version == NEWEST {
            ClientLifecycleMode::Discover { preferred_versions: vec![NEWEST] }
        } else {
            ClientLifecycleMode::Initialize
        };
        let person = Person::who(act, version);
        let client = person.clone().serve_with_lifecycle(ours, lifecycle).await.unwrap();
        Self { client, person, desk, clock, closing, served }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        self.client.call_tool(call(tool, arguments)).await.unwrap()
    }

    /// Asks for the one destructive thing there is.
    async fn wipe(&self) -> CallToolResult {
        self.call("wipe", json!({ "bucket": "orders" })).await
    }
}

fn call(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone())
}

/// The refusal's code; panics where the call was not refused in the agreed form.
fn refusal_code(result: &CallToolResult) -> String {
    assert_eq!(result.is_error, Some(true), "{result:?}");
    let error = &result.structured_content.as_ref().unwrap()["error"];
    assert!(!error["message"].as_str().unwrap().is_empty() && !error["hint"].as_str().unwrap().is_empty());
    error["code"].as_str().unwrap().to_owned()
}

fn refusal_message(result: &CallToolResult) -> String {
    refusal_code(result);
    result.structured_content.as_ref().unwrap()["error"]["message"].as_str().unwrap().to_owned()
}
