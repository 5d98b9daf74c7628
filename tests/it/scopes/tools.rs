//! Tools of every kind: inside its scope a call passes; another resource, another action and another region are denied. That
//! calls of all shipped tools pass under their own scopes is what `catalogue` tries.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use countersign::credentials::session_policy::SessionPolicy;
use countersign::manifest::spec::ToolSpec;
use countersign::names::OperationId;
use countersign::ports::Purpose;
use countersign::sandbox::DEV;
use serde_json::{Value, json};

use super::{Bench, ELSEWHERE, HERE, let_through};
use crate::support::clouds::{create_table, root_call, run_instance};

/// A tool, what it is tried on, and what else its credentials are tried with.
struct Case {
    tool: &'static str,
    /// The operation.
    operation: &'static str,
    target: String,
    /// A resource of the same kind that the call doesn't name.
    other: String,
    /// The operation's arguments for a resource.
    arguments: fn(&str) -> Value,
    /// Another operation, with its arguments for the target.
    another: (&'static str, fn(&str) -> Value),
}

#[tokio::test]
async fn credentials_of_a_tool_are_good_for_its_scope_only() {
    let bench = Bench::new().await;
    let cases = cases().await;
    let mut table = vec![["tool", "session", "passes", "denied", "not enforceable here"].map(str::to_owned)];
    for case in &cases {
        let tool = bench.tool(case.tool, case.operation);
        let arguments = (case.arguments)(&case.target);
        let mut reads = Vec::new();
        if let Some(targets) = &tool.targets {
            reads.extend(targets.read.iter().map(|read| (&read.operation, &read.with)));
            reads.extend(targets.tags_read.iter().map(|read| (&read.operation, &read.with)));
            // Of what may be missing nothing is there.
            let always = targets.also.iter().filter(|read| read.missing.is_empty());
            reads.extend(always.map(|read| (&read.operation, &read.with)));
        }
        for (operation, with) in reads {
            let (_, context) = bench.policy(&tool, Purpose::Read, &case.target, &arguments);
            let (_, other) = bench.policy(&tool, Purpose::Read, &case.other, &(case.arguments)(&case.other));
            let tried = Tried {
                operation: operation.clone(),
                arguments: with.render(&context).unwrap(),
                other: with.render(&other).unwrap(),
                another: (case.operation.parse().unwrap(), arguments.clone()),
            };
            table.push(row(&bench, case, &tool, Purpose::Read, tried).await);
        }
        let tried = Tried {
            operation: tool.operation.clone(),
            other: (case.arguments)(&case.other),
            another: (case.another.0.parse().unwrap(), (case.another.1)(&case.target)),
            arguments,
        };
        let purpose = if tool.effect.changes() { Purpose::Change } else { Purpose::Read };
        table.push(row(&bench, case, &tool, purpose, tried).await);
    }
    let table = aligned(&table);
    println!("{table}");
    insta::assert_snapshot!(table);
}

/// What a session's credentials are tried with.
struct Tried {
    operation: OperationId,
    arguments: Value,
    other: Value,
    another: (OperationId, Value),
}

async fn row(bench: &Bench, case: &Case, tool: &ToolSpec, purpose: Purpose, tried: Tried) -> [String; 5] {
    let Tried { operation, arguments, other, another } = tried;
    let own = (case.arguments)(&case.target);
    let (policy, _) = bench.policy(tool, purpose, &case.target, &own);
    let session = bench.open("shop-dev", purpose, policy.clone(), HERE).await;
    let elsewhere = bench.open("shop-dev", purpose, policy.clone(), ELSEWHERE).await;
    let (mut denied, mut gaps) = (Vec::new(), Vec::new());
    let refused = |what: &str, result: Result<(), String>| {
        let Err(code) = result else { panic!("{}: {what} was let through: {}", case.tool, policy.text()) };
        format!("{what} ({code})")
    };
    let (for_other, _) = bench.policy(tool, purpose, &case.other, &(case.arguments)(&case.other));
    if about(&for_other, &operation) == about(&policy, &operation) {
        let reason = match (policy.text().contains(r#""Resource":"*""#), case.tool.starts_with("aws_")) {
            (true, true) => "a family's scope names none",
            (true, false) => "IAM knows none for it",
            (false, _) => "the tool is for all of them",
        };
        gaps.push(format!("another resource: {reason}"));
    } else {
        denied.push(refused("another resource", let_through(&*session, &operation, &other).await));
    }
    denied.push(refused(&format!("{}", another.0), let_through(&*session, &another.0, &another.1).await));
    denied.push(refused("another region", let_through(&*elsewhere, &operation, &arguments).await));
    let passed = session.send(&operation, &arguments).await;
    let passed = passed.unwrap_or_else(|error| panic!("{}: {operation}: {error}\n{}", case.tool, policy.text()));
    assert!(passed.output.is_object());
    let session = if purpose == Purpose::Read { "reads" } else { "changes" };
    [case.tool.to_owned(), session.to_owned(), operation.to_string(), denied.join(", "), gaps.join(", ")]
}

/// The statements of a session policy that are about an operation, as a session's credentials may do several.
fn about(policy: &SessionPolicy, operation: &OperationId) -> Vec<Value> {
    let whole: Value = serde_json::from_str(policy.text()).unwrap();
    let action = format!("{operation}");
    let names = |actions: &Value| match actions {
        Value::Array(all) => all.iter().any(|one| *one == *action),
        one => *one == *action,
    };
    let mut statements = whole["Statement"].as_array().unwrap().clone();
    // An action that is called something else than its operation may be any of them.
    if statements.iter().any(|statement| names(&statement["Action"])) {
        statements.retain(|statement| names(&statement["Action"]));
    }
    statements
}

/// Makes what the tools are tried on.
async fn cases() -> Vec<Case> {
    let case = |tool, operation, target: &str, other: &str, arguments, another| Case {
        tool,
        operation,
        target: target.to_owned(),
        other: other.to_owned(),
        arguments,
        another,
    };
    let instances: fn(&str) -> Value = |id| json!({ "InstanceIds": [id] });
    let (web, spare) = (run_instance(&DEV, "scopes-web").await, run_instance(&DEV, "scopes-spare").await);
    create_table(&DEV, "scopes-table").await;
    for bucket in ["scopes-full", "scopes-empty"] {
        let arguments = json!({ "Bucket": bucket, "CreateBucketConfiguration": { "LocationConstraint": HERE } });
        root_call(&DEV, "s3:CreateBucket", arguments).await.unwrap();
        let tagging = json!({ "Bucket": bucket, "Tagging": { "TagSet": [{ "Key": "env", "Value": "dev" }] } });
        root_call(&DEV, "s3:PutBucketTagging", tagging).await.unwrap();
    }
    let object = json!({ "Bucket": "scopes-full", "Key": "2026/a.txt", "Body": BASE64.encode("a") });
    root_call(&DEV, "s3:PutObject", object).await.unwrap();
    let template = json!({ "Resources": { "Queue": { "Type": "AWS::SQS::Queue" } } }).to_string();
    let stack = json!({ "StackName": "scopes-stack", "TemplateBody": template });
    root_call(&DEV, "cloudformation:CreateStack", stack).await.unwrap();
    let database = json!({
        "DBInstanceIdentifier": "scopes-db", "Engine": "postgres", "DBInstanceClass": "db.t3.medium",
        "AllocatedStorage": 20, "MasterUsername": "orders", "MasterUserPassword": "not-a-secret-1",
    });
    root_call(&DEV, "rds:CreateDBInstance", database).await.unwrap();
    let function = json!({
        "FunctionName": "scopes-function", "Runtime": "python3.12", "Handler": "index.handler",
        "Role": format!("arn:aws:iam::{}:role/countersign-read", DEV.id), "Code": { "ZipFile": BASE64.encode(EMPTY_ZIP) },
    });
    root_call(&DEV, "lambda:CreateFunction", function).await.unwrap();
    let configuration = json!({
        "LaunchConfigurationName": "scopes-launch", "ImageId": "ami-0abcdef1234567890", "InstanceType": "t3.small",
    });
    root_call(&DEV, "autoscaling:CreateLaunchConfiguration", configuration).await.unwrap();
    let group = json!({
        "AutoScalingGroupName": "scopes-group", "LaunchConfigurationName": "scopes-launch", "MinSize": 0, "MaxSize": 3,
        "AvailabilityZones": [format!("{HERE}a")],
    });
    root_call(&DEV, "autoscaling:CreateAutoScalingGroup", group).await.unwrap();
    root_call(&DEV, "sqs:CreateQueue", json!({ "QueueName": "scopes-queue" })).await.unwrap();
    root_call(&DEV, "logs:CreateLogGroup", json!({ "logGroupName": "scopes-log" })).await.unwrap();
    vec![
        case(
            "ec2_describe_instances",
            "ec2:DescribeInstances",
            &web,
            &spare,
            instances,
            ("ec2:DescribeVolumes", |_| json!({})),
        ),
        case("ec2_stop_instances", "ec2:StopInstances", &web, &spare, instances, ("ec2:TerminateInstances", instances)),
        case("ec2_start_instances", "ec2:StartInstances", &web, &spare, instances, ("ec2:StopInstances", instances)),
        case(
            "ec2_terminate_instances",
            "ec2:TerminateInstances",
            &web,
            &spare,
            instances,
            ("ec2:StopInstances", instances),
        ),
        case(
            "autoscaling_set_desired_capacity",
            "autoscaling:SetDesiredCapacity",
            "scopes-group",
            "shop-orders-web",
            |name| json!({ "AutoScalingGroupName": name, "DesiredCapacity": 1 }),
            ("autoscaling:DeleteAutoScalingGroup", |name| json!({ "AutoScalingGroupName": name, "ForceDelete": true })),
        ),
        case(
            "cloudformation_describe_stacks",
            "cloudformation:DescribeStacks",
            "scopes-stack",
            "shop-orders",
            |_| json!({}),
            ("cloudformation:GetTemplate", |name| json!({ "StackName": name })),
        ),
        case(
            "cloudformation_delete_stack",
            "cloudformation:DeleteStack",
            "scopes-stack",
            "shop-orders",
            |name| json!({ "StackName": name }),
            ("cloudformation:UpdateStack", |name| json!({ "StackName": name, "UsePreviousTemplate": true })),
        ),
        case(
            "dynamodb_delete_table",
            "dynamodb:DeleteTable",
            "scopes-table",
            "orders",
            |name| json!({ "TableName": name }),
            ("dynamodb:Scan", |name| json!({ "TableName": name })),
        ),
        case(
            "lambda_delete_function",
            "lambda:DeleteFunction",
            "scopes-function",
            "shop-orders-invoice",
            |name| json!({ "FunctionName": name }),
            ("lambda:GetFunction", |name| json!({ "FunctionName": name })),
        ),
        case(
            "rds_describe_db_instances",
            "rds:DescribeDBInstances",
            "scopes-db",
            "shop-orders",
            |_| json!({}),
            ("rds:DescribeDBClusters", |_| json!({})),
        ),
        case(
            "rds_delete_db_instance",
            "rds:DeleteDBInstance",
            "scopes-db",
            "shop-orders",
            |name| json!({ "DBInstanceIdentifier": name, "SkipFinalSnapshot": true }),
            ("rds:StopDBInstance", |name| json!({ "DBInstanceIdentifier": name })),
        ),
        case(
            "s3_list_objects",
            "s3:ListObjectsV2",
            "scopes-full",
            "shop-orders-dev-receipts",
            |name| json!({ "Bucket": name }),
            ("s3:GetObject", |name| json!({ "Bucket": name, "Key": "2026/a.txt" })),
        ),
        case(
            "s3_delete_object",
            "s3:DeleteObject",
            "scopes-full/2026/a.txt",
            "shop-orders-dev-receipts/2026/11/1002.txt",
            |name| {
                let (bucket, key) = name.split_once('/').unwrap();
                json!({ "Bucket": bucket, "Key": key })
            },
            ("s3:PutObject", |_| json!({ "Bucket": "scopes-full", "Key": "2026/a.txt", "Body": "" })),
        ),
        case(
            "s3_delete_bucket",
            "s3:DeleteBucket",
            "scopes-empty",
            "shop-orders-dev-scratch",
            |name| json!({ "Bucket": name }),
            ("s3:DeleteObject", |name| json!({ "Bucket": name, "Key": "a" })),
        ),
        case(
            "aws_read",
            "sqs:GetQueueUrl",
            "scopes-queue",
            "shop-orders",
            |name| json!({ "QueueName": name }),
            ("sqs:ListQueues", |_| json!({})),
        ),
        case(
            "aws_change",
            "logs:CreateLogStream",
            "scopes-log",
            "shop-orders",
            |name| json!({ "logGroupName": name, "logStreamName": "one" }),
            ("logs:DeleteLogGroup", |name| json!({ "logGroupName": name })),
        ),
    ]
}

/// A ZIP archive without files.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn aligned(table: &[[String; 5]]) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].len()).max().unwrap();
    let widths = [0, 1, 2, 3].map(width);
    let mut text = String::new();
    for [tool, session, passes, denied, gaps] in table {
        let [a, b, c, d] = widths;
        let line = format!("{tool:<a$}  {session:<b$}  {passes:<c$}  {denied:<d$}  {gaps}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
