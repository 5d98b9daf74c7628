//! The steps that plans take, or would take, about things.

use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::failure;
use super::plans::{Query, Transaction};
use crate::names::PlanId;
use crate::plan::chain::{EarlierStep, recognise};
use crate::plan::filed::{FiledPlan, PlanContent};
use crate::ports::{Claim, StepsAsked, StepsFound, StoreError};

/// Parameters: account, agent, the human in lower case, since, now.
const SELECT: &str = "SELECT steps.plan, kind, thing, effect, filed_at, claimed_at FROM steps \
    JOIN plans ON plans.id = steps.plan WHERE account = ?1 AND (steps.agent = ?2 OR human = ?3) \
    AND ((claimed_at > ?4 AND state IN ('applied', 'applying', 'unknown')) \
    OR (claimed_at IS NULL AND state = 'open' AND expires_at > ?5)) \
    ORDER BY coalesce(claimed_at, filed_at), steps.plan, kind, thing";

/// Asks for the steps of an agent, or for a human, in an account.
pub(super) fn select<'q>(asked: &StepsAsked, now: Timestamp) -> Query<'q> {
    sqlx::query(SELECT)
        .bind(asked.account.clone())
        .bind(asked.agent.as_str().to_owned())
        .bind(asked.human.as_str().to_lowercase())
        .bind(asked.since.as_microsecond())
        .bind(now.as_microsecond())
}

/// What [`select`] found, without the steps of the plan that asks, and of the one that it undoes.
pub(super) fn found(rows: &[SqliteRow], asked: &StepsAsked, path: &Path) -> Result<StepsFound, StoreError> {
    let mut found = StepsFound::default();
    for row in rows {
        let (step, claimed) = step(row, path)?;
        match claimed {
            _ if step.plan == asked.own || Some(&step.plan) == asked.undone.as_ref() => {}
            true => found.taken.push(step),
            false => found.open.push(step),
        }
    }
    Ok(found)
}

fn step(row: &SqliteRow, path: &Path) -> Result<(EarlierStep, bool), StoreError> {
    let database = |error: sqlx::Error| failure::database(path, &error);
    let text = |column| row.try_get::<String, _>(column).map_err(database);
    let plan = PlanId::from_outside(&text("plan")?);
    let unreadable = || failure::unreadable(path, &format!("a step of plan {plan}"), "it has no known form");
    let claimed_at: Option<i64> = row.try_get("claimed_at").map_err(database)?;
    let at = match claimed_at {
        Some(at) => at,
        None => row.try_get("filed_at").map_err(database)?,
    };
    let step = EarlierStep {
        is: word(text("kind")?).ok_or_else(unreadable)?,
        of: text("thing")?,
        effect: word(text("effect")?).ok_or_else(unreadable)?,
        at: Timestamp::from_microsecond(at).map_err(|_| unreadable())?,
        plan: plan.clone(),
    };
    Ok((step, claimed_at.is_some()))
}

fn word<T: DeserializeOwned>(text: String) -> Option<T> {
    serde_json::from_value(Value::String(text)).ok()
}

/// Keeps what a new plan would do to what.
pub(super) async fn file(db: &mut Transaction<'_>, content: &PlanContent) -> Result<(), StoreError> {
    for step in &content.steps {
        let kind = serde_json::to_value(step.is).ok().and_then(|kind| kind.as_str().map(str::to_owned));
        let kind = kind.ok_or_else(|| StoreError::Failed("a step has no word for what it is".to_owned()))?;
        let query = sqlx::query(
            "INSERT INTO steps (plan, account, agent, human, kind, thing, effect, filed_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let query = query
            .bind(content.id.as_str())
            .bind(content.account.id.as_str())
            .bind(content.agent.as_str())
            .bind(content.human.as_str().to_lowercase())
            .bind(kind)
            .bind(step.of.as_str())
            .bind(content.effect.word())
            .bind(content.created_at.as_microsecond());
        db.write(query).await?;
    }
    Ok(())
}

/// The chains must be those that the plan was judged by: no other step about the same things came in between.
pub(super) async fn check(db: &mut Transaction<'_>, claim: &Claim, plan: &FiledPlan) -> Result<(), StoreError> {
    let content = &plan.content;
    if content.steps.is_empty() {
        return Ok(());
    }
    let asked = StepsAsked {
        agent: content.agent.clone(),
        human: content.human.clone(),
        account: content.account.id.clone(),
        since: claim.steps_since,
        own: content.id.clone(),
        undone: content.undoes.as_ref().map(|undoes| undoes.plan.clone()),
    };
    let rows = db.rows(select(&asked, claim.now)).await?;
    let now = recognise(&content.steps, &found(&rows, &asked, db.path)?.taken);
    if now == content.chains {
        return Ok(());
    }
    Err(StoreError::NotGranted(format!(
        "another step about what plan {} acts on was taken since it was judged",
        claim.plan
    )))
}

/// From now on a plan's steps are taken.
pub(super) async fn take(db: &mut Transaction<'_>, claim: &Claim) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE steps SET claimed_at = ? WHERE plan = ?")
        .bind(claim.now.as_microsecond())
        .bind(claim.plan.as_str());
    db.write(query).await?;
    Ok(())
}
