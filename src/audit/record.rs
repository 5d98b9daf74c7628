//! [`Recorded`]: the proof that an answer is in the record. Nothing else can be presented to a client.

use std::sync::Arc;

use serde_json::Value;

use super::event::{Event, ResultWord, What};
use super::settle::settle_surely;
use crate::approval::redeem::{Suspension, Waiting, file};
use crate::approval::waiting;
use crate::aws::models::Models;
use crate::call::refused::{Code, Refused};
use crate::call::request::Caller;
use crate::execute::result::{applied, read};
use crate::execute::run::{Ending, Outcome};
use crate::execute::wait::Waited;
use crate::names::{CallId, PlanId};
use crate::plan::build::Plan;
use crate::plan::filed::{PlanContent, PlanState};
use crate::plan::kept::{UndoState, Undone};
use crate::plan::text;
use crate::ports::{Clock, LONGEST_MESSAGE, Store, StoreError};
use crate::text::escape::quoted;

/// An answer that is on record.
#[derive(Debug)]
#[must_use = "an answer that was recorded must reach the client"]
pub struct Recorded {
    answer: Answered,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// A result.
    Result {
        /// For the model's program.
        structured: Value,
        /// For the model and the person.
        text: String,
    },
    /// A refusal.
    Refused(Refused),
    /// The person is asked this through the answer; the client calls again.
    Suspended(Suspension),
}

/// Who asked what, for recording.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The request.
    pub call: CallId,
    /// Who asked.
    pub caller: Caller,
}

/// Where records go.
#[derive(Clone, Copy, Debug)]
pub struct Recorder<'a> {
    /// The store.
    pub store: &'a Arc<dyn Store>,
    /// The clock.
    pub clock: &'a dyn Clock,
}

impl Recorded {
    /// The answer.
    pub fn answer(&self) -> &Answered {
        &self.answer
    }

    /// With how the targets of the plan are that the call has undone; nobody knows yet where there is nothing to tell.
    pub fn looked_back(self, plan: &PlanId, undone: Option<&Undone>) -> Self {
        let Answered::Result { mut structured, text } = self.answer else { return self };
        let told = match undone {
            Some(Undone { state: UndoState::Undone, .. }) => format!("Plan {plan} is undone: all is as it was before."),
            Some(Undone { details, .. }) => {
                format!("Plan {plan} is undone, but NOT all is as it was before: {}.", details.join("; "))
            }
            None => format!(
                "Whether all is as it was before plan {plan} isn't known yet: ask `plan_status` with `plan_id: {plan}`."
            ),
        };
        if let Value::Object(members) = &mut structured {
            let differences = undone.map(|undone| undone.details.clone()).unwrap_or_default();
            let state = undone.map_or(UndoState::Undoing, |undone| undone.state);
            let undoes = serde_json::json!({ "plan_id": plan, "state": state, "differences": differences });
            members.insert("undoes".to_owned(), undoes);
        }
        Self { answer: Answered::Result { structured, text: format!("{told}\n{text}") } }
    }
}

impl Recorder<'_> {
    /// Records that a request arrived. Nothing is sent to AWS for it before this returns.
    pub async fn requested(&self, origin: &Origin, tool: &str, arguments: Value) -> Result<(), StoreError> {
        let tool = tool.chars().take(64).collect();
        self.append(origin, What::Requested { tool, arguments }).await
    }

    /// Records a refusal.
    pub async fn refused(
        &self,
        origin: &Origin,
        refused: Refused,
        plan: Option<PlanId>,
    ) -> Result<Recorded, StoreError> {
        let what = What::Refused {
            code: refused.code,
            message: refused.message.clone(),
            operator_detail: refused.operator_detail.clone(),
            plan,
        };
        self.append(origin, what).await?;
        Ok(Recorded { answer: Answered::Refused(refused) })
    }

    /// Files a preview.
    pub async fn previewed(&self, plan: Plan, input: Option<Value>) -> Result<Recorded, Refused> {
        let Some(sheet) = plan.sheet() else {
            return Err(Refused::new(Code::Internal, "a read has no preview", "call it without `dry_run`"));
        };
        file(&plan, sheet, &**self.store, self.clock, input).await?;
        let text = format!("{}\n\nNext: {}", text::full(&sheet.content, sheet.digest), text::next(&sheet.content));
        let structured = text::structured(&sheet.content, sheet.digest);
        Ok(Recorded { answer: Answered::Result { structured, text } })
    }

    /// Puts a question on its way. That it was asked is on record already.
    pub fn suspended(&self, suspension: Suspension) -> Recorded {
        Recorded { answer: Answered::Suspended(suspension) }
    }

    /// Tells the agent that its plan waits for people.
    pub async fn waiting(&self, origin: &Origin, waiting: Waiting) -> Result<Recorded, Refused> {
        if !waiting.newly {
            let tool = waiting.plan.content.tool.clone();
            self.append(origin, What::Served { tool }).await.map_err(|error| {
                Refused::new(Code::Internal, "the record can't be written", "tell an operator; then try again")
                    .with_operator_detail(error.to_string())
            })?;
        }
        let (structured, text) = waiting::told(&waiting);
        Ok(Recorded { answer: Answered::Result { structured, text } })
    }

    /// Tells that a call goes on without its client: its recovery points take longer than one waits.
    pub async fn going_on(&self, origin: &Origin, content: &PlanContent) -> Result<Recorded, Refused> {
        self.append(origin, What::Served { tool: content.tool.clone() }).await.map_err(|error| {
            Refused::new(
                Code::OutcomeUnknown,
                format!("plan `{}` is being applied, and this answer can't be recorded", content.id),
                "do NOT repeat it; ask `plan_status`",
            )
            .with_operator_detail(error.to_string())
        })?;
        let next =
            format!("ask `plan_status` with `plan_id: {}` and `wait_seconds`; do NOT repeat the call", content.id);
        let text = format!(
            "Plan {} goes on by itself: its recovery points are being taken, and only once they are usable the call is \
             sent. Next: {next}",
            content.id
        );
        let structured = serde_json::json!({ "status": "applying", "plan_id": content.id, "next": next });
        Ok(Recorded { answer: Answered::Result { structured, text } })
    }

    /// Records the answer of one of the server's own tools.
    pub async fn served(
        &self,
        origin: &Origin,
        tool: &str,
        structured: Value,
        text: String,
    ) -> Result<Recorded, StoreError> {
        self.append(origin, What::Served { tool: tool.to_owned() }).await?;
        Ok(Recorded { answer: Answered::Result { structured, text } })
    }

    /// Records how a call ended.
    pub async fn ended(
        &self,
        origin: &Origin,
        outcome: Outcome,
        models: &Models,
        most_bytes: usize,
    ) -> Result<Recorded, StoreError> {
        match outcome.approved().plan().sheet().map(|sheet| sheet.content.id.clone()) {
            Some(plan) => self.change_ended(origin, outcome, plan, models, most_bytes).await,
            None => self.read_ended(origin, outcome).await,
        }
    }

    /// Records how far what a call began is, and adds it to the call's answer. The answer is the call's whatever this
    /// comes to: where it can't be recorded, it isn't told either.
    pub async fn waited(&self, origin: &Origin, ended: Recorded, waited: &Waited) -> Recorded {
        if let Err(error) = self.append(origin, waited.what()).await {
            tracing::error!(plan = %waited.plan, %error, "how far a call is can't be recorded");
            return ended;
        }
        let Answered::Result { mut structured, text } = ended.answer else { return ended };
        if let Value::Object(members) = &mut structured {
            members.insert("wait".to_owned(), waited.structured());
        }
        Recorded { answer: Answered::Result { structured, text: format!("{}\n{text}", waited.told()) } }
    }

    async fn read_ended(&self, origin: &Origin, outcome: Outcome) -> Result<Recorded, StoreError> {
        match (outcome.ending(), outcome.gathered()) {
            (Ending::Succeeded(reply), Some(gathered)) => {
                let operation = outcome.approved().plan().call().call().call().spec().operation.clone();
                self.append(origin, What::Answered { operation, request_id: reply.request_id.clone() }).await?;
                let (structured, text) = read(gathered);
                Ok(Recorded { answer: Answered::Result { structured, text } })
            }
            (other, _) => self.refused(origin, refusal(other, None), None).await,
        }
    }

    async fn change_ended(
        &self,
        origin: &Origin,
        outcome: Outcome,
        plan: PlanId,
        models: &Models,
        most_bytes: usize,
    ) -> Result<Recorded, StoreError> {
        let (state, result, request_id, detail) = match outcome.ending() {
            Ending::Succeeded(reply) => (PlanState::Applied, ResultWord::Applied, reply.request_id.clone(), None),
            Ending::Refused { code, message, request_id } => {
                (PlanState::Failed, ResultWord::Failed, request_id.clone(), Some(format!("{code}: {message}")))
            }
            Ending::NotSent { reason } => {
                (PlanState::Failed, ResultWord::Failed, None, Some(format!("nothing was sent: {reason}")))
            }
            Ending::Unknown { reason, request_id } => {
                (PlanState::Unknown, ResultWord::Unknown, request_id.clone(), Some(reason.clone()))
            }
        };
        let what = What::Outcome { plan: plan.clone(), result, request_id, detail };
        settle_surely(self.store, &plan, state, self.event(origin, what)).await?;
        Ok(Recorded {
            answer: match outcome.ending() {
                Ending::Succeeded(reply) => {
                    let (structured, text) = applied(&outcome, reply, &plan, models, most_bytes);
                    Answered::Result { structured, text }
                }
                other => Answered::Refused(refusal(other, Some(&plan))),
            },
        })
    }

    async fn append(&self, origin: &Origin, what: What) -> Result<(), StoreError> {
        self.store.append(vec![self.event(origin, what)]).await.map(|_| ())
    }

    fn event(&self, origin: &Origin, what: What) -> Event {
        Event { at: self.clock.now(), call: Some(origin.call.clone()), caller: Some(origin.caller.clone()), what }
    }
}

fn refusal(ending: &Ending, plan: Option<&PlanId>) -> Refused {
    let again = match plan {
        Some(_) => "nothing was changed; the plan is used up, make a new preview",
        None => "correct the call, or ask an operator for the missing permission",
    };
    match ending {
        Ending::Refused { code, message, .. } => Refused::new(
            Code::AwsRefused,
            format!("AWS refused the call: {code}: {}", quoted(message, LONGEST_MESSAGE)),
            again,
        ),
        Ending::NotSent { reason } => Refused::new(Code::AwsRefused, format!("nothing was sent: {reason}"), again),
        Ending::Unknown { reason, .. } => {
            let (message, hint) = match plan {
                Some(plan) => (
                    format!("the call was sent, and its outcome is not known: {reason}"),
                    format!("do NOT repeat it; ask `plan_status` with `plan_id: {plan}`, which reads the targets"),
                ),
                None => (format!("AWS gave no conclusive answer: {reason}"), "try again later".to_owned()),
            };
            Refused::new(Code::OutcomeUnknown, message, hint)
        }
        Ending::Succeeded(_) => Refused::new(Code::Internal, "a success is no refusal", "tell an operator"),
    }
}

/// Appends events and gives an answer out; for tests of what shows answers.
#[cfg(test)]
pub(crate) async fn record(store: &dyn Store, events: Vec<Event>, answer: Answered) -> Result<Recorded, StoreError> {
    store.append(events).await?;
    Ok(Recorded { answer })
}
