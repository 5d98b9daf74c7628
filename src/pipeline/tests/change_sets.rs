//! Updates of stacks: what CloudFormation says they would do is found out, judged and cleaned up after.

use super::*;

const CREATE: &str = "cloudformation:CreateChangeSet";
const DESCRIBE: &str = "cloudformation:DescribeChangeSet";
const DELETE: &str = "cloudformation:DeleteChangeSet";
/// What a preview has AWS do: what is deleted is looked for once more.
const PROBE: [&str; 4] = ["CreateChangeSet", "DescribeChangeSet", "DeleteChangeSet", "DescribeChangeSet"];
const UPDATE: &str = "cloudformation:UpdateStack";

fn update() -> Value {
    json!({ "StackName": "orders", "TemplateBody": "{}", "account": "shop-dev", "reason": "the table is not used" })
}

fn with(mut call: Value, changed: Value) -> Value {
    let (Value::Object(members), Value::Object(changed)) = (&mut call, changed) else { panic!() };
    members.extend(changed);
    call
}

fn listed(action: &str) -> Value {
    let change = json!({
        "Action": action, "LogicalResourceId": "Orders", "PhysicalResourceId": "orders",
        "ResourceType": "AWS::DynamoDB::Table", "PolicyAction": "Delete",
    });
    json!({ "Status": "CREATE_COMPLETE", "Changes": [{ "Type": "Resource", "ResourceChange": change }] })
}

fn stack() -> FakeCloud {
    let stack = json!({
        "StackName": "orders", "StackId": "arn", "StackStatus": "UPDATE_COMPLETE", "CreationTime": "2026-01-01T00:00:00Z",
        "RoleARN": "arn:aws:iam::210987654321:role/stacks",
        "Parameters": [{ "ParameterKey": "Size", "ParameterValue": "2" }],
    });
    FakeCloud::new()
        .answers("cloudformation:DescribeStacks", json!({ "Stacks": [stack] }))
        .answers("cloudformation:GetTemplate", json!({ "TemplateBody": "{\"Resources\": {}}" }))
        .answers("cloudformation:DescribeStackResources", json!({ "StackResources": [] }))
        .answers(CREATE, json!({ "Id": "arn", "StackId": "arn" }))
        .answers(DELETE, json!({}))
        .turns(DELETE, DESCRIBE, Err("ChangeSetNotFound"))
        .answers(UPDATE, json!({ "StackId": "arn" }))
}

fn changing(desk: &Desk) -> Vec<String> {
    desk.cloud.changes().into_iter().map(|call| call.operation.name().to_owned()).collect()
}

#[tokio::test]
async fn a_table_that_would_be_removed_is_shown_and_makes_the_update_irreversible() {
    let desk = desk_with(stack().turns(CREATE, DESCRIBE, Ok(listed("Remove"))), None).await;
    let plan = desk.preview("cloudformation_update_stack", update()).await;
    assert_eq!(plan["effect"], "irreversible");
    assert_eq!(plan["change_set"]["changes"][0]["action"], "Remove");
    assert_eq!(plan["steps"], json!([{ "is": "delete", "of": "orders" }]));
    assert_eq!(plan["dry_run"]["result"], "change_set");
    assert_eq!(plan["changes"][0]["what"], "the template");
    assert_eq!(desk.events().await, ["requested", "probing", "probed", "previewed"]);
    assert_eq!(changing(&desk), PROBE);

    let probe = desk.cloud.opened().into_iter().find(|session| session.purpose == Purpose::Change).unwrap();
    let name = desk.cloud.changes()[0].arguments["ChangeSetName"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(probe.policy.text().replace(&name, "NAME"));

    let person = Person::types("orders");
    let done = desk.call("cloudformation_update_stack", apply(update(), &plan), &person).await;
    assert_eq!(succeeded(done)["status"], "applied");
    assert_eq!(changing(&desk)[4..], [&PROBE[..], &["UpdateStack"]].concat());
    let names: Vec<Value> =
        desk.cloud.changes().into_iter().map(|call| call.arguments["ChangeSetName"].clone()).collect();
    assert_ne!(names[0], names[4], "each makes one of its own");
    let prompt = person.asked.lock().unwrap()[0].text.clone();
    assert!(prompt.contains("IRREVERSIBLE") && prompt.contains("`Remove` `Orders`"), "{prompt}");
}

#[tokio::test]
async fn another_change_set_than_the_one_that_was_shown_is_drift() {
    let desk = desk_with(stack().turns(CREATE, DESCRIBE, Ok(listed("Add"))), None).await;
    let plan = desk.preview("cloudformation_update_stack", update()).await;
    assert_eq!(plan["effect"], "write");
    let _ = desk.cloud.clone().turns(CREATE, DESCRIBE, Ok(listed("Remove")));
    let person = Person::types("orders");
    let refused = desk.call("cloudformation_update_stack", apply(update(), &plan), &person).await;
    assert_eq!(code(refused), Code::Drift);
    assert!(!changing(&desk).contains(&"UpdateStack".to_owned()));
}

#[tokio::test]
async fn a_request_that_is_cancelled_leaves_no_change_set() {
    let desk = desk_with(stack().turns(CREATE, DESCRIBE, Ok(json!({ "Status": "CREATE_IN_PROGRESS" }))), None).await;
    let cancel = CancellationToken::new();
    let Value::Object(arguments) = update() else { panic!() };
    let request = ToolRequest {
        call: CallId::fresh(),
        tool: "cloudformation_update_stack".to_owned(),
        arguments,
        caller: Caller {
            agent: Agent::new("agent"),
            human: Human::new("ann"),
            session: SessionId::new("s"),
            client: ClientInfo::default(),
            source: None,
        },
    };
    let person = Person::never_asked();
    let call = desk.pipeline.handle(request, &person, cancel.clone());
    let hang_up = async {
        until(|| changing(&desk).contains(&"DescribeChangeSet".to_owned())).await;
        cancel.cancel();
    };
    let (answer, ()) = tokio::join!(call, hang_up);
    assert!(matches!(answer.unwrap().answer(), Answered::Refused(_)));
    // The call is over only now, so a server that ends with it leaves nothing either.
    assert!(changing(&desk).ends_with(&PROBE[2..].iter().map(|&name| name.to_owned()).collect::<Vec<_>>()));
    assert_eq!(desk.events().await, ["requested", "probing", "probed", "refused"]);
}

async fn until(there: impl Fn() -> bool) {
    for _ in 0..500 {
        if there() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came");
}

#[tokio::test]
async fn what_policy_forbids_makes_no_change_set() {
    let desk = desk_with(stack().turns(CREATE, DESCRIBE, Ok(listed("Add"))), None).await;
    let own = Source::new("own.cedar", "@id(\"no-updates\") forbid (principal, action, resource);");
    desk.put_in_force(Profile::Standard, vec![own]);
    let refused = desk.call("cloudformation_update_stack", update(), &Person::never_asked()).await;
    assert_eq!(code(refused), Code::Forbidden);
    assert!(changing(&desk).is_empty());
}

#[tokio::test]
async fn a_template_that_is_worked_out_anew_then_raises_the_effect() {
    let desk = desk_with(stack().turns(CREATE, DESCRIBE, Ok(listed("Add"))), None).await;
    let because = |plan: &Value| plan["raised"][0]["because"].as_str().unwrap_or_default().to_owned();
    let sent = |changed: Value| with(update(), changed);
    let transform = json!({ "TemplateBody": "Transform: AWS::Serverless-2016-10-31" });
    let value = json!({ "TemplateBody": "Resources: {P: {Properties: {P: '{{resolve:ssm:x}}'}}}" });
    let macros = json!({ "Capabilities": ["CAPABILITY_AUTO_EXPAND"] });
    for (call, effect, words) in [
        (sent(transform), "irreversible", "the template has `Transform`"),
        (sent(value), "destructive", "`{{resolve:...}}`"),
        (sent(json!({ "TemplateBody": "no template" })), "irreversible", "a template that can't be read here"),
        (sent(macros), "irreversible", "the template is made by macros"),
    ] {
        let plan = desk.preview("cloudformation_update_stack", call).await;
        assert_eq!(plan["effect"], effect, "{words}");
        assert!(because(&plan).contains(words) && because(&plan).contains("may not be what is done"), "{plan:#}");
    }
    // The template that stays is looked at too.
    let stays =
        json!({ "StackName": "orders", "UsePreviousTemplate": true, "account": "shop-dev", "reason": "smaller" });
    assert_eq!(desk.preview("cloudformation_update_stack", stays.clone()).await["effect"], "write");
    let from_ssm = r#"{"Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>"}}, "Resources": {}}"#;
    desk.cloud.change("cloudformation:GetTemplate", json!({ "TemplateBody": from_ssm }));
    let plan = desk.preview("cloudformation_update_stack", stays).await;
    assert_eq!(plan["effect"], "destructive");
    assert!(because(&plan).contains("a parameter that is read from SSM"), "{plan:#}");
}

#[tokio::test]
async fn names_that_the_template_gives_are_steps() {
    let desk = desk_with(stack().turns(CREATE, DESCRIBE, Ok(listed("Add"))), None).await;
    let body = r#"{"Parameters": {"Size": {"Type": "String"}}, "Resources": {"Orders": {"Type": "AWS::DynamoDB::Table",
        "Properties": {"TableName": {"Fn::Sub": "${AWS::StackName}-${Size}"}}}}}"#;
    for (size, name) in [
        (json!({ "ParameterKey": "Size", "ParameterValue": "2" }), "orders-2"),
        (json!({ "ParameterKey": "Size", "UsePreviousValue": true }), "orders-*"),
    ] {
        let call = with(update(), json!({ "TemplateBody": body, "Parameters": [size] }));
        let plan = desk.preview("cloudformation_update_stack", call).await;
        assert_eq!(plan["effect"], "write");
        assert_eq!(plan["steps"], json!([{ "is": "create", "of": name }]));
    }
}

#[tokio::test]
async fn a_stack_is_deleted_with_all_that_is_in_it() {
    let resources = json!([
        { "ResourceType": "AWS::DynamoDB::Table", "LogicalResourceId": "Orders", "PhysicalResourceId": "orders-2" },
        { "ResourceType": "AWS::SNS::Topic", "LogicalResourceId": "Note" },
    ]);
    let cloud = stack();
    cloud.change("cloudformation:DescribeStackResources", json!({ "StackResources": resources }));
    let desk = desk_with(cloud, None).await;
    let delete = json!({ "StackName": "orders", "account": "shop-dev", "reason": "not used" });
    let plan = desk.preview("cloudformation_delete_stack", delete.clone()).await;
    let arn = plan["targets"][0]["arn"].clone();
    let wanted = json!([{ "is": "delete", "of": arn }, { "is": "delete", "of": "orders-2" }]);
    assert_eq!(plan["steps"], wanted, "{plan:#}");

    desk.cloud.change_to_refusal("cloudformation:DescribeStackResources", "AccessDenied", "no");
    let refused = desk.call("cloudformation_delete_stack", delete, &Person::never_asked()).await;
    assert_eq!(code(refused), Code::PreviewFailed);
}
