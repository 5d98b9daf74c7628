//! Who may do what: the server's IAM user, and in each account the two roles it assumes.

use serde_json::{Value, json};

use super::{ACCOUNTS, Account, SandboxError, TOOLS_ACCOUNT};
use crate::sandbox::files::AccessKey;

const SERVER_USER: &str = "countersign-server";

/// The role for reading.
pub(in crate::sandbox) const READ_ROLE: &str = "countersign-read";

/// The role for changing.
pub(in crate::sandbox) const CHANGE_ROLE: &str = "countersign-change";

/// What both roles ask for. It is no secret; it keeps another customer's roles from being assumed by mistake.
pub(in crate::sandbox) const EXTERNAL_ID: &str = "countersign-sandbox";

/// Services whose every action the change role may use. IAM, STS and Organizations are not among them: no tool can
/// make itself more rights.
const CHANGEABLE: [&str; 12] = [
    "autoscaling",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "events",
    "lambda",
    "logs",
    "rds",
    "s3",
    "sns",
    "sqs",
];

/// Reads that return secrets, which AWS's own `ReadOnlyAccess` mostly leaves out.
const SECRETS: [&str; 6] = [
    "ec2:GetPasswordData",
    "kms:Decrypt",
    "rds:DownloadDBLogFilePortion",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameters",
];

/// The server's own identity: may assume the roles, and nothing else.
pub(super) async fn server_user(tools: &Account) -> Result<(), SandboxError> {
    tools.create("iam", "CreateUser", json!({ "UserName": SERVER_USER })).await?;
    let roles: Vec<_> =
        ACCOUNTS.iter().flat_map(|account| [READ_ROLE, CHANGE_ROLE].map(|role| role_arn(account.id, role))).collect();
    let policy = statements(json!([{
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
        "Resource": roles,
    }]));
    let arguments = json!({ "UserName": SERVER_USER, "PolicyName": "assume-roles", "PolicyDocument": policy });
    tools.call("iam", "PutUserPolicy", arguments).await.map(drop)
}

/// The user's access key: the one written down where the emulator still knows it, else a new one.
pub(super) async fn server_key(tools: &Account, written: Option<AccessKey>) -> Result<AccessKey, SandboxError> {
    let list = tools.call("iam", "ListAccessKeys", json!({ "UserName": SERVER_USER })).await?.output;
    let keys = list.get("AccessKeyMetadata").and_then(Value::as_array).cloned().unwrap_or_default();
    let known =
        |key: &AccessKey| keys.iter().any(|one| one.get("AccessKeyId").and_then(Value::as_str) == Some(&key.id));
    if let Some(key) = written.filter(known) {
        return Ok(key);
    }
    let made = tools.call("iam", "CreateAccessKey", json!({ "UserName": SERVER_USER })).await?.output;
    let text = |pointer, missing| {
        let found = made.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        found.ok_or(SandboxError::Answer { operation: "iam:CreateAccessKey".to_owned(), missing })
    };
    Ok(AccessKey {
        id: text("/AccessKey/AccessKeyId", "AccessKeyId")?,
        secret: text("/AccessKey/SecretAccessKey", "SecretAccessKey")?,
    })
}

/// The two roles of an account.
pub(super) async fn roles(root: &Account) -> Result<(), SandboxError> {
    role(root, READ_ROLE, "Reads everything but secrets", &read_policy()).await?;
    role(root, CHANGE_ROLE, "Changes what the shop runs on", &change_policy()).await?;
    let read_only = json!({ "RoleName": READ_ROLE, "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess" });
    root.call("iam", "AttachRolePolicy", read_only).await.map(drop)
}

async fn role(root: &Account, name: &str, description: &str, policy: &str) -> Result<(), SandboxError> {
    let arguments = json!({ "RoleName": name, "Description": description, "AssumeRolePolicyDocument": trust_policy() });
    root.create("iam", "CreateRole", arguments).await?;
    let arguments = json!({ "RoleName": name, "PolicyName": name, "PolicyDocument": policy });
    root.call("iam", "PutRolePolicy", arguments).await.map(drop)
}

fn trust_policy() -> String {
    statements(json!([{
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{TOOLS_ACCOUNT}:user/{SERVER_USER}") },
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
        "Condition": { "StringEquals": { "sts:ExternalId": EXTERNAL_ID } },
    }]))
}

fn read_policy() -> String {
    statements(json!([{ "Effect": "Deny", "Action": SECRETS, "Resource": "*" }]))
}

fn change_policy() -> String {
    let actions: Vec<_> = CHANGEABLE.iter().map(|service| format!("{service}:*")).collect();
    statements(json!([
        { "Effect": "Allow", "Action": actions, "Resource": "*" },
        { "Effect": "Deny", "Action": SECRETS, "Resource": "*" },
    ]))
}

fn statements(list: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": list }).to_string()
}

/// A role's ARN.
pub(in crate::sandbox) fn role_arn(account: &str, role: &str) -> String {
    format!("arn:aws:iam::{account}:role/{role}")
}
