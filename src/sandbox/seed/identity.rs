//! Who may do what: the server's IAM user, and in each account the two roles it assumes.

use serde_json::{Value, json};

use super::{ACCOUNTS, Account, SandboxError, TOOLS_ACCOUNT};
use crate::roles::role::{Boundary, Role};
use crate::sandbox::files::AccessKey;

const SERVER_USER: &str = "countersign-server";

/// The role for reading.
pub(in crate::sandbox) const READ_ROLE: &str = "countersign-read";

/// The role for changing.
pub(in crate::sandbox) const CHANGE_ROLE: &str = "countersign-change";

/// What both roles ask for. It is no secret; it keeps another customer's roles from being assumed by mistake.
pub(in crate::sandbox) const EXTERNAL_ID: &str = "countersign-sandbox";

/// What the change role must not do whatever the template gives it for `aws_change`: no tool makes itself more rights, and
/// none reads what is secret.
const NEVER: [&str; 9] = [
    "ec2:GetPasswordData",
    "iam:*",
    "kms:Decrypt",
    "organizations:*",
    "rds:DownloadDBLogFilePortion",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "sts:*",
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

/// The two roles of an account, as `countersign iam template --families all` makes them.
pub(super) async fn roles(root: &Account, generated: &[Role]) -> Result<(), SandboxError> {
    for role in generated {
        let boundary = match &role.boundary {
            Boundary::Managed(arn) => arn.clone(),
            Boundary::Own { name, document } => policy(root, role, name, document).await?,
        };
        let arguments = json!({
            "RoleName": role.name, "AssumeRolePolicyDocument": trust(role).to_string(),
            "PermissionsBoundary": boundary,
        });
        root.create("iam", "CreateRole", arguments).await?;
        let mut attached: Vec<String> = role.managed.iter().cloned().collect();
        for (name, document) in &role.policies {
            attached.push(policy(root, role, name, document).await?);
        }
        for arn in attached {
            root.call("iam", "AttachRolePolicy", json!({ "RoleName": role.name, "PolicyArn": arn })).await?;
        }
    }
    let never = statements(json!([{ "Effect": "Deny", "Action": NEVER, "Resource": "*" }]));
    let arguments = json!({ "RoleName": CHANGE_ROLE, "PolicyName": "never", "PolicyDocument": never });
    root.call("iam", "PutRolePolicy", arguments).await.map(drop)
}

/// Makes a policy where it isn't there yet, and gives its ARN.
async fn policy(root: &Account, role: &Role, name: &str, document: &Value) -> Result<String, SandboxError> {
    let arguments = json!({ "PolicyName": name, "PolicyDocument": document.to_string() });
    root.create("iam", "CreatePolicy", arguments).await?;
    let account = role.arn.split(':').nth(4).unwrap_or_default();
    Ok(format!("arn:aws:iam::{account}:policy/{name}"))
}

/// The emulator knows no source identity in trust policies, so a condition on one never holds there.
fn trust(role: &Role) -> Value {
    let mut trust = role.trust.clone();
    let statements = trust.get_mut("Statement").and_then(Value::as_array_mut);
    for statement in statements.into_iter().flatten() {
        if let Some(conditions) = statement.get_mut("Condition").and_then(Value::as_object_mut) {
            conditions.shift_remove("StringLike");
        }
    }
    trust
}

/// The server's own identity.
pub(in crate::sandbox) fn server_arn() -> String {
    format!("arn:aws:iam::{TOOLS_ACCOUNT}:user/{SERVER_USER}")
}

fn statements(list: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": list }).to_string()
}

/// A role's ARN.
pub(in crate::sandbox) fn role_arn(account: &str, role: &str) -> String {
    format!("arn:aws:iam::{account}:role/{role}")
}
