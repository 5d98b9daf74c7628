//! The clouds that all tests of this binary share: one sandbox (ministack) and one moto, started when first needed.
//!
//! A test that changes something makes its own targets first. Both end with this process.

use std::path::PathBuf;
use std::sync::LazyLock;

use countersign::ports::CloudError;
use countersign::sandbox::moto::Moto;
use countersign::sandbox::{Sandbox, SandboxAccount, SandboxOptions};
use serde_json::{Value, json};

static SANDBOX: LazyLock<Result<Sandbox, String>> = LazyLock::new(|| start_sandbox("sandbox"));

static MOTO: LazyLock<Result<Moto, String>> =
    LazyLock::new(|| started(|| async { Moto::start(&folder("moto"), None).await.map_err(|error| error.to_string()) }));

/// The seeded sandbox. Without `.venv` this fails and names the command that makes it; it never skips.
pub(crate) async fn sandbox() -> &'static Sandbox {
    let started = tokio::task::spawn_blocking(|| SANDBOX.as_ref()).await.unwrap();
    started.unwrap_or_else(|error| panic!("no sandbox: {error}"))
}

/// A sandbox of a test's own, for one that fills it with so much that others would not know theirs again.
pub(crate) async fn own_sandbox(name: &'static str) -> Sandbox {
    let started = tokio::task::spawn_blocking(|| start_sandbox(name)).await.unwrap();
    started.unwrap_or_else(|error| panic!("no sandbox: {error}"))
}

fn start_sandbox(name: &str) -> Result<Sandbox, String> {
    started(|| async {
        let options = SandboxOptions { dir: folder(name), port: None, python: None };
        Sandbox::start(options).await.map_err(|error| error.to_string())
    })
}

/// moto's EC2, which honours `DryRun`.
pub(crate) async fn moto() -> &'static Moto {
    let started = tokio::task::spawn_blocking(|| MOTO.as_ref()).await.unwrap();
    started.unwrap_or_else(|error| panic!("no moto: {error}"))
}

/// Calls the sandbox with an account's root key, past the server.
pub(crate) async fn root_call(
    account: &SandboxAccount,
    operation: &str,
    arguments: Value,
) -> Result<Value, CloudError> {
    let session = sandbox().await.root(account).await.unwrap();
    session.send(&operation.parse().unwrap(), &arguments).await.map(|reply| reply.output)
}

/// Runs an instance of the test's own in the sandbox.
pub(crate) async fn run_instance(account: &SandboxAccount, name: &str) -> String {
    let arguments = json!({
        "ImageId": "ami-0abcdef1234567890", "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1,
        "TagSpecifications": [{ "ResourceType": "instance", "Tags": [{ "Key": "Name", "Value": name }] }],
    });
    let made = root_call(account, "ec2:RunInstances", arguments).await.unwrap();
    made["Instances"][0]["InstanceId"].as_str().unwrap().to_owned()
}

/// The state of an instance in the sandbox.
pub(crate) async fn instance_state(account: &SandboxAccount, id: &str) -> String {
    let found = root_call(account, "ec2:DescribeInstances", json!({ "InstanceIds": [id] })).await.unwrap();
    found["Reservations"][0]["Instances"][0]["State"]["Name"].as_str().unwrap().to_owned()
}

/// Makes a DynamoDB table of the test's own in the sandbox.
pub(crate) async fn create_table(account: &SandboxAccount, name: &str) {
    let arguments = json!({
        "TableName": name,
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    root_call(account, "dynamodb:CreateTable", arguments).await.unwrap();
}

/// A DynamoDB table as a resource of a template.
pub(crate) fn table_resource(name: &str) -> Value {
    json!({ "Type": "AWS::DynamoDB::Table", "Properties": {
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
    } })
}

/// Makes a stack of the test's own in the sandbox, and waits until it is there.
pub(crate) async fn create_stack(account: &SandboxAccount, name: &str, template: &str) {
    let made = json!({ "StackName": name, "TemplateBody": template });
    root_call(account, "cloudformation:CreateStack", made).await.unwrap();
    for _ in 0..100 {
        if stack(account, name).await["StackStatus"] == "CREATE_COMPLETE" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the stack `{name}` is not made");
}

/// A stack in the sandbox, as CloudFormation tells of it.
pub(crate) async fn stack(account: &SandboxAccount, name: &str) -> Value {
    let found = root_call(account, "cloudformation:DescribeStacks", json!({ "StackName": name })).await;
    found.unwrap()["Stacks"][0].clone()
}

/// Whether a DynamoDB table is in the sandbox.
pub(crate) async fn table_exists(account: &SandboxAccount, name: &str) -> bool {
    match root_call(account, "dynamodb:DescribeTable", json!({ "TableName": name })).await {
        Ok(_) => true,
        Err(CloudError::Refused { code, .. }) if code == "ResourceNotFoundException" => false,
        Err(error) => panic!("{error}"),
    }
}

/// A folder of this process, in cargo's folder for such things.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// Starts something in a runtime of its own: the test that comes first may end long before the others.
fn started<T: Send, F: Future<Output = T>>(start: impl FnOnce() -> F + Send) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(start());
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
