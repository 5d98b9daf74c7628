//! What is told of a plan.

use jiff::Timestamp;
use serde::Serialize;

use super::slack;
use crate::audit::event::{Event, ResultWord, StoredRecord, What};
use crate::config::HttpConfig;
use crate::config::notify::{NotifyEvent, NotifyFormat};
use crate::names::{Effect, PlanId, Stage};
use crate::plan::filed::FiledPlan;
use crate::plan::kept::UndoState;
use crate::ports::GrantKind;
use crate::text::escape::quoted;

/// Most characters of a text that comes from elsewhere.
const LONGEST: usize = 200;

/// Most characters of why something happened.
const LONGEST_WHY: usize = 600;

/// A message, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same whenever this record is told.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The body, JSON.
    pub body: String,
}

/// What a record tells of a plan, as far as it is of interest here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub event: NotifyEvent,
    /// The plan.
    pub plan: PlanId,
    at: Timestamp,
    needs: Vec<String>,
    by: Option<String>,
    why: Option<String>,
}

impl Told {
    /// Reads an event; `None` where it tells nothing of a plan that people have to do with.
    pub fn of(event: &Event) -> Option<Self> {
        let told = |event_word, plan: &PlanId| Self {
            event: event_word,
            plan: plan.clone(),
            at: event.at,
            needs: Vec::new(),
            by: None,
            why: None,
        };
        Some(match &event.what {
            What::Parked { plan, needs, .. } => Self { needs: needs.clone(), ..told(NotifyEvent::Waiting, plan) },
            What::Signed { plan, kind: GrantKind::Approval, by, .. } => {
                Self { by: Some(by.to_string()), ..told(NotifyEvent::Approved, plan) }
            }
            What::Rejected { plan, by, reason, .. } => {
                Self { by: Some(by.to_string()), why: Some(reason.clone()), ..told(NotifyEvent::Rejected, plan) }
            }
            What::Undo { plan, state: UndoState::Stuck, details, by_hand, .. } => {
                let by_hand = by_hand.iter().map(|text| format!("by hand: {text}"));
                let why: Vec<String> = details.iter().cloned().chain(by_hand).collect();
                Self { why: Some(why.join("; ")), ..told(NotifyEvent::Stuck, plan) }
            }
            What::Outcome { plan, result, .. } | What::Reconciled { plan, result, .. } => told(ended(*result), plan),
            _ => return None,
        })
    }

    /// The message for it.
    ///
    /// # Errors
    /// It can't be written as JSON.
    pub fn message(
        self,
        record: &StoredRecord,
        plan: &FiledPlan,
        http: &HttpConfig,
        format: NotifyFormat,
    ) -> Result<Message, serde_json::Error> {
        let content = &plan.content;
        let data = Data {
            plan: content.id.as_str(),
            url: http.plan_page(&content.id),
            title: quoted(&content.title, LONGEST),
            tool: &content.tool,
            operation: content.operation.to_string(),
            effect: content.effect,
            account: &content.account.name,
            stage: content.raised_stage().unwrap_or(content.account.stage),
            region: content.region.as_str(),
            agent: quoted(content.agent.as_str(), LONGEST),
            human: quoted(content.human.as_str(), LONGEST),
            reason: quoted(&content.reason, LONGEST),
            targets: content.targets.len(),
            dependents: content.dependents.iter().filter_map(|dependents| dependents.count).sum(),
            needs: self.needs.iter().map(|need| quoted(need, LONGEST)).collect(),
            by: self.by.map(|by| quoted(&by, LONGEST)),
            why: self.why.map(|why| quoted(&why, LONGEST_WHY)),
            expires_at: content.expires_at,
        };
        let payload = Payload { event: word(self.event), timestamp: self.at, data };
        let body = match format {
            NotifyFormat::Signed => serde_json::to_string(&payload)?,
            NotifyFormat::Slack => slack::body(self.event, &payload.data)?,
        };
        Ok(Message { id: id(record), at: self.at, body })
    }
}

/// A message that says nothing, to see whether it arrives.
///
/// # Errors
/// It can't be written as JSON.
pub fn test(now: Timestamp, format: NotifyFormat) -> Result<Message, serde_json::Error> {
    let text = "countersign: this is a test, nothing waits for you";
    let body = match format {
        NotifyFormat::Signed => {
            serde_json::to_string(&serde_json::json!({ "type": "test", "timestamp": now, "data": { "text": text } }))?
        }
        NotifyFormat::Slack => serde_json::to_string(&serde_json::json!({ "text": text }))?,
    };
    Ok(Message { id: format!("msg_test{}", now.as_millisecond()), at: now, body })
}

/// The payload, as Standard Webhooks suggests it.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    event: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

/// What is told. Texts that come from elsewhere are in backticks, escaped and cut.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    plan: &'a str,
    pub(super) url: String,
    pub(super) title: String,
    tool: &'a str,
    pub(super) operation: String,
    pub(super) effect: Effect,
    pub(super) account: &'a str,
    pub(super) stage: Stage,
    pub(super) region: &'a str,
    pub(super) agent: String,
    pub(super) human: String,
    pub(super) reason: String,
    pub(super) targets: usize,
    pub(super) dependents: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) needs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    expires_at: Timestamp,
}

fn ended(result: ResultWord) -> NotifyEvent {
    match result {
        ResultWord::Applied => NotifyEvent::Applied,
        ResultWord::Failed => NotifyEvent::Failed,
        ResultWord::Unknown => NotifyEvent::Unknown,
    }
}

fn word(event: NotifyEvent) -> &'static str {
    match event {
        NotifyEvent::Waiting => "plan.waiting",
        NotifyEvent::Approved => "plan.approved",
        NotifyEvent::Rejected => "plan.rejected",
        NotifyEvent::Applied => "plan.applied",
        NotifyEvent::Failed => "plan.failed",
        NotifyEvent::Unknown => "plan.unknown",
        NotifyEvent::Stuck => "plan.stuck",
    }
}

/// From the record's hash: nobody else's record has it, and the same record always does.
fn id(record: &StoredRecord) -> String {
    let digits: String = hex::encode(record.hash.as_bytes()).chars().take(32).collect();
    format!("msg_{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::names::Human;
    use crate::plan::filed::PlanState;
    use crate::plan::filed::tests::sample;

    fn event(what: What) -> Event {
        Event { at: "2026-01-02T10:01:00Z".parse().unwrap(), call: None, caller: None, what }
    }

    fn record() -> StoredRecord {
        let hash = Digest::of_bytes("t", b"record");
        StoredRecord { seq: 7, previous: hash, hash, event: String::new() }
    }

    fn filed() -> FiledPlan {
        let mut content = sample();
        content.reason = "ok?\n\nApproved by <https://evil.example|security> *now* `x` <!channel> & more".to_owned();
        let digest = content.digest().unwrap();
        FiledPlan {
            content,
            digest,
            state: PlanState::Open,
            outcome: None,
            input: None,
            parked_at: None,
            kept: None,
            undone: None,
        }
    }

    #[test]
    fn messages_as_they_are_read() {
        let (plan, digest) = (sample().id, Digest::of_bytes("t", b"plan"));
        let parked = What::Parked { plan: plan.clone(), digest, needs: vec!["2 approvals".to_owned()] };
        let reason = "too early\n@here".to_owned();
        let rejected = What::Rejected { plan: plan.clone(), digest, by: Human::new("cleo"), reason };
        let outcome =
            What::Outcome { plan, result: ResultWord::Applied, request_id: None, detail: Some("secret?".to_owned()) };
        let mut shown = Vec::new();
        for what in [parked, rejected, outcome] {
            for format in [NotifyFormat::Signed, NotifyFormat::Slack] {
                let told = Told::of(&event(what.clone())).unwrap();
                let message = told.message(&record(), &filed(), &HttpConfig::default(), format).unwrap();
                let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
                shown.push(match format {
                    NotifyFormat::Signed => format!("{} {body:#}", message.id),
                    NotifyFormat::Slack => body["text"].as_str().unwrap().to_owned(),
                });
            }
        }
        insta::assert_snapshot!(shown.join("\n\n"));
    }

    #[test]
    fn nothing_else_is_told() {
        assert_eq!(Told::of(&event(What::Served { tool: "whoami".to_owned() })), None);
    }
}
