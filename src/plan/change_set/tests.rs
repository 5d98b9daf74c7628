use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{ChangeSet, Event, Making, Pace, ResourceChange, raised};
use crate::audit::event::{ProbeWord, What};
use crate::aws::models::Models;
use crate::call::refused::Refused;
use crate::call::request::{Caller, ClientInfo};
use crate::names::{Agent, CallId, Effect, Human, PlanId, SessionId};
use crate::ports::{Cloud, CloudError, Store};
use crate::store::SqliteStore;
use crate::testing::{FailingStore, FakeCloud, FixedClock, reading};

const CREATE: &str = "cloudformation:CreateChangeSet";
const DESCRIBE: &str = "cloudformation:DescribeChangeSet";
const DELETE: &str = "cloudformation:DeleteChangeSet";
const NAME: &str = "countersign-plan-1-call-1";

fn resource(action: &str, kind: &str, replacement: Option<&str>, policy: Option<&str>) -> ResourceChange {
    ResourceChange {
        logical_id: "It".into(),
        action: action.into(),
        kind: kind.into(),
        physical_id: None,
        replacement: replacement.map(str::to_owned),
        scope: Vec::new(),
        policy: policy.map(str::to_owned),
    }
}

#[test]
fn what_is_lost_raises_the_effect() {
    use Effect::{Destructive, Irreversible};
    let (table, web, role) = ("AWS::DynamoDB::Table", "AWS::AutoScaling::AutoScalingGroup", "AWS::IAM::Role");
    let cases = [
        ("Add", table, None, None, None),
        ("Import", table, None, None, None),
        ("Modify", table, Some("False"), None, None),
        ("Modify", table, None, None, None),
        ("Modify", table, Some("True"), None, Some(Irreversible)),
        ("Modify", table, Some("Conditional"), Some("ReplaceAndDelete"), Some(Irreversible)),
        ("Modify", table, Some("True"), Some("ReplaceAndRetain"), Some(Destructive)),
        ("Modify", table, Some("Sometimes"), None, Some(Irreversible)),
        ("Remove", table, None, Some("Delete"), Some(Irreversible)),
        ("Remove", table, None, None, Some(Irreversible)),
        ("Remove", table, None, Some("Retain"), Some(Destructive)),
        ("Remove", "AWS::RDS::DBInstance", None, Some("Snapshot"), Some(Destructive)),
        ("Remove", web, None, Some("Delete"), Some(Destructive)),
        ("Modify", web, Some("Conditional"), None, Some(Destructive)),
        ("Dynamic", table, None, None, Some(Irreversible)),
        ("Explode", web, None, None, Some(Destructive)),
        ("Remove", "Custom::EmptyBucket", None, None, Some(Irreversible)),
        ("Modify", "AWS::CloudFormation::Stack", Some("False"), None, Some(Irreversible)),
        ("Remove", "AWS::CloudFormation::Stack", None, Some("Retain"), Some(Irreversible)),
        ("Add", "AWS::CloudFormation::Stack", None, None, None),
        ("Add", role, None, None, Some(Destructive)),
        ("Modify", role, Some("False"), None, Some(Destructive)),
    ];
    for (action, kind, replacement, policy, to) in cases {
        let set = ChangeSet { changes: vec![resource(action, kind, replacement, policy)] };
        let found = raised(&set, Effect::Write);
        assert_eq!(found.first().map(|raised| raised.to), to, "{action} {kind} {replacement:?} {policy:?}");
        assert!(raised(&set, Irreversible).is_empty());
    }
}

#[test]
fn the_reasons_name_what_is_lost_and_stay_in_their_quotes() {
    let named = |name: &str, change: ResourceChange| ResourceChange { logical_id: name.into(), ..change };
    let table = || resource("Remove", "AWS::DynamoDB::Table", None, None);
    let set = ChangeSet {
        changes: vec![
            named("Web", resource("Modify", "AWS::EC2::LaunchTemplate", Some("True"), None)),
            named("A`\n, approved", table()),
            named("B", table()),
            named("C", table()),
            named("D", table()),
        ],
    };
    let told: Vec<String> = raised(&set, Effect::Write).iter().map(|r| format!("{}: {}", r.to, r.because)).collect();
    let lines: Vec<String> = set.worst_first().into_iter().map(ResourceChange::line).collect();
    insta::assert_snapshot!(format!("{}\n{}\n{}", told.join("\n"), set.counts(), lines.join("\n")));
}

/// What a making came to, and what is on record of it.
async fn made(cloud: &FakeCloud, stop: &CancellationToken) -> (Result<ChangeSet, Refused>, Vec<What>) {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap());
    let making = making(cloud, &store).await;
    let done = making.carry_out(stop.clone()).await;
    let records = store.records(1, 100).await.unwrap();
    let events =
        records.iter().map(|record| serde_json::from_str::<crate::audit::event::Event>(&record.event).unwrap());
    (done, events.map(|event| event.what).collect())
}

async fn making(cloud: &FakeCloud, store: &Arc<dyn Store>) -> Making {
    let session = cloud.open(reading()).await.unwrap();
    let event = Event {
        store: Arc::clone(store),
        clock: Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH)),
        call: CallId::from_outside("call-1"),
        caller: Caller {
            agent: Agent::new("agent"),
            human: Human::new("ann"),
            session: SessionId::new("session"),
            client: ClientInfo::default(),
            source: None,
        },
        plan: PlanId::from_outside("plan-1"),
        target: "arn:aws:cloudformation:eu-central-1:210987654321:stack/orders/*".into(),
        name: NAME.into(),
    };
    let update = json!({
        "StackName": "orders", "TemplateBody": "{}", "Tags": [{ "Key": "a", "Value": "b" }],
        "StackPolicyDuringUpdateBody": "{}", "ClientRequestToken": "x", "DisableRollback": true,
    });
    let brief = Duration::from_millis(1);
    let pace = Pace { first: brief, most: brief, ready: Duration::from_millis(40), gone: Duration::from_millis(20) };
    Making::new((session, None), event, &update, Models::embedded().unwrap(), pace).unwrap()
}

fn described(status: &str, changes: &[Value], next: Option<&str>) -> Value {
    let changes: Vec<Value> =
        changes.iter().map(|change| json!({ "Type": "Resource", "ResourceChange": change })).collect();
    json!({ "Status": status, "Changes": changes, "NextToken": next })
}

fn sent(cloud: &FakeCloud) -> Vec<String> {
    cloud.sent().into_iter().map(|call| call.operation.name().to_owned()).collect()
}

#[tokio::test]
async fn it_is_made_read_to_its_end_and_deleted() {
    let table = json!({
        "Action": "Modify", "LogicalResourceId": "Orders", "PhysicalResourceId": "prod-orders",
        "ResourceType": "AWS::DynamoDB::Table", "Replacement": "True", "Scope": ["Properties", "Metadata"],
        "PolicyAction": "ReplaceAndDelete", "Details": [{ "ChangeSource": "DirectModification" }],
    });
    let queue = json!({ "Action": "Add", "LogicalResourceId": "A", "ResourceType": "AWS::SQS::Queue" });
    let cloud = FakeCloud::new()
        .answers(CREATE, json!({ "Id": "arn", "StackId": "arn" }))
        .refuses(DESCRIBE, "ChangeSetNotFound", "not yet")
        .answers(DESCRIBE, described("CREATE_PENDING", &[], None))
        .answers(DESCRIBE, described("CREATE_IN_PROGRESS", &[], None))
        .answers(DESCRIBE, described("CREATE_COMPLETE", &[table], Some("next")))
        .answers(DESCRIBE, described("CREATE_COMPLETE", &[queue], None))
        .answers(DELETE, json!({}));
    let (set, events) = made(&cloud, &CancellationToken::new()).await;
    insta::assert_json_snapshot!(set.unwrap());
    let [What::Probing { name, .. }, What::Probed { result: ProbeWord::Deleted, detail, .. }] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!((name.as_str(), detail.as_str()), (NAME, ""));
    let calls = cloud.sent();
    assert_eq!(
        calls[0].arguments,
        json!({
            "StackName": "orders", "TemplateBody": "{}", "Tags": [{ "Key": "a", "Value": "b" }],
            "ChangeSetName": NAME, "ChangeSetType": "UPDATE", "Description": "preview of plan-1; deleted again at once",
        })
    );
    assert_eq!(calls.last().unwrap().arguments, json!({ "StackName": "orders", "ChangeSetName": NAME }));
    assert_eq!(sent(&cloud).last().unwrap(), "DeleteChangeSet");
}

#[tokio::test]
async fn whatever_goes_wrong_it_is_deleted_and_told() {
    let begun = || FakeCloud::new().answers(CREATE, json!({ "Id": "arn" }));
    let none = json!({ "Status": "FAILED", "StatusReason": "The submitted information didn't contain changes. Submit different information to create a change set." });
    let bad = json!({ "Status": "FAILED", "StatusReason": "Template error: `x`\nis not defined" });
    let odd = json!({ "Status": "CREATE_COMPLETE", "Changes": [{ "Type": "Other" }] });
    let cases = [
        begun().answers(DESCRIBE, none).answers(DELETE, json!({})),
        begun().answers(DESCRIBE, bad).answers(DELETE, json!({})),
        begun().answers(DESCRIBE, odd).answers(DELETE, json!({})),
        begun().answers(DESCRIBE, json!({ "Status": "DELETE_FAILED" })).answers(DELETE, json!({})),
        begun().answers(DESCRIBE, described("CREATE_IN_PROGRESS", &[], None)).answers(DELETE, json!({})),
        begun().refuses(DESCRIBE, "AccessDenied", "no").answers(DELETE, json!({})),
        FakeCloud::new().loses(CREATE).refuses(DELETE, "ChangeSetNotFound", "there is none"),
    ];
    let mut told = Vec::new();
    for cloud in cases {
        let (done, events) = made(&cloud, &CancellationToken::new()).await;
        let refused = done.unwrap_err();
        told.push(format!("{}\n  {}", refused.message, refused.hint));
        assert!(matches!(events.last(), Some(What::Probed { result: ProbeWord::Deleted, .. })), "{events:?}");
        assert_eq!(sent(&cloud).last().unwrap(), "DeleteChangeSet");
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn what_aws_does_not_make_is_not_deleted() {
    let cloud = FakeCloud::new().refuses(CREATE, "ValidationError", "Stack [orders] does not exist");
    let (done, events) = made(&cloud, &CancellationToken::new()).await;
    assert!(matches!(events.last(), Some(What::Probed { result: ProbeWord::NotMade, .. })), "{events:?}");
    assert_eq!(sent(&cloud), ["CreateChangeSet"]);
    insta::assert_snapshot!(done.unwrap_err().message);
}

#[tokio::test]
async fn one_that_is_left_is_said_loudly_and_stops_the_preview() {
    let cloud = FakeCloud::new()
        .answers(CREATE, json!({ "Id": "arn" }))
        .answers(DESCRIBE, described("CREATE_COMPLETE", &[], None))
        .refuses(DELETE, "AccessDenied", "no");
    let (done, events) = made(&cloud, &CancellationToken::new()).await;
    let refused = done.unwrap_err();
    insta::assert_snapshot!(format!("{}\n{}", refused.message, refused.hint));
    assert!(matches!(events.last(), Some(What::Probed { result: ProbeWord::Left, .. })), "{events:?}");
    assert!(sent(&cloud).iter().filter(|name| *name == "DeleteChangeSet").count() > 1);
}

#[tokio::test]
async fn one_still_being_made_is_deleted_when_that_can_be() {
    let cloud = FakeCloud::new()
        .answers(CREATE, json!({ "Id": "arn" }))
        .answers(DESCRIBE, described("CREATE_IN_PROGRESS", &[], None))
        .refuses(DELETE, "InvalidChangeSetStatus", "it is being made")
        .answers(DELETE, json!({}));
    let stop = CancellationToken::new();
    stop.cancel();
    let (done, events) = made(&cloud, &stop).await;
    assert_eq!(done.unwrap_err().message, "the request was cancelled");
    assert!(matches!(events.last(), Some(What::Probed { result: ProbeWord::Deleted, .. })), "{events:?}");
    assert_eq!(sent(&cloud), ["CreateChangeSet", "DescribeChangeSet", "DeleteChangeSet", "DeleteChangeSet"]);
}

#[tokio::test]
async fn without_a_record_nothing_is_sent() {
    let cloud = FakeCloud::new().fails(CREATE, CloudError::NotSent { reason: "never".into() });
    let store: Arc<dyn Store> = Arc::new(FailingStore);
    let refused = making(&cloud, &store).await.carry_out(CancellationToken::new()).await.unwrap_err();
    assert_eq!(refused.message, "the change set of the preview can't be recorded");
    assert!(cloud.sent().is_empty());
}
