//! The scripted agent's MCP client: JSON-RPC in lines over a child's standard input and output (MCP 2025-11-25).
//!
//! It shares no code with the server's side, so that the demonstration is one of the wire and not of a library's view
//! of itself.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The version this client speaks.
const PROTOCOL: &str = "2025-11-25";

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the person at the client does when a form is shown.
#[derive(Clone, Debug)]
pub(super) enum Person {
    /// Types a text.
    Types(String),
    /// The client answers by itself: `accept`, with nothing in the form.
    IsSkipped,
    /// Says no.
    Declines,
}

/// A form that was shown to the person.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Its text.
    pub(super) message: String,
    /// What its only field is described as.
    pub(super) field: String,
}

/// A tool's answer.
#[derive(Clone, Debug)]
pub(super) struct ToolAnswer {
    /// True where the server said `isError`.
    pub(super) refused: bool,
    /// The text the model reads.
    pub(super) text: String,
    /// The structured content.
    pub(super) structured: Value,
    /// Forms shown to the person during the call.
    pub(super) forms: Vec<Form>,
}

impl ToolAnswer {
    /// The refusal's code, such as `needs_second_person`; empty where there was none.
    pub(super) fn code(&self) -> &str {
        self.structured.pointer("/error/code").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The pipe broke, or the server could not be started.
    #[error("the server can't be reached: {0}")]
    Pipe(#[from] std::io::Error),
    /// The server ended.
    #[error("the server ended; see its log")]
    Ended,
    /// Too slow.
    #[error("the server did not answer `{0}` in time")]
    Slow(String),
    /// Something that isn't MCP.
    #[error("the server sent what is not MCP: {0}")]
    NotMcp(#[from] serde_json::Error),
    /// A JSON-RPC error.
    #[error("the server answered `{method}` with an error: {error}")]
    Protocol {
        /// The method called.
        method: String,
        /// The error object.
        error: Value,
    },
}

/// A connection to a server of its own.
pub(super) struct Client {
    // Killed with this value.
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    last_id: u64,
    answers: VecDeque<Person>,
    forms: Vec<Form>,
}

impl Client {
    /// Starts a server and shakes hands. `elicitation`: whether the client says that it can show forms.
    pub(super) async fn connect(
        binary: &Path,
        config: &Path,
        log: &Path,
        elicitation: bool,
    ) -> Result<Self, ClientError> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ClientError::Ended);
        };
        let lines = BufReader::new(stdout).lines();
        let mut client = Self { _child: child, stdin, lines, last_id: 0, answers: VecDeque::new(), forms: Vec::new() };
        let capabilities = if elicitation { json!({ "elicitation": { "form": {} } }) } else { json!({}) };
        let hello = json!({
            "protocolVersion": PROTOCOL,
            "capabilities": capabilities,
            "clientInfo": { "name": "scripted-agent", "version": env!("CARGO_PKG_VERSION") },
        });
        client.request("initialize", hello).await?;
        client.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(client)
    }

    /// The names of all tools.
    pub(super) async fn tools(&mut self) -> Result<Vec<String>, ClientError> {
        let list = self.request("tools/list", json!({})).await?;
        let tools = list.get("tools").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(tools.iter().filter_map(|tool| tool.get("name")?.as_str().map(str::to_owned)).collect())
    }

    /// Calls a tool; should the server ask the person, `person` answers, once.
    pub(super) async fn call(
        &mut self,
        tool: &str,
        arguments: Value,
        person: Option<Person>,
    ) -> Result<ToolAnswer, ClientError> {
        self.answers = person.into_iter().collect();
        self.forms.clear();
        let result = self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await?;
        let text = result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(ToolAnswer {
            refused: result.get("isError").and_then(Value::as_bool) == Some(true),
            text,
            structured: result.get("structuredContent").cloned().unwrap_or_default(),
            forms: std::mem::take(&mut self.forms),
        })
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value, ClientError> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await?;
        let answer = tokio::time::timeout(PATIENCE, self.answer_to(id, method));
        answer.await.map_err(|_| ClientError::Slow(method.to_owned()))?
    }

    async fn answer_to(&mut self, id: u64, method: &str) -> Result<Value, ClientError> {
        loop {
            let line = self.lines.next_line().await?.ok_or(ClientError::Ended)?;
            let mut message: Value = serde_json::from_str(&line)?;
            match message.get("method").and_then(Value::as_str) {
                Some("elicitation/create") => self.show_form(&message).await?,
                Some("ping") => self.reply(&message, json!({})).await?,
                Some(_) => {}
                None if message.get("id").and_then(Value::as_u64) == Some(id) => {
                    return match message.get("error") {
                        Some(error) => Err(ClientError::Protocol { method: method.to_owned(), error: error.clone() }),
                        None => Ok(message.get_mut("result").map(Value::take).unwrap_or_default()),
                    };
                }
                None => {}
            }
        }
    }

    async fn show_form(&mut self, message: &Value) -> Result<(), ClientError> {
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let properties = message.pointer("/params/requestedSchema/properties").and_then(Value::as_object);
        let field = properties.and_then(|fields| fields.keys().next()).cloned().unwrap_or_default();
        let field_text = text(&format!("/params/requestedSchema/properties/{field}/description"));
        self.forms.push(Form { message: text("/params/message"), field: field_text });
        let answer = match self.answers.pop_front() {
            Some(Person::Types(typed)) => json!({ "action": "accept", "content": { field: typed } }),
            Some(Person::IsSkipped) => json!({ "action": "accept", "content": {} }),
            Some(Person::Declines) | None => json!({ "action": "decline" }),
        };
        self.reply(message, answer).await
    }

    async fn reply(&mut self, request: &Value, result: Value) -> Result<(), ClientError> {
        let id = request.get("id").cloned().unwrap_or_default();
        self.send(json!({ "jsonrpc": "2.0", "id": id, "result": result })).await
    }

    async fn send(&mut self, message: Value) -> Result<(), ClientError> {
        let mut line = message.to_string();
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).await?;
        Ok(self.stdin.flush().await?)
    }
}
