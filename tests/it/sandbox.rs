//! The sandbox: that it starts, is seeded, enforces what it says, and ends.

use std::path::Path;

use countersign::names::OperationId;
use countersign::ports::CloudError;
use countersign::sandbox::{ACCOUNTS, DEV, Sandbox, SandboxAccount, SandboxError, SandboxOptions, State};
use serde_json::{Value, json};

fn options(dir: &Path) -> SandboxOptions {
    SandboxOptions { dir: dir.to_owned(), port: None, python: None }
}

async fn root_call(
    sandbox: &Sandbox,
    account: &SandboxAccount,
    operation: &str,
    arguments: Value,
) -> Result<Value, CloudError> {
    let operation: OperationId = operation.parse().unwrap();
    let session = sandbox.root(account).await.unwrap();
    Ok(session.send(&operation, &arguments).await?.output)
}

#[tokio::test]
async fn a_sandbox_has_both_accounts_and_ends_with_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(options(folder.path())).await.unwrap();
    for account in &ACCOUNTS {
        let table = json!({ "TableName": "orders" });
        let table = root_call(&sandbox, account, "dynamodb:DescribeTable", table).await.unwrap();
        assert_eq!(table["Table"]["ItemCount"], 3);
        let stack = json!({ "StackName": "shop-orders" });
        let resources = root_call(&sandbox, account, "cloudformation:DescribeStackResources", stack).await;
        assert_eq!(resources.unwrap()["StackResources"].as_array().unwrap().len(), 7);
        assert!(sandbox.instance(account.name, "orders-web-1").unwrap().starts_with("i-"));
    }
    assert!(sandbox.instance("shop-prod", "orders-web-2").is_some());
    assert!(sandbox.instance("shop-dev", "orders-web-2").is_none());

    let again = Sandbox::start(options(folder.path())).await.unwrap_err();
    assert!(matches!(again, SandboxError::AlreadyRunning { .. }), "{again}");

    let state = sandbox.state().clone();
    assert!(state.is_alive().await);
    drop(sandbox);
    assert!(!state.is_alive().await);
}

#[tokio::test]
async fn up_reuses_what_runs_reset_forgets_changes_and_down_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Sandbox::up(options(folder.path())).await.unwrap().state().clone();
    let mut sandbox = Sandbox::up(options(folder.path())).await.unwrap();
    assert_eq!(sandbox.state(), &first);
    assert_eq!(State::read(folder.path()).unwrap(), Some(first.clone()));
    let other = SandboxOptions { port: Some(first.port ^ 1), ..options(folder.path()) };
    assert!(matches!(Sandbox::up(other).await, Err(SandboxError::OtherPort { .. })));

    let table = json!({ "TableName": "orders" });
    root_call(&sandbox, &DEV, "dynamodb:DeleteTable", table.clone()).await.unwrap();
    sandbox.reset().await.unwrap();
    let table = root_call(&sandbox, &DEV, "dynamodb:DescribeTable", table).await.unwrap();
    assert_eq!(table["Table"]["ItemCount"], 3);

    assert!(Sandbox::down(folder.path()).await.unwrap());
    assert!(!first.is_alive().await);
    assert!(!Sandbox::down(folder.path()).await.unwrap());
    let gone = Sandbox::running(folder.path()).await.unwrap_err();
    assert!(matches!(gone, SandboxError::NotRunning { .. }), "{gone}");
}

#[tokio::test]
async fn state_of_a_process_that_is_gone_is_no_sandbox_and_down_kills_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut bystander = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let stale = json!({
        "endpoint": "http://127.0.0.1:1", "port": 1, "pid": bystander.id(), "mark": "countersign-x", "accounts": {},
    });
    std::fs::write(folder.path().join("sandbox.json"), stale.to_string()).unwrap();
    assert!(matches!(Sandbox::running(folder.path()).await, Err(SandboxError::NotRunning { .. })));
    assert!(!Sandbox::down(folder.path()).await.unwrap());
    assert!(bystander.try_wait().unwrap().is_none());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = SandboxOptions { port: Some(port), ..options(folder.path()) };
    let error = Sandbox::start(taken).await.unwrap_err().to_string();
    assert_eq!(error, format!("port {port} at 127.0.0.1 is taken: choose another with `--port`, or leave it out"));
}
