//! Looks at the cloud with the root key, past the server: what is really there, before and after.

use serde_json::{Map, Value, json};

use crate::manifest::expression::Expression;
use crate::names::OperationId;
use crate::sandbox::{ACCOUNTS, Sandbox};

/// What to look at in each account: a name, an operation, and what of its output is a fact and not a clock.
const LOOKS: [(&str, &str, &str); 9] = [
    ("stacks", "cloudformation:DescribeStacks", "Stacks[].[StackName, StackStatus, EnableTerminationProtection]"),
    ("tables", "dynamodb:ListTables", "TableNames"),
    ("instances", "ec2:DescribeInstances", "Reservations[].Instances[].[InstanceId, State.Name, InstanceType]"),
    (
        "groups",
        "autoscaling:DescribeAutoScalingGroups",
        "AutoScalingGroups[].[AutoScalingGroupName, MinSize, MaxSize, DesiredCapacity]",
    ),
    (
        "databases",
        "rds:DescribeDBInstances",
        "DBInstances[].[DBInstanceIdentifier, DBInstanceStatus, DeletionProtection]",
    ),
    ("buckets", "s3:ListBuckets", "Buckets[].Name"),
    ("functions", "lambda:ListFunctions", "Functions[].FunctionName"),
    ("queues", "sqs:ListQueues", "QueueUrls"),
    ("roles", "iam:ListRoles", "Roles[].RoleName"),
];

/// Everything the story could break, in both accounts.
pub(super) async fn look(sandbox: &Sandbox) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
    let mut accounts = Map::new();
    for account in &ACCOUNTS {
        let session = sandbox.root(account).await?;
        let mut seen = Map::new();
        for (name, operation, facts) in LOOKS {
            let operation: OperationId = operation.parse()?;
            let output = session.send(&operation, &json!({})).await?.output;
            seen.insert(name.to_owned(), Expression::compile(facts)?.search(&output)?);
        }
        let versions = json!({ "Bucket": format!("shop-orders-{}-receipts", account.stage) });
        let output = session.send(&OperationId::new("s3", "ListObjectVersions"), &versions).await?.output;
        seen.insert("versions".to_owned(), Expression::compile("Versions[].[Key, VersionId]")?.search(&output)?);
        accounts.insert(account.name.to_owned(), Value::Object(seen));
    }
    Ok(Value::Object(accounts))
}

/// The paths at which two looks differ, with what was there and what is.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                let (old, new) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
                compare(&format!("{path} {key}"), old, new, found);
            }
        }
        _ if before != after => found.push(format!("{}: {before} became {after}", path.trim_start())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_named_with_its_place() {
        let before = json!({ "dev": { "tables": ["a"], "queues": [] }, "prod": {} });
        let after = json!({ "dev": { "tables": [], "queues": [] }, "prod": { "tables": ["b"] } });
        assert_eq!(
            differences(&before, &after),
            [r#"dev tables: ["a"] became []"#, r#"prod tables: null became ["b"]"#]
        );
        assert!(differences(&after, &after).is_empty());
    }
}
