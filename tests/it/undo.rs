//! Recovery points and undo with the real binary: what comes back, what is told, and what is refused.

use countersign::sandbox::{DEV, SandboxAccount};
use serde_json::{Value, json};

use crate::support::clouds::{create_table, instance_state, root_call, run_instance, sandbox, table_exists};
use crate::support::installation::Installation;
use crate::support::session::{Act, Answer, NEWEST, OLDER, Session};
use crate::support::stub::{Instance, Misbehaviour, Stub, Table};

const ID: &str = "i-0123456789abcdef0";

fn stop(id: &str) -> Value {
    json!({ "account": "shop-dev", "InstanceIds": [id], "reason": "it is not used at night" })
}

fn delete(table: &str) -> Value {
    json!({ "account": "shop-dev", "TableName": table, "reason": "it is not used any more" })
}

fn undo(plan: &str) -> Value {
    json!({ "plan_id": plan, "reason": "it was needed after all" })
}

/// Previews and applies; gives the plan's id.
async fn done(session: &Session, tool: &str, arguments: &Value) -> String {
    let apply = session.preview(tool, arguments).await;
    let plan = apply["plan_id"].as_str().unwrap().to_owned();
    session.call(tool, apply).await.applied();
    plan
}

/// Previews an undo and applies it.
async fn undone(session: &Session, plan: &str) -> Answer {
    let preview = session.call("undo_plan", undo(plan)).await;
    let id = preview.structured()["plan_id"].as_str().unwrap_or_else(|| panic!("{preview:#?}")).to_owned();
    let mut apply = undo(plan);
    apply["dry_run"] = json!(false);
    apply["preview_id"] = json!(id);
    session.call("undo_plan", apply).await
}

async fn stubbed() -> (Stub, Installation) {
    let stub = Stub::start().await;
    stub.put(Instance::running(ID));
    stub.put_table(Table::named("orders"));
    let installation = Installation::before_stub(&stub);
    (stub, installation)
}

#[tokio::test]
async fn stopped_instances_are_started_again_and_it_is_seen_that_all_is_as_before() {
    let sandbox = sandbox().await;
    for version in [OLDER[1].clone(), NEWEST] {
        let id = run_instance(&DEV, "undo-stop").await;
        let installation = Installation::before_sandbox(sandbox);
        let session = Session::start(&installation, version, Act::Obeys).await;
        let plan = done(&session, "ec2_stop_instances", &stop(&id)).await;
        assert_eq!(instance_state(&DEV, &id).await, "stopped");
        let answer = undone(&session, &plan).await;
        answer.applied();
        assert_eq!(answer.structured()["undoes"]["state"], "undone", "{answer:#?}");
        assert_eq!(instance_state(&DEV, &id).await, "running");
        let again = session.call("undo_plan", undo(&plan)).await;
        again.refused("plan_not_usable");
        let record = installation.record();
        assert!(format!("{record:?}").contains("undone"));
    }
}

#[tokio::test]
async fn a_table_is_deleted_only_after_a_backup_that_was_seen_to_be_usable() {
    create_table(&DEV, "undo-orders").await;
    let installation = Installation::before_sandbox(sandbox().await);
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    let plan = done(&session, "dynamodb_delete_table", &delete("undo-orders")).await;
    assert!(!table_exists(&DEV, "undo-orders").await);
    let status = session.call("plan_status", json!({ "plan_id": plan })).await;
    let taken = &status.structured()["recovery_points_taken"][0];
    assert_eq!(taken["usable"], true, "{status:#?}");
    let found = root_call(&DEV, "dynamodb:ListBackups", json!({ "TableName": "undo-orders" })).await.unwrap();
    assert_eq!(found["BackupSummaries"][0]["BackupStatus"], "AVAILABLE", "{found}");
    // The emulator lets no narrowed credentials look at a backup, so the way back is tried before the stub.
    installation.record();
}

async fn capacity(account: &SandboxAccount, group: &str) -> Value {
    let asks = json!({ "AutoScalingGroupNames": [group] });
    let found = root_call(account, "autoscaling:DescribeAutoScalingGroups", asks).await.unwrap();
    found["AutoScalingGroups"][0]["DesiredCapacity"].clone()
}

#[tokio::test]
async fn a_capacity_is_set_back() {
    let group = "undo-web";
    let launch =
        json!({ "LaunchConfigurationName": group, "ImageId": "ami-0abcdef1234567890", "InstanceType": "t3.small" });
    root_call(&DEV, "autoscaling:CreateLaunchConfiguration", launch).await.unwrap();
    let made = json!({
        "AutoScalingGroupName": group, "LaunchConfigurationName": group, "MinSize": 0, "MaxSize": 4,
        "DesiredCapacity": 2, "AvailabilityZones": ["eu-central-1a"],
    });
    root_call(&DEV, "autoscaling:CreateAutoScalingGroup", made).await.unwrap();
    let installation = Installation::before_sandbox(sandbox().await);
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    let shrink =
        json!({ "account": "shop-dev", "AutoScalingGroupName": group, "DesiredCapacity": 1, "reason": "less to do" });
    let plan = done(&session, "autoscaling_set_desired_capacity", &shrink).await;
    assert_eq!(capacity(&DEV, group).await, 1);
    let answer = undone(&session, &plan).await;
    answer.applied();
    assert_eq!(capacity(&DEV, group).await, 2);
    assert_eq!(answer.structured()["undoes"]["state"], "undone", "{answer:#?}");
}

#[tokio::test]
async fn a_recovery_point_that_can_not_be_taken_stops_the_call() {
    let (stub, installation) = stubbed().await;
    stub.misbehave("CreateBackup", Misbehaviour::Refuses);
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    let apply = session.preview("dynamodb_delete_table", &delete("orders")).await;
    let plan = apply["plan_id"].clone();
    let answer = session.call("dynamodb_delete_table", apply).await;
    let told = answer.refused("aws_refused");
    assert!(told.contains("so the call was not sent"), "{told}");
    assert!(stub.has_table("orders"));
    assert_eq!(stub.count("DeleteTable"), 0);
    let status = session.call("plan_status", json!({ "plan_id": plan })).await;
    assert_eq!(status.structured()["status"], "failed");
    installation.record();
}

#[tokio::test]
async fn a_recovery_point_that_does_not_become_usable_in_time_stops_the_call() {
    let (stub, installation) = stubbed().await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tool-manifests/dynamodb/dynamodb_delete_table.yaml");
    let manifest = std::fs::read_to_string(path).unwrap();
    let manifest = manifest
        .replace("BackupStatus == 'AVAILABLE'", "BackupStatus == 'NEVER'")
        .replace("seconds: 900", "seconds: 5");
    installation.write("manifests/dynamodb_delete_table.yaml", &manifest);
    let installation = installation.set("manifests.folders", toml_edit::Array::from_iter(["manifests"]));
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    let apply = session.preview("dynamodb_delete_table", &delete("orders")).await;
    let answer = session.call("dynamodb_delete_table", apply).await;
    let told = answer.refused("aws_refused");
    assert!(told.contains("it was not usable after 5 s") && told.contains("what was begun stays at AWS"), "{told}");
    assert!(stub.has_table("orders"));
    installation.record();
}

#[tokio::test]
async fn a_crash_while_a_recovery_point_is_taken_sends_nothing_and_tells_what_stays() {
    let (stub, installation) = stubbed().await;
    stub.misbehave("DescribeBackup", Misbehaviour::NeverAnswers);
    let session = Session::start(&installation, OLDER[1].clone(), Act::Obeys).await;
    let apply = session.preview("dynamodb_delete_table", &delete("orders")).await;
    let plan = apply["plan_id"].clone();
    let applying = session.call("dynamodb_delete_table", apply);
    let taken = installation.until("a recovery point", |record| format!("{record:?}").contains("\"taken\""));
    tokio::select! {
        _ = applying => panic!("it was applied"),
        _ = taken => {}
    }
    session.kill().await;
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    installation.until("that nothing was sent", |record| format!("{record:?}").contains("nothing was sent")).await;
    let status = session.call("plan_status", json!({ "plan_id": plan })).await;
    assert_eq!(status.structured()["status"], "failed", "{status:#?}");
    assert!(status.text().contains("what was begun stays at AWS"), "{}", status.text());
    assert!(stub.has_table("orders"));
    assert_eq!(stub.count("DeleteTable"), 0);
}

#[tokio::test]
async fn a_failed_undo_is_stuck_and_loud_everywhere() {
    let (stub, installation) = stubbed().await;
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    let plan = done(&session, "ec2_stop_instances", &stop(ID)).await;
    stub.misbehave("StartInstances", Misbehaviour::Refuses);
    undone(&session, &plan).await.refused("aws_refused");
    let status = session.call("plan_status", json!({ "plan_id": plan })).await;
    assert_eq!(status.structured()["undone"]["state"], "stuck", "{status:#?}");
    assert!(status.text().contains("STUCK"), "{}", status.text());
    assert!(session.call("list_plans", json!({})).await.text().contains("STUCK"));
    for arguments in [&["plan", "show", plan.as_str()][..], &["plans"], &["audit", "tail"]] {
        let ran = installation.run(arguments);
        assert!(ran.out.contains("STUCK"), "{arguments:?}: {ran:?}");
    }
    stub.behave("StartInstances");
    undone(&session, &plan).await.applied();
    let status = session.call("plan_status", json!({ "plan_id": plan })).await;
    assert_eq!(status.structured()["undone"]["state"], "undone", "{status:#?}");
    installation.record();
}

#[tokio::test]
async fn nobody_else_undoes_a_plan_and_nobody_twice() {
    let (stub, installation) = stubbed().await;
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    let plan = done(&session, "ec2_stop_instances", &stop(ID)).await;
    session.end().await;
    let installation = installation.set("caller.agent", "another-agent");
    let other = Session::start(&installation, NEWEST, Act::Obeys).await;
    let refused = other.call("undo_plan", undo(&plan)).await;
    assert!(refused.refused("plan_not_usable").contains("there is no plan"));
    other.end().await;
    let installation = installation.set("caller.agent", "test-agent");
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    undone(&session, &plan).await.applied();
    let twice = session.call("undo_plan", undo(&plan)).await;
    assert!(twice.refused("plan_not_usable").contains("undone already"), "{twice:#?}");
    assert_eq!(stub.changes().iter().filter(|change| change.contains("StartInstances")).count(), 1);
}

#[tokio::test]
async fn what_happened_to_the_target_since_is_told_before_the_undo() {
    let (stub, installation) = stubbed().await;
    let session = Session::start(&installation, NEWEST, Act::Obeys).await;
    let plan = done(&session, "ec2_stop_instances", &stop(ID)).await;
    let before = session.call("undo_plan", undo(&plan)).await;
    assert_eq!(before.structured()["undoes"].get("since"), None, "{before:#?}");
    stub.put(Instance { kind: "m7g.metal".to_owned(), ..Instance::stopped(ID) });
    let after = session.call("undo_plan", undo(&plan)).await;
    let since = after.structured()["undoes"]["since"].to_string();
    assert!(since.contains("t3.small") && since.contains("m7g.metal"), "{since}");
    assert!(after.text().contains("SINCE"), "{}", after.text());
    // The preview from before it is not good for what is there now.
    let mut apply = undo(&plan);
    apply["dry_run"] = json!(false);
    apply["preview_id"] = before.structured()["plan_id"].clone();
    session.call("undo_plan", apply).await.refused("drift");
}
