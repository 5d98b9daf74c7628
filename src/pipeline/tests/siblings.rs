//! Operations that do what a tool does in another form: through a family they are no way around it.

use super::*;

fn change(operation: &str, arguments: &Value) -> Value {
    json!({ "operation": operation, "arguments": arguments, "account": "shop-dev", "reason": "a way around" })
}

#[tokio::test]
async fn what_does_a_tool_s_work_in_another_form_is_refused_with_the_tool() {
    let desk = desk_with(FakeCloud::new(), None).await;
    let lifecycle = json!({ "Bucket": "orders", "LifecycleConfiguration": { "Rules": [
        { "Prefix": "", "Status": "Enabled", "Expiration": { "Days": 1 } },
    ] } });
    let own = "arn:aws:cloudformation:eu-central-1:210987654321:changeSet/countersign-plan-1/5a1b";
    let mut told = Vec::new();
    for (operation, arguments) in [
        (
            "cloudformation:CreateChangeSet",
            json!({ "StackName": "orders", "ChangeSetName": "mine", "TemplateBody": "{}" }),
        ),
        ("cloudformation:ExecuteChangeSet", json!({ "StackName": "orders", "ChangeSetName": "mine" })),
        (
            "cloudformation:DeleteStackInstances",
            json!({ "StackSetName": "s", "Regions": ["eu-central-1"], "RetainStacks": false }),
        ),
        ("cloudcontrol:DeleteResource", json!({ "TypeName": "AWS::RDS::DBInstance", "Identifier": "orders" })),
        ("s3:PutBucketLifecycle", lifecycle),
        ("ssm:DeleteParameters", json!({ "Names": ["/orders/url"] })),
        ("ssm:StartAutomationExecution", json!({ "DocumentName": "AWS-TerminateEC2Instance" })),
        ("cloudformation:DeleteChangeSet", json!({ "ChangeSetName": own })),
    ] {
        let answer = desk.call("aws_change", change(operation, &arguments), &Person::never_asked()).await;
        let Answered::Refused(refused) = answer else { panic!("{operation} was let through") };
        assert_eq!(refused.code, Code::Forbidden, "{operation}: {refused:?}");
        told.push(format!("{}\n  {}", refused.message, refused.hint));
    }
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(desk.cloud.sent(), []);
}

#[tokio::test]
async fn what_is_known_to_be_worse_is_planned_as_that_with_the_reason() {
    let desk = desk_with(FakeCloud::new(), None).await;
    let objects = json!({ "Bucket": "orders", "Delete": { "Objects": [{ "Key": "1" }, { "Key": "2" }] } });
    let item = json!({ "DeleteRequest": { "Key": { "id": { "S": "1" } } } });
    for (operation, arguments) in [
        ("s3:DeleteObjects", objects),
        ("dynamodb:BatchWriteItem", json!({ "RequestItems": { "orders": [item] } })),
        ("dynamodb:ExecuteStatement", json!({ "Statement": "DELETE FROM orders WHERE id = '1'" })),
        (
            "sqs:DeleteMessageBatch",
            json!({ "QueueUrl": "https://q", "Entries": [{ "Id": "1", "ReceiptHandle": "r" }] }),
        ),
    ] {
        let plan = desk.preview("aws_change", change(operation, &arguments)).await;
        assert_eq!(plan["effect"], "irreversible", "{operation}");
        assert!(
            plan["warnings"].to_string().contains("it counts as irreversible: "),
            "{operation}: {}",
            plan["warnings"]
        );
    }
    desk.nothing_changed();
}

#[tokio::test]
async fn finding_an_operation_tells_what_is_called_instead() {
    let desk = desk_with(FakeCloud::new(), None).await;
    let mut told = Vec::new();
    for query in ["cloudformation ExecuteChangeSet", "s3 DeleteObjects", "s3 PutBucketLifecycle"] {
        let found = desk.preview("find_operations", json!({ "query": query, "limit": 20 })).await;
        let wanted = query.replace(' ', ":");
        let operations = found["operations"].as_array().unwrap();
        let one = operations.iter().find(|one| one["operation"] == wanted.as_str()).unwrap();
        told.push(format!("{wanted}: {} {} {} {}", one["effect"], one["tool"], one["call"], one["because"]));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_call_without_targets_holds_its_service_against_the_tools() {
    let desk = desk_with(cloud().loses("ec2:DeleteDhcpOptions").loses("elbv2:DeleteTrustStore"), None).await;
    let options = change("ec2:DeleteDhcpOptions", &json!({ "DhcpOptionsId": "dopt-0123456789abcdef0" }));
    let plan = desk.preview("aws_change", options.clone()).await;
    let person = Person::types("ec2:DeleteDhcpOptions in shop-dev");
    assert_eq!(code(desk.call("aws_change", apply(options, &plan), &person).await), Code::OutcomeUnknown);
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let person = Person::types(INSTANCE);
    let answer = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(answer), Code::TargetBusy);
    let terminated = desk.cloud.changes().iter().any(|call| call.operation.name() == "TerminateInstances");
    assert!(!terminated);
    // Another account's instance is another resource, and another service is free.
    let trust = change("elbv2:DeleteTrustStore", &json!({ "TrustStoreArn": "arn:aws:elasticloadbalancing:x" }));
    let plan = desk.preview("aws_change", trust.clone()).await;
    let person = Person::types("elbv2:DeleteTrustStore in shop-dev");
    assert_eq!(code(desk.call("aws_change", apply(trust, &plan), &person).await), Code::OutcomeUnknown);
}
