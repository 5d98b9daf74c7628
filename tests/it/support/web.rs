//! The real binary over HTTP.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use countersign::auth::token::NewToken;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response};
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::installation::Installation;
use super::session::{Act, NEWEST, Session, collected};

/// The header that names a session.
pub(crate) const SESSION: &str = "mcp-session-id";

/// A server that listens on a free port of this machine.
pub(crate) struct WebServer {
    child: Child,
    address: SocketAddr,
    scheme: &'static str,
    client: Client,
    log: Arc<watch::Sender<String>>,
}

impl WebServer {
    /// Starts it.
    pub(crate) async fn start(installation: &Installation) -> Self {
        Self::start_at(installation, "127.0.0.1:0", "http", Client::new()).await
    }

    /// Starts it where it is told to, spoken to in some way.
    pub(crate) async fn start_at(
        installation: &Installation,
        address: &str,
        scheme: &'static str,
        client: Client,
    ) -> Self {
        let mut command = Command::from(installation.command());
        command.args(["--log", "countersign=debug,rmcp=warn", "serve", "--http", address]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let log = collected(child.stderr.take().unwrap());
        let address = {
            let mut heard = log.subscribe();
            let told = heard.wait_for(|log| listening(log).is_some());
            let told = tokio::time::timeout(Duration::from_secs(60), told).await;
            let told = told.unwrap_or_else(|_| panic!("it does not listen:\n{}", log.borrow().as_str()));
            listening(&told.unwrap()).unwrap()
        };
        Self { child, address, scheme, client, log }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a page.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    /// A session of a real client (rmcp's), with a scripted person.
    pub(crate) async fn session(&self, version: &ProtocolVersion, act: Act, token: Option<&str>) -> Session {
        Session::over_http(&self.url("/mcp"), token, version.clone(), act, Arc::clone(&self.log)).await
    }

    /// A plain request.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    /// A message to the agents' endpoint, as nothing but bytes.
    pub(crate) fn post_bytes(&self, bytes: String) -> RequestBuilder {
        self.client.post(self.url("/mcp")).header(ACCEPT, "application/json, text/event-stream").body(bytes)
    }

    /// The end of something.
    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        self.client.delete(self.url(path))
    }

    /// A message to the agents' endpoint.
    pub(crate) fn post(&self, message: &Value) -> RequestBuilder {
        let request = self.client.post(self.url("/mcp")).header(ACCEPT, "application/json, text/event-stream");
        request.header(CONTENT_TYPE, "application/json").body(message.to_string())
    }

    /// A message to the agents' endpoint in the newest version.
    pub(crate) fn post_newest(&self, method: &str, params: Value) -> RequestBuilder {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": NEWEST,
            "io.modelcontextprotocol/clientInfo": { "name": "by hand", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params["name"].as_str().map(str::to_owned);
        let params = super::with(&params, json!({ "_meta": meta }));
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self.post(&message).header("mcp-protocol-version", NEWEST.as_str()).header("mcp-method", method);
        match name {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    /// Opens a session by hand; its id.
    pub(crate) async fn open(&self, token: Option<&str>) -> String {
        let opened = authorized(self.post(&initialize()), token).send().await.unwrap();
        assert_eq!(opened.status(), 200);
        let id = opened.headers()[SESSION].to_str().unwrap().to_owned();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let ready = authorized(self.post(&ready), token).header(SESSION, &id).send().await.unwrap();
        assert_eq!(ready.status(), 202);
        id
    }

    /// Lists the tools in a session.
    pub(crate) async fn list_in(&self, session: &str, token: Option<&str>) -> Response {
        let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        authorized(self.post(&list), token).header(SESSION, session).send().await.unwrap()
    }

    /// Sends the server a signal, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &process]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; the exit code and the log.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await.unwrap().unwrap();
        (status.code(), self.log.borrow().clone())
    }

    /// What it wrote to standard error.
    pub(crate) fn log(&self) -> String {
        self.log.borrow().clone()
    }
}

/// The first message of a session.
pub(crate) fn initialize() -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "by hand", "version": "1" },
        },
    })
}

pub(crate) fn authorized(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// Gives somebody a token for the test agent.
pub(crate) fn with_token(installation: Installation, human: &str) -> (Installation, String) {
    let token = NewToken::random().unwrap();
    let tomorrow =
        countersign::ports::Clock::now(&countersign::clock::SystemClock) + jiff::SignedDuration::from_hours(24);
    let key = |name: &str| format!("http.tokens.{human}.{name}");
    let installation = installation
        .set(&key("sha256"), token.sha256())
        .set(&key("agent"), "test-agent")
        .set(&key("human"), human)
        .set(&key("expires"), tomorrow.to_string());
    (installation, token.reveal().to_owned())
}

fn listening(log: &str) -> Option<SocketAddr> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut told = lines.filter(|line| line["fields"]["message"] == "listening");
    told.next()?["fields"]["address"].as_str()?.parse().ok()
}
