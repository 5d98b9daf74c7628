//! Waits, after AWS has accepted a call, until what it began is done, and says how far it got.
//!
//! Waiting decides nothing: a plan is `applied` from AWS's acceptance on. It reads with the call's read-only credentials,
//! as often as the model's waiter says, no longer than the manifest and clients allow.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::run::{Ending, Outcome};
use super::waiter::{Verdict, Waiter};
use crate::approval::ask::Asker;
use crate::audit::event::{WaitWord, What};
use crate::aws::models::Models;
use crate::manifest::spec::Wait;
use crate::names::PlanId;
use crate::ports::{Cloud, CloudSession};
use crate::text::escape::quoted;

/// The longest a call is held in all: clients give up on one after about five minutes.
pub const LONGEST: Duration = Duration::from_secs(270);

/// How often the client is told that the wait goes on.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// So many reads in a row may fail before the wait is given up.
const MOST_UNTOLD: u32 = 3;

/// The longest a read's own answer is waited for beyond the wait's end.
const LONGEST_READ: Duration = Duration::from_secs(10);

/// A wait that can begin.
#[derive(Debug)]
pub struct Waiting {
    /// The plan that began what is waited for.
    pub plan: PlanId,
    /// The waiter's name.
    pub until: String,
    waiter: Waiter,
    with: Vec<Value>,
    most: Duration,
    reader: Arc<dyn CloudSession>,
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// The plan.
    pub plan: PlanId,
    /// The waiter's name.
    pub until: String,
    /// How far it is.
    pub result: WaitWord,
    /// What was seen; a lower-case fragment, escaped.
    pub detail: String,
    /// How long was waited.
    pub after: Duration,
}

impl Waiting {
    /// What is to be waited for after a call, if anything. Where it can't be found out how, the reason is logged: the call
    /// itself is done.
    pub async fn after(outcome: &Outcome, cloud: &dyn Cloud, models: &Models) -> Option<Self> {
        let Ending::Succeeded(_) = outcome.ending() else { return None };
        let resolved = outcome.approved().plan().call().call();
        let plan = outcome.approved().plan().sheet()?.content.id.clone();
        let wait = resolved.call().spec().wait.as_ref()?;
        let contexts: Vec<Value> = resolved.targets().iter().map(|target| resolved.context(target)).collect();
        let reader = match resolved.reader(cloud).await {
            Ok(reader) => reader,
            Err(error) => {
                tracing::warn!(%plan, %error, "what the call began can't be waited for");
                return None;
            }
        };
        Self::with(plan, wait, &contexts, reader, models)
    }

    /// With the contexts of the targets, and credentials that may read them.
    pub fn with(
        plan: PlanId,
        wait: &Wait,
        contexts: &[Value],
        reader: Arc<dyn CloudSession>,
        models: &Models,
    ) -> Option<Self> {
        let waiter = Waiter::of(models, wait.operation.service(), &wait.until);
        let rendered: Result<Vec<Value>, _> = contexts.iter().map(|context| wait.with.render(context)).collect();
        match (waiter, rendered) {
            (Ok(waiter), Ok(rendered)) => {
                let mut seen = BTreeSet::new();
                let with = rendered.into_iter().filter(|value| seen.insert(value.to_string())).collect();
                Some(Self { plan, until: wait.until.clone(), waiter, with, most: wait.most, reader })
            }
            (Err(error), _) => {
                tracing::warn!(%plan, %error, "what the call began can't be waited for");
                None
            }
            (_, Err(error)) => {
                tracing::warn!(%plan, %error, "what the call began can't be waited for");
                None
            }
        }
    }

    /// Waits. `left`: as long as the call may still be held.
    pub async fn run(self, left: Duration, asker: &dyn Asker, cancel: &CancellationToken) -> Waited {
        self.run_by(&Since(Instant::now()), left, asker, cancel).await
    }

    async fn run_by(self, watch: &dyn Watch, left: Duration, asker: &dyn Asker, cancel: &CancellationToken) -> Waited {
        let give_up = self.most.min(left).min(LONGEST);
        let (result, detail) = self.poll(watch, give_up, asker, cancel).await;
        Waited { plan: self.plan, until: self.until, result, detail, after: watch.elapsed() }
    }

    async fn poll(
        &self,
        watch: &dyn Watch,
        give_up: Duration,
        asker: &dyn Asker,
        cancel: &CancellationToken,
    ) -> (WaitWord, String) {
        let mut left: Vec<&Value> = self.with.iter().collect();
        let mut untold = 0;
        for attempt in 1..=self.waiter.most.max(1) {
            let mut still = Vec::new();
            for with in left {
                let reply = tokio::select! {
                    biased;
                    () = cancel.cancelled() => return cancelled(),
                    reply = self.reader.send(&self.waiter.operation, with) => reply,
                    () = watch.until(give_up + LONGEST_READ) => return going("no answer came in time"),
                };
                match self.waiter.judge(reply.as_ref().map(|reply| &reply.output)) {
                    Verdict::Reached => untold = 0,
                    Verdict::Failed => {
                        return (WaitWord::Failed, format!("`{}` can't come any more, by what was read", self.until));
                    }
                    Verdict::NotYet => {
                        untold = 0;
                        still.push(with);
                    }
                    Verdict::Untold(why) => {
                        untold += 1;
                        if untold >= MOST_UNTOLD {
                            return (WaitWord::Untold, quoted(&why, 300));
                        }
                        still.push(with);
                    }
                }
            }
            if still.is_empty() {
                return (WaitWord::Reached, format!("after {attempt} reads"));
            }
            left = still;
            if watch.elapsed() + self.waiter.delay > give_up || attempt == self.waiter.most {
                break;
            }
            if !self.pause(watch, asker, cancel).await {
                return cancelled();
            }
        }
        going("the time for waiting is over")
    }

    /// Waits for the next read. False where nobody waits any more.
    async fn pause(&self, watch: &dyn Watch, asker: &dyn Asker, cancel: &CancellationToken) -> bool {
        let next = watch.elapsed() + self.waiter.delay;
        loop {
            let message =
                format!("AWS has accepted the call; waiting for {} ({} s)", self.until, watch.elapsed().as_secs());
            asker.progress(&message).await;
            let until = next.min(watch.elapsed() + TELL_EVERY);
            tokio::select! {
                biased;
                () = cancel.cancelled() => return false,
                () = watch.until(until) => {}
            }
            if until >= next {
                return true;
            }
        }
    }
}

/// Measures a wait.
#[async_trait]
trait Watch: Send + Sync {
    /// Since the wait began.
    fn elapsed(&self) -> Duration;

    /// Returns when so much time has passed since the wait began.
    async fn until(&self, at: Duration);
}

struct Since(Instant);

#[async_trait]
impl Watch for Since {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn until(&self, at: Duration) {
        tokio::time::sleep_until(self.0 + at).await;
    }
}

fn going(why: &str) -> (WaitWord, String) {
    (WaitWord::Going, why.to_owned())
}

fn cancelled() -> (WaitWord, String) {
    going("the request was cancelled; that stopped the waiting and nothing else")
}

impl Waited {
    /// True where nothing more will come of waiting.
    pub fn is_final(&self) -> bool {
        matches!(self.result, WaitWord::Reached | WaitWord::Failed)
    }

    /// For the record.
    pub fn what(&self) -> What {
        What::Waited {
            plan: self.plan.clone(),
            until: self.until.clone(),
            result: self.result,
            detail: self.detail.clone(),
        }
    }

    /// For the agent's program.
    pub fn structured(&self) -> Value {
        json!({
            "until": self.until,
            "result": self.result,
            "detail": self.detail,
            "seconds": self.after.as_secs(),
            "next": self.next(),
        })
    }

    /// For the agent and the person.
    pub fn told(&self) -> String {
        let seconds = self.after.as_secs();
        match self.result {
            WaitWord::Reached => format!("Done: {} was reached after {seconds} s.", self.until),
            WaitWord::Failed => format!("It did not work out: {}. {}", self.detail, self.next()),
            WaitWord::Going => {
                format!(
                    "It is still going on at AWS after {seconds} s ({}): {} is not reached. {}",
                    self.detail,
                    self.until,
                    self.next()
                )
            }
            WaitWord::Untold => {
                format!("Whether {} is reached can't be read: {}. {}", self.until, self.detail, self.next())
            }
        }
    }

    fn next(&self) -> String {
        match self.result {
            WaitWord::Reached => "nothing is left to wait for".to_owned(),
            WaitWord::Failed => "look at the targets with a read tool; do NOT repeat the call blindly".to_owned(),
            WaitWord::Going | WaitWord::Untold => {
                format!("do NOT repeat the call; ask `plan_status` with `plan_id: {}` and `wait_seconds`", self.plan)
            }
        }
    }
}

#[cfg(test)]
mod tests;
