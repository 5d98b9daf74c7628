//! Updates of stacks before the real server and the sandbox's CloudFormation, which works out what would change.

use countersign::sandbox::{DEV, SandboxAccount};
use serde_json::{Value, json};

use crate::support::clouds::{create_stack, root_call, stack, table_exists, table_resource as table};
use crate::support::{Act, Installation, NEWEST, OLDER, Session, sandbox, with};

const POLICY: &str = r#"
@id("all") permit (principal, action, resource);
@id("confirmed") @says("changes are previewed and confirmed here")
forbid (principal, action in [Action::"change", Action::"secret"], resource)
unless { context.previewed && context.confirmed };
"#;

fn template(resources: Value) -> String {
    json!({ "Resources": resources }).to_string()
}

fn topic() -> Value {
    json!({ "Type": "AWS::SNS::Topic" })
}

/// A stack of the test's own with a table and a topic.
async fn with_table(account: &SandboxAccount, name: &str) {
    create_stack(account, name, &template(json!({ "Orders": table(name), "Note": topic() }))).await;
}

async fn change_sets(account: &SandboxAccount, name: &str) -> Value {
    let found = root_call(account, "cloudformation:ListChangeSets", json!({ "StackName": name })).await;
    found.unwrap()["Summaries"].clone()
}

async fn installation() -> Installation {
    Installation::before_sandbox(sandbox().await).set("policy.profile", "none").with_policy(POLICY)
}

fn update(name: &str, resources: Value) -> Value {
    json!({
        "account": DEV.name, "StackName": name, "TemplateBody": template(resources), "reason": "orders are kept elsewhere",
    })
}

#[tokio::test]
async fn an_update_that_removes_a_table_is_irreversible_and_its_preview_leaves_nothing() {
    let name = "change-sets-remove";
    with_table(&DEV, name).await;
    let installation = installation().await;
    let session = Session::start(&installation, OLDER[1].clone(), Act::Obeys).await;
    let before = stack(&DEV, name).await;

    let call = update(name, json!({ "Note": topic() }));
    let preview = session.call("cloudformation_update_stack", call.clone()).await;
    let plan = preview.structured();
    assert_eq!(plan["effect"], "irreversible", "{plan:#}");
    let change = &plan["change_set"]["changes"][0];
    assert_eq!((&change["action"], &change["logical_id"]), (&json!("Remove"), &json!("Orders")), "{plan:#}");
    assert_eq!(stack(&DEV, name).await, before);
    assert_eq!(change_sets(&DEV, name).await, json!([]));
    assert!(table_exists(&DEV, name).await);
    let record = installation.record();
    assert_eq!((record.count("probing"), record.count("probed"), record.count("intent")), (1, 1, 0));
    let shown = installation.run(&["plan", "show", &preview.plan_id()]).out;
    assert!(shown.contains("`Remove` `Orders` (`AWS::DynamoDB::Table`"), "{shown}");

    let apply = with(&call, json!({ "dry_run": false, "plan_id": preview.plan_id() }));
    session.call("cloudformation_update_stack", apply).await.applied();
    let form = session.forms()[0]["message"].as_str().unwrap().to_owned();
    assert!(form.contains("IRREVERSIBLE") && form.contains("`Remove` `Orders`"), "{form}");
    assert!(!table_exists(&DEV, name).await);
    assert_eq!(change_sets(&DEV, name).await, json!([]));
}

#[tokio::test]
async fn replacing_raises_adding_does_not_and_nothing_to_change_is_refused() {
    let name = "change-sets-others";
    with_table(&DEV, name).await;
    let installation = installation().await;
    let session = Session::start(&installation, OLDER[1].clone(), Act::Obeys).await;
    let cases = [
        (json!({ "Orders": table("change-sets-renamed"), "Note": topic() }), "irreversible"),
        (json!({ "Orders": table(name), "Note": topic(), "More": topic() }), "write"),
        (json!({ "Orders": table(name) }), "destructive"),
    ];
    for (resources, effect) in cases {
        let preview = session.call("cloudformation_update_stack", update(name, resources)).await;
        assert_eq!(preview.structured()["effect"], effect, "{:#}", preview.structured());
        assert_eq!(change_sets(&DEV, name).await, json!([]));
    }
    let same = update(name, json!({ "Orders": table(name), "Note": topic() }));
    let refused = session.call("cloudformation_update_stack", same).await;
    let message = refused.refused("preview_failed");
    assert!(message.contains("nothing would change"), "{message}");
    assert_eq!(change_sets(&DEV, name).await, json!([]));
    assert!(table_exists(&DEV, name).await);
}

#[tokio::test]
async fn an_update_that_takes_protection_off_is_destructive_and_one_of_tags_is_not() {
    let name = "change-sets-guards";
    let guarded = |guarded: bool, more: Value| {
        let mut resources = json!({ "Orders": table(name), "Note": topic() });
        resources["Orders"]["Properties"]["DeletionProtectionEnabled"] = json!(guarded);
        for (member, value) in more.as_object().unwrap() {
            resources["Orders"][member] = value.clone();
        }
        resources
    };
    create_stack(&DEV, name, &template(guarded(true, json!({})))).await;
    let installation = installation().await;
    let session = Session::start(&installation, OLDER[1].clone(), Act::Obeys).await;
    let mut told = Vec::new();
    for (resources, effect) in [
        (guarded(false, json!({})), "destructive"),
        (guarded(true, json!({ "DeletionPolicy": "Retain" })), "destructive"),
        (guarded(true, json!({ "Metadata": { "Owner": "orders" } })), "write"),
    ] {
        let preview = session.call("cloudformation_update_stack", update(name, resources)).await;
        let plan = preview.structured();
        assert_eq!(plan["effect"], effect, "{plan:#}");
        told.push(json!([plan["change_set"]["changes"][0]["properties"], plan["steps"], plan["raised"]]));
    }
    assert_eq!(told[0][0], json!(["DeletionProtectionEnabled"]));
    assert_eq!(told[0][1], json!([{ "is": "unprotect", "of": name }]));
    let because = told[0][2][0]["because"].as_str().unwrap();
    assert!(because.contains("guards it: `DeletionProtectionEnabled`"), "{because}");
    assert_eq!(told[1][1], json!([{ "is": "unprotect", "of": name }]));
    assert_eq!(told[2][1], json!([]));
    assert_eq!(change_sets(&DEV, name).await, json!([]));
}

/// What a table is to its own operation.
fn create(name: &str) -> Value {
    let table = table(name)["Properties"].clone();
    json!({ "account": DEV.name, "operation": "dynamodb:CreateTable", "arguments": table, "reason": "it is needed again" })
}

#[tokio::test]
async fn what_a_stack_removes_or_makes_is_a_step_of_a_chain_with_other_calls() {
    let (name, other) = ("change-sets-chain", "change-sets-chain-2");
    with_table(&DEV, name).await;
    let installation = installation().await;
    let session = Session::start(&installation, OLDER[1].clone(), Act::Obeys).await;
    let call = update(name, json!({ "Note": topic() }));
    let apply = session.preview("cloudformation_update_stack", &call).await;
    session.call("cloudformation_update_stack", apply).await.applied();
    assert!(!table_exists(&DEV, name).await);

    let session = Session::start(&installation, NEWEST, Act::Declines).await;
    let preview = session.call("aws_change", create(name)).await;
    let plan = preview.structured();
    assert_eq!(plan["effect"], "irreversible", "{plan:#}");
    assert_eq!(plan["raised"][0]["because"], format!("second step of a delete-and-recreate of `{name}`"), "{plan:#}");
    let preview = session.call("aws_change", create(other)).await;
    assert_ne!(preview.structured()["effect"], "irreversible", "{:#}", preview.structured());

    // The other way round: the stack makes anew what it removed, by the name in its template.
    let again = update(name, json!({ "Orders": table(name), "Note": topic() }));
    let preview = session.call("cloudformation_update_stack", again).await;
    let plan = preview.structured();
    assert_eq!(plan["effect"], "irreversible", "{plan:#}");
    assert_eq!(plan["chains"][0]["kind"], "recreate", "{plan:#}");
}
