//! Recovery points before a call, and undoing it afterwards.

use super::*;
use crate::plan::kept::UndoState;

pub(super) const TABLE: &str = "prod-orders";
const BACKUP: &str = "arn:aws:dynamodb:eu-central-1:210987654321:table/prod-orders/backup/01700000000000-abcd1234";

fn table(id: &str) -> Value {
    json!({ "Table": { "TableName": TABLE, "TableStatus": "ACTIVE", "TableId": id, "KeySchema": [] } })
}

pub(super) fn backup(status: &str) -> Value {
    json!({ "BackupDescription": {
        "BackupDetails": { "BackupArn": BACKUP, "BackupStatus": status },
        "SourceTableDetails": { "TableName": TABLE, "TableId": "1", "TableArn": "arn:aws:dynamodb:eu-central-1:210987654321:table/prod-orders" },
    } })
}

/// A table that can be deleted, with a backup that becomes usable at the second look.
pub(super) fn tables() -> FakeCloud {
    FakeCloud::new()
        .answers("dynamodb:DescribeTable", table("1"))
        .answers("dynamodb:ListTagsOfResource", json!({ "Tags": [] }))
        .answers("dynamodb:ListBackups", json!({ "BackupSummaries": [] }))
        .answers("dynamodb:CreateBackup", json!({ "BackupDetails": { "BackupArn": BACKUP } }))
        .answers("dynamodb:DescribeBackup", backup("CREATING"))
        .answers("dynamodb:DescribeBackup", backup("AVAILABLE"))
        .answers("dynamodb:DeleteTable", json!({ "TableDescription": { "TableName": TABLE } }))
        .answers("dynamodb:RestoreTableFromBackup", json!({ "TableDescription": { "TableName": TABLE } }))
        .turns("dynamodb:DeleteTable", "dynamodb:DescribeTable", Err("ResourceNotFoundException"))
        .turns("dynamodb:RestoreTableFromBackup", "dynamodb:DescribeTable", Ok(table("2")))
}

pub(super) fn delete() -> Value {
    json!({ "TableName": TABLE, "account": "shop-dev", "reason": "it is not used any more" })
}

fn undo(plan: &Value) -> Value {
    json!({ "plan_id": plan["plan_id"], "reason": "it was used after all" })
}

fn apply_undo(plan: &Value, preview: &Value) -> Value {
    json!({ "plan_id": plan["plan_id"], "reason": "it was used after all", "dry_run": false, "preview_id": preview["plan_id"] })
}

pub(super) fn refusal(answer: Answered) -> String {
    match answer {
        Answered::Refused(refused) => {
            format!("{}: {}\n  {}", refused.code.word(), refused.message, refused.hint)
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// Without what differs from run to run.
fn plain(text: &str, plans: &[(&Value, &str)]) -> String {
    let mut text = text.to_owned();
    for (plan, name) in plans {
        let id = plan["plan_id"].as_str().unwrap();
        text = text.replace(id, name).replace(&id.replace("plan-", "cs-"), "cs-ID");
    }
    text
}

pub(super) async fn find(desk: &Desk, plan: &Value) -> FiledPlan {
    let world = desk.pipeline.world();
    let id = PlanId::from_outside(plan["plan_id"].as_str().unwrap());
    world.store.plan(&id, world.clock.now()).await.unwrap().unwrap()
}

/// A started instance, whose plan can be undone by stopping it.
async fn started() -> (Desk, Value) {
    let cloud = FakeCloud::new()
        .answers("ec2:DescribeInstanceAttribute", unprotected())
        .answers("ec2:DescribeInstances", instance("stopped"))
        .answers("autoscaling:DescribeAutoScalingInstances", json!({ "AutoScalingInstances": [] }))
        .answers("ec2:StartInstances", json!({ "StartingInstances": [{ "InstanceId": INSTANCE }] }))
        .answers("ec2:StopInstances", json!({ "StoppingInstances": [{ "InstanceId": INSTANCE }] }))
        .turns("ec2:StartInstances", "ec2:DescribeInstances", Ok(instance("running")))
        .turns("ec2:StopInstances", "ec2:DescribeInstances", Ok(instance("stopped")));
    let desk = desk_with(cloud, None).await;
    let plan = desk.preview("ec2_start_instances", start()).await;
    let person = Person::never_asked();
    assert_eq!(succeeded(desk.call("ec2_start_instances", apply(start(), &plan), &person).await)["status"], "applied");
    (desk, plan)
}

#[tokio::test]
async fn a_table_is_deleted_only_after_a_backup_of_it_was_seen_to_be_usable() {
    let desk = desk_with(tables(), None).await;
    let plan = desk.preview("dynamodb_delete_table", delete()).await;
    let points = plan["recovery_points"].as_array().unwrap();
    assert_eq!(points.len(), 1);
    assert_eq!(points[0]["operation"], "dynamodb:CreateBackup");
    assert!(points[0]["session_policy"].as_str().unwrap().contains("dynamodb:CreateBackup"));
    assert!(!points[0]["session_policy"].as_str().unwrap().contains("DeleteTable"));
    assert!(!plan["session_policy"].as_str().unwrap().contains("CreateBackup"));
    assert_eq!(plan["undo"]["later"], json!([{ "at": "/BackupArn", "from": "{points[0].id}" }]));
    desk.nothing_changed();
    let person = Person::types(TABLE);
    let answer = desk.call("dynamodb_delete_table", apply(delete(), &plan), &person).await;
    assert_eq!(succeeded(answer)["status"], "applied");
    let changes: Vec<String> = desk.cloud.changes().iter().map(|call| call.operation.to_string()).collect();
    assert_eq!(changes, ["dynamodb:CreateBackup", "dynamodb:DeleteTable"]);
    assert_eq!(desk.cloud.changes()[0].arguments["BackupName"], points[0]["name"]);
    let events = desk.events().await;
    let tail = ["intent", "recovery_point", "recovery_point", "recovery_point", "outcome"];
    assert!(events.windows(tail.len()).any(|found| found == tail), "{events:?}");
    let kept = *find(&desk, &plan).await.kept.unwrap();
    assert_eq!(kept.points[0].id, Some(json!(BACKUP)));
    assert_eq!(kept.later.unwrap().get("/BackupArn"), Some(&json!(BACKUP)));
}

#[tokio::test]
async fn a_deleted_table_is_restored_from_the_backup_and_it_is_told_what_is_different() {
    let desk = desk_with(tables(), None).await;
    let plan = desk.preview("dynamodb_delete_table", delete()).await;
    let person = Person::types(TABLE);
    let answer = desk.call("dynamodb_delete_table", apply(delete(), &plan), &person).await;
    assert_eq!(succeeded(answer)["status"], "applied");
    let never = Person::never_asked();
    let preview = desk.preview("undo_plan", undo(&plan)).await;
    assert_eq!(preview["operation"], "dynamodb:RestoreTableFromBackup");
    assert_eq!(preview["undoes"]["plan"], plan["plan_id"]);
    assert!(preview["undoes"]["loses"].as_array().unwrap().len() > 3);
    assert!(preview["next"].as_str().unwrap().contains("call undo_plan again"), "{}", preview["next"]);
    // Putting back what a plan took is not making it anew, which is judged as the delete was.
    assert_eq!((&preview["chains"], &preview["effect"]), (&json!([]), &json!("write")), "{preview}");
    let person = Person::types(BACKUP);
    let answer = succeeded(desk.call("undo_plan", apply_undo(&plan, &preview), &person).await);
    assert_eq!(answer["status"], "applied");
    assert_eq!(answer["undoes"]["state"], "different", "it is another table by its id: {answer}");
    let sent = desk.cloud.changes().pop().unwrap();
    assert_eq!(sent.arguments, json!({ "TargetTableName": TABLE, "BackupArn": BACKUP }));
    let status = desk.preview("plan_status", json!({ "plan_id": plan["plan_id"] })).await;
    assert_eq!(status["undone"]["state"], "different");
    assert!(status["undone"]["details"][0].as_str().unwrap().contains("id"), "{status}");
    let again = desk.call("undo_plan", undo(&plan), &never).await;
    insta::assert_snapshot!(plain(&refusal(again), &[(&plan, "ORIGINAL"), (&preview, "UNDO")]));
}

#[tokio::test]
async fn a_stopped_instance_is_as_it_was_before() {
    let (desk, plan) = started().await;
    let preview = desk.preview("undo_plan", undo(&plan)).await;
    let person = Person::types(INSTANCE);
    let answer = succeeded(desk.call("undo_plan", apply_undo(&plan, &preview), &person).await);
    assert_eq!(answer["undoes"], json!({ "plan_id": plan["plan_id"], "state": "undone", "differences": [] }));
    let again = succeeded(desk.call("plan_status", json!({ "plan_id": plan["plan_id"] }), &person).await);
    assert_eq!(again["undone"]["state"], "undone");
}

#[tokio::test]
async fn a_recovery_point_that_fails_stops_the_call_and_it_is_told_what_stays() {
    let never = backup("DELETED");
    let clouds = [
        ("refused", tables_but("dynamodb:CreateBackup", Err(("LimitExceededException", "too many backups")))),
        ("nameless", tables_but("dynamodb:CreateBackup", Ok(json!({ "BackupDetails": {} })))),
        ("never", tables_but("dynamodb:DescribeBackup", Ok(never))),
        ("unreadable", tables_but("dynamodb:DescribeBackup", Err(("AccessDeniedException", "no")))),
    ];
    let mut told = Vec::new();
    for (name, cloud) in clouds {
        let desk = desk_with(cloud, None).await;
        let plan = desk.preview("dynamodb_delete_table", delete()).await;
        let person = Person::types(TABLE);
        let answer = desk.call("dynamodb_delete_table", apply(delete(), &plan), &person).await;
        let changes: Vec<String> = desk.cloud.changes().iter().map(|call| call.operation.to_string()).collect();
        assert_eq!(changes, ["dynamodb:CreateBackup"], "{name}");
        let filed = find(&desk, &plan).await;
        assert_eq!(filed.state, PlanState::Failed, "{name}");
        told.push(format!("{name}: {}", plain(&refusal(answer), &[(&plan, "PLAN")])));
    }
    insta::assert_snapshot!(told.join("\n"));
}

fn tables_but(operation: &str, reply: Result<Value, (&str, &str)>) -> FakeCloud {
    let cloud = tables();
    match reply {
        Ok(output) => cloud.change(operation, output),
        Err((code, message)) => cloud.change_to_refusal(operation, code, message),
    }
    cloud
}

#[tokio::test]
async fn a_target_that_changes_while_the_backup_is_taken_stops_the_call() {
    let desk = desk_with(tables(), None).await;
    let plan = desk.preview("dynamodb_delete_table", delete()).await;
    let cloud = desk.cloud.clone();
    let mut person = Person::types(TABLE);
    person.meanwhile = Box::new(move || cloud.change("dynamodb:DescribeTable", table("2")));
    let answer = desk.call("dynamodb_delete_table", apply(delete(), &plan), &person).await;
    let told = refusal(answer);
    assert!(told.starts_with("drift") && told.contains("what was begun stays at AWS: backup of the table"), "{told}");
    let changes: Vec<String> = desk.cloud.changes().iter().map(|call| call.operation.to_string()).collect();
    assert_eq!(changes, ["dynamodb:CreateBackup"]);
}

#[tokio::test]
async fn a_failed_undo_is_stuck_until_one_succeeds() {
    let (desk, plan) = started().await;
    desk.cloud.change_to_refusal("ec2:StopInstances", "UnauthorizedOperation", "you may not");
    let preview = desk.preview("undo_plan", undo(&plan)).await;
    let person = Person::types(INSTANCE);
    let failed = desk.call("undo_plan", apply_undo(&plan, &preview), &person).await;
    assert_eq!(code(failed), Code::AwsRefused);
    let world = desk.pipeline.world();
    let stuck = world.store.stuck(5, world.clock.now()).await.unwrap();
    assert_eq!(stuck.len(), 1);
    let status = desk.call("plan_status", json!({ "plan_id": plan["plan_id"] }), &person).await;
    let Answered::Result { structured, text } = status else { panic!("not told") };
    assert_eq!(structured["undone"]["state"], "stuck");
    assert!(structured["next"].as_str().unwrap().starts_with("STUCK"), "{structured}");
    assert!(text.contains("STUCK"), "{text}");
    let listed = desk.call("list_plans", json!({}), &person).await;
    let Answered::Result { text, .. } = listed else { panic!("not listed") };
    assert!(text.contains("STUCK: its undo by"), "{text}");
    assert!(desk.events().await.contains(&"undo".to_owned()));
    desk.cloud.change("ec2:StopInstances", json!({ "StoppingInstances": [{ "InstanceId": INSTANCE }] }));
    let preview = desk.preview("undo_plan", undo(&plan)).await;
    let answer = desk.call("undo_plan", apply_undo(&plan, &preview), &person).await;
    assert_eq!(succeeded(answer)["status"], "applied");
    assert!(world.store.stuck(5, world.clock.now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_undo_nobody_knows_of_is_stuck_too() {
    let (desk, plan) = started().await;
    desk.cloud.change_to_loss("ec2:StopInstances");
    let preview = desk.preview("undo_plan", undo(&plan)).await;
    let person = Person::types(INSTANCE);
    let lost = desk.call("undo_plan", apply_undo(&plan, &preview), &person).await;
    assert_eq!(code(lost), Code::OutcomeUnknown);
    assert_eq!(find(&desk, &plan).await.undone.unwrap().state, UndoState::Stuck);
    desk.cloud.change("ec2:DescribeInstances", instance("stopped"));
    let status = desk.preview("plan_status", json!({ "plan_id": preview["plan_id"] })).await;
    assert_eq!(status["status"], "applied");
    assert_eq!(find(&desk, &plan).await.undone.unwrap().state, UndoState::Undone);
}

#[tokio::test]
async fn what_was_done_since_is_told_and_bound() {
    let (desk, plan) = started().await;
    let untouched = desk.preview("undo_plan", undo(&plan)).await;
    assert_eq!(untouched["undoes"].get("since"), None);
    desk.cloud.change(
        "ec2:DescribeInstances",
        json!({ "Reservations": [{ "Instances": [{
        "InstanceId": INSTANCE, "State": { "Name": "running" }, "InstanceType": "x2.metal",
    }] }] }),
    );
    let touched = desk.preview("undo_plan", undo(&plan)).await;
    let since = touched["undoes"]["since"].to_string();
    assert!(since.contains("InstanceType") || since.contains("type"), "{since}");
    let person = Person::types(INSTANCE);
    let refused = desk.call("undo_plan", apply_undo(&plan, &untouched), &person).await;
    assert_eq!(code(refused), Code::Drift);
    assert_eq!(person.asked(), 0);
}

#[tokio::test]
async fn only_one_s_own_applied_plans_are_undone_and_only_by_their_own_previews() {
    let (desk, plan) = started().await;
    let person = Person::types(INSTANCE);
    let other = desk.call_as("bob", "undo_plan", undo(&plan), &person).await.unwrap();
    assert!(refusal(other).contains("there is no plan"));
    let open = desk.preview("ec2_start_instances", start()).await;
    assert!(refusal(desk.call("undo_plan", undo(&open), &person).await).contains("nothing to undo"));
    let as_preview = desk.call("undo_plan", apply_undo(&plan, &open), &person).await;
    assert_eq!(code(as_preview), Code::PlanMismatch);
    let unknown = desk
        .call("undo_plan", json!({ "plan_id": plan["plan_id"], "reason": "x", "InstanceIds": ["i-1"] }), &person)
        .await;
    assert_eq!(code(unknown), Code::InvalidArguments);
    let before = desk.cloud.changes().len();
    let preview = desk.preview("undo_plan", undo(&plan)).await;
    let direct =
        json!({ "InstanceIds": ["i-0fffffffffffffff0"], "account": "shop-dev", "reason": "it was used after all" });
    let smuggled = desk.call("ec2_stop_instances", apply(direct, &preview), &person).await;
    assert!(matches!(smuggled, Answered::Refused(_)));
    assert_eq!(desk.cloud.changes().len(), before);
}

#[tokio::test]
async fn of_two_undos_at_once_one_wins() {
    let (desk, plan) = started().await;
    let desk = Arc::new(desk);
    let (one, two) = (desk.preview("undo_plan", undo(&plan)).await, desk.preview("undo_plan", undo(&plan)).await);
    let calls = [one, two].map(|preview| {
        let (desk, arguments) = (Arc::clone(&desk), apply_undo(&plan, &preview));
        tokio::spawn(async move { desk.call("undo_plan", arguments, &Person::types(INSTANCE)).await })
    });
    let answers = futures::future::join_all(calls).await;
    let won = answers.into_iter().filter(|answer| matches!(answer, Ok(Answered::Result { .. }))).count();
    assert_eq!(won, 1);
    let stops = desk.cloud.changes().iter().filter(|call| call.operation.name() == "StopInstances").count();
    assert_eq!(stops, 1);
}

#[tokio::test]
async fn the_person_sees_what_comes_back_and_what_is_taken_before() {
    let desk = desk_with(tables(), None).await;
    let plan = desk.preview("dynamodb_delete_table", delete()).await;
    let filed = find(&desk, &plan).await;
    let prompt = crate::approval::prompt::of_filed(&filed).unwrap().text;
    assert!(prompt.contains("Before the call: backup of the table of `prod-orders`"), "{prompt}");
    let (desk, plan) = started().await;
    let preview = desk.preview("undo_plan", undo(&plan)).await;
    let filed = find(&desk, &preview).await;
    let prompt = crate::approval::prompt::of_filed(&filed).unwrap().text;
    let shown: Vec<&str> = prompt
        .lines()
        .filter(|line| line.contains("ndo") || line.contains("back:") || line.contains("since"))
        .collect();
    insta::assert_snapshot!(plain(&shown.join("\n"), &[(&plan, "ORIGINAL"), (&preview, "UNDO")]));
}
