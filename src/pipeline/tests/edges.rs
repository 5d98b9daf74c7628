//! Dry runs, families, and requests that are wrong.

use super::*;

#[tokio::test]
async fn a_dry_run_goes_only_to_an_endpoint_that_knows_what_it_is() {
    // The describe with `DryRun` that is sent as a canary is answered as if it were a plain one: no dry run follows.
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    assert_eq!(plan["dry_run"]["result"], "not_trusted");
    desk.nothing_changed();

    let refused = CloudError::Refused {
        code: "DryRunOperation".to_owned(),
        message: "Request would have succeeded, but DryRun flag is set.".to_owned(),
        status: 412,
        request_id: None,
    };
    let cloud = FakeCloud::new()
        .answers("ec2:DescribeInstanceAttribute", unprotected())
        .answers("ec2:DescribeInstances", instance("stopped"))
        .fails("ec2:DescribeInstances", refused.clone())
        .fails("ec2:StartInstances", refused);
    let desk = desk_with(cloud, None).await;
    let plan = desk.preview("ec2_start_instances", start()).await;
    assert_eq!(plan["dry_run"]["result"], "passed");
    let changes = desk.cloud.changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].arguments["DryRun"], true);
}

#[tokio::test]
async fn a_family_reads_what_no_manifest_declares_and_never_goes_around_one() {
    let cloud = cloud().answers("ec2:DescribeDhcpOptions", json!({ "DhcpOptions": [{ "DhcpOptionsId": "dopt-1" }] }));
    let desk = desk_with(cloud, None).await;
    let person = Person::never_asked();
    let read = |operation: &str| json!({ "operation": operation, "arguments": {}, "account": "shop-dev" });
    let answer = succeeded(desk.call("aws_read", read("ec2:DescribeDhcpOptions"), &person).await);
    assert_eq!(answer["result"]["DhcpOptions"][0]["DhcpOptionsId"], "dopt-1");
    for (operation, expected) in [
        ("ec2:TerminateInstances", "ec2_terminate_instances"),
        ("ec2:DescribeVpcz", "DescribeVpcs"),
        ("secretsmanager:GetSecretValue", "secret"),
        ("ec2:DeleteDhcpOptions", "aws_change"),
    ] {
        let Answered::Refused(refused) = desk.call("aws_read", read(operation), &person).await else {
            panic!("{operation} was let through")
        };
        assert_eq!(refused.code, Code::InvalidArguments, "{operation}");
        assert!(format!("{} {}", refused.message, refused.hint).contains(expected), "{operation}: {refused:?}");
    }
    desk.nothing_changed();
}

#[tokio::test]
async fn the_family_of_changes_counts_as_destructive() {
    let cloud = cloud().answers("ec2:DeleteDhcpOptions", json!({}));
    let desk = desk_with(cloud, None).await;
    let change = |account: &str| {
        let arguments = json!({ "DhcpOptionsId": "dopt-0123456789abcdef0" });
        json!({ "operation": "ec2:DeleteDhcpOptions", "arguments": arguments, "account": account, "reason": "unused" })
    };
    let plan = desk.preview("aws_change", change("shop-prod")).await;
    assert_eq!(plan["effect"], "destructive");
    let person = Person::types("ec2:DeleteDhcpOptions in shop-prod");
    let refused = desk.call("aws_change", apply(change("shop-prod"), &plan), &person).await;
    assert_eq!(code(refused), Code::NeedsSecondPerson);
    desk.nothing_changed();
    let plan = desk.preview("aws_change", change("shop-dev")).await;
    let person = Person::types("ec2:DeleteDhcpOptions in shop-dev");
    assert_eq!(
        succeeded(desk.call("aws_change", apply(change("shop-dev"), &plan), &person).await)["status"],
        "applied"
    );
}

#[tokio::test]
async fn without_a_record_nothing_is_sent() {
    let desk = desk_with(cloud(), Some(Arc::new(FailingStore))).await;
    let person = Person::types(INSTANCE);
    for (tool, arguments) in [
        ("ec2_describe_instances", json!({ "account": "shop-dev" })),
        (
            "ec2_start_instances",
            json!({ "InstanceIds": [INSTANCE], "account": "shop-dev", "reason": "r", "dry_run": false }),
        ),
        ("no_such_tool", json!({})),
    ] {
        assert!(desk.call_as("ann", tool, arguments, &person).await.is_err());
    }
    assert_eq!(desk.cloud.sent(), []);
    assert_eq!(desk.cloud.opened().len(), 0);
}

#[tokio::test]
async fn all_that_is_wrong_with_the_arguments_comes_in_one_answer() {
    let desk = desk().await;
    let arguments = json!({ "InstanceId": "i-1", "InstanceIds": [5], "account": "shop-dev", "dry_run": "no" });
    let answer = desk.call("ec2_terminate_instances", arguments, &Person::never_asked()).await;
    let Answered::Refused(refused) = answer else { panic!("not refused") };
    assert_eq!(refused.code, Code::InvalidArguments);
    for part in ["did you mean `InstanceIds`", "InstanceIds[0]", "dry_run", "reason"] {
        assert!(refused.message.contains(part), "{part} in {}", refused.message);
    }
    assert_eq!(desk.cloud.sent(), []);
}

#[tokio::test]
async fn accounts_regions_and_tools_come_from_configuration_only() {
    let desk = desk().await;
    let person = Person::never_asked();
    let elsewhere = json!({ "account": "999999999999" });
    assert_eq!(code(desk.call("ec2_describe_instances", elsewhere, &person).await), Code::UnknownAccountOrRegion);
    let far_away = json!({ "account": "shop-dev", "region": "us-east-1" });
    assert_eq!(code(desk.call("ec2_describe_instances", far_away, &person).await), Code::UnknownAccountOrRegion);
    let tricks = json!({ "account": "shop-dev", "endpoint_url": "http://evil.example", "profile": "admin" });
    assert_eq!(code(desk.call("ec2_describe_instances", tricks, &person).await), Code::InvalidArguments);
    assert_eq!(code(desk.call("ec2_describe_instance", json!({}), &person).await), Code::UnknownTool);
    assert_eq!(desk.cloud.sent(), []);
}

#[tokio::test]
async fn reads_never_use_credentials_for_changes() {
    let desk = desk().await;
    desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    assert!(desk.cloud.opened().iter().all(|opened| opened.purpose == Purpose::Read));
}

#[tokio::test]
async fn whoami_says_for_whom_and_where() {
    let desk = desk().await;
    let me = succeeded(desk.call("whoami", json!({}), &Person::never_asked()).await);
    assert_eq!(me["human"], "ann");
    assert_eq!(me["accounts"][1]["stage"], "prod");
    assert_eq!(
        code(desk.call("whoami", json!({ "admin": true }), &Person::never_asked()).await),
        Code::InvalidArguments
    );
}

#[tokio::test]
async fn plans_of_others_are_not_listed() {
    let desk = desk().await;
    desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let mine = succeeded(desk.call("list_plans", json!({}), &Person::never_asked()).await);
    assert_eq!(mine["plans"].as_array().unwrap().len(), 1);
    let bob = desk.call_as("bob", "list_plans", json!({}), &Person::never_asked()).await.unwrap();
    assert_eq!(succeeded(bob)["plans"], json!([]));
}
