//! Following the record, with a receiver that fails first.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::follow::{Follower, Pauses};
use super::sign::Secret;
use crate::audit::event::{Event, ResultWord, What};
use crate::config::HttpConfig;
use crate::config::notify::{NotifyConfig, NotifyEvent, NotifyFormat, NotifyTarget};
use crate::names::{Human, PlanId};
use crate::ports::{Clock, Store};
use crate::store::SqliteStore;
use crate::testing::{FixedClock, open_plan};

/// A receiver on loopback: answers with these statuses, then with 204.
struct Receiver {
    address: String,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

/// A request: its headers, lower case, and its body.
#[derive(Clone, Debug, PartialEq)]
struct Got {
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no `{name}`: {}", self.head))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Receiver {
    async fn answering(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hooks/secret-path", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(statuses.iter().rev().copied().collect::<Vec<_>>()));
        let got = Arc::new(Mutex::new(Vec::new()));
        let (to_answer, into) = (Arc::clone(&answers), Arc::clone(&got));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let request = request(stream, &to_answer).await;
                into.lock().unwrap().push(request);
            }
        });
        Self { address, got, answers }
    }

    /// Waits until it got so many requests.
    async fn got(&self, count: usize) -> Vec<Got> {
        let there = async {
            loop {
                let got = self.got.lock().unwrap().clone();
                if got.len() >= count {
                    return got;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), there).await;
        waited.unwrap_or_else(|_| panic!("{:?}", self.got.lock().unwrap()))
    }
}

async fn request(mut stream: TcpStream, answers: &Mutex<Vec<u16>>) -> Got {
    let mut text = String::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        text.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.replace("\r\n", "\n");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            break (head, body.to_owned());
        }
    };
    let status = answers.lock().unwrap().pop().unwrap_or(204);
    let more = if status == 302 { "location: http://127.0.0.1:1/elsewhere\r\n" } else { "" };
    let answer = format!("HTTP/1.1 {status} x\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    Got { head, body }
}

/// A store, and who follows its record.
struct Scene {
    folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    clock: FixedClock,
    receiver: Receiver,
}

impl Scene {
    async fn new(statuses: &[u16]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap());
        std::fs::write(folder.path().join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let scene = Self { folder, store, clock: FixedClock::default(), receiver: Receiver::answering(statuses).await };
        scene.append(What::Served { tool: "whoami".to_owned() }).await;
        scene
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn follow(&self, events: &[NotifyEvent]) -> (JoinHandle<()>, CancellationToken) {
        let config = NotifyConfig {
            to: NotifyTarget::Url(self.receiver.address.parse().unwrap()),
            secret_file: Some(self.secret()),
            events: events.iter().copied().collect::<BTreeSet<_>>(),
            format: NotifyFormat::Signed,
        };
        let pauses = Pauses { first: Duration::from_millis(5), most: Duration::from_millis(20) };
        let (store, clock) = (Arc::clone(&self.store), Arc::new(self.clock.clone()));
        let follower = Follower::new(config, HttpConfig::default(), store, clock).unwrap().pausing(pauses);
        let until = CancellationToken::new();
        (tokio::spawn(follower.run(until.clone())), until)
    }

    /// Waits until the follower has looked for the first time.
    async fn followed(&self) {
        while self.store.cursor("notify").await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn event(&self, what: What) -> Event {
        Event { at: self.clock.now(), call: None, caller: None, what }
    }

    async fn append(&self, what: What) {
        self.store.append(vec![self.event(what)]).await.unwrap();
    }

    /// Files a plan, and puts it before people.
    async fn parked(&self) -> PlanId {
        let plan = self.filed().await;
        let digest = crate::digest::Digest::of_bytes("t", b"plan");
        let what = What::Parked { plan: plan.clone(), digest, needs: vec!["2 approvals".to_owned()] };
        assert!(self.store.park(&plan, self.event(what)).await.unwrap());
        plan
    }

    async fn filed(&self) -> PlanId {
        let plan = open_plan(&["i-1"], self.clock.now()).unwrap();
        let id = plan.content.id.clone();
        self.store.file_plan(plan, self.event(What::Served { tool: "filed".to_owned() })).await.unwrap();
        id
    }

    async fn rejected(&self, plan: &PlanId) {
        let digest = crate::digest::Digest::of_bytes("t", b"plan");
        let reason = "not today".to_owned();
        let what = What::Rejected { plan: plan.clone(), digest, by: Human::new("cleo"), reason };
        self.store.reject(plan, "not today", self.event(what)).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_is_sent_until_it_is_taken_and_signed_each_time() {
    let scene = Scene::new(&[500, 302, 429]).await;
    let _following = scene.follow(&NotifyEvent::ALL);
    scene.followed().await;
    let plan = scene.parked().await;
    scene.rejected(&plan).await;
    let got = scene.receiver.got(5).await;
    let secret = Secret::read(&scene.secret()).unwrap();
    for request in &got {
        let (id, at) = (request.header("webhook-id"), request.header("webhook-timestamp"));
        assert_eq!(at.parse::<i64>().unwrap(), scene.clock.now().as_second());
        assert_eq!(request.header("webhook-signature"), secret.sign(id, at.parse().unwrap(), &request.body));
    }
    let ids: Vec<&str> = got.iter().map(|request| request.header("webhook-id")).collect();
    assert!(ids[..4].iter().all(|id| *id == ids[0]), "the same message has the same id: {ids:?}");
    assert_ne!(ids[4], ids[0]);
    assert_eq!(got[0].json()["type"], "plan.waiting");
    assert_eq!(got[0].json()["data"]["plan"], plan.as_str());
    assert_eq!(got[0].json()["data"]["url"], format!("http://localhost:8470/plans/{plan}"));
    assert_eq!(got[4].json()["type"], "plan.rejected");
    assert_eq!(got[4].json()["data"]["by"], "`cleo`");
}

#[tokio::test]
async fn what_happened_meanwhile_is_told_after_a_restart() {
    let scene = Scene::new(&[]).await;
    let before = scene.parked().await;
    let (following, until) = scene.follow(&NotifyEvent::ALL);
    scene.followed().await;
    until.cancel();
    following.await.unwrap();
    let meanwhile = scene.parked().await;
    // A receiver that is away when the server ends gets it from the next one.
    scene.receiver.answers.lock().unwrap().extend([503; 1000]);
    let (following, until) = scene.follow(&NotifyEvent::ALL);
    scene.receiver.got(2).await;
    until.cancel();
    following.await.unwrap();
    scene.receiver.answers.lock().unwrap().clear();
    let tried = scene.receiver.got.lock().unwrap().len();
    let _following = scene.follow(&NotifyEvent::ALL);
    let got = scene.receiver.got(tried + 1).await;
    assert!(got.iter().all(|request| request.json()["data"]["plan"] == meanwhile.as_str()), "{before}: {got:?}");
    assert_eq!(got[tried].header("webhook-id"), got[0].header("webhook-id"));
}

#[tokio::test]
async fn only_what_is_wanted_and_what_people_had_to_do_with_is_told() {
    let scene = Scene::new(&[]).await;
    let _following = scene.follow(&[NotifyEvent::Rejected, NotifyEvent::Applied]);
    scene.followed().await;
    let nobodys = scene.filed().await;
    let outcome = |plan: &PlanId| What::Outcome {
        plan: plan.clone(),
        result: ResultWord::Applied,
        request_id: None,
        detail: None,
    };
    scene.append(outcome(&nobodys)).await;
    let plan = scene.parked().await;
    scene.append(outcome(&plan)).await;
    scene.rejected(&plan).await;
    let got = scene.receiver.got(2).await;
    let told: Vec<Value> = got.iter().map(|request| request.json()["type"].clone()).collect();
    assert_eq!(told, ["plan.applied", "plan.rejected"]);
    assert!(got.iter().all(|request| request.json()["data"]["plan"] == plan.as_str()));
}

#[tokio::test]
async fn what_is_a_day_old_is_not_told() {
    let scene = Scene::new(&[503; 1000]).await;
    let (following, until) = scene.follow(&NotifyEvent::ALL);
    scene.followed().await;
    let old = scene.parked().await;
    scene.receiver.got(1).await;
    until.cancel();
    following.await.unwrap();
    scene.receiver.answers.lock().unwrap().clear();
    scene.clock.advance(jiff::SignedDuration::from_hours(25));
    let tried = scene.receiver.got.lock().unwrap().len();
    let new = scene.parked().await;
    let _following = scene.follow(&NotifyEvent::ALL);
    let got = scene.receiver.got(tried + 1).await;
    assert_eq!(got[tried].json()["data"]["plan"], new.as_str(), "and not {old}");
}
