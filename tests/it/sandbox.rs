//! The sandbox: that it starts, is seeded, enforces what it says, and ends.

use std::path::Path;
use std::sync::Arc;

use countersign::aws::{AwsCloud, Models};
use countersign::clock::SystemClock;
use countersign::config::{self, Config, Environment};
use countersign::names::{Agent, CallId, Human, OperationId};
use countersign::ports::{Cloud, CloudError, CloudSession, Purpose, SessionRequest};
use countersign::sandbox::moto::Moto;
use countersign::sandbox::{ACCOUNTS, DEV, Sandbox, SandboxAccount, SandboxError, SandboxOptions, State};
use countersign::testing::session_policy;
use serde_json::{Value, json};

/// Leaves a role what it has.
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

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

fn load(path: &Path) -> Config {
    config::load(path, &Models::embedded().unwrap(), &Environment::of_process()).unwrap()
}

/// A session as the server opens them.
async fn open(config: &Config, account: &str, purpose: Purpose) -> Result<Arc<dyn CloudSession>, CloudError> {
    let account = config.accounts.iter().find(|known| known.name == account).unwrap().clone();
    let request = SessionRequest {
        region: account.regions[0].clone(),
        account,
        purpose,
        policy: session_policy(EVERYTHING),
        call: CallId::fresh(),
        human: Human::new("ann"),
        agent: Agent::new("demo-agent"),
        plan: None,
        ticket: None,
    };
    AwsCloud::new(config, Models::embedded().unwrap(), Arc::new(SystemClock)).open(request).await
}

async fn code(session: &dyn CloudSession, operation: &str, arguments: Value) -> String {
    match session.send(&operation.parse().unwrap(), &arguments).await {
        Ok(reply) => format!("{operation} answered {}", reply.output),
        Err(CloudError::Refused { code, .. }) => code,
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn roles_can_do_what_they_are_for_and_the_servers_own_key_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(options(folder.path())).await.unwrap();
    let config = load(&sandbox.config_path());
    let instance = sandbox.instance("shop-prod", "orders-web-1").unwrap();
    let changes = [
        ("ec2:TerminateInstances", json!({ "InstanceIds": [instance] }), "UnauthorizedOperation"),
        ("cloudformation:DeleteStack", json!({ "StackName": "shop-orders" }), "AccessDenied"),
        ("s3:DeleteBucket", json!({ "Bucket": "shop-orders-prod-receipts" }), "AccessDenied"),
        ("rds:DeleteDBInstance", json!({ "DBInstanceIdentifier": "shop-orders" }), "AccessDenied"),
        ("dynamodb:DeleteTable", json!({ "TableName": "orders" }), "AccessDeniedException"),
        ("lambda:DeleteFunction", json!({ "FunctionName": "shop-orders-invoice" }), "AccessDeniedException"),
        ("iam:CreateUser", json!({ "UserName": "eve" }), "AccessDenied"),
        ("secretsmanager:GetSecretValue", json!({ "SecretId": "any" }), "AccessDeniedException"),
    ];

    let reader = open(&config, "shop-prod", Purpose::Read).await.unwrap();
    for (operation, arguments, denied) in &changes {
        assert_eq!(code(&*reader, operation, arguments.clone()).await, *denied, "{operation}");
    }
    let identity = reader.send(&OperationId::new("sts", "GetCallerIdentity"), &json!({})).await.unwrap().output;
    assert_eq!(identity["Arn"], "arn:aws:sts::123456789012:assumed-role/countersign-read/read-ann");
    let table = code(&*reader, "dynamodb:DescribeTable", json!({ "TableName": "orders" })).await;
    assert!(table.contains("answered"), "{table}");

    let changer = open(&config, "shop-prod", Purpose::Change).await.unwrap();
    assert_eq!(code(&*changer, "iam:CreateUser", json!({ "UserName": "eve" })).await, "AccessDenied");
    let stopped = code(&*changer, "ec2:StopInstances", json!({ "InstanceIds": [instance] })).await;
    assert!(stopped.contains("stopped"), "{stopped}");

    let mut without_roles = config.clone();
    for account in &mut without_roles.accounts {
        (account.read_role, account.change_role) = (None, None);
        account.id = "111122223333".to_owned();
    }
    let own = open(&without_roles, "shop-prod", Purpose::Change).await.unwrap();
    for (operation, arguments, denied) in &changes {
        assert_eq!(code(&*own, operation, arguments.clone()).await, *denied, "{operation}");
    }

    let mut stranger = config.clone();
    for account in &mut stranger.accounts {
        account.external_id = Some("another-customer".to_owned());
    }
    let refused = open(&stranger, "shop-prod", Purpose::Read).await.unwrap_err().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
}

#[tokio::test]
async fn a_dry_run_is_honoured_by_moto_and_executed_by_the_sandbox() {
    let (at, moto_at) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sandbox = Sandbox::start(options(at.path())).await.unwrap();
    let session = open(&load(&sandbox.config_path()), "shop-dev", Purpose::Change).await.unwrap();
    let web = sandbox.instance("shop-dev", "orders-web-1").unwrap();
    let dry = json!({ "InstanceIds": [web], "DryRun": true });
    let executed = code(&*session, "ec2:StopInstances", dry).await;
    assert!(executed.contains("stopped"), "ministack has learned DryRun, correct the docs: {executed}");

    let moto = Moto::start(moto_at.path(), None).await.unwrap();
    let session = open(&load(&moto.config_path()), "shop-dev", Purpose::Change).await.unwrap();
    let image = json!({ "ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1 });
    let ran = session.send(&OperationId::new("ec2", "RunInstances"), &image).await.unwrap().output;
    let dry = json!({ "InstanceIds": [ran["Instances"][0]["InstanceId"]], "DryRun": true });
    assert_eq!(code(&*session, "ec2:StopInstances", dry).await, "DryRunOperation");
}
