//! The whole chain on a scripted cloud and a real store: what gets through, what doesn't, and what is on record.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::approval::ask::{Answer, Prompt};
use crate::audit::record::Answered;
use crate::aws::iam::IamFacts;
use crate::call::request::{Caller, ClientInfo};
use crate::config::{Environment, Profile};
use crate::document::Source;
use crate::names::{Agent, CallId, Human, SessionId};
use crate::plan::filed::PlanState;
use crate::policy::set::Policies;
use crate::policy::shipped;
use crate::policy::vocabulary::Vocabulary;
use crate::ports::{CloudError, PlanFilter, Purpose};
use crate::store::SqliteStore;
use crate::testing::{FailingStore, FakeCloud, FixedClock};

const INSTANCE: &str = "i-0123456789abcdef0";

/// A person with an answer ready.
struct Person {
    answer: Answer,
    asked: Mutex<Vec<Prompt>>,
    /// What happens while the person reads.
    meanwhile: Box<dyn Fn() + Send + Sync>,
}

impl Person {
    fn answers(answer: Answer) -> Self {
        Self { answer, asked: Mutex::default(), meanwhile: Box::new(|| {}) }
    }

    fn types(text: &str) -> Self {
        Self::answers(Answer::Typed { text: text.to_owned(), after: Duration::from_secs(20) })
    }

    fn never_asked() -> Self {
        Self::answers(Answer::Declined)
    }

    fn without_forms() -> Self {
        Self::answers(Answer::Unavailable { why: "the client shows no forms".into() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Asker for Person {
    async fn ask(&self, prompt: &Prompt) -> Answer {
        self.asked.lock().unwrap().push(prompt.clone());
        (self.meanwhile)();
        self.answer.clone()
    }

    async fn progress(&self, _: &str) {}
}

/// A pipeline with everything it needs, in a folder that goes away.
struct Desk {
    pipeline: Pipeline,
    cloud: FakeCloud,
    clock: FixedClock,
    _folder: tempfile::TempDir,
}

/// A call of the agent for a human.
fn request(human: &str, tool: &str, arguments: Value) -> ToolRequest {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let caller = Caller {
        agent: Agent::new("agent"),
        human: Human::new(human),
        session: SessionId::new("s"),
        client: ClientInfo::default(),
        source: None,
    };
    ToolRequest { call: CallId::fresh(), tool: tool.to_owned(), arguments, caller }
}

/// No termination protection.
fn unprotected() -> Value {
    json!({ "DisableApiTermination": { "Value": false } })
}

fn instance(state: &str) -> Value {
    json!({ "Reservations": [{ "Instances": [{
        "InstanceId": INSTANCE,
        "InstanceType": "m7g.large",
        "ImageId": "ami-0aaaaaaaaaaaaaaaa",
        "RootDeviceType": "ebs",
        "LaunchTime": "2026-01-01T00:00:00Z",
        "State": { "Name": state },
        "Tags": [{ "Key": "Name", "Value": "orders-web-1" }],
    }] }] })
}

fn cloud() -> FakeCloud {
    FakeCloud::new()
        .answers("ec2:DescribeInstanceAttribute", unprotected())
        .answers("ec2:DescribeInstances", instance("stopped"))
        .answers("ec2:DescribeVolumes", json!({ "Volumes": [{ "VolumeId": "vol-0aaa" }] }))
        .answers("autoscaling:DescribeAutoScalingInstances", json!({ "AutoScalingInstances": [] }))
        .answers("ec2:StartInstances", json!({ "StartingInstances": [{ "InstanceId": INSTANCE }] }))
        .answers("ec2:TerminateInstances", json!({ "TerminatingInstances": [{ "InstanceId": INSTANCE }] }))
}

/// A profile, and some policies besides.
fn policies(config: &Config, catalog: &Catalog, profile: Profile, own: Vec<Source>) -> Policies {
    let mut sources = shipped::sources(profile);
    sources.extend(own);
    let vocabulary = Vocabulary::of_catalog(catalog, &[], &[]).unwrap();
    Policies::compile(sources, vocabulary, config.people(), profile).unwrap()
}

async fn desk_with(cloud: FakeCloud, store: Option<Arc<dyn Store>>) -> Desk {
    desk_of(cloud, store, "").await
}

/// With some lines of configuration besides.
async fn desk_of(cloud: FakeCloud, store: Option<Arc<dyn Store>>, more: &str) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "[caller]\nhuman = \"ann\"\nagent = \"agent\"\n".to_owned();
    for (name, id, stage) in [("shop-dev", "210987654321", "dev"), ("shop-prod", "123456789012", "prod")] {
        text.push_str(&format!(
            "[accounts.{name}]\nid = \"{id}\"\nstage = \"{stage}\"\nregions = [\"eu-central-1\"]\n"
        ));
        for purpose in ["read", "change"] {
            text.push_str(&format!("{purpose}_role = \"arn:aws:iam::{id}:role/countersign-{purpose}\"\n"));
        }
    }
    let path = folder.path().join("countersign.toml");
    std::fs::write(&path, format!("{text}{more}")).unwrap();
    let config = crate::config::load(&path, &Models::embedded().unwrap(), &Environment::of_process()).unwrap();
    let store = match store {
        Some(store) => store,
        None => Arc::new(SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap()),
    };
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    let catalog = Catalog::load(&config.manifests, &models, &iam).unwrap();
    let clock = FixedClock::default();
    let policies = policies(&config, &catalog, Profile::Standard, Vec::new());
    let pipeline = Pipeline::new(World {
        config,
        catalog,
        models,
        policies: InForce::new(policies),
        cloud: Arc::new(cloud.clone()),
        store,
        clock: Arc::new(clock.clone()),
        canary: Canary::default(),
    });
    Desk { pipeline, cloud, clock, _folder: folder }
}

async fn desk() -> Desk {
    desk_with(cloud(), None).await
}

impl Desk {
    /// Puts a profile with some policies besides into force.
    fn put_in_force(&self, profile: Profile, own: Vec<Source>) {
        let world = self.pipeline.world();
        let _ = world.policies.replace(policies(&world.config, &world.catalog, profile, own));
    }

    async fn call_as(
        &self,
        human: &str,
        tool: &str,
        arguments: Value,
        person: &Person,
    ) -> Result<Answered, StoreError> {
        let recorded = self.pipeline.handle(request(human, tool, arguments), person, CancellationToken::new()).await?;
        Ok(recorded.answer().clone())
    }

    async fn call(&self, tool: &str, arguments: Value, person: &Person) -> Answered {
        self.call_as("ann", tool, arguments, person).await.unwrap()
    }

    async fn preview(&self, tool: &str, arguments: Value) -> Value {
        match self.call(tool, arguments, &Person::never_asked()).await {
            Answered::Result { structured, .. } => structured,
            other => panic!("no preview: {other:?}"),
        }
    }

    /// The kinds of events on record, without the server's own.
    async fn events(&self) -> Vec<String> {
        let records = self.pipeline.world().store.records(1, 1000).await.unwrap();
        let event =
            |text: &str| serde_json::from_str::<Value>(text).unwrap()["what"]["event"].as_str().unwrap().to_owned();
        records.iter().map(|record| event(&record.event)).collect()
    }

    fn nothing_changed(&self) {
        assert_eq!(self.cloud.changes(), [], "nothing may have been sent under credentials for changes");
    }
}

fn code(answer: Answered) -> Code {
    match answer {
        Answered::Refused(refused) => refused.code,
        other => panic!("not refused: {other:?}"),
    }
}

fn succeeded(answer: Answered) -> Value {
    match answer {
        Answered::Result { structured, .. } => structured,
        other => panic!("not a result: {other:?}"),
    }
}

fn start() -> Value {
    json!({ "InstanceIds": [INSTANCE], "account": "shop-dev", "reason": "tests need it" })
}

fn terminate(account: &str) -> Value {
    json!({ "InstanceIds": [INSTANCE], "account": account, "reason": "it is not needed any more" })
}

fn apply(mut arguments: Value, plan: &Value) -> Value {
    arguments["dry_run"] = json!(false);
    arguments["plan_id"] = plan["plan_id"].clone();
    arguments
}

#[tokio::test]
async fn a_read_is_answered_and_recorded() {
    let desk = desk().await;
    let answer = desk.call("ec2_describe_instances", json!({ "account": "shop-dev" }), &Person::never_asked()).await;
    assert_eq!(succeeded(answer)["result"]["Instances"][0]["InstanceId"], INSTANCE);
    assert_eq!(desk.events().await, ["requested", "answered"]);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_preview_changes_nothing_and_asks_nobody() {
    let desk = desk().await;
    let person = Person::never_asked();
    let plan = succeeded(desk.call("ec2_terminate_instances", terminate("shop-prod"), &person).await);
    assert_eq!(plan["status"], "preview");
    assert_eq!(plan["dependents"][0]["count"], 1);
    assert_eq!(person.asked(), 0);
    assert_eq!(desk.events().await, ["requested", "previewed"]);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_destructive_call_goes_through_once_after_the_right_text() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let person = Person::types(INSTANCE);
    let applied = succeeded(desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await);
    assert_eq!(applied["status"], "applied");
    let changes = desk.cloud.changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].arguments, json!({ "InstanceIds": [INSTANCE] }));
    assert_eq!(changes[0].account, "210987654321");
    assert_eq!(desk.events().await, ["requested", "previewed", "requested", "asked", "confirmed", "intent", "outcome"]);
    let again = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(again), Code::PlanNotUsable);
    assert_eq!(desk.cloud.changes().len(), 1);
    assert_eq!(person.asked(), 1);
}

#[tokio::test]
async fn a_plain_write_in_dev_needs_nobody() {
    let desk = desk().await;
    let mut arguments = start();
    arguments["dry_run"] = json!(false);
    let person = Person::never_asked();
    assert_eq!(succeeded(desk.call("ec2_start_instances", arguments, &person).await)["status"], "applied");
    assert_eq!(person.asked(), 0);
    assert_eq!(desk.events().await, ["requested", "previewed", "intent", "outcome"]);
}

#[tokio::test]
async fn a_plain_write_in_production_needs_no_preview_but_a_confirmation() {
    let desk = desk().await;
    let mut arguments = start();
    arguments["account"] = json!("shop-prod");
    arguments["dry_run"] = json!(false);
    let person = Person::types(INSTANCE);
    assert_eq!(succeeded(desk.call("ec2_start_instances", arguments, &person).await)["status"], "applied");
    assert_eq!(person.asked(), 1);
    assert_eq!(desk.events().await, ["requested", "previewed", "asked", "confirmed", "intent", "outcome"]);
}

#[tokio::test]
async fn no_other_answer_counts() {
    let answers = [
        (Answer::Typed { text: String::new(), after: Duration::from_secs(9) }, Code::NotConfirmed),
        (Answer::Typed { text: format!(" {INSTANCE}"), after: Duration::from_secs(9) }, Code::NotConfirmed),
        (Answer::Typed { text: INSTANCE.to_uppercase(), after: Duration::from_secs(9) }, Code::NotConfirmed),
        (Answer::Typed { text: "yes".to_owned(), after: Duration::from_secs(9) }, Code::NotConfirmed),
        (Answer::Declined, Code::NotConfirmed),
        (Answer::Cancelled, Code::NotConfirmed),
        (Answer::TimedOut { after: Duration::from_secs(240) }, Code::NotConfirmed),
        (Answer::Void { why: "no text".to_owned() }, Code::NotConfirmed),
        (Answer::Unavailable { why: "no elicitation".to_owned() }, Code::ElicitationUnavailable),
    ];
    for (answer, expected) in answers {
        let desk = desk().await;
        let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
        let person = Person::answers(answer.clone());
        let refused = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
        assert_eq!(code(refused), expected, "{answer:?}");
        assert_eq!(desk.events().await, ["requested", "previewed", "requested", "asked", "refused"], "{answer:?}");
        desk.nothing_changed();
    }
}

#[tokio::test]
async fn a_destructive_call_without_a_preview_is_refused() {
    let desk = desk().await;
    let mut arguments = terminate("shop-dev");
    arguments["dry_run"] = json!(false);
    let person = Person::types(INSTANCE);
    assert_eq!(code(desk.call("ec2_terminate_instances", arguments, &person).await), Code::NeedsPreview);
    assert_eq!(person.asked(), 0);
    desk.nothing_changed();
}

#[tokio::test]
async fn in_production_the_caller_s_own_person_is_not_enough() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-prod")).await;
    let person = Person::types(INSTANCE);
    let refused = desk.call("ec2_terminate_instances", apply(terminate("shop-prod"), &plan), &person).await;
    assert_eq!(code(refused), Code::NeedsSecondPerson);
    assert_eq!(person.asked(), 0);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_plan_is_good_for_the_very_call_that_was_previewed() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let person = Person::types(INSTANCE);
    let mut other_reason = apply(terminate("shop-dev"), &plan);
    other_reason["reason"] = json!("something else");
    assert_eq!(code(desk.call("ec2_terminate_instances", other_reason, &person).await), Code::PlanMismatch);
    let other_account = apply(terminate("shop-prod"), &plan);
    assert_eq!(code(desk.call("ec2_terminate_instances", other_account, &person).await), Code::PlanMismatch);
    let other_tool = apply(start(), &plan);
    assert_eq!(code(desk.call("ec2_start_instances", other_tool, &person).await), Code::PlanMismatch);
    assert_eq!(person.asked(), 0);
    desk.nothing_changed();
}

#[tokio::test]
async fn somebody_else_s_plan_is_no_plan() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let person = Person::types(INSTANCE);
    let arguments = apply(terminate("shop-dev"), &plan);
    let refused = desk.call_as("bob", "ec2_terminate_instances", arguments, &person).await.unwrap();
    assert_eq!(code(refused), Code::PlanNotUsable);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_plan_expires() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    desk.clock.advance(SignedDuration::from_mins(16));
    let person = Person::types(INSTANCE);
    let refused = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(refused), Code::PlanNotUsable);
    assert_eq!(person.asked(), 0);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_consent_that_comes_after_the_expiry_is_worth_nothing() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let clock = desk.clock.clone();
    let mut person = Person::types(INSTANCE);
    person.meanwhile = Box::new(move || clock.advance(SignedDuration::from_mins(16)));
    let refused = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(refused), Code::PlanNotUsable);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_change_between_preview_and_apply_is_told_as_a_difference() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    desk.cloud.change("ec2:DescribeInstances", instance("running"));
    let person = Person::types(INSTANCE);
    let answer = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    let Answered::Refused(refused) = answer else { panic!("not refused") };
    assert_eq!(refused.code, Code::Drift);
    assert!(refused.message.contains("`stopped` → `running`"), "{}", refused.message);
    assert_eq!(person.asked(), 0);
    desk.nothing_changed();
}

#[tokio::test]
async fn a_change_while_the_person_reads_stops_the_call() {
    let desk = desk().await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let cloud = desk.cloud.clone();
    let mut person = Person::types(INSTANCE);
    person.meanwhile = Box::new(move || cloud.change("ec2:DescribeInstances", instance("running")));
    let refused = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(refused), Code::Drift);
    desk.nothing_changed();
    let events = desk.events().await;
    assert!(events.ends_with(&["intent".to_owned(), "outcome".to_owned(), "refused".to_owned()]), "{events:?}");
}

#[tokio::test]
async fn of_many_applies_at_once_exactly_one_wins() {
    let desk = Arc::new(desk().await);
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let calls = (0..12).map(|_| {
        let (desk, arguments) = (Arc::clone(&desk), apply(terminate("shop-dev"), &plan));
        tokio::spawn(async move { desk.call("ec2_terminate_instances", arguments, &Person::types(INSTANCE)).await })
    });
    let answers = futures::future::join_all(calls).await;
    let won = answers.into_iter().filter(|answer| matches!(answer, Ok(Answered::Result { .. }))).count();
    assert_eq!(won, 1);
    assert_eq!(desk.cloud.changes().len(), 1);
}

#[tokio::test]
async fn an_outcome_nobody_knows_stays_unknown_until_the_targets_tell() {
    let cloud = FakeCloud::new()
        .answers("ec2:DescribeInstanceAttribute", unprotected())
        .answers("ec2:DescribeInstances", instance("stopped"))
        .answers("ec2:DescribeVolumes", json!({ "Volumes": [] }))
        .answers("autoscaling:DescribeAutoScalingInstances", json!({ "AutoScalingInstances": [] }))
        .loses("ec2:TerminateInstances");
    let desk = desk_with(cloud, None).await;
    let plan = desk.preview("ec2_terminate_instances", terminate("shop-dev")).await;
    let person = Person::types(INSTANCE);
    let lost = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(lost), Code::OutcomeUnknown);
    let ask = json!({ "plan_id": plan["plan_id"] });
    let status = succeeded(desk.call("plan_status", ask.clone(), &person).await);
    assert_eq!(status["status"], "unknown", "the targets are as before, but the plan's time is not over");
    let again = desk.call("ec2_terminate_instances", apply(terminate("shop-dev"), &plan), &person).await;
    assert_eq!(code(again), Code::PlanNotUsable);
    desk.cloud.change("ec2:DescribeInstances", json!({ "Reservations": [] }));
    let status = succeeded(desk.call("plan_status", ask, &person).await);
    assert_eq!(status["status"], "applied");
    assert_eq!(desk.cloud.changes().len(), 1);
    assert!(desk.events().await.contains(&"reconciled".to_owned()));
}

#[tokio::test]
async fn unchanged_targets_settle_an_unknown_outcome_once_its_time_is_over() {
    let cloud = FakeCloud::new()
        .answers("ec2:DescribeInstanceAttribute", unprotected())
        .answers("ec2:DescribeInstances", instance("stopped"))
        .loses("ec2:StartInstances");
    let desk = desk_with(cloud, None).await;
    let plan = desk.preview("ec2_start_instances", start()).await;
    let person = Person::types(INSTANCE);
    assert_eq!(code(desk.call("ec2_start_instances", apply(start(), &plan), &person).await), Code::OutcomeUnknown);
    desk.clock.advance(SignedDuration::from_mins(20));
    let status = succeeded(desk.call("plan_status", json!({ "plan_id": plan["plan_id"] }), &person).await);
    assert_eq!(status["status"], "failed");
}

#[tokio::test]
async fn aws_s_own_refusal_is_passed_on_and_uses_the_plan_up() {
    let cloud = FakeCloud::new()
        .answers("ec2:DescribeInstanceAttribute", unprotected())
        .answers("ec2:DescribeInstances", instance("stopped"))
        .refuses("ec2:StartInstances", "UnauthorizedOperation", "You are not authorized");
    let desk = desk_with(cloud, None).await;
    let plan = desk.preview("ec2_start_instances", start()).await;
    let person = Person::types(INSTANCE);
    assert_eq!(code(desk.call("ec2_start_instances", apply(start(), &plan), &person).await), Code::AwsRefused);
    let filter = PlanFilter { limit: 10, ..PlanFilter::default() };
    let world = desk.pipeline.world();
    let plans = world.store.plans(filter, world.clock.now()).await.unwrap();
    assert_eq!(plans[0].state, PlanState::Failed);
}

mod chains;
mod change_sets;
mod edges;
mod late;
mod people;
mod policies;
mod reads;
mod siblings;
mod undo;
