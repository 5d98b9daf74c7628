//! The server through the official MCP Inspector: its command line, which has no forms; `mcpdo`, which has; and its page in a
//! headless browser (`tests/inspector/page.py`). Each in both of its protocol eras.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use countersign::auth::token::NewToken;
use countersign::sandbox::DEV;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::console::browser;
use crate::support::clouds::{create_table, table_exists};
use crate::support::serving::{Serving, free_port};
use crate::support::{Installation, repository, sandbox, with};

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
const TOOL: &str = "dynamodb_delete_table";

/// The Inspector's names for the protocol with sessions (2025-11-25) and the one without (2026-07-28).
const ERAS: [&str; 2] = ["legacy", "modern"];

#[tokio::test]
async fn its_command_line_reads_previews_and_can_not_confirm() {
    if !installed() {
        return;
    }
    let installation = Installation::before_sandbox(sandbox().await);
    let table = "inspector-stays";
    create_table(&DEV, table).await;
    for era in ERAS {
        let ask = async |method: &str, more: &[&str]| ask(&installation, era, method, more).await;
        let call = async |tool: &str, arguments: &Value| {
            ask("tools/call", &["--tool-name", tool, "--tool-args-json", &arguments.to_string()]).await
        };
        // `--strict` fails where a schema is not portable between clients.
        let tools = ask("tools/list", &["--strict"]).await;
        let tools = tools["tools"].as_array().unwrap();
        let named =
            |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("{name}: {era}"));
        assert_eq!(named(TOOL)["annotations"]["destructiveHint"], true);
        assert_eq!(named("aws_read")["annotations"]["readOnlyHint"], true);
        assert!(tools.iter().all(|tool| tool["title"].is_string()), "{era}: every tool has a title");

        let prompts = ask("prompts/list", &[]).await;
        let prompts: Vec<_> = prompts["prompts"].as_array().unwrap().iter().map(|prompt| &prompt["name"]).collect();
        assert_eq!(prompts, ["investigate", "propose_change", "roll_back"], "{era}");
        let resources = ask("resources/list", &[]).await;
        for resource in resources["resources"].as_array().unwrap() {
            let read = ask("resources/read", &["--uri", resource["uri"].as_str().unwrap()]).await;
            let text = read["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{era} {resource}: {read:#}"));
            assert!(serde_json::from_str::<Value>(text).is_ok(), "{era} {resource}: {text}");
        }

        let instances = call("ec2_describe_instances", &json!({ "account": "shop-dev" })).await;
        let first = &instances["structuredContent"]["result"]["Instances"][0]["InstanceId"];
        assert!(first.is_string(), "{era}: {instances:#}");
        let delete = delete(table);
        let preview = call(TOOL, &delete).await;
        let plan = &preview["structuredContent"]["plan_id"];
        assert!(plan.is_string(), "{era}: {preview:#}");
        // The Inspector's command line says that it has no forms.
        let refused = call(TOOL, &with(&delete, json!({ "dry_run": false, "plan_id": plan }))).await;
        assert_eq!(refused["isError"], true, "{era}: {refused:#}");
        assert_eq!(refused["structuredContent"]["error"]["code"], "elicitation_unavailable", "{era}: {refused:#}");
        assert!(table_exists(&DEV, table).await, "{era}");
    }
    let record = installation.record();
    assert_eq!(record.refusals(), ["elicitation_unavailable", "elicitation_unavailable"]);
    assert_eq!(record.count("intent"), 0);
}

#[tokio::test]
async fn mcpdo_confirms_over_stdio_in_both_eras() {
    if !installed() {
        return;
    }
    let installation = Installation::before_sandbox(sandbox().await);
    let config = format!("COUNTERSIGN_CONFIG={}", installation.config().display());
    let mcpdo = Mcpdo::new();
    for era in ERAS {
        mcpdo.said(&["--connection", era, "connect", "--era", era, "-e", &config, "--", BINARY, "serve"]).await;
        mcpdo.confirms(era, &format!("inspector-stdio-{era}")).await;
    }
    mcpdo.end().await;
    every_refusal_is_on_record(&installation);
}

#[tokio::test]
async fn mcpdo_confirms_over_http_with_a_token_in_both_eras() {
    if !installed() {
        return;
    }
    let (installation, port, token) = with_token(Installation::before_sandbox(sandbox().await));
    let serving = Serving::start(&installation, port).await;
    let header = format!("Authorization: Bearer {token}");
    let mcpdo = Mcpdo::new();
    for era in ERAS {
        let to = serving.endpoint();
        mcpdo.said(&["--connection", era, "connect", "--era", era, &to, "--header", &header]).await;
        mcpdo.confirms(era, &format!("inspector-http-{era}")).await;
    }
    mcpdo.end().await;
    serving.end().await;
    every_refusal_is_on_record(&installation);
}

#[tokio::test]
async fn its_page_shows_refuses_and_applies_over_stdio() {
    let table = "inspector-page-stdio";
    let installation = Installation::before_sandbox(sandbox().await);
    if page(&installation, "legacy", table, &[]).await {
        nothing_but_the_last_was_applied(&installation, table).await;
    }
}

#[tokio::test]
async fn its_page_shows_refuses_and_applies_over_http() {
    let table = "inspector-page-http";
    let (installation, port, token) = with_token(Installation::before_sandbox(sandbox().await));
    let serving = Serving::start(&installation, port).await;
    if page(&installation, "modern", table, &[&serving.endpoint(), &token]).await {
        serving.end().await;
        nothing_but_the_last_was_applied(&installation, table).await;
    }
}

/// `mcpdo` with a daemon of its own, which keeps connections and forms between commands.
struct Mcpdo {
    home: tempfile::TempDir,
    ended: bool,
}

impl Mcpdo {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), ended: false }
    }

    fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(repository().join(".venv/bin/node"));
        command.arg(inspector("mcpdo")).args(["--format", "json"]);
        command.env("HOME", self.home.path()).env("MCP_INSPECTOR_SECRET_STORE", "memory");
        command.env("MCP_INSPECTOR_DAEMON_DIR", self.home.path()).env("MCP_INSPECTOR_DAEMON_TOKEN", "of-this-test");
        command
    }

    /// What a command says, whether it is good news or not.
    async fn said(&self, arguments: &[&str]) -> Value {
        let mut command = Command::from(self.command());
        command.args(arguments);
        first_value(&run(command).await.1)
    }

    async fn call(&self, connection: &str, arguments: &Value) -> Value {
        self.said(&["--connection", connection, "tools/call", TOOL, &arguments.to_string()]).await
    }

    /// Applies a plan until its form is shown, and answers that.
    async fn answered(&self, connection: &str, apply: &Value, answer: &str) -> Value {
        let asked = self.call(connection, apply).await;
        let form = &asked["elicitationPending"];
        assert_eq!(form["mode"], "form", "{connection}: {asked:#}");
        let decision: Vec<_> = form["message"].as_str().unwrap().lines().take(3).collect();
        assert!(decision[0].contains("IRREVERSIBLE"), "{connection}: {decision:?}");
        assert!(decision[1].ends_with(apply["TableName"].as_str().unwrap()), "{connection}: {decision:?}");
        let id = form["elicitationId"].as_str().unwrap();
        self.said(&["--connection", connection, "elicitation/respond", id, answer]).await
    }

    /// Previews, is refused in every way in which a person does not confirm, and applies in the end.
    async fn confirms(&self, connection: &str, table: &str) {
        create_table(&DEV, table).await;
        let delete = delete(table);
        let preview = self.call(connection, &delete).await;
        let plan = &preview["structuredContent"]["plan_id"];
        assert!(plan.is_string(), "{connection}: {preview:#}");
        let apply = with(&delete, json!({ "dry_run": false, "plan_id": plan }));
        for (answer, says) in [
            ("confirmation:=yes", "not the one that was asked for"),
            ("--decline", "the person declined"),
            ("--cancel", "was cancelled"),
        ] {
            let refused = self.answered(connection, &apply, answer).await;
            let error = &refused["structuredContent"]["error"];
            assert_eq!((&refused["isError"], &error["code"]), (&json!(true), &json!("not_confirmed")), "{refused:#}");
            assert!(error["message"].as_str().unwrap().contains(says), "{connection} {answer}: {error:#}");
            assert!(table_exists(&DEV, table).await, "{connection} {answer}");
        }
        let typed = json!({ "confirmation": table }).to_string();
        let applied = self.answered(connection, &apply, &typed).await;
        assert_eq!(applied["structuredContent"]["status"], "applied", "{connection}: {applied:#}");
        assert!(!table_exists(&DEV, table).await, "{connection}");
    }

    /// Ends the daemon, and with it the servers that it started.
    async fn end(mut self) {
        self.said(&["daemon", "stop"]).await;
        self.ended = true;
    }
}

impl Drop for Mcpdo {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.command().args(["daemon", "stop"]).output();
        }
    }
}

fn every_refusal_is_on_record(installation: &Installation) {
    let record = installation.exported();
    assert_eq!(record.refusals(), ["not_confirmed"; 6]);
    assert_eq!((record.count("intent"), record.count("outcome")), (2, 2));
}

/// Tells the story of `page.py`; false where it was skipped.
async fn page(installation: &Installation, era: &str, table: &str, to: &[&str]) -> bool {
    let Some(chromium) = browser() else { return false };
    if !installed() {
        return false;
    }
    create_table(&DEV, table).await;
    let pictures = screenshots();
    let mut story = Command::new(repository().join(".venv/bin/python"));
    story.arg(repository().join("tests/inspector/page.py")).arg(BINARY).arg(installation.config());
    story.args([era, table]).args(to);
    story.env("CHROMIUM", chromium).env("SCREENSHOTS", &pictures).env("HOME", installation.folder());
    let (code, out) = run(story).await;
    assert_eq!(code, Some(0), "{era}, see the pictures in {}:\n{out}", pictures.display());
    true
}

async fn nothing_but_the_last_was_applied(installation: &Installation, table: &str) {
    assert!(!table_exists(&DEV, table).await);
    let record = installation.exported();
    assert_eq!(record.refusals(), ["not_confirmed"; 3]);
    assert_eq!((record.count("intent"), record.count("outcome")), (1, 1));
}

/// Where pictures of pages are kept for people to look at.
fn screenshots() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// An installation that will listen on a port, for ann's agent with a token.
fn with_token(installation: Installation) -> (Installation, u16, String) {
    let (port, token) = (free_port(), NewToken::random().unwrap());
    let installation = installation
        .set("http.listen", format!("127.0.0.1:{port}"))
        .set("http.tokens.ann.sha256", token.sha256())
        .set("http.tokens.ann.agent", "demo-agent")
        .set("http.tokens.ann.human", "ann")
        .set("http.tokens.ann.expires", "2099-01-01T00:00:00Z");
    (installation, port, token.reveal().to_owned())
}

fn delete(table: &str) -> Value {
    json!({ "account": "shop-dev", "TableName": table, "reason": "the table is not used any more" })
}

/// A program of the Inspector's package.
fn inspector(name: &str) -> PathBuf {
    repository().join("tests/inspector/node_modules/.bin").join(name)
}

/// Whether the Inspector is there; where it isn't the test is skipped, loudly, but for where everything must be tested.
fn installed() -> bool {
    let there = inspector("mcpdo").exists() && repository().join(".venv/bin/node").exists();
    if !there {
        let required = ["COUNTERSIGN_REQUIRE_CLIENTS", "CI"].iter().any(|name| std::env::var_os(name).is_some());
        assert!(!required, "the MCP Inspector is not installed, and nothing may be skipped here: run `make node`");
        eprintln!("SKIPPED: the server is NOT tested with the MCP Inspector, which is not installed: run `make node`");
    }
    there
}

/// One request of the Inspector's command line to a server over stdio: its result.
async fn ask(installation: &Installation, era: &str, method: &str, more: &[&str]) -> Value {
    let mut command = Command::new(repository().join(".venv/bin/node"));
    // The Inspector takes `--config` for itself.
    let config = format!("COUNTERSIGN_CONFIG={}", installation.config().display());
    command.arg(inspector("mcp-inspector")).args(["--cli", "-e", &config, BINARY, "serve", "--protocol-era", era]);
    command.args(["--format", "json", "--method", method]).args(more);
    command.env("HOME", installation.folder()).env("MCP_INSPECTOR_SECRET_STORE", "memory");
    let (code, out) = run(command).await;
    assert!(method == "tools/call" || code == Some(0), "{era} {method}: {out}");
    first_value(&out)["result"].take()
}

/// The JSON of what a program said; what precedes it are notes for people.
fn first_value(out: &str) -> Value {
    let start = out.find('{').unwrap_or_else(|| panic!("no JSON: {out}"));
    let mut values = serde_json::Deserializer::from_str(&out[start..]).into_iter::<Value>();
    values.next().unwrap().unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// Runs a program to its end; its exit code, and all that it printed.
async fn run(mut command: Command) -> (Option<i32>, String) {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(300), command.output()).await;
    let output = ended.unwrap_or_else(|_| panic!("never ended: {command:?}")).unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}
