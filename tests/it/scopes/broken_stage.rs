//! A stage that is broken on purpose: it holds the credentials of a previewed plan and sends something else.

use countersign::ports::Purpose;
use countersign::sandbox::DEV;
use countersign::testing::session_policy;
use serde_json::{Value, json};

use super::{Bench, HERE, let_through};
use crate::support::clouds::{create_table, instance_state, run_instance, table_exists};
use crate::support::{Act, Installation, NEWEST, Session, sandbox};

#[tokio::test]
async fn a_stage_that_sends_something_else_than_the_plan_says_is_stopped_by_aws() {
    let installation = Installation::before_sandbox(sandbox().await);
    let session = Session::start(&installation, NEWEST, Act::HasNoForms).await;
    let (planned, neighbour) = (run_instance(&DEV, "planned").await, run_instance(&DEV, "neighbour").await);
    create_table(&DEV, "broken-stage").await;
    let arguments = json!({ "account": "shop-dev", "InstanceIds": [planned], "reason": "it is idle" });
    let preview = session.call("ec2_stop_instances", arguments).await;
    let plan = preview.plan_id();
    let shown = preview.structured()["session_policy"].as_str().unwrap();
    let policy: Value = serde_json::from_str(shown).unwrap();
    assert_eq!(policy["Statement"][0]["Action"], "ec2:StopInstances");

    let bench = Bench::new().await;
    let credentials = bench.open("shop-dev", Purpose::Change, session_policy(shown), HERE).await;
    for (operation, arguments) in [
        ("ec2:TerminateInstances", json!({ "InstanceIds": [planned] })),
        ("ec2:StopInstances", json!({ "InstanceIds": [neighbour] })),
        ("ec2:RunInstances", json!({ "ImageId": "ami-0abcdef1234567890", "MinCount": 1, "MaxCount": 1 })),
        ("ec2:CreateTags", json!({ "Resources": [planned], "Tags": [{ "Key": "env", "Value": "dev" }] })),
        ("dynamodb:DeleteTable", json!({ "TableName": "broken-stage" })),
        ("rds:DeleteDBInstance", json!({ "DBInstanceIdentifier": "shop-orders", "SkipFinalSnapshot": true })),
        ("cloudformation:DeleteStack", json!({ "StackName": "shop-orders" })),
        ("s3:DeleteBucket", json!({ "Bucket": "shop-orders-dev-scratch" })),
        ("iam:CreateUser", json!({ "UserName": "eve" })),
        (
            "sts:AssumeRole",
            json!({
                "RoleArn": "arn:aws:iam::210987654321:role/countersign-change", "RoleSessionName": "again",
            }),
        ),
    ] {
        let sent = let_through(&*credentials, &operation.parse().unwrap(), &arguments).await;
        assert!(sent.is_err(), "{operation} was let through with {shown}");
    }
    assert_eq!(instance_state(&DEV, &planned).await, "running");
    assert_eq!(instance_state(&DEV, &neighbour).await, "running");
    assert!(table_exists(&DEV, "broken-stage").await);

    // What was planned passes, and nothing of the above was.
    let stop = json!({ "InstanceIds": [planned] });
    let_through(&*credentials, &"ec2:StopInstances".parse().unwrap(), &stop).await.unwrap();
    assert_eq!(instance_state(&DEV, &planned).await, "stopped");
    let status = session.call("plan_status", json!({ "plan_id": plan })).await;
    assert_eq!(status.structured()["session_policy"], shown);
}
