//! Updates of stacks: what CloudFormation says they would do is found out, judged and cleaned up after.

use super::*;

const CREATE: &str = "cloudformation:CreateChangeSet";
const DESCRIBE: &str = "cloudformation:DescribeChangeSet";
const DELETE: &str = "cloudformation:DeleteChangeSet";
const UPDATE: &str = "cloudformation:UpdateStack";

fn update() -> Value {
    json!({ "StackName": "orders", "TemplateBody": "{}", "account": "shop-dev", "reason": "the table is not used" })
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
        .answers(UPDATE, json!({ "StackId": "arn" }))
}

fn changing(desk: &Desk) -> Vec<String> {
    desk.cloud.changes().into_iter().map(|call| call.operation.name().to_owned()).collect()
}

#[tokio::test]
async fn a_table_that_would_be_removed_is_shown_and_makes_the_update_irreversible() {
    let desk = desk_with(stack().answers(DESCRIBE, listed("Remove")), None).await;
    let plan = desk.preview("cloudformation_update_stack", update()).await;
    assert_eq!(plan["effect"], "irreversible");
    assert_eq!(plan["change_set"]["changes"][0]["action"], "Remove");
    assert_eq!(plan["dry_run"]["result"], "change_set");
    assert_eq!(plan["changes"][0]["what"], "the template");
    assert_eq!(desk.events().await, ["requested", "probing", "probed", "previewed"]);
    assert_eq!(changing(&desk), ["CreateChangeSet", "DescribeChangeSet", "DeleteChangeSet"]);

    let probe = desk.cloud.opened().into_iter().find(|session| session.purpose == Purpose::Change).unwrap();
    let name = desk.cloud.changes()[0].arguments["ChangeSetName"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(probe.policy.text().replace(&name, "NAME"));

    let person = Person::types("orders");
    let done = desk.call("cloudformation_update_stack", apply(update(), &plan), &person).await;
    assert_eq!(succeeded(done)["status"], "applied");
    assert_eq!(changing(&desk)[3..], ["CreateChangeSet", "DescribeChangeSet", "DeleteChangeSet", "UpdateStack"]);
    let names: Vec<Value> =
        desk.cloud.changes().into_iter().map(|call| call.arguments["ChangeSetName"].clone()).collect();
    assert_ne!(names[0], names[3], "each makes one of its own");
    let prompt = person.asked.lock().unwrap()[0].text.clone();
    assert!(prompt.contains("IRREVERSIBLE") && prompt.contains("`Remove` `Orders`"), "{prompt}");
}

#[tokio::test]
async fn another_change_set_than_the_one_that_was_shown_is_drift() {
    let desk = desk_with(stack().answers(DESCRIBE, listed("Add")), None).await;
    let plan = desk.preview("cloudformation_update_stack", update()).await;
    assert_eq!(plan["effect"], "write");
    desk.cloud.change(DESCRIBE, listed("Remove"));
    let person = Person::types("orders");
    let refused = desk.call("cloudformation_update_stack", apply(update(), &plan), &person).await;
    assert_eq!(code(refused), Code::Drift);
    assert!(!changing(&desk).contains(&"UpdateStack".to_owned()));
}

#[tokio::test]
async fn a_request_that_is_cancelled_leaves_no_change_set() {
    let desk = desk_with(stack().answers(DESCRIBE, json!({ "Status": "CREATE_IN_PROGRESS" })), None).await;
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
    assert_eq!(changing(&desk).last().unwrap(), "DeleteChangeSet");
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
    let desk = desk_with(stack().answers(DESCRIBE, listed("Add")), None).await;
    let own = Source::new("own.cedar", "@id(\"no-updates\") forbid (principal, action, resource);");
    desk.put_in_force(Profile::Standard, vec![own]);
    let refused = desk.call("cloudformation_update_stack", update(), &Person::never_asked()).await;
    assert_eq!(code(refused), Code::Forbidden);
    assert!(changing(&desk).is_empty());
}
