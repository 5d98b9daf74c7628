//! A client that previews a change, shows the plan, lets a person confirm it, and applies it.
//!
//! ```text
//! cargo run --example client -- --tool s3_delete_bucket --arguments '{"Bucket": "old-logs"}' \
//!     --account shop-dev --reason "empty since May" -- target/release/countersign serve --config countersign.toml
//! ```
//!
//! The exit code is 0 where the call was answered, 3 where it was refused, and 1 where something went wrong.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ErrorData, Implementation, ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, NotificationContext, RequestContext, RoleClient, RunningService,
};
use rmcp::transport::TokioChildProcess;
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Previews a change, lets a person confirm it, and applies it.
#[derive(Parser)]
struct Arguments {
    /// The tool to call; without one, the tools are listed and nothing else happens
    #[arg(long)]
    tool: Option<String>,
    /// The tool's arguments, a JSON object
    #[arg(long, default_value = "{}")]
    arguments: String,
    /// The account's name or id
    #[arg(long)]
    account: Option<String>,
    /// The region
    #[arg(long)]
    region: Option<String>,
    /// Why the change is wanted
    #[arg(long)]
    reason: Option<String>,
    /// Stop after the preview
    #[arg(long)]
    preview: bool,
    /// Type this into the form instead of asking on the terminal
    #[arg(long, conflicts_with = "press")]
    answer: Option<String>,
    /// Press this button instead of filling in the form
    #[arg(long, value_enum)]
    press: Option<Button>,
    /// Pretend to be a client that can't show forms
    #[arg(long)]
    no_forms: bool,
    /// The version of MCP to speak
    #[arg(long, value_enum, default_value_t = Version::Newest)]
    protocol: Version,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// The server's command and its arguments
    #[arg(last = true, required = true)]
    server: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Button {
    /// Accept the form without filling it in
    AcceptEmpty,
    Decline,
    Cancel,
}

#[derive(Clone, Copy, ValueEnum)]
enum Version {
    #[value(name = "2025-06-18")]
    Oldest,
    #[value(name = "2025-11-25")]
    Older,
    #[value(name = "2026-07-28")]
    Newest,
}

impl Version {
    fn lifecycle(self) -> (ProtocolVersion, ClientLifecycleMode) {
        match self {
            Self::Oldest => (ProtocolVersion::V_2025_06_18, ClientLifecycleMode::Initialize),
            Self::Older => (ProtocolVersion::V_2025_11_25, ClientLifecycleMode::Initialize),
            Self::Newest => {
                let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
                (ProtocolVersion::V_2026_07_28, ClientLifecycleMode::Discover { preferred_versions })
            }
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True where everything that was asked for was answered.
async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let (version, lifecycle) = arguments.protocol.lifecycle();
    let (program, rest) = arguments.server.split_first().ok_or("no server was named")?;
    let mut command = tokio::process::Command::new(program);
    command.args(rest);
    let screen = Screen { json: arguments.json };
    let person = Person {
        screen,
        version,
        answer: arguments.answer.clone(),
        press: arguments.press,
        no_forms: arguments.no_forms,
    };
    let client = person.serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle).await?;
    let answered = match &arguments.tool {
        Some(tool) => change(&client, screen, tool, &arguments).await,
        None => list(&client, screen).await.map(|()| true),
    };
    client.cancel().await?;
    answered
}

async fn list(client: &RunningService<RoleClient, Person>, screen: Screen) -> Result<(), Failure> {
    for tool in client.list_all_tools().await? {
        let read_only = tool.annotations.as_ref().and_then(|hints| hints.read_only_hint) == Some(true);
        let kind = if read_only { "reads" } else { "changes" };
        screen.show(
            "tool",
            &format!("{} ({kind}): {}", tool.name, tool.title.as_deref().unwrap_or_default()),
            serde_json::to_value(&tool)?,
        );
    }
    Ok(())
}

/// Preview, then apply with the plan's id. A tool that only reads answers the first call.
async fn change(
    client: &RunningService<RoleClient, Person>,
    screen: Screen,
    tool: &str,
    options: &Arguments,
) -> Result<bool, Failure> {
    let mut arguments: Map<String, Value> = serde_json::from_str(&options.arguments)?;
    for (name, value) in [("account", &options.account), ("region", &options.region), ("reason", &options.reason)] {
        if let Some(value) = value {
            arguments.insert(name.into(), json!(value));
        }
    }
    let first = call(client, tool, arguments.clone()).await?;
    let Some(plan) = previewed(&first) else { return screen.result("answer", &first) };
    screen.result("preview", &first)?;
    if options.preview {
        return Ok(true);
    }

    arguments.insert("dry_run".into(), json!(false));
    arguments.insert("plan_id".into(), plan);
    screen.result("outcome", &call(client, tool, arguments).await?)
}

/// The plan's id, where the result is a preview.
fn previewed(result: &CallToolResult) -> Option<Value> {
    let structured = result.structured_content.as_ref()?;
    (structured.get("status")? == "preview").then(|| structured.get("plan_id").cloned()).flatten()
}

async fn call(
    client: &RunningService<RoleClient, Person>,
    tool: &str,
    arguments: Map<String, Value>,
) -> Result<CallToolResult, Failure> {
    Ok(client.call_tool(CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)).await?)
}

/// The person at this client.
struct Person {
    screen: Screen,
    version: ProtocolVersion,
    answer: Option<String>,
    press: Option<Button>,
    no_forms: bool,
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities = if self.no_forms {
            ClientCapabilities::builder().build()
        } else {
            ClientCapabilities::builder().enable_elicitation().build()
        };
        ClientConfig::new(capabilities, Implementation::new("countersign-example-client", env!("CARGO_PKG_VERSION")))
            .with_protocol_version(self.version.clone())
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let form =
            serde_json::to_value(&request).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } = request else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        self.screen.show("form", &message, form);
        let field = requested_schema.properties.keys().next().cloned().unwrap_or_default();
        Ok(match (self.press, &self.answer) {
            (Some(Button::AcceptEmpty), _) => ElicitResult::new(ElicitationAction::Accept).with_content(json!({})),
            (Some(Button::Decline), _) => ElicitResult::new(ElicitationAction::Decline),
            (Some(Button::Cancel), _) => ElicitResult::new(ElicitationAction::Cancel),
            (None, Some(text)) => filled_in(&field, text),
            (None, None) => match on_terminal(&field).await {
                Some(text) => filled_in(&field, &text),
                None => ElicitResult::new(ElicitationAction::Cancel),
            },
        })
    }

    async fn on_progress(&self, progress: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        if let Some(message) = progress.message {
            self.screen.show("progress", &message, json!(progress.progress));
        }
    }
}

fn filled_in(field: &str, text: &str) -> ElicitResult {
    ElicitResult::new(ElicitationAction::Accept).with_content(json!({ field: text }))
}

/// One line from the terminal; `None` at the end of input or where nothing was typed.
async fn on_terminal(field: &str) -> Option<String> {
    let label = format!("{field} (empty cancels): ");
    let read = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        anstream::print!("{label}");
        std::io::stdout().flush().ok()?;
        std::io::stdin().read_line(&mut line).ok()?;
        let text = line.trim_end_matches(['\r', '\n']);
        (!text.is_empty()).then(|| text.to_owned())
    });
    read.await.ok().flatten()
}

/// Where the story is told.
#[derive(Clone, Copy)]
struct Screen {
    json: bool,
}

impl Screen {
    fn show(self, event: &str, text: &str, data: Value) {
        match (self.json, event) {
            (true, _) => anstream::println!("{}", json!({ "event": event, "text": text, "data": data })),
            (false, "tool") => anstream::println!("{text}"),
            (false, _) => anstream::println!("--- {event}\n{text}"),
        }
    }

    /// Shows a call's result; true where it isn't a refusal.
    fn result(self, event: &str, result: &CallToolResult) -> Result<bool, Failure> {
        let whole = serde_json::to_value(result)?;
        let parts = result.content.iter().filter_map(|part| part.as_text()).map(|part| part.text.clone());
        self.show(event, &parts.collect::<Vec<_>>().join("\n"), whole);
        Ok(result.is_error != Some(true))
    }
}
