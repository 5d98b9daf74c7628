mod preview;

use serde_json::{Map, Value, json};

use super::refused::{Code, Refused};
use super::request::{Caller, ClientInfo, ToolRequest};
use super::resolve::{ResolvedCall, resolve};
use super::validate::{ValidatedCall, validate};
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::config::{Account, ManifestsConfig, TagRule, TagSays, TicketConfig};
use crate::manifest::catalog::Catalog;
use crate::names::{Agent, CallId, Human, PlanId, Region, SessionId, Stage};
use crate::ports::Purpose;
use crate::testing::FakeCloud;

const INSTANCE: &str = "i-0123456789abcdef0";

fn account(stage: Stage) -> Account {
    Account {
        name: "shop".to_owned(),
        id: "210987654321".to_owned(),
        stage,
        regions: vec![Region::new("eu-central-1")],
        read_role: None,
        change_role: None,
        external_id: None,
    }
}

fn validated(
    tool: &str,
    arguments: Value,
    stage: Stage,
    tickets: Option<&TicketConfig>,
) -> Result<ValidatedCall, Refused> {
    validated_with(&ManifestsConfig::default(), tool, arguments, stage, tickets)
}

fn validated_with(
    manifests: &ManifestsConfig,
    tool: &str,
    arguments: Value,
    stage: Stage,
    tickets: Option<&TicketConfig>,
) -> Result<ValidatedCall, Refused> {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    let catalog = Catalog::load(manifests, &models, &iam).unwrap_or_else(|found| panic!("{}", found.pretty(false)));
    let request = ToolRequest {
        call: CallId::fresh(),
        tool: tool.to_owned(),
        arguments: serde_json::from_value::<Map<String, Value>>(arguments).unwrap(),
        caller: Caller {
            agent: Agent::new("agent"),
            human: Human::new("ann"),
            session: SessionId::new("session"),
            client: ClientInfo::default(),
            source: None,
        },
    };
    validate(request, &catalog, &models, &[account(stage)], tickets)
}

fn stop(more: Value) -> Value {
    let mut arguments = json!({ "InstanceIds": [INSTANCE], "reason": "it is not used at night" });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

fn ticketed(ticket: Value) -> Result<Option<String>, Refused> {
    let tickets = TicketConfig::new("CHG-[0-9]+").unwrap();
    let call = validated("ec2_stop_instances", stop(json!({ "ticket": ticket })), Stage::Dev, Some(&tickets))?;
    Ok(call.ticket().map(str::to_owned))
}

#[test]
fn a_ticket_has_the_configured_form() {
    assert_eq!(ticketed(json!("CHG-7")).unwrap().as_deref(), Some("CHG-7"));
    assert_eq!(ticketed(Value::Null).unwrap(), None);
    for wrong in [json!("CHG-7; approved"), json!(""), json!(7), json!("INC-7\u{202e}")] {
        assert_eq!(ticketed(wrong).unwrap_err().code, Code::InvalidArguments);
    }
    insta::assert_snapshot!(ticketed(json!("chg-7")).unwrap_err().message);
}

#[test]
fn without_tickets_there_is_no_such_argument() {
    let refused = validated("ec2_stop_instances", stop(json!({ "ticket": "CHG-7" })), Stage::Dev, None).unwrap_err();
    assert_eq!(refused.code, Code::InvalidArguments);
    assert!(refused.message.contains("`ticket` is not an argument of this tool"), "{}", refused.message);
    let call = validated("ec2_stop_instances", stop(json!({})), Stage::Dev, None).unwrap();
    assert_eq!(call.ticket(), None);
}

async fn resolved(stage: Stage, env: &str) -> ResolvedCall {
    let state = json!({
        "InstanceId": INSTANCE,
        "State": { "Name": "running" },
        "Tags": [{ "Key": "env", "Value": env }, { "Key": "team", "Value": "orders" }],
    });
    let cloud =
        FakeCloud::new().answers("ec2:DescribeInstances", json!({ "Reservations": [{ "Instances": [state] }] }));
    let rules = [
        TagRule { tag: "env".to_owned(), value: Some("prod*".to_owned()), says: TagSays::Stage(Stage::Prod) },
        TagRule { tag: "env".to_owned(), value: Some("*-keep".to_owned()), says: TagSays::Protected },
        TagRule { tag: "team".to_owned(), value: None, says: TagSays::Owner },
    ];
    let call = validated("ec2_stop_instances", stop(json!({})), stage, None).unwrap();
    resolve(call, &cloud, &Models::embedded().unwrap(), &IamFacts::embedded().unwrap(), &rules).await.unwrap()
}

#[tokio::test]
async fn targets_have_the_standing_that_their_tags_give_them() {
    for (stage, env, expected) in [
        (Stage::Dev, "dev", (Stage::Dev, false)),
        (Stage::Dev, "production", (Stage::Prod, false)),
        (Stage::Staging, "prod-keep", (Stage::Prod, true)),
        (Stage::Prod, "dev", (Stage::Prod, false)),
    ] {
        let call = resolved(stage, env).await;
        let [target] = call.targets() else { panic!("{:?}", call.targets()) };
        assert_eq!((target.stage, target.protected), expected, "{stage} {env}");
        assert_eq!(target.owner.as_deref(), Some("orders"));
    }
}

async fn object(bucket_tags: FakeCloud) -> Result<ResolvedCall, Refused> {
    let cloud = bucket_tags
        .answers("s3:HeadObject", json!({ "ETag": "x", "ContentLength": 1 }))
        .answers("s3:GetObjectTagging", json!({ "TagSet": [{ "Key": "env", "Value": "dev" }] }));
    let rules = [TagRule { tag: "env".to_owned(), value: Some("prod".to_owned()), says: TagSays::Stage(Stage::Prod) }];
    let arguments = json!({ "Bucket": "receipts", "Key": "1.txt", "reason": "it is not used any more" });
    let call = validated("s3_delete_object", arguments, Stage::Dev, None).unwrap();
    resolve(call, &cloud, &Models::embedded().unwrap(), &IamFacts::embedded().unwrap(), &rules).await
}

#[tokio::test]
async fn the_tags_of_a_bucket_count_for_its_objects() {
    let tagged = json!({ "TagSet": [{ "Key": "env", "Value": "prod" }, { "Key": "team", "Value": "orders" }] });
    let call = object(FakeCloud::new().answers("s3:GetBucketTagging", tagged)).await.unwrap();
    let [target] = call.targets() else { panic!("{:?}", call.targets()) };
    assert_eq!(target.stage, Stage::Prod);
    assert_eq!(json!(target.tags), json!({ "env": "dev", "team": "orders" }));
    let both = json!([{ "env": "dev" }, { "env": "prod", "team": "orders" }]);
    assert_eq!(target.fingerprint["tags"], both);
}

#[tokio::test]
async fn a_bucket_without_tags_is_told_from_one_whose_tags_can_not_be_read() {
    let none = FakeCloud::new().refuses("s3:GetBucketTagging", "NoSuchTagSet", "The TagSet does not exist");
    assert_eq!(object(none).await.unwrap().targets()[0].stage, Stage::Dev);
    let denied = FakeCloud::new().refuses("s3:GetBucketTagging", "AccessDenied", "Access Denied");
    let refused = object(denied).await.unwrap_err();
    assert_eq!(refused.code, Code::TargetUnreadable);
    insta::assert_snapshot!(format!("{}\n{}", refused.message, refused.hint));
}

/// Whoever watches the account's trail sees under which ticket a change was made; reads are made under none.
#[tokio::test]
async fn the_ticket_goes_with_the_change() {
    let instances = json!({ "Reservations": [{ "Instances": [{ "InstanceId": INSTANCE }] }] });
    let cloud = FakeCloud::new().answers("ec2:DescribeInstances", instances);
    let tickets = TicketConfig::new("CHG-[0-9]+").unwrap();
    let ticketed = stop(json!({ "ticket": "CHG-7" }));
    let call = validated("ec2_stop_instances", ticketed, Stage::Dev, Some(&tickets)).unwrap();
    let call = resolve(call, &cloud, &Models::embedded().unwrap(), &IamFacts::embedded().unwrap(), &[]).await.unwrap();
    call.changer(&cloud, &PlanId::fresh()).await.unwrap();
    let tickets: Vec<_> = cloud.opened().into_iter().map(|session| (session.purpose, session.ticket)).collect();
    assert_eq!(tickets, [(Purpose::Read, None), (Purpose::Change, Some("CHG-7".to_owned()))]);
}

#[test]
fn targets_of_older_plans_have_no_owner() {
    let old = json!({
        "id": INSTANCE, "arn": "a", "state": null, "fingerprint": null, "tags": {}, "stage": "dev", "protected": false,
    });
    let target: super::target::Target = serde_json::from_value(old.clone()).unwrap();
    assert_eq!(target.owner, None);
    assert_eq!(serde_json::to_value(target).unwrap(), old);
}
