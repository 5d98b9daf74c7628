//! 20: unknown or mistyped parameters silently dropped by the serializer.

use super::*;
use crate::support::NEWEST;

#[tokio::test]
async fn t20_arguments_that_do_not_fit_are_refused_with_the_nearest_name() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let base = || json!({ "account": "shop-dev", "reason": "not used" });
    let with = |more: Value| crate::support::with(&base(), more);
    let wrong = [
        (with(json!({ "InstanceIdz": [WEB] })), "`InstanceIds`"),
        (with(json!({ "instance_ids": [WEB] })), "`InstanceIds`"),
        (with(json!({ "InstanceIds": WEB })), "list"),
        (with(json!({ "InstanceIds": [5] })), "InstanceIds[0]"),
        (with(json!({ "InstanceIds": [] })), "at least 1"),
        (with(json!({ "InstanceIds": vec![WEB; 11] })), "10"),
        (with(json!({})), "InstanceIds"),
        (with(json!({ "InstanceIds": [WEB], "DryRun": false })), "DryRun"),
        (with(json!({ "InstanceIds": [WEB], "SkipOsShutdown": true })), "SkipOsShutdown"),
        (with(json!({ "InstanceIds": [WEB], "dry_run": "false" })), "dry_run"),
        (json!({ "account": "shop-dev", "InstanceIds": [WEB] }), "reason"),
    ];
    for (arguments, says) in wrong {
        let answer = session.call("ec2_terminate_instances", arguments.clone()).await;
        let message = scene.refused(&answer, "invalid_arguments");
        assert!(message.contains(says), "{arguments}: `{says}` is missing in: {message}");
    }
    assert_eq!(scene.stub.requests(), 0, "nothing was sent");
}

#[tokio::test]
async fn t20_the_families_check_against_awss_own_model() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let wrong = [
        ("aws_read", "ec2:DescribeVpcs", json!({ "Filterz": [] }), "`Filters`"),
        ("aws_read", "ec2:DescribeVpcs", json!({ "Filters": [{ "Nam": "vpc-id", "Values": ["vpc-1"] }] }), "`Name`"),
        ("aws_read", "ec2:DescribeVpcs", json!({ "MaxResults": "many" }), "MaxResults"),
        ("aws_read", "ec2:DescribeVpc", json!({}), "DescribeVpcs"),
        ("aws_read", "ec3:DescribeVpcs", json!({}), "ec2"),
        ("aws_change", "ec2:DestroyInstances", json!({ "InstanceIds": [WEB] }), "ec2"),
        (
            "aws_change",
            "rds:ModifyDBInstance",
            json!({ "DBInstanceIdentifier": "a", "DeletionProtected": false }),
            "`DeletionProtection`",
        ),
        (
            "aws_change",
            "dynamodb:UpdateTable",
            json!({ "TableName": "carts", "BillingMode": "FREE" }),
            "PAY_PER_REQUEST",
        ),
    ];
    for (tool, operation, arguments, says) in wrong {
        let mut call = json!({ "account": "shop-dev", "operation": operation, "arguments": arguments });
        if tool == "aws_change" {
            call["reason"] = json!("a slip");
        }
        let answer = session.call(tool, call).await;
        let message = scene.refused(&answer, "invalid_arguments");
        let whole = format!("{message} {}", answer.hint());
        assert!(whole.contains(says), "{operation} {arguments}: `{says}` is missing in: {whole}");
    }
    assert_eq!(scene.stub.requests(), 0, "nothing was sent");
}

#[tokio::test]
async fn t20_no_family_goes_around_a_tool_or_an_effect() {
    let scene = Scene::new().await;
    let session = scene.session(&NEWEST, Act::types(WEB)).await;
    let around = [
        ("aws_read", "ec2:TerminateInstances", json!({ "InstanceIds": [WEB] })),
        ("aws_read", "secretsmanager:GetSecretValue", json!({ "SecretId": "x" })),
        ("aws_change", "ec2:DescribeInstances", json!({ "InstanceIds": [WEB] })),
    ];
    for (tool, operation, arguments) in around {
        let mut call = json!({ "account": "shop-dev", "operation": operation, "arguments": arguments });
        if tool == "aws_change" {
            call["reason"] = json!("a way around");
        }
        let answer = session.call(tool, call).await;
        assert_eq!(answer.result.is_error, Some(true), "{tool} {operation}: {:#}", answer.structured());
        scene.unchanged();
    }
    assert_eq!(scene.installation.record().refusals().len(), 3);
    assert_eq!(scene.stub.requests(), 0, "nothing was sent");
}
