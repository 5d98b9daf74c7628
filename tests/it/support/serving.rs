//! The real binary over HTTP, for tests about who calls.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::Installation;

/// A server that listens on loopback.
pub(crate) struct Serving {
    server: Child,
    log: JoinHandle<String>,
    origin: String,
    pub(crate) http: Client,
}

/// What a request was answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// `WWW-Authenticate`; empty where there is none.
    pub(crate) challenge: String,
}

/// A port nobody listens at; the server's address must be known before the server is there.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Serving {
    /// Starts a server of `installation` and waits until it is ready.
    pub(crate) async fn start(installation: &Installation, port: u16) -> Self {
        let mut command = Command::from(installation.command());
        command.args(["serve", "--http", &format!("127.0.0.1:{port}"), "--log", "countersign=debug"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut server = command.spawn().unwrap();
        let mut stderr = server.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log).await;
            log
        });
        let http = Client::builder().no_proxy().build().unwrap();
        let mut serving = Self { server, log, origin: format!("http://localhost:{port}"), http };
        let deadline = Instant::now() + Duration::from_secs(60);
        while serving.get("/readyz").send().await.map_or(0, |answer| answer.status().as_u16()) != 200 {
            if serving.server.try_wait().unwrap().is_some() || Instant::now() > deadline {
                let _ = serving.server.kill().await;
                panic!("it is not ready:\n{}", serving.log.await.unwrap());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        serving
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The endpoint for agents.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.origin))
    }

    /// The first message of a client, not sent yet.
    pub(crate) fn hello(&self) -> RequestBuilder {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "countersign-tests", "version": "1" },
        });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let request = self.http.post(self.endpoint()).json(&message);
        request.header("accept", "application/json, text/event-stream")
    }

    /// What a client with this token is told.
    pub(crate) async fn tells(&self, token: &str) -> Told {
        told(self.hello().bearer_auth(token)).await
    }

    /// A session of a client with this token.
    pub(crate) async fn session(&self, token: &str) -> RunningService<RoleClient, ()> {
        let config = StreamableHttpClientTransportConfig::with_uri(self.endpoint()).auth_header(token);
        let transport = StreamableHttpClientTransport::with_client(self.http.clone(), config);
        ().serve(transport).await.unwrap()
    }

    /// Whom the server takes the holder of this token for: agent and human.
    pub(crate) async fn whoami(&self, token: &str) -> (String, String) {
        let session = self.session(token).await;
        let answer = session.call_tool(CallToolRequestParams::new("whoami")).await.unwrap();
        let who = answer.structured_content.unwrap();
        session.cancel().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&who["agent"]), text(&who["human"]))
    }

    /// Ends the server; what it logged.
    pub(crate) async fn end(mut self) -> String {
        let process = self.server.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").arg(&process).status().unwrap().success());
        let status = tokio::time::timeout(Duration::from_secs(40), self.server.wait()).await.unwrap().unwrap();
        let log = self.log.await.unwrap();
        assert!(status.success(), "{log}");
        log
    }
}

/// Sends a request.
pub(crate) async fn told(request: RequestBuilder) -> Told {
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    Told { status: answer.status().as_u16(), challenge: challenge.unwrap_or_default() }
}
