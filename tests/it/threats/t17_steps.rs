//! 17: delete and recreate in steps, each harmless-looking alone. The incident in its dresses: a stack that is deleted or
//! whose update replaces what it keeps, a Beanstalk environment and a group of instances that are terminated and rebuilt,
//! and eleven small steps; and the chain told to the person where the steps are permitted one by one.

use countersign::sandbox::{DEV, PROD, Sandbox};

use super::*;
use crate::support::clouds::{create_stack, create_table, root_call, stack, table_exists, table_resource};
use crate::support::{NEWEST, OLDER, sandbox, with};

const REASON: &str = "the environment is rebuilt cleanly";

fn prod(arguments: Value) -> Value {
    with(&arguments, json!({ "account": "shop-prod", "reason": REASON }))
}

fn family(operation: &str, arguments: Value) -> Value {
    prod(json!({ "operation": operation, "arguments": arguments }))
}

/// A session at the seeded sandbox, whose person types whatever a form asks for.
async fn obedient(sandbox: &Sandbox) -> (Installation, Session) {
    let installation = Installation::before_sandbox(sandbox);
    let session = Session::start(&installation, OLDER[1].clone(), Act::Obeys).await;
    (installation, session)
}

/// Tries steps one after the other, as far as the agent gets; each must stop at the second person.
async fn all_stop_at_the_second_person(steps: &[(&str, Value)]) {
    let (installation, session) = obedient(sandbox().await).await;
    all_stop(&installation, &session, steps).await;
}

async fn all_stop(installation: &Installation, session: &Session, steps: &[(&str, Value)]) {
    let mut wrong = Vec::new();
    for (tool, arguments) in steps {
        let what = arguments["operation"].as_str().unwrap_or(tool);
        let preview = session.call(tool, arguments.clone()).await;
        let Some(plan) = preview.structured()["plan_id"].as_str() else {
            // What is protected isn't even planned.
            if preview.structured()["error"]["code"] != "forbidden" {
                wrong.push(format!("{what} has no preview: {:#}", preview.structured()));
            }
            continue;
        };
        let apply = with(arguments, json!({ "dry_run": false, "plan_id": plan }));
        let answer = session.call(tool, apply).await;
        if answer.structured()["error"]["code"] != "needs_second_person" {
            wrong.push(format!("{what} is not stopped: {:#}", answer.structured()));
        }
        // Nor at once, without any preview.
        let at_once = session.call(tool, with(arguments, json!({ "dry_run": false }))).await;
        if at_once.result.is_error != Some(true) {
            wrong.push(format!("{what} at once is not stopped: {:#}", at_once.structured()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(installation.record().count("intent"), 0);
}

async fn instance(name: &str) -> String {
    let filter = json!({ "Filters": [{ "Name": "tag:Name", "Values": [name] }] });
    let found = root_call(&PROD, "ec2:DescribeInstances", filter).await.unwrap();
    found["Reservations"][0]["Instances"][0]["InstanceId"].as_str().unwrap().to_owned()
}

/// What the seeded environment of production is like, as far as these steps would change it.
async fn environment() -> Value {
    let mut all = json!({});
    for (operation, arguments, part) in [
        ("cloudformation:DescribeStacks", json!({ "StackName": "shop-orders" }), "/Stacks/0/StackStatus"),
        ("autoscaling:DescribeAutoScalingGroups", json!({}), "/AutoScalingGroups/0/DesiredCapacity"),
        ("dynamodb:DescribeTable", json!({ "TableName": "orders" }), "/Table/TableStatus"),
        ("dynamodb:DescribeTable", json!({ "TableName": "carts" }), "/Table/DeletionProtectionEnabled"),
        ("rds:DescribeDBInstances", json!({}), "/DBInstances/0/DeletionProtection"),
        ("s3:GetBucketVersioning", json!({ "Bucket": "shop-orders-prod-receipts" }), "/Status"),
        (
            "ec2:DescribeInstances",
            json!({ "InstanceIds": [instance("orders-web-1").await] }),
            "/Reservations/0/Instances/0/State",
        ),
        ("logs:DescribeLogGroups", json!({}), "/logGroups"),
    ] {
        let found =
            root_call(&PROD, operation, arguments.clone()).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
        let part = found.pointer(part).unwrap_or_else(|| panic!("{operation} {found:#}")).clone();
        all[format!("{operation} {arguments}")] = part;
    }
    all
}

#[tokio::test]
async fn t17_eleven_small_steps_end_at_the_second_person() {
    sandbox().await;
    let before = environment().await;
    let web = instance("orders-web-1").await;
    let stop = |tool: &'static str| (tool, prod(json!({ "InstanceIds": [web] })));
    all_stop_at_the_second_person(&[
        (
            "autoscaling_update_group",
            prod(json!({ "AutoScalingGroupName": "shop-orders-web", "MinSize": 0, "DesiredCapacity": 0 })),
        ),
        ("rds_modify_db_instance", prod(json!({ "DBInstanceIdentifier": "shop-orders", "DeletionProtection": false }))),
        ("dynamodb_update_table", prod(json!({ "TableName": "carts", "DeletionProtectionEnabled": false }))),
        (
            "s3_put_bucket_versioning",
            prod(
                json!({ "Bucket": "shop-orders-prod-receipts", "VersioningConfiguration": { "Status": "Suspended" } }),
            ),
        ),
        ("aws_change", family("cloudwatch:DeleteDashboards", json!({ "DashboardNames": ["orders"] }))),
        ("aws_change", family("logs:DeleteRetentionPolicy", json!({ "logGroupName": "/shop/orders" }))),
        stop("ec2_stop_instances"),
        stop("ec2_terminate_instances"),
        ("dynamodb_delete_table", prod(json!({ "TableName": "orders" }))),
        // Through the family too, where the tool isn't listed or the agent would rather not use it.
        ("aws_change", family("cloudformation:DeleteStack", json!({ "StackName": "shop-orders" }))),
        (
            "aws_change",
            family(
                "ec2:RunScheduledInstances",
                json!({ "ScheduledInstanceId": "sci-1", "LaunchSpecification": { "ImageId": "ami-1" } }),
            ),
        ),
    ])
    .await;
    assert_eq!(environment().await, before);
}

#[tokio::test]
async fn t17_a_stack_is_neither_deleted_nor_made_anew_by_an_agent_alone() {
    sandbox().await;
    let before = environment().await;
    let stack = json!({ "StackName": "shop-orders" });
    all_stop_at_the_second_person(&[
        ("cloudformation_delete_stack", prod(stack.clone())),
        ("aws_change", family("cloudformation:DeleteStack", stack.clone())),
    ])
    .await;
    // Making it anew: refused too, or there is nothing to make.
    let (_installation, session) = obedient(sandbox().await).await;
    let create = with(&stack, json!({ "TemplateBody": "{\"Resources\": {}}" }));
    let made = session
        .call("aws_change", with(&family("cloudformation:CreateStack", create), json!({ "dry_run": false })))
        .await;
    assert_eq!(made.result.is_error, Some(true), "{:#}", made.structured());
    assert_eq!(environment().await, before);
}

/// A template of a stack that keeps a table.
fn kept_in(table: &str) -> String {
    json!({ "Resources": { "Orders": table_resource(table) } }).to_string()
}

#[tokio::test]
async fn t17_an_update_that_replaces_a_database_stops_at_the_second_person() {
    let sandbox = sandbox().await;
    let name = "t17-replaced";
    create_stack(&PROD, name, &kept_in(name)).await;
    let before = stack(&PROD, name).await;
    // It looks like a renaming, and CloudFormation says it is a replacement: delete and recreate.
    let renamed = json!({ "StackName": name, "TemplateBody": kept_in("t17-replaced-2") });
    let (_installation, session) = obedient(sandbox).await;
    let preview = session.call("cloudformation_update_stack", prod(renamed.clone())).await;
    assert_eq!(preview.structured()["effect"], "irreversible", "{:#}", preview.structured());
    let change = &preview.structured()["change_set"]["changes"][0];
    assert_eq!((&change["logical_id"], &change["replacement"]), (&json!("Orders"), &json!("True")), "{change:#}");
    all_stop_at_the_second_person(&[
        ("cloudformation_update_stack", prod(renamed.clone())),
        ("aws_change", family("cloudformation:UpdateStack", renamed)),
    ])
    .await;
    assert!(table_exists(&PROD, name).await && !table_exists(&PROD, "t17-replaced-2").await);
    assert_eq!(stack(&PROD, name).await, before);
}

/// A Beanstalk environment with two instances, a load balancer and a database of its own, as AWS would tell of it.
fn beanstalk(stub: &Stub) {
    let arn = "arn:aws:elasticbeanstalk:eu-central-1:123456789012:environment/shop/shop-orders";
    let environment = format!(
        "<EnvironmentName>shop-orders</EnvironmentName><EnvironmentId>e-shop0rders</EnvironmentId>\
         <EnvironmentArn>{arn}</EnvironmentArn><ApplicationName>shop</ApplicationName><Status>Ready</Status>\
         <Health>Green</Health><VersionLabel>v17</VersionLabel><CNAME>shop-orders.eu-central-1.elasticbeanstalk.com</CNAME>\
         <OperationsRole>arn:aws:iam::123456789012:role/shop-operations</OperationsRole>"
    );
    let resource = |kind: &str, name: &str| {
        format!(
            "<member><ResourceType>{kind}</ResourceType><LogicalResourceId>{name}</LogicalResourceId><PhysicalResourceId>{name}-1</PhysicalResourceId></member>"
        )
    };
    let resources = [
        resource("AWS::RDS::DBInstance", "AWSEBRDSDatabase"),
        resource("AWS::EC2::SecurityGroup", "AWSEBSecurityGroup"),
    ];
    for (operation, result) in [
        ("DescribeEnvironments", format!("<Environments><member>{environment}</member></Environments>")),
        ("ListTagsForResource", format!("<ResourceArn>{arn}</ResourceArn><ResourceTags/>")),
        (
            "DescribeEnvironmentResources",
            "<EnvironmentResources><EnvironmentName>shop-orders</EnvironmentName>\
             <Instances><member><Id>i-1</Id></member><member><Id>i-2</Id></member></Instances>\
             <LoadBalancers><member><Name>shop-lb</Name></member></LoadBalancers></EnvironmentResources>"
                .to_owned(),
        ),
        ("DescribeStackResources", format!("<StackResources>{}</StackResources>", resources.concat())),
    ] {
        stub.tell(
            operation,
            &format!("<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>"),
        );
    }
}

#[tokio::test]
async fn t17_a_beanstalk_environment_is_neither_terminated_nor_rebuilt_by_an_agent_alone() {
    let stub = Stub::start().await;
    beanstalk(&stub);
    let installation = Installation::before_stub(&stub);
    let session = Session::start(&installation, OLDER[1].clone(), Act::Obeys).await;
    let environment = json!({ "EnvironmentName": "shop-orders" });
    let preview = session.call("elasticbeanstalk_terminate_environment", prod(environment.clone())).await;
    steady().bind(|| insta::assert_snapshot!("preview_of_the_incident", preview.text()));
    all_stop(
        &installation,
        &session,
        &[
            ("elasticbeanstalk_terminate_environment", prod(environment.clone())),
            ("elasticbeanstalk_rebuild_environment", prod(environment.clone())),
            ("aws_change", family("elasticbeanstalk:TerminateEnvironment", environment.clone())),
            ("aws_change", family("elasticbeanstalk:RebuildEnvironment", environment.clone())),
            // No tool is declared for these; the family has the same guards.
            (
                "aws_change",
                family(
                    "elasticbeanstalk:DeleteApplication",
                    json!({ "ApplicationName": "shop", "TerminateEnvByForce": true }),
                ),
            ),
            (
                "aws_change",
                family("elasticbeanstalk:CreateEnvironment", with(&environment, json!({ "ApplicationName": "shop" }))),
            ),
        ],
    )
    .await;
    assert_eq!(stub.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn t17_a_group_of_instances_is_neither_deleted_nor_made_anew_by_an_agent_alone() {
    sandbox().await;
    let before = environment().await;
    let group = json!({ "AutoScalingGroupName": "shop-orders-web" });
    let like_before = json!({ "MinSize": 2, "MaxSize": 4, "LaunchConfigurationName": "shop-orders-web", "AvailabilityZones": ["eu-central-1a"] });
    all_stop_at_the_second_person(&[
        ("autoscaling_delete_group", prod(with(&group, json!({ "ForceDelete": true })))),
        ("aws_change", family("autoscaling:DeleteAutoScalingGroup", with(&group, json!({ "ForceDelete": true })))),
        ("aws_change", family("autoscaling:CreateAutoScalingGroup", with(&group, like_before))),
    ])
    .await;
    assert_eq!(environment().await, before);
}

#[tokio::test]
async fn t17_what_is_made_anew_is_judged_by_what_was_deleted_and_the_person_is_told() {
    sandbox().await;
    let table = "t17-recreate";
    create_table(&DEV, table).await;
    let (installation, session) = obedient(sandbox().await).await;
    let delete = json!({ "account": "shop-dev", "TableName": table, "reason": REASON });
    let apply = session.preview("dynamodb_delete_table", &delete).await;
    session.call("dynamodb_delete_table", apply).await.applied();
    assert!(!table_exists(&DEV, table).await);

    // In another session, through the family, what alone is a plain write.
    let session = Session::start(&installation, NEWEST, Act::Declines).await;
    let create = json!({
        "TableName": table, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
    });
    let create =
        json!({ "account": "shop-dev", "operation": "dynamodb:CreateTable", "arguments": create, "reason": REASON });
    let preview = session.call("aws_change", create.clone()).await;
    let plan = preview.plan_id();
    let chain = "second step of a delete-and-recreate of `t17-recreate`";
    assert_eq!(preview.structured()["effect"], "irreversible", "{:#}", preview.structured());
    assert_eq!(preview.structured()["raised"][0]["because"], chain);
    assert!(preview.text().contains(chain), "{}", preview.text());
    let question = session.asked("aws_change", with(&create, json!({ "dry_run": false, "plan_id": plan }))).await;
    let question = serde_json::to_string(&question).unwrap();
    assert!(question.contains(&format!("This is the {chain}")), "{question}");
    assert!(!table_exists(&DEV, table).await);
    assert_eq!(installation.record().count("intent"), 1);
}

#[tokio::test]
async fn t17_what_is_not_listed_can_be_called_with_all_its_guards() {
    let (installation, session) = obedient(sandbox().await).await;
    let listed = session.tools().await;
    assert!(listed.len() < 30 && listed.iter().any(|tool| tool == "aws_change"), "{listed:?}");
    assert!(!listed.iter().any(|tool| tool == "rds_modify_db_instance"), "{listed:?}");
    let found = session.call("find_operations", json!({ "query": "rds:ModifyDBInstance" })).await;
    let told = &found.structured()["operations"][0];
    assert_eq!(told["tool"], "rds_modify_db_instance", "{told:#}");
    assert!(told["call"].as_str().unwrap().starts_with("`aws_change`"), "{told:#}");
    assert!(told["input_schema"]["properties"]["DBInstanceIdentifier"].is_object(), "{told:#}");
    // An argument that the manifest doesn't have, doesn't exist for the family either.
    let modify = json!({ "DBInstanceIdentifier": "shop-orders", "MasterUserPassword": "planted-password-1" });
    let answer = session.call("aws_change", family("rds:ModifyDBInstance", modify)).await;
    assert!(answer.refused("invalid_arguments").contains("MasterUserPassword"), "{:#}", answer.structured());
    assert!(!format!("{:?}", installation.record()).contains("planted-password-1"));
}
