//! The official conformance suite of MCP: on the real server for what needs no fixtures, and on the fixtures it asks for
//! (`examples/conformance_server`) behind the same listener, door, sessions and endpoint. What is known to fail, and why,
//! is in `tests/mcp/*.yaml`; whatever else fails, or doesn't fail any more, fails here.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{Installation, Stub, WebServer, repository};

/// Both revisions that the suite knows the requirements of.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

#[tokio::test]
async fn the_real_server_conforms_where_no_fixtures_are_asked_for() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    let server = WebServer::start(&installation).await;
    for revision in REVISIONS {
        conforms(&server.url("/mcp"), revision, &format!("server-{revision}.yaml")).await;
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn the_fixtures_behind_the_same_transport_conform() {
    let binary = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap().join("examples/conformance_server");
    assert!(binary.exists(), "`{}` is missing: run `cargo build --examples`", binary.display());
    let mut command = Command::new(binary);
    let mut server: Child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let told = lines.next_line().await.unwrap().unwrap();
    let port = told.rsplit(':').next().unwrap();
    for revision in REVISIONS {
        conforms(&format!("http://localhost:{port}/mcp"), revision, &format!("fixtures-{revision}.yaml")).await;
    }
}

async fn conforms(url: &str, revision: &str, expected: &str) {
    let suite = repository().join("tests/mcp/node_modules/.bin/conformance");
    let node = repository().join(".venv/bin/node");
    assert!(suite.exists() && node.exists(), "the conformance suite is not installed: run `make node`");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(node);
    command.arg(suite).args(["server", "--url", url, "--requirements", revision]);
    command.arg("--expected-failures").arg(repository().join("tests/mcp").join(expected));
    command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(300), command.output()).await;
    let output = ended.expect("the suite never ended").unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{revision}:\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
}
