//! The server through the eyes of clients that others have made.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use countersign::sandbox::DEV;
use serde_json::json;
use tokio::process::Command;

use crate::support::clouds::{instance_state, run_instance};
use crate::support::{Installation, WebServer, repository, sandbox};

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

#[tokio::test]
async fn python_sdk_story() {
    let python = repository().join(".venv/bin/python");
    assert!(python.exists(), "there is no `.venv`: run `make venv`");
    let sandbox = sandbox().await;
    let tell = async |version: &str| {
        let installation = Installation::before_sandbox(sandbox).set("limits.confirmation_timeout", "10s");
        let mut command = Command::new(&python);
        command.arg(repository().join("tests/python/story.py")).arg(BINARY).arg(installation.config());
        command.args([sandbox.endpoint(), version]);
        let (code, out) = run(command).await;
        assert_eq!(code, Some(0), "{version}:\n{out}");
        let record = installation.record();
        assert_eq!((record.count("intent"), record.count("outcome")), (1, 1), "{version}");
        let refusals = record.refusals();
        for code in ["elicitation_unavailable", "not_confirmed", "plan_mismatch", "needs_preview", "plan_not_usable"] {
            assert!(refusals.contains(&code), "{version}: `{code}` is not on record: {refusals:?}");
        }
    };
    tokio::join!(tell("2025-06-18"), tell("2025-11-25"), tell("2026-07-28"));
}

#[tokio::test]
async fn python_sdk_story_over_http() {
    let python = repository().join(".venv/bin/python");
    assert!(python.exists(), "there is no `.venv`: run `make venv`");
    let sandbox = sandbox().await;
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let installation = Installation::before_sandbox(sandbox).set("limits.confirmation_timeout", "10s");
        let server = WebServer::start(&installation).await;
        let mut command = Command::new(&python);
        command.arg(repository().join("tests/python/story.py")).arg(BINARY).arg(installation.config());
        command.args([sandbox.endpoint(), version, &server.url("/mcp")]);
        let (code, out) = run(command).await;
        assert_eq!(code, Some(0), "{version}:\n{out}");
        drop(server);
        let record = installation.record();
        assert_eq!((record.count("intent"), record.count("outcome")), (1, 1), "{version}");
    }
}

#[tokio::test]
async fn the_example_client_previews_confirms_and_applies() {
    let example = example("client");
    let installation = Installation::before_sandbox(sandbox().await);
    for protocol in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let id = run_instance(&DEV, "example").await;
        let tell = async |answer: &[&str]| {
            let mut command = Command::new(&example);
            let arguments = json!({ "InstanceIds": [id] }).to_string();
            command.args([
                "--json",
                "--tool",
                "ec2_stop_instances",
                "--arguments",
                &arguments,
                "--account",
                "shop-dev",
            ]);
            command.args(["--reason", "saves money at night", "--protocol", protocol]).args(answer);
            command.args(["--", BINARY, "serve", "--config"]).arg(installation.config());
            run(command).await
        };
        for (answer, code, state) in [
            (&["--no-forms"][..], 3, "running"),
            (&["--press", "accept-empty"], 3, "running"),
            (&["--press", "decline"], 3, "running"),
            (&["--answer", "yes"], 3, "running"),
            (&["--answer", &id, "--preview"], 0, "running"),
            (&["--answer", &id], 0, "stopped"),
        ] {
            let (ended, out) = tell(answer).await;
            assert_eq!(ended, Some(code), "{protocol} {answer:?}:\n{out}");
            assert_eq!(instance_state(&DEV, &id).await, state, "{protocol} {answer:?}");
        }
    }
    assert_eq!(installation.record().count("intent"), 3);
}

/// Runs a program to its end; its exit code, and all that it printed.
async fn run(mut command: Command) -> (Option<i32>, String) {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(240), command.output()).await;
    let output = ended.unwrap_or_else(|_| panic!("never ended: {command:?}")).unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}

/// An example's binary; cargo builds examples before it runs tests.
fn example(name: &str) -> PathBuf {
    let folder = Path::new(BINARY).parent().unwrap().join("examples");
    let binary = folder.join(name);
    assert!(binary.exists(), "`{}` is missing: run `cargo build --examples`", binary.display());
    binary
}
