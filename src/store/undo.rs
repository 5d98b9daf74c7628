//! What is kept of a call for its undo, and what becomes of undoing a plan.
//!
//! A plan that undoes another carries that one's state along in its own transactions: its claim makes it `undoing`, which
//! only one can be at a time; an outcome that is failed or unknown makes it `stuck`.

use jiff::Timestamp;

use super::plans::Transaction;
use crate::audit::event::{Event, What};
use crate::names::PlanId;
use crate::plan::filed::{FiledPlan, PlanState};
use crate::plan::kept::{Kept, UndoState, Undone};
use crate::ports::StoreError;

/// Keeps what carrying a plan out has told so far.
pub(super) async fn keep(db: &mut Transaction<'_>, id: &PlanId, kept: &Kept) -> Result<bool, StoreError> {
    let plan = db.plan(id, Timestamp::MIN).await?;
    if !matches!(plan.state, PlanState::Applying | PlanState::Unknown | PlanState::Applied) {
        return Err(StoreError::NotOpen { plan: id.clone(), state: plan.state });
    }
    let query = sqlx::query("UPDATE plans SET kept = ? WHERE id = ?").bind(written(id, kept)?).bind(id.as_str());
    db.write(query).await?;
    Ok(true)
}

/// Refuses to undo a plan that was not applied, or that was or is being undone already.
pub(super) async fn check(
    db: &mut Transaction<'_>,
    original: &PlanId,
    by: &PlanId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let plan = db.plan(original, now).await?;
    if plan.state != PlanState::Applied {
        let state = plan.state;
        return Err(StoreError::NotGranted(format!("plan {original} is {state}, so {by} has nothing to undo")));
    }
    match plan.undone.as_deref() {
        None | Some(Undone { state: UndoState::Stuck, .. }) => Ok(()),
        Some(Undone { state, by, .. }) => {
            Err(StoreError::NotGranted(format!("plan {original} is {} already, by plan {by}", state.words())))
        }
    }
}

/// From here on nobody else can undo it.
pub(super) async fn begin(db: &mut Transaction<'_>, original: &PlanId, by: &PlanId) -> Result<(), StoreError> {
    write(db, original, &Undone { state: UndoState::Undoing, by: by.clone(), details: Vec::new() }).await
}

/// What the outcome of the plan that undoes means for the one that is undone.
pub(super) async fn ended(
    db: &mut Transaction<'_>,
    original: &PlanId,
    by: &PlanId,
    state: PlanState,
    outcome: Option<&str>,
) -> Result<(), StoreError> {
    let now = db.plan(original, Timestamp::MIN).await?.undone;
    // Another plan may have undone it meanwhile.
    if now.is_some_and(|now| now.by != *by) {
        return Ok(());
    }
    let undone = match state {
        PlanState::Applied => Undone { state: UndoState::Undoing, by: by.clone(), details: Vec::new() },
        _ => stuck(by, state, outcome),
    };
    write(db, original, &undone).await
}

/// How the targets are after it was undone. False where that plan isn't undoing it.
pub(super) async fn returned(db: &mut Transaction<'_>, original: &PlanId, undone: &Undone) -> Result<bool, StoreError> {
    match db.plan(original, Timestamp::MIN).await?.undone.as_deref() {
        Some(Undone { state: UndoState::Undoing, by, .. }) if *by == undone.by => {
            write(db, original, undone).await?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// What is recorded besides the outcome of a plan that undoes another, where that one is stuck now.
pub(super) fn event(plan: &FiledPlan, state: PlanState, outcome: &Event, text: Option<&str>) -> Option<Event> {
    let undoes = plan.content.undoes.as_ref()?;
    if state == PlanState::Applied {
        return None;
    }
    let Undone { state, by, details } = stuck(&plan.content.id, state, text);
    let what = What::Undo { plan: undoes.plan.clone(), by, state, details, by_hand: undoes.by_hand.clone() };
    Some(Event { what, ..outcome.clone() })
}

fn stuck(by: &PlanId, state: PlanState, outcome: Option<&str>) -> Undone {
    let how = match state {
        PlanState::Unknown => "it is not known whether the undo was carried out",
        _ => "the undo failed",
    };
    let detail = outcome.map_or_else(|| how.to_owned(), |outcome| format!("{how}: {outcome}"));
    Undone { state: UndoState::Stuck, by: by.clone(), details: vec![detail] }
}

async fn write(db: &mut Transaction<'_>, id: &PlanId, undone: &Undone) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE plans SET undone = ? WHERE id = ?").bind(written(id, undone)?).bind(id.as_str());
    db.write(query).await?;
    Ok(())
}

fn written(id: &PlanId, value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(format!("plan {id} can't be written: {error}")))
}
