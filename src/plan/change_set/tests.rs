use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Anew, AnewMakes, ChangeSet, Event, Leftovers, Making, Pace, Places, ResourceChange, raised, steps};
use crate::audit::event::{ProbeWord, What};
use crate::aws::models::Models;
use crate::call::refused::Refused;
use crate::call::request::{Caller, ClientInfo};
use crate::names::{Agent, CallId, Effect, Human, PlanId, SessionId};
use crate::ports::{Clock, Cloud, CloudError, Store};
use crate::store::SqliteStore;
use crate::testing::{FailingStore, FakeCloud, FixedClock, reading};

const CREATE: &str = "cloudformation:CreateChangeSet";
const DESCRIBE: &str = "cloudformation:DescribeChangeSet";
const DELETE: &str = "cloudformation:DeleteChangeSet";
const NAME: &str = "countersign-plan-1-call-1";
const STACK: &str = "arn:aws:cloudformation:eu-central-1:210987654321:stack/orders/*";

fn resource(action: &str, kind: &str, replacement: Option<&str>, policy: Option<&str>) -> ResourceChange {
    ResourceChange {
        logical_id: "It".into(),
        action: action.into(),
        kind: kind.into(),
        physical_id: None,
        replacement: replacement.map(str::to_owned),
        scope: vec!["Metadata".to_owned()],
        properties: Vec::new(),
        names: Vec::new(),
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
        // What AWS doesn't say is taken for the worse.
        ("Modify", table, None, None, Some(Irreversible)),
        ("SyncWithActual", table, None, None, Some(Irreversible)),
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
        ("Add", "AWS::CloudFormation::Stack", None, None, Some(Irreversible)),
        ("Modify", "Custom::Anything", Some("False"), None, Some(Irreversible)),
        ("Add", "AWS::CloudFormation::CustomResource", None, None, Some(Irreversible)),
        ("Modify", "AWS::ServiceCatalog::CloudFormationProvisionedProduct", Some("False"), None, Some(Irreversible)),
        // A type that is on no list holds data.
        ("Remove", "AWS::Brandnew::Thing", None, None, Some(Irreversible)),
        ("Remove", "Vendor::Service::Thing", None, None, Some(Irreversible)),
        ("Remove", "AWS::EC2::EIP", None, None, Some(Irreversible)),
        ("Remove", "AWS::SNS::Topic", None, None, Some(Destructive)),
        ("Remove", "AWS::IAM::Role", None, None, Some(Destructive)),
        ("Remove", "AWS::IAM::User", None, None, Some(Irreversible)),
        ("Add", "AWS::Brandnew::Thing", None, None, None),
        ("Add", role, None, None, Some(Destructive)),
        ("Add", "AWS::Lambda::Url", None, None, Some(Destructive)),
        ("Add", "AWS::EC2::SecurityGroupIngress", None, None, Some(Destructive)),
        ("Add", "AWS::Events::EventBusPolicy", None, None, Some(Destructive)),
        ("Add", "AWS::Brandnew::ResourcePolicy", None, None, Some(Destructive)),
        ("Add", "AWS::AutoScaling::ScalingPolicy", None, None, None),
        ("Add", "AWS::EC2::SecurityGroup", None, None, None),
    ];
    for (action, kind, replacement, policy, to) in cases {
        let set = set(vec![resource(action, kind, replacement, policy)]);
        let found = raised(&set, Effect::Write);
        assert_eq!(found.first().map(|raised| raised.to), to, "{action} {kind} {replacement:?} {policy:?}");
        assert!(raised(&set, Irreversible).is_empty());
    }
}

fn set(changes: Vec<ResourceChange>) -> ChangeSet {
    ChangeSet { changes, anew: None }
}

fn modified(kind: &str, scope: &[&str], properties: &[&str]) -> ResourceChange {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    ResourceChange {
        scope: texts(scope),
        properties: texts(properties),
        physical_id: Some("orders".into()),
        ..resource("Modify", kind, Some("False"), None)
    }
}

#[test]
fn what_is_changed_in_its_place_raises_the_effect_where_it_guards_something() {
    let (table, group, function) = ("AWS::DynamoDB::Table", "AWS::EC2::SecurityGroup", "AWS::Lambda::Function");
    let cases: &[(&str, &[&str], &[&str], &str)] = &[
        // Harmless.
        (table, &["Tags"], &[], ""),
        (table, &["Metadata"], &[], ""),
        (table, &["Properties"], &["Tags"], ""),
        (function, &["Properties", "Tags"], &["Code", "Timeout"], ""),
        ("AWS::ECS::Service", &["Properties"], &["DesiredCount"], ""),
        ("AWS::IAM::Role", &["Tags"], &[], ""),
        // Protection, permissions, and what becomes of what it holds.
        (table, &["Properties"], &["DeletionProtectionEnabled"], "unprotect"),
        ("AWS::RDS::DBInstance", &["Properties"], &["BackupRetentionPeriod"], "weaken"),
        ("AWS::KMS::Key", &["Properties"], &["KeyPolicy"], "weaken"),
        (group, &["Properties"], &["SecurityGroupIngress"], "weaken"),
        ("AWS::S3::Bucket", &["Properties"], &["PublicAccessBlockConfiguration"], "weaken"),
        ("AWS::S3::Bucket", &["Properties"], &["VersioningConfiguration"], "weaken"),
        ("AWS::Lambda::Url", &["Properties"], &["AuthType"], "weaken"),
        ("AWS::Events::EventBusPolicy", &["Properties"], &["Statement"], "weaken"),
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", &["Properties"], &["LoadBalancerAttributes"], "weaken"),
        ("AWS::CloudTrail::Trail", &["Properties"], &["IsLogging"], "weaken"),
        ("AWS::WAFv2::WebACL", &["Properties"], &["Rules"], "weaken"),
        (function, &["DeletionPolicy"], &[], "unprotect"),
        (function, &["UpdateReplacePolicy", "Metadata"], &[], "unprotect"),
        (function, &["UpdatePolicy"], &[], "nothing"),
        (function, &["Novelty"], &[], "nothing"),
        // What holds data, and what isn't told.
        (table, &["Properties"], &["BillingMode"], "nothing"),
        ("AWS::Brandnew::Thing", &["Properties"], &["Size"], "nothing"),
        (function, &["Properties"], &[], "nothing"),
        (function, &["Properties"], &["(not named)", "Timeout"], "nothing"),
        (function, &[], &[], "nothing"),
    ];
    for (kind, scope, properties, step) in cases {
        let set = set(vec![modified(kind, scope, properties)]);
        let to = raised(&set, Effect::Write).first().map(|raised| raised.to);
        let wanted = (!step.is_empty()).then_some(Effect::Destructive);
        assert_eq!(to, wanted, "{kind} {scope:?} {properties:?}");
        let found: Vec<Value> = steps(&set).iter().map(|step| json!(step.is)).collect();
        let wanted = if step.is_empty() || *step == "nothing" { vec![] } else { vec![json!(step)] };
        assert_eq!(found, wanted, "{kind} {scope:?} {properties:?}");
    }
    let told = raised(&set(vec![modified(table, &["Properties"], &["DeletionProtectionEnabled"])]), Effect::Write);
    insta::assert_snapshot!(told[0].because, @"by AWS's change set `It` (`AWS::DynamoDB::Table`) has changed what guards it: `DeletionProtectionEnabled`");
}

#[test]
fn changes_are_steps_about_the_things_by_their_names() {
    let of = |change: ResourceChange| {
        let steps = steps(&set(vec![change]));
        steps.iter().map(|step| format!("{} {}", step.is.words(), step.of)).collect::<Vec<_>>().join(", ")
    };
    let table = |action: &str, replacement: Option<&str>, policy: Option<&str>, names: &[&str]| ResourceChange {
        physical_id: (action != "Add").then(|| "prod-orders".into()),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        ..resource(action, "AWS::DynamoDB::Table", replacement, policy)
    };
    let found = [
        table("Remove", None, Some("Delete"), &[]),
        table("Remove", None, Some("Snapshot"), &[]),
        table("Remove", None, Some("Retain"), &[]),
        table("Modify", Some("True"), None, &["prod-orders-2"]),
        table("Modify", Some("Conditional"), None, &[]),
        table("Modify", None, None, &[]),
        table("Modify", Some("False"), None, &[]),
        table("Add", None, None, &["prod-orders"]),
        table("Add", None, None, &[]),
        table("Import", None, None, &[]),
        table("Explode", None, None, &[]),
        ResourceChange { physical_id: None, ..table("Remove", None, None, &[]) },
    ]
    .map(of);
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn the_reasons_name_what_is_lost_and_stay_in_their_quotes() {
    let named = |name: &str, change: ResourceChange| ResourceChange { logical_id: name.into(), ..change };
    let table = || resource("Remove", "AWS::DynamoDB::Table", None, None);
    let set = ChangeSet {
        anew: Some(Anew { what: "`Transform`".into(), makes: AnewMakes::Anything }),
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

/// A cloud where a change set is gone when it is deleted.
fn gone(cloud: FakeCloud) -> FakeCloud {
    cloud.turns(DELETE, DESCRIBE, Err("ChangeSetNotFound"))
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
        caller: caller(),
        plan: PlanId::from_outside("plan-1"),
        target: STACK.into(),
        name: NAME.into(),
    };
    let update = json!({
        "StackName": "orders", "TemplateBody": "{}", "Tags": [{ "Key": "a", "Value": "b" }],
        "StackPolicyDuringUpdateBody": "{}", "ClientRequestToken": "x", "DisableRollback": true,
    });
    Making::new((session, None), event, &update, Models::embedded().unwrap(), pace()).unwrap()
}

fn caller() -> Caller {
    Caller {
        agent: Agent::new("agent"),
        human: Human::new("ann"),
        session: SessionId::new("session"),
        client: ClientInfo::default(),
        source: None,
    }
}

fn pace() -> Pace {
    let brief = Duration::from_millis(1);
    Pace {
        first: brief,
        most: brief,
        ready: Duration::from_millis(40),
        gone: Duration::from_millis(300),
        absent: Duration::from_millis(8),
    }
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
        "PolicyAction": "ReplaceAndDelete", "Details": [
            { "Target": { "Attribute": "Properties", "Name": "TableName", "BeforeValue": "a", "AfterValue": "b" } },
            { "Target": { "Attribute": "Properties", "Name": "KeySchema" } },
            { "Target": { "Attribute": "Properties", "Name": "TableName" } },
            { "Target": { "Attribute": "Properties" } },
            { "Target": { "Attribute": "Metadata" } },
            { "ChangeSource": "DirectModification" },
        ],
    });
    let context =
        json!({ "Properties": { "QueueName": "jobs", "Secret": "x", "RoleName": "{{changeSet:KNOWN_AFTER_APPLY}}" } });
    let queue = json!({
        "Action": "Add", "LogicalResourceId": "A", "ResourceType": "AWS::SQS::Queue", "AfterContext": context.to_string(),
    });
    let cloud = gone(FakeCloud::new())
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
    assert_eq!(sent(&cloud)[6..], ["DeleteChangeSet", "DescribeChangeSet"]);
}

#[tokio::test]
async fn whatever_goes_wrong_it_is_deleted_and_told() {
    let begun = || gone(FakeCloud::new()).answers(CREATE, json!({ "Id": "arn" }));
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
        FakeCloud::new().loses(CREATE).refuses(DELETE, "ChangeSetNotFound", "there is none").refuses(
            DESCRIBE,
            "ChangeSetNotFound",
            "there is none",
        ),
    ];
    let mut told = Vec::new();
    for cloud in cases {
        let (done, events) = made(&cloud, &CancellationToken::new()).await;
        let refused = done.unwrap_err();
        told.push(format!("{}\n  {}", refused.message, refused.hint));
        assert!(matches!(events.last(), Some(What::Probed { result: ProbeWord::Deleted, .. })), "{events:?}");
        assert!(sent(&cloud).ends_with(&["DeleteChangeSet".to_owned(), "DescribeChangeSet".to_owned()]));
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
    let cloud = gone(FakeCloud::new())
        .answers(CREATE, json!({ "Id": "arn" }))
        .answers(DESCRIBE, described("CREATE_IN_PROGRESS", &[], None))
        .refuses(DELETE, "InvalidChangeSetStatus", "it is being made")
        .answers(DELETE, json!({}));
    let stop = CancellationToken::new();
    stop.cancel();
    let (done, events) = made(&cloud, &stop).await;
    assert_eq!(done.unwrap_err().message, "the request was cancelled");
    assert!(matches!(events.last(), Some(What::Probed { result: ProbeWord::Deleted, .. })), "{events:?}");
    let wanted = ["CreateChangeSet", "DescribeChangeSet", "DeleteChangeSet", "DeleteChangeSet", "DescribeChangeSet"];
    assert_eq!(sent(&cloud), wanted);
}

#[tokio::test]
async fn one_that_comes_after_its_answer_was_lost_is_deleted_all_the_same() {
    let absent = |cloud: FakeCloud| cloud.refuses(DESCRIBE, "ChangeSetNotFound", "not yet");
    let cloud = absent(absent(FakeCloud::new().loses(CREATE).answers(DELETE, json!({}))))
        .answers(DESCRIBE, described("CREATE_COMPLETE", &[], None))
        .refuses(DESCRIBE, "ChangeSetNotFound", "gone");
    let (done, events) = made(&cloud, &CancellationToken::new()).await;
    assert!(done.is_err());
    assert!(matches!(events.last(), Some(What::Probed { result: ProbeWord::Deleted, .. })), "{events:?}");
    // Twice absent, then there, and after that absent four times or more.
    assert!(sent(&cloud).iter().filter(|name| *name == "DescribeChangeSet").count() >= 7, "{:?}", sent(&cloud));
}

#[tokio::test]
async fn what_aws_says_it_deleted_and_still_tells_of_is_left() {
    let still_there = described("CREATE_COMPLETE", &[], None);
    let lost = FakeCloud::new().loses(CREATE);
    let made_one = FakeCloud::new().answers(CREATE, json!({ "Id": "arn" }));
    for cloud in [lost, made_one] {
        let cloud = cloud.answers(DELETE, json!({})).answers(DESCRIBE, still_there.clone());
        let (done, events) = made(&cloud, &CancellationToken::new()).await;
        let message = done.unwrap_err().message;
        assert!(message.contains("could NOT be deleted") && message.contains("it is still there"), "{message}");
        assert!(matches!(events.last(), Some(What::Probed { result: ProbeWord::Left, .. })), "{events:?}");
    }
}

#[tokio::test]
async fn without_a_record_nothing_is_sent() {
    let cloud = FakeCloud::new().fails(CREATE, CloudError::NotSent { reason: "never".into() });
    let store: Arc<dyn Store> = Arc::new(FailingStore);
    let refused = making(&cloud, &store).await.carry_out(CancellationToken::new()).await.unwrap_err();
    assert_eq!(refused.message, "the change set of the preview can't be recorded");
    assert!(cloud.sent().is_empty());
}

/// A record, and a look at it some minutes after its beginning.
struct Left {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    cloud: FakeCloud,
}

impl Left {
    async fn new(cloud: FakeCloud) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap());
        Self { folder, store, cloud }
    }

    async fn recorded(&self, what: What) {
        let (call, caller) = (Some(CallId::from_outside("call-1")), Some(caller()));
        let event = crate::audit::event::Event { at: Timestamp::UNIX_EPOCH, call, caller, what };
        self.store.append(vec![event]).await.unwrap();
    }

    async fn look(&self, left: &mut Leftovers, minutes: i64) {
        let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minutes);
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(at));
        let accounts = [reading().account];
        let models = Models::embedded().unwrap();
        let places =
            Places { cloud: &self.cloud, store: &self.store, clock: &clock, accounts: &accounts, models: &models };
        left.look(&places).await.unwrap();
    }

    async fn told(&self) -> Vec<(ProbeWord, String)> {
        assert!(self.folder.path().exists());
        let records = self.store.records(1, 100).await.unwrap();
        let events =
            records.iter().map(|record| serde_json::from_str::<crate::audit::event::Event>(&record.event).unwrap());
        let told = events.filter_map(|event| match event.what {
            What::Probed { result, name, .. } => Some((result, name)),
            _ => None,
        });
        told.collect()
    }
}

fn probing(name: &str, target: &str) -> What {
    What::Probing {
        plan: PlanId::from_outside("plan-1"),
        operation: CREATE.parse().unwrap(),
        target: target.into(),
        name: name.into(),
        role: None,
        session_policy: None,
    }
}

#[tokio::test]
async fn what_a_dead_process_left_is_found_on_the_record_and_deleted() {
    let cloud = FakeCloud::new().answers(DELETE, json!({})).refuses(DESCRIBE, "ChangeSetNotFound", "gone");
    let left = Left::new(cloud).await;
    let finished = "countersign-plan-0-call-0";
    left.recorded(probing(finished, STACK)).await;
    left.recorded(What::Probed {
        plan: PlanId::from_outside("plan-0"),
        name: finished.into(),
        result: ProbeWord::Deleted,
        detail: String::new(),
    })
    .await;
    left.recorded(probing(NAME, STACK)).await;

    // Perhaps somebody is at it.
    let mut looks = Leftovers::new(pace());
    left.look(&mut looks, 10).await;
    assert!(left.cloud.sent().is_empty());
    // The next process finds it too.
    let mut looks = Leftovers::new(pace());
    left.look(&mut looks, 16).await;
    let sent = left.cloud.sent();
    assert!(sent.len() >= 8, "{sent:?}");
    assert!(sent.iter().all(|call| call.arguments == json!({ "StackName": "orders", "ChangeSetName": NAME })));
    let opened = left.cloud.opened();
    assert_eq!(opened.len(), 1);
    insta::assert_snapshot!(opened[0].policy.text(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudformation:DeleteChangeSet","cloudformation:DescribeChangeSet"],"Resource":"arn:aws:cloudformation:eu-central-1:210987654321:stack/orders/*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-central-1"},"StringEqualsIfExists":{"cloudformation:ChangeSetName":"countersign-plan-1-call-1"}}}]}"#);
    assert_eq!(left.told().await, [(ProbeWord::Deleted, finished.to_owned()), (ProbeWord::Deleted, NAME.to_owned())]);

    // Once.
    left.look(&mut looks, 17).await;
    left.look(&mut Leftovers::new(pace()), 18).await;
    assert_eq!(left.cloud.sent().len(), sent.len());
    assert_eq!(left.told().await.len(), 2);
}

#[tokio::test]
async fn what_can_not_be_deleted_is_on_record_as_left_and_what_can_not_be_tried_is_tried_again() {
    let left = Left::new(FakeCloud::new().refuses(DELETE, "AccessDenied", "no")).await;
    left.recorded(probing(NAME, STACK)).await;
    left.recorded(probing("countersign-elsewhere", &STACK.replace("210987654321", "111122223333"))).await;
    left.recorded(probing("somebody-elses", STACK)).await;
    left.recorded(probing("countersign-odd", "arn:aws:s3:::orders")).await;
    let mut looks = Leftovers::new(pace());
    for minutes in [20, 21] {
        left.look(&mut looks, minutes).await;
        assert_eq!(left.told().await, [(ProbeWord::Left, NAME.to_owned())]);
    }
    let deleted: Vec<Value> = left.cloud.sent().iter().map(|call| call.arguments["ChangeSetName"].clone()).collect();
    assert!(deleted.iter().all(|name| name == NAME), "{deleted:?}");
}
