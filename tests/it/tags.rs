//! What tags say of a thing counts before the real server, also where a second operation has to read them.

use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use crate::support::installation::Installation;
use crate::support::session::{Act, OLDER, Session, VERSIONS};
use crate::support::stub::{Misbehaviour, Stub, Table};
use crate::support::with;

const RULES: &str = r#"
[[tags]]
tag = "env"
value = "prod*"
stage = "prod"

[[tags]]
tag = "protected"
value = "true"
protected = true

[[tags]]
tag = "owner"
owner = true
"#;

fn delete() -> Value {
    json!({ "account": "shop-dev", "TableName": "orders", "reason": "it is not used any more" })
}

async fn scene(table: Table) -> (Stub, Installation) {
    let stub = Stub::start().await;
    stub.put_table(table);
    let installation = Installation::before_stub(&stub).with_config(RULES);
    (stub, installation)
}

async fn session(installation: &Installation, version: &ProtocolVersion) -> Session {
    Session::start(installation, version.clone(), Act::types("orders")).await
}

#[tokio::test]
async fn a_table_without_such_tags_is_deleted_by_its_agent_s_person() {
    let (stub, installation) = scene(Table::named("orders").tagged("env", "dev")).await;
    let session = session(&installation, &OLDER[1]).await;
    let apply = session.preview("dynamodb_delete_table", &delete()).await;
    session.call("dynamodb_delete_table", apply).await.applied();
    assert!(!stub.has_table("orders"));
    assert!(session.forms()[0]["message"].as_str().unwrap().contains("in dev account shop-dev"));
}

#[tokio::test]
async fn a_table_that_is_tagged_prod_in_a_dev_account_needs_a_second_person() {
    for version in &VERSIONS {
        // The tag that matters is on the second page.
        let table =
            Table::named("orders").tagged("cost", "17").tagged("env", "production").tagged("owner", "team-orders");
        let (stub, installation) = scene(table).await;
        let session = session(&installation, version).await;
        let preview = session.call("dynamodb_delete_table", delete()).await;
        let target = &preview.structured()["targets"][0];
        assert_eq!((&target["stage"], &target["owner"]), (&json!("prod"), &json!("team-orders")), "{target:#}");
        let needs = preview.structured()["needs"].to_string();
        assert!(needs.contains("people other than ann"), "{version}: {needs}");

        let apply = with(&delete(), json!({ "dry_run": false, "plan_id": preview.plan_id() }));
        session.call("dynamodb_delete_table", apply).await.refused("needs_second_person");
        assert_eq!(stub.changes(), Vec::<String>::new(), "{version}");
        let shown = installation.run(&["plan", "show", &preview.plan_id()]).out;
        assert!(shown.contains("PRODUCTION, by its tags; its account is dev"), "{shown}");
    }
}

#[tokio::test]
async fn taking_the_tag_away_after_the_preview_is_drift() {
    let (stub, installation) = scene(Table::named("orders").tagged("env", "prod")).await;
    let session = session(&installation, &OLDER[1]).await;
    let apply = session.preview("dynamodb_delete_table", &delete()).await;
    stub.put_table(Table::named("orders"));
    let answer = session.call("dynamodb_delete_table", apply).await;
    let message = answer.refused("drift");
    assert!(message.contains("fingerprint.tags.env"), "{message}");
    assert_eq!(stub.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_tag_forbids_the_deletion() {
    for version in &VERSIONS {
        let (stub, installation) = scene(Table::named("orders").tagged("protected", "true")).await;
        let session = session(&installation, version).await;
        let answer = session.call("dynamodb_delete_table", delete()).await;
        let message = answer.refused("forbidden");
        assert!(message.contains("protected"), "{version}: {message}");
        assert_eq!(stub.changes(), Vec::<String>::new(), "{version}");
    }
}

#[tokio::test]
async fn tags_that_can_not_be_read_are_not_taken_for_none() {
    let (stub, installation) = scene(Table::named("orders")).await;
    stub.misbehave("ListTagsOfResource", Misbehaviour::Refuses);
    let session = session(&installation, &OLDER[1]).await;
    let answer = session.call("dynamodb_delete_table", delete()).await;
    let message = answer.refused("target_unreadable");
    assert!(message.contains("the tags of `orders` can't be read"), "{message}");
    assert!(answer.hint().contains("`read_role`"), "{}", answer.hint());
    assert_eq!(stub.changes(), Vec::<String>::new());
}
