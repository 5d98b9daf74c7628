use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::approval::ask::{Answer, Prompt};
use crate::manifest::template::Template;
use crate::ports::CloudError;
use crate::testing::{FakeCloud, reading};

/// Listens, and hangs up after some messages.
#[derive(Default)]
struct Listener {
    heard: Mutex<Vec<String>>,
    hangs_up: Option<(usize, CancellationToken)>,
}

#[async_trait]
impl Asker for Listener {
    async fn ask(&self, _: &Prompt) -> Answer {
        Answer::Declined
    }

    async fn progress(&self, message: &str) {
        let mut heard = self.heard.lock().unwrap();
        heard.push(message.to_owned());
        if let Some((after, cancel)) = &self.hangs_up
            && heard.len() >= *after
        {
            cancel.cancel();
        }
    }
}

/// A watch that runs only while nothing else happens.
#[derive(Default)]
struct Leaping(Mutex<Duration>);

#[async_trait]
impl Watch for Leaping {
    fn elapsed(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    async fn until(&self, at: Duration) {
        *self.0.lock().unwrap() = at;
    }
}

async fn waiting(cloud: &FakeCloud, seconds: u64) -> Waiting {
    let wait = Wait {
        until: "DBInstanceDeleted".to_owned(),
        operation: "rds:DescribeDBInstances".parse().unwrap(),
        with: Template::compile(&json!({ "DBInstanceIdentifier": "{target}" })).unwrap(),
        most: Duration::from_secs(seconds),
    };
    let reader = cloud.open(reading()).await.unwrap();
    let contexts = [json!({ "target": "orders" }), json!({ "target": "orders" })];
    let models = Models::embedded().unwrap();
    Waiting::with(PlanId::from_outside("plan-1"), &wait, &contexts, reader, &models).unwrap()
}

fn state(word: &str) -> Value {
    json!({ "DBInstances": [{ "DBInstanceStatus": word }] })
}

fn refused(code: &str) -> CloudError {
    CloudError::Refused { code: code.to_owned(), message: "x".to_owned(), status: 404, request_id: None }
}

const OPERATION: &str = "rds:DescribeDBInstances";

#[tokio::test]
async fn it_is_told_when_it_is_done() {
    let cloud = FakeCloud::new()
        .answers(OPERATION, state("deleting"))
        .answers(OPERATION, state("deleting"))
        .fails(OPERATION, refused("DBInstanceNotFound"));
    let listener = Listener::default();
    let waited =
        waiting(&cloud, 240).await.run_by(&Leaping::default(), LONGEST, &listener, &CancellationToken::new()).await;
    assert_eq!(waited.result, WaitWord::Reached);
    assert_eq!(waited.after.as_secs(), 60, "two pauses of the waiter's own length");
    insta::assert_snapshot!(format!("{}\n{}", waited.told(), listener.heard.lock().unwrap().join("\n")));
}

#[tokio::test]
async fn the_wait_ends_with_its_time_and_says_what_goes_on() {
    let cloud = FakeCloud::new().answers(OPERATION, state("deleting"));
    let waited = waiting(&cloud, 240)
        .await
        .run_by(&Leaping::default(), LONGEST, &Listener::default(), &CancellationToken::new())
        .await;
    assert_eq!((waited.result, waited.after.as_secs()), (WaitWord::Going, 240));
    insta::assert_snapshot!(waited.told());
    let waited = waiting(&cloud, 240).await;
    let waited = waited
        .run_by(&Leaping::default(), Duration::from_secs(70), &Listener::default(), &CancellationToken::new())
        .await;
    assert_eq!((waited.result, waited.after.as_secs()), (WaitWord::Going, 60), "the call's own time counts too");
}

#[tokio::test]
async fn hanging_up_stops_the_waiting_and_nothing_else() {
    let cloud = FakeCloud::new().answers(OPERATION, state("deleting"));
    let cancel = CancellationToken::new();
    let listener = Listener { hangs_up: Some((3, cancel.clone())), ..Listener::default() };
    let waited = waiting(&cloud, 240).await.run_by(&Leaping::default(), LONGEST, &listener, &cancel).await;
    assert_eq!(waited.result, WaitWord::Going);
    insta::assert_snapshot!(waited.told());
}

#[tokio::test]
async fn a_failure_is_no_success_and_silence_is_neither() {
    let cloud = FakeCloud::new().answers(OPERATION, state("creating"));
    let waited = waiting(&cloud, 240)
        .await
        .run_by(&Leaping::default(), LONGEST, &Listener::default(), &CancellationToken::new())
        .await;
    assert_eq!(waited.result, WaitWord::Failed);
    let cloud = FakeCloud::new().fails(OPERATION, refused("AccessDenied"));
    let waited = waiting(&cloud, 240)
        .await
        .run_by(&Leaping::default(), LONGEST, &Listener::default(), &CancellationToken::new())
        .await;
    assert_eq!(waited.result, WaitWord::Untold);
    insta::assert_snapshot!(waited.told());
}
