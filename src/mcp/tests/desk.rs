//! A desk that stands for the pipeline: it asks, compares, counts, and records.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::approval::ask::{Answer, Asker, Opened, Page, Prompt};
use crate::approval::redeem::Suspension;
use crate::audit::event::{Event, What};
use crate::audit::record::{Answered, Recorded, record};
use crate::call::listing::ToolListing;
use crate::call::refused::{Code, Refused};
use crate::call::request::{Caller, ToolRequest};
use crate::digest::Digest;
use crate::mcp::desk::Desk;
use crate::names::{Agent, Effect, Human, PlanId};
use crate::ports::{Store as _, StoreError};
use crate::store::SqliteStore;
use crate::testing::FailingStore;

#[derive(Debug)]
pub(super) struct FakeDesk {
    pub(super) store: Arc<SqliteStore>,
    _folder: TempDir,
    pub(super) answers: Mutex<Vec<Answer>>,
    pub(super) wiped: Mutex<Vec<String>>,
    pub(super) callers: Mutex<Vec<Caller>>,
    pub(super) began: Mutex<Vec<String>>,
    pub(super) cancelled: Mutex<Vec<String>>,
    pub(super) resumed: Mutex<Vec<Option<PlanId>>>,
}

impl FakeDesk {
    pub(super) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Arc::new(SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap()),
            _folder: folder,
            answers: Mutex::default(),
            wiped: Mutex::default(),
            callers: Mutex::default(),
            began: Mutex::default(),
            cancelled: Mutex::default(),
            resumed: Mutex::default(),
        }
    }

    pub(super) fn wiped(&self) -> usize {
        self.wiped.lock().unwrap().len()
    }

    /// How many refusals are on record.
    pub(super) async fn refusals(&self) -> usize {
        let records = self.store.records(1, 1000).await.unwrap();
        records.iter().filter(|record| record.event.contains(r#""event":"refused""#)).count()
    }

    pub(super) fn last_answer(&self) -> Option<Answer> {
        self.answers.lock().unwrap().last().cloned()
    }

    /// Waits until a call of `tool` has begun.
    pub(super) async fn begun(&self, tool: &str) {
        while !self.began.lock().unwrap().iter().any(|begun| begun == tool) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn answer(&self, request: &ToolRequest, asker: &dyn Asker, cancel: CancellationToken) -> Answered {
        let done = |what: &str| Answered::Result { structured: json!({ "done": what }), text: format!("done: {what}") };
        match request.tool.as_str() {
            "look" => done("looked"),
            "slow" => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                done("waited")
            }
            "endless" => {
                asker.progress("reading").await;
                cancel.cancelled().await;
                self.cancelled.lock().unwrap().push(request.tool.clone());
                refused(Code::NotConfirmed, "the call was cancelled".into())
            }
            "sent" => {
                // What was sent to AWS is seen through, cancelled or not.
                tokio::time::sleep(Duration::from_millis(300)).await;
                self.wiped.lock().unwrap().push("sent".into());
                done("sent")
            }
            "wipe" | "wipe_twice" => {
                let prompt = prompt(&request.arguments);
                if request.tool == "wipe_twice" {
                    let _first = asker.ask(&prompt).await;
                }
                self.wipe(&prompt, asker.ask(&prompt).await)
            }
            // Confirmed first, then put before other people.
            "wipe_with_others" => {
                let prompt = prompt(&request.arguments);
                if self.wiped() == 0 {
                    let confirmed = self.wipe(&prompt, asker.ask(&prompt).await);
                    if !matches!(confirmed, Answered::Result { .. }) {
                        return confirmed;
                    }
                }
                self.put_before_people(&prompt, asker).await
            }
            "park" => self.put_before_people(&prompt(&request.arguments), asker).await,
            "wipe_unless_cancelled" => {
                let prompt = prompt(&request.arguments);
                tokio::select! {
                    () = cancel.cancelled() => refused(Code::NotConfirmed, "the call was cancelled".into()),
                    answer = asker.ask(&prompt) => self.wipe(&prompt, answer),
                }
            }
            other => refused(Code::UnknownTool, format!("there is no tool `{other}`")),
        }
    }

    async fn put_before_people(&self, prompt: &Prompt, asker: &dyn Asker) -> Answered {
        let page = Page {
            plan: prompt.plan.clone(),
            digest: prompt.digest,
            url: format!("http://localhost:8470/plans/{}", prompt.plan),
            text: "It waits for one more person.".into(),
        };
        match asker.open(&page).await {
            Opened::Suspended => Answered::Suspended(Suspension::Page(page)),
            opened => Answered::Result {
                structured: json!({ "done": format!("{opened:?}") }),
                text: format!("it waits: {opened:?}"),
            },
        }
    }

    fn wipe(&self, prompt: &Prompt, answer: Answer) -> Answered {
        self.answers.lock().unwrap().push(answer.clone());
        match answer {
            Answer::Typed { text, .. } if text == prompt.expected => {
                self.wiped.lock().unwrap().push(text);
                Answered::Result { structured: json!({ "done": "wiped" }), text: "done: wiped".into() }
            }
            Answer::Suspended => Answered::Suspended(Suspension::Form(prompt.clone())),
            Answer::Unavailable { why } => refused(Code::ElicitationUnavailable, why),
            Answer::Void { why } => refused(Code::NotConfirmed, why),
            other => refused(Code::NotConfirmed, format!("not confirmed: {}", word(&other))),
        }
    }
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Typed { .. } => "another text was typed",
        Answer::Declined => "declined",
        Answer::Cancelled => "cancelled",
        Answer::TimedOut { .. } => "timed out",
        _ => "no answer",
    }
}

fn refused(code: Code, message: String) -> Answered {
    Answered::Refused(Refused::new(code, message, "ask the person"))
}

/// The plan is what the `bucket` and the `plan_id` say, the text shown follows `revision`.
fn prompt(arguments: &Map<String, Value>) -> Prompt {
    let word = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Prompt {
        plan: PlanId::from_outside(&word("plan_id")),
        digest: Digest::of("t", &(word("bucket"), word("plan_id"))).unwrap(),
        text: format!("Delete bucket `{}` in shop-dev?\nType its name.", word("bucket")),
        field_label: format!("type {} to confirm", word("bucket")),
        expected: word("bucket"),
    }
}

#[async_trait]
impl Desk for FakeDesk {
    fn tools(&self, _: &Agent, _: &Human) -> Vec<ToolListing> {
        let listing = |name: &str, effect, idempotent| ToolListing {
            name: name.into(),
            title: name.to_uppercase(),
            description: format!("Does {name}."),
            input_schema: schema(json!({ "type": "object", "properties": { "bucket": { "type": "string" } } })),
            output_schema: schema(json!({
                "type": "object", "properties": { "done": { "$ref": "#/$defs/word" } }, "required": ["done"],
                "additionalProperties": false, "$defs": { "word": { "type": "string" } },
            })),
            effect,
            idempotent,
        };
        vec![
            listing("wipe", Effect::Irreversible, true),
            listing("look", Effect::Read, true),
            listing("reveal", Effect::Secret, true),
            listing("stop", Effect::Write, false),
        ]
    }

    fn tool(&self, name: &str) -> Option<ToolListing> {
        self.tools(&Agent::new("a"), &Human::new("h")).into_iter().find(|tool| tool.name == name)
    }

    async fn handle(
        &self,
        request: ToolRequest,
        asker: &dyn Asker,
        cancel: CancellationToken,
    ) -> Result<Recorded, StoreError> {
        self.callers.lock().unwrap().push(request.caller.clone());
        self.began.lock().unwrap().push(request.tool.clone());
        self.resumed.lock().unwrap().push(asker.resumes());
        if request.tool == "unrecorded" {
            return record(&FailingStore, Vec::new(), refused(Code::Internal, "never shown".into())).await;
        }
        let answered = self.answer(&request, asker, cancel).await;
        let what = match &answered {
            Answered::Refused(refused) => What::Refused {
                code: refused.code,
                message: refused.message.clone(),
                operator_detail: None,
                plan: None,
            },
            _ => What::Served { tool: request.tool.clone() },
        };
        let event = Event { at: Timestamp::UNIX_EPOCH, call: Some(request.call), caller: Some(request.caller), what };
        record(self.store.as_ref(), vec![event], answered).await
    }
}

fn schema(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}
