//! Requests that a generator makes up from the surface's description (`tests/python/openapi.yaml`).

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::support::{Installation, Stub, WebServer, repository};

#[tokio::test]
async fn no_generated_request_breaks_or_hangs_the_server() {
    let stub = Stub::start().await;
    let installation = Installation::before_stub(&stub);
    let server = WebServer::start(&installation).await;
    let generator = repository().join(".venv/bin/schemathesis");
    assert!(generator.exists(), "schemathesis is not installed: run `make venv`");
    let mut command = Command::new(generator);
    command.arg("run").arg(repository().join("tests/python/openapi.yaml")).args(["--url", &server.url("")]);
    command.args(["--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing", "--max-examples", "60"]);
    command.args(["--request-timeout", "10", "--seed", "1", "--no-color", "--workers", "4"]);
    command.current_dir(installation.folder()).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(180), command.output()).await;
    let output = ended.expect("the generator never ended").unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}\n{}", String::from_utf8_lossy(&output.stderr), server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
    assert_eq!(stub.changes(), Vec::<String>::new());
}
