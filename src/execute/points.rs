//! Recovery points: taken after consent and before the call, which is sent only once each was seen to be usable.
//!
//! Each is taken under credentials of its own. That it will be is on record before its first byte, and what is kept of it
//! before the next one: whatever breaks off, it is known what may have been made.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::arm::event;
use crate::approval::redeem::ApprovedPlan;
use crate::audit::event::{PointWord, What};
use crate::call::refused::{Code, Refused, cancelled};
use crate::manifest::expression::Expression;
use crate::plan::build::{Plan, Sheet, idempotent};
use crate::plan::effects::truthy;
use crate::plan::filed::PlanContent;
use crate::plan::kept::{Kept, KeptPoint};
use crate::plan::points::{Due, due};
use crate::policy::circumstances::Surroundings;
use crate::ports::{Clock, Cloud, CloudError, LONGEST_MESSAGE, Store};
use crate::text::escape::quoted;

/// The first pause between two looks at a recovery point. They grow by half each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// So many looks in a row may fail before it is given up.
const MOST_UNTOLD: u32 = 4;

/// The longest that one answer is waited for beyond the wait's end.
const LONGEST_READ: Duration = Duration::from_secs(30);

/// The proof that every recovery point that a plan names was taken and seen to be usable, and that the plan may be carried
/// out all the same after the time that this has taken.
#[derive(Debug)]
pub struct Secured {
    points: Vec<KeptPoint>,
}

impl Secured {
    /// A read changes nothing, so there is nothing to go back to.
    pub(super) fn read(plan: &Plan) -> Option<Self> {
        plan.sheet().is_none().then_some(Self { points: Vec::new() })
    }

    /// The recovery points.
    pub fn points(&self) -> &[KeptPoint] {
        &self.points
    }
}

/// Takes what the plan names, and waits until all of it is usable. As that may take hours, what the consent rested on is
/// judged anew then.
///
/// # Errors
/// Whatever goes wrong, and where the request is cancelled meanwhile: then the call must not be sent. Says what was made
/// and stays.
pub(super) async fn secure(
    approved: &ApprovedPlan,
    sheet: &Sheet,
    cloud: &dyn Cloud,
    store: &Arc<dyn Store>,
    still: &Still<'_>,
) -> Result<Secured, Refused> {
    let planned = &sheet.content.recovery_points;
    if planned.is_empty() {
        still.wanted()?;
        return Ok(Secured { points: Vec::new() });
    }
    let clock = still.surroundings.clock;
    let due = due(approved.plan().call().call(), &sheet.content.dependents, &sheet.content.id)?;
    let agreed = due.len() == planned.len()
        && due.iter().zip(planned).all(|(due, planned)| due.name == planned.name && due.target.id == planned.target);
    if !agreed {
        let message = format!("plan `{}` names other recovery points than it needs", sheet.content.id);
        return Err(Refused::new(Code::Internal, message, "nothing was sent; tell an operator"));
    }
    let mut taking = Taking { approved, sheet, cloud, store, clock, cancel: still.cancel, kept: Kept::default() };
    for due in &due {
        still.wanted().map_err(|refused| leaving(refused, &taking.kept.points))?;
        if let Err(why) = taking.one(due).await {
            still.wanted().map_err(|refused| leaving(refused, &taking.kept.points))?;
            return Err(taking.given_up(due, &why));
        }
    }
    let points = taking.kept.points;
    match still.holds(approved, sheet).await {
        Ok(()) => Ok(Secured { points }),
        Err(refused) => Err(leaving(refused, &points)),
    }
}

/// What must still hold when recovery points have taken their time.
#[derive(Debug)]
pub(super) struct Still<'a> {
    /// The policies, the calendar, the breakers.
    pub(super) surroundings: &'a Surroundings<'a>,
    /// That nobody wants the call any more.
    pub(super) cancel: &'a CancellationToken,
    /// When the plan was claimed.
    pub(super) claimed: Timestamp,
}

impl Still<'_> {
    /// Refuses what was cancelled.
    pub(super) fn wanted(&self) -> Result<(), Refused> {
        match self.cancel.is_cancelled() {
            true => Err(cancelled()),
            false => Ok(()),
        }
    }

    async fn holds(&self, approved: &ApprovedPlan, sheet: &Sheet) -> Result<(), Refused> {
        self.wanted()?;
        let PlanContent { id, expires_at, recovery_points, .. } = &sheet.content;
        let declared = recovery_points.iter().map(|point| point.seconds).fold(0, u64::saturating_add);
        let declared = SignedDuration::from_secs(i64::try_from(declared).unwrap_or(i64::MAX));
        let last = expires_at.checked_add(declared).unwrap_or(*expires_at);
        if self.surroundings.clock.now() > last {
            let message =
                format!("plan `{id}` expired at {expires_at}, and its recovery points took longer than they may");
            return Err(Refused::new(Code::PlanNotUsable, message, "nothing was changed; make a new preview"));
        }
        approved.still_permitted(self.surroundings, self.claimed).await
    }
}

/// Says what stays at AWS.
pub(super) fn leaving(refused: Refused, points: &[KeptPoint]) -> Refused {
    Refused { message: format!("{}{}", refused.message, remaining(points)), ..refused }
}

struct Taking<'a> {
    approved: &'a ApprovedPlan,
    sheet: &'a Sheet,
    cloud: &'a dyn Cloud,
    store: &'a Arc<dyn Store>,
    clock: &'a dyn Clock,
    cancel: &'a CancellationToken,
    kept: Kept,
}

impl Taking<'_> {
    async fn one(&mut self, due: &Due<'_>) -> Result<(), String> {
        self.kept.points.push(KeptPoint {
            label: due.point.label.clone(),
            target: due.target.id.clone(),
            name: due.name.clone(),
            operation: due.point.take.clone(),
            id: None,
            usable: false,
        });
        let done = self.attempt(due).await;
        if let Err(why) = &done {
            // What went wrong is in the plan's outcome too, so a record that can't be written hides nothing.
            let _ = self.told(due, PointWord::Failed, None, Some(why.clone())).await;
        }
        done
    }

    async fn attempt(&mut self, due: &Due<'_>) -> Result<(), String> {
        let resolved = self.approved.plan().call().call();
        let plan = &self.sheet.content.id;
        let context = resolved.point_context(due);
        let arguments = due.point.with.render(&context).map_err(|error| error.to_string())?;
        let arguments = idempotent(&due.point.take, arguments, &due.name, resolved.models());
        let session = resolved.taker(self.cloud, plan, due).await.map_err(|refused| refused.to_string())?;
        self.told(due, PointWord::Taking, None, None).await?;
        let reply = session.send(&due.point.take, &arguments).await.map_err(|error| match error {
            CloudError::Unknown { .. } => format!("{error}; it may have been made"),
            _ => error.to_string(),
        })?;
        let id = due.point.id.search(&reply.output).map_err(|error| error.to_string())?;
        if !names_something(&id) {
            return Err(format!("AWS has taken it, and its answer names nothing at `{}`", due.point.id.text()));
        }
        if let Some(last) = self.kept.points.last_mut() {
            last.id = Some(id.clone());
        }
        self.told(due, PointWord::Taken, reply.request_id, None).await?;
        self.usable(due, context, id).await?;
        if let Some(last) = self.kept.points.last_mut() {
            last.usable = true;
        }
        self.told(due, PointWord::Usable, None, None).await
    }

    /// Looks until it is usable, never will be, or its time is over.
    async fn usable(&self, due: &Due<'_>, mut context: Value, id: Value) -> Result<(), String> {
        let usable = &due.point.usable;
        if let Value::Object(members) = &mut context {
            members.insert("id".to_owned(), id);
        }
        let with = usable.with.render(&context).map_err(|error| error.to_string())?;
        let resolved = self.approved.plan().call().call();
        let give_up = Instant::now() + due.point.most;
        let (mut pause, mut untold) = (FIRST_PAUSE, 0);
        loop {
            let look = async {
                let reader = resolved.reader_anew(self.cloud).await.map_err(|refused| refused.to_string())?;
                reader.send(&usable.operation, &with).await.map_err(|error| error.to_string())
            };
            match tokio::time::timeout_at(give_up + LONGEST_READ, look).await {
                Err(_) => return Err("whether it is usable could not be read in time".to_owned()),
                Ok(Err(why)) => {
                    untold += 1;
                    if untold >= MOST_UNTOLD {
                        return Err(format!("whether it is usable can't be read: {why}"));
                    }
                }
                Ok(Ok(reply)) => {
                    untold = 0;
                    if holds(&usable.when, &reply.output)? {
                        return Ok(());
                    }
                    if let Some(never) = &usable.never
                        && holds(never, &reply.output)?
                    {
                        return Err(format!("it can't become usable any more: `{}` holds", never.text()));
                    }
                }
            }
            if Instant::now() + pause > give_up {
                return Err(format!("it was not usable after {} s", due.point.most.as_secs()));
            }
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err("the request was cancelled".to_owned()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = pause.mul_f32(1.5).min(LONGEST_PAUSE);
        }
    }

    /// Puts on record how far it is, and keeps what there is.
    async fn told(
        &self,
        due: &Due<'_>,
        result: PointWord,
        request_id: Option<String>,
        detail: Option<String>,
    ) -> Result<(), String> {
        let what = What::RecoveryPoint {
            plan: self.sheet.content.id.clone(),
            label: due.point.label.clone(),
            target: due.target.id.clone(),
            name: due.name.clone(),
            operation: due.point.take.clone(),
            result,
            id: self.kept.points.last().and_then(|point| point.id.clone()),
            request_id,
            detail,
        };
        let event = event(self.approved, self.clock, what);
        let kept = self.store.keep(&self.sheet.content.id, self.kept.clone(), vec![event]).await;
        kept.map_err(|error| format!("it can't be recorded: {error}"))
    }

    fn given_up(&self, due: &Due<'_>, why: &str) -> Refused {
        let made = remaining(&self.kept.points);
        let message = format!(
            "plan `{}`: the recovery point ({} of {}) can't be relied on, so the call was not sent: {}{made}",
            self.sheet.content.id,
            due.point.label,
            quoted(&due.target.id, 80),
            quoted(why, LONGEST_MESSAGE),
        );
        Refused::new(
            Code::AwsRefused,
            message,
            "nothing was changed; see to what stands in the way, then make a new preview",
        )
    }
}

/// What was made and stays behind a call that was not sent.
pub fn remaining(points: &[KeptPoint]) -> String {
    match points {
        [] => String::new(),
        points => {
            let told: Vec<String> = points.iter().map(ToString::to_string).collect();
            format!("; what was begun stays at AWS: {}", told.join("; "))
        }
    }
}

fn holds(condition: &Expression, output: &Value) -> Result<bool, String> {
    condition.search(output).map(|found| truthy(&found)).map_err(|error| error.to_string())
}

/// A text, or a list of texts that isn't empty.
fn names_something(id: &Value) -> bool {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match id {
        Value::Array(items) => !items.is_empty() && items.iter().all(text),
        other => text(other),
    }
}
