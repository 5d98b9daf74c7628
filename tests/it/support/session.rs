//! A real client (rmcp's) of the real binary, over its standard input and output, with a scripted person.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig,
    ClientRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, Implementation,
    InputRequiredResult, InputResponses, ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, NotificationContext, PeerRequestOptions, RequestContext, RoleClient,
    RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};

use super::installation::Installation;
use super::with;

/// Versions in which the server asks the person with a request of its own.
pub(crate) const OLDER: [ProtocolVersion; 2] = [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25];

/// The version in which the question is a result.
pub(crate) const NEWEST: ProtocolVersion = ProtocolVersion::V_2026_07_28;

/// All of them.
pub(crate) const VERSIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

/// What the person at the client does with a form.
#[derive(Clone)]
pub(crate) enum Act {
    /// Types a text and accepts.
    Types(String),
    /// Types whatever the form asks for.
    Obeys,
    /// The same, after something else has happened while the form was open.
    Meanwhile(Arc<dyn Fn() + Send + Sync>, String),
    /// The client accepts with this content (or none), whatever the form asks for.
    Accepts(Option<Value>),
    Declines,
    Cancels,
    /// Never answers.
    Ignores,
    /// The client did not declare that it has forms.
    HasNoForms,
    /// The client declared it, and answers with an error.
    FailsToShow,
}

impl Act {
    pub(crate) fn types(text: &str) -> Self {
        Self::Types(text.to_owned())
    }
}

/// A server process and its client.
pub(crate) struct Session {
    client: RunningService<RoleClient, Person>,
    server: Option<Child>,
    person: Person,
    log: Arc<watch::Sender<String>>,
}

/// The answer of a tool.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: CallToolResult,
}

impl Session {
    /// Starts a server of `installation` and shakes hands.
    pub(crate) async fn start(installation: &Installation, version: ProtocolVersion, act: Act) -> Self {
        Self::start_with(installation.command(), version, act).await
    }

    /// Starts a server by a command that only lacks `serve`.
    pub(crate) async fn start_with(command: std::process::Command, version: ProtocolVersion, act: Act) -> Self {
        let mut command = Command::from(command);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut server = command.spawn().unwrap();
        let (stdin, stdout) = (server.stdin.take().unwrap(), server.stdout.take().unwrap());
        let log = collected(server.stderr.take().unwrap());
        let person = Person::new(version, act);
        let connected = person.clone().serve_with_lifecycle((stdout, stdin), person.lifecycle()).await;
        let client = match connected {
            Ok(client) => client,
            Err(error) => {
                let _ = tokio::time::timeout(Duration::from_secs(5), server.wait()).await;
                panic!("no session: {error}\n{}", log.borrow().as_str());
            }
        };
        Self { client, server: Some(server), person, log }
    }

    /// Shakes hands with a server that listens, and whose log this is.
    pub(crate) async fn over_http(
        url: &str,
        token: Option<&str>,
        version: ProtocolVersion,
        act: Act,
        log: Arc<watch::Sender<String>>,
    ) -> Self {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url);
        config.auth_header = token.map(str::to_owned);
        let transport = StreamableHttpClientTransport::from_config(config);
        let person = Person::new(version, act);
        let connected = person.clone().serve_with_lifecycle(transport, person.lifecycle()).await;
        let client = connected.unwrap_or_else(|error| panic!("no session: {error}\n{}", log.borrow().as_str()));
        Self { client, server: None, person, log }
    }

    /// The process that serves this session alone.
    fn server(&mut self) -> &mut Child {
        self.server.as_mut().expect("a server of its own")
    }

    /// From now on the person does something else.
    pub(crate) fn now(&self, act: Act) {
        *self.person.act.lock().unwrap() = act;
    }

    /// The client itself, for what isn't a tool call.
    pub(crate) fn client(&self) -> &RunningService<RoleClient, Person> {
        &self.client
    }

    /// The forms that were shown, in order.
    pub(crate) fn forms(&self) -> Vec<Value> {
        self.person.forms.lock().unwrap().clone()
    }

    /// Calls a tool; the person answers what is asked.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        let result = self.client.call_tool(params(tool, arguments)).await;
        Answer { result: result.unwrap_or_else(|error| panic!("{error}\n{}", self.log())) }
    }

    /// Calls a tool on a server that may die meanwhile.
    pub(crate) async fn try_call(&self, tool: &str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        self.client.call_tool(params(tool, arguments)).await
    }

    /// One call without the client's own handling of questions (2026-07-28).
    pub(crate) async fn call_once(
        &self,
        tool: &str,
        arguments: Value,
        state: Option<&str>,
        responses: Option<InputResponses>,
    ) -> CallToolResponse {
        let mut params = params(tool, arguments);
        params.request_state = state.map(str::to_owned);
        params.input_responses = responses;
        self.client.call_tool_once(params).await.unwrap()
    }

    /// The question a call comes back with (2026-07-28).
    pub(crate) async fn asked(&self, tool: &str, arguments: Value) -> InputRequiredResult {
        match self.call_once(tool, arguments, None, None).await {
            CallToolResponse::InputRequired(question) => question,
            other => panic!("{other:?}"),
        }
    }

    /// Answers a question with a text (2026-07-28).
    pub(crate) async fn answer(&self, tool: &str, arguments: Value, state: &str, text: &str) -> Answer {
        let form = json!({ "action": "accept", "content": { "confirmation": text } });
        let responses = InputResponses::from([("confirmation".to_owned(), form)]);
        match self.call_once(tool, arguments, Some(state), Some(responses)).await {
            CallToolResponse::Complete(result) => Answer { result },
            other => panic!("{other:?}"),
        }
    }

    /// What the server told of the progress of calls, in order.
    pub(crate) fn progress(&self) -> Vec<String> {
        self.person.progress.lock().unwrap().clone()
    }

    /// Calls a tool, and cancels the request when the client was told this of how far it is.
    pub(crate) async fn cancelled_when_told(&self, tool: &str, arguments: Value, told: &str) {
        self.cancelled(params(tool, arguments), told).await;
    }

    /// The same with the answer to a question (2026-07-28).
    pub(crate) async fn cancelled_with_answer(
        &self,
        tool: &str,
        arguments: Value,
        state: &str,
        text: &str,
        told: &str,
    ) {
        let form = json!({ "action": "accept", "content": { "confirmation": text } });
        let mut params = params(tool, arguments);
        params.request_state = Some(state.to_owned());
        params.input_responses = Some(InputResponses::from([("confirmation".to_owned(), form)]));
        self.cancelled(params, told).await;
    }

    async fn cancelled(&self, params: CallToolRequestParams, text: &str) {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::no_options();
        let handle = self.client.send_cancellable_request(request, options).await.unwrap();
        let told = async {
            while !self.progress().iter().any(|told| told.contains(text)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), told).await;
        assert!(waited.is_ok(), "told {:?}\n{}", self.progress(), self.log());
        handle.cancel(Some("the person does not wait".to_owned())).await.unwrap();
    }

    /// Previews a change and returns the arguments that apply it.
    pub(crate) async fn preview(&self, tool: &str, arguments: &Value) -> Value {
        let preview = self.call(tool, arguments.clone()).await;
        with(arguments, json!({ "dry_run": false, "plan_id": preview.plan_id() }))
    }

    /// Kills the server with SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.server().kill().await.unwrap();
    }

    /// Closes the client's end and waits for the server to end by itself; its exit code and log.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let mut server = self.server.take().expect("a server of its own");
        self.client.cancel().await.unwrap();
        let status = tokio::time::timeout(Duration::from_secs(40), server.wait()).await.unwrap().unwrap();
        (status.code(), self.log.borrow().clone())
    }

    /// What the server wrote to standard error.
    pub(crate) fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// Waits until the server has logged a text so many times.
    pub(crate) async fn logged(&self, text: &str, times: usize) {
        let mut log = self.log.subscribe();
        let there = log.wait_for(|log| log.matches(text).count() >= times);
        let waited = tokio::time::timeout(Duration::from_secs(30), there).await;
        assert!(waited.is_ok(), "`{text}` was not logged {times} times:\n{}", self.log());
    }

    /// Sends the server a signal, such as `HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.server.as_ref().expect("a server of its own").id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &process]).status().unwrap();
        assert!(sent.success());
    }

    /// The names of the tools that are listed.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let tools = self.client.list_all_tools().await.unwrap();
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    /// Waits until the client was told that there may be other tools.
    pub(crate) async fn told_of_other_tools(&self) {
        tokio::time::timeout(Duration::from_secs(30), self.person.other_tools.notified()).await.unwrap();
    }
}

impl Answer {
    /// The structured content.
    pub(crate) fn structured(&self) -> &Value {
        self.result.structured_content.as_ref().unwrap()
    }

    /// The text of the first content block.
    pub(crate) fn text(&self) -> &str {
        &self.result.content.first().unwrap().as_text().unwrap().text
    }

    /// The id of the plan that a preview returned.
    pub(crate) fn plan_id(&self) -> String {
        assert_ne!(self.result.is_error, Some(true), "{:#}", self.structured());
        assert_eq!(self.structured()["status"], "preview", "{:#}", self.structured());
        self.structured()["plan_id"].as_str().unwrap().to_owned()
    }

    /// Asserts that it was applied.
    pub(crate) fn applied(&self) {
        assert_ne!(self.result.is_error, Some(true), "{:#}", self.structured());
        assert_eq!(self.structured()["status"], "applied", "{:#}", self.structured());
    }

    /// Asserts a refusal of this code, in the form that every refusal has; returns its message.
    pub(crate) fn refused(&self, code: &str) -> &str {
        assert_eq!(self.result.is_error, Some(true), "{:#}", self.structured());
        let error = &self.structured()["error"];
        assert_eq!(error["code"], code, "{error:#}");
        assert!(!error["hint"].as_str().unwrap().is_empty(), "{error:#}");
        error["message"].as_str().unwrap()
    }

    /// The hint of a refusal.
    pub(crate) fn hint(&self) -> &str {
        self.structured()["error"]["hint"].as_str().unwrap()
    }
}

fn params(tool: &str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments.as_object().unwrap().clone())
}

pub(crate) fn collected(mut stderr: tokio::process::ChildStderr) -> Arc<watch::Sender<String>> {
    let log = Arc::new(watch::Sender::new(String::new()));
    let into = Arc::clone(&log);
    tokio::spawn(async move {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
            into.send_modify(|log| log.push_str(&String::from_utf8_lossy(&chunk[..read])));
        }
    });
    log
}

#[derive(Clone)]
pub(crate) struct Person {
    version: ProtocolVersion,
    act: Arc<Mutex<Act>>,
    forms: Arc<Mutex<Vec<Value>>>,
    other_tools: Arc<Notify>,
    progress: Arc<Mutex<Vec<String>>>,
}

impl Person {
    fn new(version: ProtocolVersion, act: Act) -> Self {
        Self {
            version,
            act: Arc::new(Mutex::new(act)),
            forms: Arc::default(),
            other_tools: Arc::default(),
            progress: Arc::default(),
        }
    }

    fn lifecycle(&self) -> ClientLifecycleMode {
        if self.version == NEWEST {
            ClientLifecycleMode::Discover { preferred_versions: vec![NEWEST] }
        } else {
            ClientLifecycleMode::Initialize
        }
    }
}

/// The text that a form asks for, in the line that says so.
fn asked_for(request: &ElicitRequestParams) -> String {
    let form = serde_json::to_value(request).unwrap();
    let lines = form["message"].as_str().unwrap().lines();
    let asked = lines.filter_map(|line| line.strip_prefix("To allow it, type exactly: ")).next();
    asked.unwrap_or_else(|| panic!("it asks for no text: {form:#}")).to_owned()
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities = match *self.act.lock().unwrap() {
            Act::HasNoForms => ClientCapabilities::builder().build(),
            _ => ClientCapabilities::builder().enable_elicitation().build(),
        };
        ClientConfig::new(capabilities, Implementation::new("countersign-tests", "1"))
            .with_protocol_version(self.version.clone())
    }

    async fn on_progress(&self, told: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progress.lock().unwrap().push(told.message.unwrap_or_default());
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.other_tools.notify_one();
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.forms.lock().unwrap().push(serde_json::to_value(&request).unwrap());
        let accept = || ElicitResult::new(ElicitationAction::Accept);
        let act = self.act.lock().unwrap().clone();
        Ok(match act {
            Act::Types(text) => accept().with_content(json!({ "confirmation": text })),
            Act::Obeys => accept().with_content(json!({ "confirmation": asked_for(&request) })),
            Act::Meanwhile(happens, text) => {
                happens();
                accept().with_content(json!({ "confirmation": text }))
            }
            Act::Accepts(Some(content)) => accept().with_content(content),
            Act::Accepts(None) => accept(),
            Act::Declines => ElicitResult::new(ElicitationAction::Decline),
            Act::Cancels => ElicitResult::new(ElicitationAction::Cancel),
            Act::HasNoForms | Act::FailsToShow => return Err(ErrorData::internal_error("no window", None)),
            Act::Ignores => {
                context.ct.cancelled().await;
                ElicitResult::new(ElicitationAction::Cancel)
            }
        })
    }
}
