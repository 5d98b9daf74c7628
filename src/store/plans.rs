//! What changes besides the record: plans, held targets, budgets, single-use marks. Grants, people, counters and breakers
//! have files of their own.
//!
//! Every change checks all it depends on before it writes anything, within the writer's transaction. So a refusal
//! (any [`StoreError`] but `Failed`) leaves nothing behind, and the rest of the batch can be committed.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::{SqliteQueryResult, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::people::PeopleWrite;
use super::{breakers, checkpoints, counters, failure, grants, held, people, records, steps, undo};
use crate::audit::event::{Event, What};
use crate::digest::{Digest, canonical_json};
use crate::names::{Human, PlanId};
use crate::plan::filed::{FiledPlan, PLAN_DOMAIN, PlanContent, PlanState};
use crate::plan::kept::{Kept, Undone};
use crate::ports::{Breaker, BreakerScope, Claim, GrantRecord, HourlyBudget, StoreError};

/// A budget's window, and how long what was spent is kept.
pub(super) const HOUR: i64 = 3_600_000_000;

/// What a caller asks the writer to change, besides appending events.
#[derive(Debug)]
pub(super) enum Change {
    /// Nothing.
    Nothing,
    /// A new plan.
    File(Box<FiledPlan>),
    /// `open` and put before people from then on.
    Park { plan: PlanId, at: Timestamp },
    /// `open` to `rejected`.
    Reject { plan: PlanId, reason: String, at: Timestamp },
    /// A consent.
    Grant(GrantRecord),
    /// `open` to `applying`.
    Claim(Claim),
    /// `applying` or `unknown` to how it ended.
    Settle { plan: PlanId, state: PlanState, outcome: Option<String> },
    /// What carrying it out has told.
    Keep { plan: PlanId, kept: Kept },
    /// How the targets are after it was undone.
    Returned { plan: PlanId, undone: Undone },
    /// `applying` to `unknown`, if it is still that instance that applies it.
    Orphan { plan: PlanId, owner: String },
    /// A single-use mark.
    UseOnce { mark: String, forget_after: Timestamp },
    /// A breaker that was closed.
    OpenBreaker(Breaker),
    /// A breaker that was open.
    CloseBreaker(BreakerScope),
    /// Who may sign.
    People(Box<PeopleWrite>),
    /// How often a passkey has signed.
    CountSignature { name: Human, passkey: String, counter: u32 },
    /// Where somebody who follows the record has got to.
    MoveCursor { name: String, from: u64, to: u64 },
    /// A signed checkpoint.
    KeepCheckpoint { size: u64, note: String },
}

impl Change {
    /// Carries it out for the instance `owner`. False where there was nothing to change; its events are void then.
    pub(super) async fn apply(&self, db: &mut Transaction<'_>, owner: &str) -> Result<bool, StoreError> {
        match self {
            Self::Nothing => Ok(true),
            Self::File(plan) => file(db, plan).await,
            Self::Park { plan, at } => park(db, plan, *at).await,
            Self::Reject { plan, reason, at } => reject(db, plan, reason, *at).await,
            Self::Grant(grant) => grants::record(db, grant).await,
            Self::Claim(claim) => self::claim(db, claim, owner).await,
            Self::Settle { plan, state, outcome } => settle(db, plan, *state, outcome.as_deref()).await,
            Self::Keep { plan, kept } => undo::keep(db, plan, kept).await,
            Self::Returned { plan, undone } => undo::returned(db, plan, undone).await,
            Self::Orphan { plan, owner } => orphan(db, plan, owner).await,
            Self::UseOnce { mark, forget_after } => use_once(db, mark, *forget_after).await,
            Self::OpenBreaker(breaker) => breakers::open(db, breaker).await,
            Self::CloseBreaker(scope) => breakers::close(db, scope).await,
            Self::People(write) => write.apply(db).await,
            Self::CountSignature { name, passkey, counter } => {
                people::count_signature(db, name, passkey, *counter).await
            }
            Self::MoveCursor { name, from, to } => checkpoints::move_cursor(db, name, *from, *to).await,
            Self::KeepCheckpoint { size, note } => checkpoints::keep(db, *size, note).await,
        }
    }

    /// True where losing it with the power would do harm.
    pub(super) fn must_survive_power_loss(&self) -> bool {
        !matches!(self, Self::Nothing | Self::File(_) | Self::MoveCursor { .. } | Self::KeepCheckpoint { .. })
    }
}

/// The writer's connection, inside a transaction.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) path: &'a Path,
}

pub(super) type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

impl Transaction<'_> {
    pub(super) async fn row(&mut self, query: Query<'_>) -> Result<Option<SqliteRow>, StoreError> {
        query.fetch_optional(&mut *self.connection).await.map_err(|error| failure::database(self.path, &error))
    }

    pub(super) async fn rows(&mut self, query: Query<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        query.fetch_all(&mut *self.connection).await.map_err(|error| failure::database(self.path, &error))
    }

    pub(super) async fn write(&mut self, query: Query<'_>) -> Result<SqliteQueryResult, StoreError> {
        query.execute(&mut *self.connection).await.map_err(|error| failure::database(self.path, &error))
    }

    /// The plan as it is at `now`; the error says that there is none.
    pub(super) async fn plan(&mut self, id: &PlanId, now: Timestamp) -> Result<FiledPlan, StoreError> {
        let row = self.row(sqlx::query(SELECT_ONE).bind(now.as_microsecond()).bind(id.as_str())).await?;
        match row {
            Some(row) => plan(&row, self.path),
            None => Err(StoreError::NotGranted(format!("there is no plan `{id}`"))),
        }
    }

    /// The plan, where it is open at `now`; the error says what it is else.
    pub(super) async fn open_plan(&mut self, id: &PlanId, now: Timestamp) -> Result<FiledPlan, StoreError> {
        let plan = self.plan(id, now).await?;
        match plan.state {
            PlanState::Open => Ok(plan),
            state => Err(StoreError::NotOpen { plan: id.clone(), state }),
        }
    }
}

async fn file(db: &mut Transaction<'_>, plan: &FiledPlan) -> Result<bool, StoreError> {
    let (content, digest) = canonical_content(plan)?;
    let insert = sqlx::query(
        "INSERT INTO plans (id, digest, content, agent, created_at, expires_at, state, input) \
         VALUES (?, ?, ?, ?, ?, ?, 'open', ?)",
    );
    let query = insert
        .bind(plan.content.id.as_str())
        .bind(digest.as_bytes().as_slice())
        .bind(content)
        .bind(plan.content.agent.as_str())
        .bind(plan.content.created_at.as_microsecond())
        .bind(plan.content.expires_at.as_microsecond())
        .bind(plan.input.as_ref().map(Value::to_string));
    db.write(query).await?;
    let query = sqlx::query("INSERT INTO plan_texts (plan, text) VALUES (?, ?)")
        .bind(plan.content.id.as_str())
        .bind(searched(&plan.content));
    db.write(query).await?;
    steps::file(db, &plan.content).await?;
    Ok(true)
}

/// What [`crate::ports::PlanFilter::text`] looks into.
fn searched(content: &PlanContent) -> String {
    let PlanContent { id, agent, human, tool, title, operation, account, ticket, reason, targets, .. } = content;
    let mut texts =
        vec![id.as_str(), agent.as_str(), human.as_str(), tool, title, operation.service(), operation.name()];
    texts.extend([account.id.as_str(), &account.name, ticket.as_deref().unwrap_or_default(), reason]);
    texts.extend(targets.iter().map(|target| target.arn.as_str()));
    texts.join("\n").to_lowercase()
}

/// Most plans of one agent that wait for people: more would bury those of others.
const MOST_PARKED: i64 = 50;

async fn park(db: &mut Transaction<'_>, id: &PlanId, at: Timestamp) -> Result<bool, StoreError> {
    let plan = db.open_plan(id, at).await?;
    if plan.parked_at.is_some() {
        return Ok(false);
    }
    let waiting = "SELECT count(*) AS waiting FROM plans \
                   WHERE parked_at IS NOT NULL AND state = 'open' AND expires_at > ? AND agent = ?";
    let query = sqlx::query(waiting).bind(at.as_microsecond()).bind(plan.content.agent.as_str());
    let waiting = match db.row(query).await? {
        Some(row) => row.try_get::<i64, _>("waiting").map_err(|error| failure::database(db.path, &error))?,
        None => 0,
    };
    if waiting >= MOST_PARKED {
        return Err(StoreError::NotGranted(format!(
            "{waiting} plans of this agent wait for people already; let them decide about these first"
        )));
    }
    let query = sqlx::query("UPDATE plans SET parked_at = ? WHERE id = ?").bind(at.as_microsecond()).bind(id.as_str());
    db.write(query).await?;
    Ok(true)
}

async fn reject(db: &mut Transaction<'_>, id: &PlanId, reason: &str, at: Timestamp) -> Result<bool, StoreError> {
    db.open_plan(id, at).await?;
    let query =
        sqlx::query("UPDATE plans SET state = 'rejected', outcome = ? WHERE id = ?").bind(reason).bind(id.as_str());
    db.write(query).await?;
    Ok(true)
}

fn canonical_content(plan: &FiledPlan) -> Result<(String, Digest), StoreError> {
    let id = &plan.content.id;
    let canonical = || canonical_json(&serde_json::to_value(&plan.content)?);
    let content = canonical().map_err(|error| StoreError::Failed(format!("plan {id} can't be written: {error}")))?;
    let digest = Digest::of_bytes(PLAN_DOMAIN, &content);
    if digest != plan.digest || plan.state != PlanState::Open {
        return Err(StoreError::Failed(format!("plan {id} is not a new plan with the digest of its content")));
    }
    let content = String::from_utf8(content)
        .map_err(|error| StoreError::Failed(format!("plan {id} can't be written: {error}")))?;
    Ok((content, digest))
}

async fn claim(db: &mut Transaction<'_>, claim: &Claim, owner: &str) -> Result<bool, StoreError> {
    let plan = db.open_plan(&claim.plan, claim.now).await?;
    if plan.digest != claim.digest {
        return Err(StoreError::NotGranted(format!("plan {} has another digest than the one claimed", claim.plan)));
    }
    if plan.content.agent != claim.who.agent || plan.content.account.id != claim.who.account {
        return Err(StoreError::NotGranted(format!("plan {} is another agent's, or for another account", claim.plan)));
    }
    let (mut seen, mut used) = (BTreeSet::new(), Vec::new());
    for grant in &claim.grants {
        if !seen.insert(grant) {
            return Err(grants::not_granted(grant, "it was named twice"));
        }
        used.push(grants::check(db, grant, claim, &plan).await?);
    }
    grants::check_together(&used)?;
    counters::check(db, claim).await?;
    check_free(db, claim).await?;
    if let Some(budget) = &claim.per_hour {
        check_budget(db, budget, claim.now).await?;
    }
    if let Some(undoes) = &plan.content.undoes {
        undo::check(db, &undoes.plan, &claim.plan, claim.now).await?;
    }
    steps::check(db, claim, &plan).await?;

    let query = sqlx::query("UPDATE plans SET state = 'applying', owner = ? WHERE id = ?")
        .bind(owner)
        .bind(claim.plan.as_str());
    db.write(query).await?;
    for grant in &claim.grants {
        db.write(sqlx::query("UPDATE grants SET used = 1 WHERE id = ?").bind(grant.as_str())).await?;
    }
    let query = sqlx::query("INSERT INTO held (arn, plan) SELECT DISTINCT value, ? FROM json_each(?)")
        .bind(claim.plan.as_str())
        .bind(Value::from(claim.targets.clone()).to_string());
    db.write(query).await?;
    if let Some(budget) = &claim.per_hour {
        spend(db, budget, claim.now).await?;
    }
    if let Some(undoes) = &plan.content.undoes {
        undo::begin(db, &undoes.plan, &claim.plan).await?;
    }
    counters::take(db, claim).await?;
    steps::take(db, claim).await?;
    forget_marks(db, claim.now).await?;
    Ok(true)
}

/// Refuses a claim of what another plan holds. Plans that are being applied are few, so all they hold is read.
async fn check_free(db: &mut Transaction<'_>, claim: &Claim) -> Result<(), StoreError> {
    let query = sqlx::query(
        "SELECT held.arn, held.plan, json_extract(plans.content, '$.account.id') AS account \
         FROM held JOIN plans ON plans.id = held.plan ORDER BY held.plan, held.arn",
    );
    for row in db.rows(query).await? {
        let text = |column| row.try_get::<String, _>(column).map_err(|error| failure::database(db.path, &error));
        let (arn, here) = (text("arn")?, text("account")? == claim.who.account);
        if claim.targets.iter().any(|target| held::is_one(target, &arn, here)) {
            return Err(StoreError::TargetBusy { target: arn, plan: PlanId::from_outside(&text("plan")?) });
        }
    }
    Ok(())
}

async fn check_budget(db: &mut Transaction<'_>, budget: &HourlyBudget, now: Timestamp) -> Result<(), StoreError> {
    let query =
        sqlx::query("SELECT coalesce(sum(targets), 0) AS spent FROM spent WHERE tool = ? AND agent = ? AND at > ?")
            .bind(budget.tool.as_str())
            .bind(budget.agent.as_str())
            .bind(now.as_microsecond().saturating_sub(HOUR));
    let spent = match db.row(query).await? {
        Some(row) => row.try_get::<i64, _>("spent").map_err(|error| failure::database(db.path, &error))?,
        None => 0,
    };
    let left = budget.most.saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX));
    if budget.asks > left {
        return Err(StoreError::OverBudget { tool: budget.tool.clone(), most: budget.most, left, asks: budget.asks });
    }
    Ok(())
}

/// Counts the claim, and keeps counting it however it ends: a call that fails has been tried.
async fn spend(db: &mut Transaction<'_>, budget: &HourlyBudget, now: Timestamp) -> Result<(), StoreError> {
    let old = now.as_microsecond().saturating_sub(HOUR);
    let query = sqlx::query("DELETE FROM spent WHERE tool = ? AND agent = ? AND at <= ?");
    db.write(query.bind(budget.tool.as_str()).bind(budget.agent.as_str()).bind(old)).await?;
    let query = sqlx::query("INSERT INTO spent (tool, agent, at, targets) VALUES (?, ?, ?, ?)")
        .bind(budget.tool.as_str())
        .bind(budget.agent.as_str())
        .bind(now.as_microsecond())
        .bind(i64::from(budget.asks));
    db.write(query).await?;
    Ok(())
}

async fn settle(
    db: &mut Transaction<'_>,
    id: &PlanId,
    state: PlanState,
    outcome: Option<&str>,
) -> Result<bool, StoreError> {
    let is_final = match state {
        PlanState::Applied | PlanState::Failed => true,
        PlanState::Unknown => false,
        PlanState::Open | PlanState::Applying | PlanState::Expired | PlanState::Rejected => {
            return Err(StoreError::Failed(format!("a plan can't end as {state}")));
        }
    };
    let plan = db.plan(id, Timestamp::MIN).await?;
    if !matches!(plan.state, PlanState::Applying | PlanState::Unknown) {
        return Err(StoreError::NotOpen { plan: id.clone(), state: plan.state });
    }
    let query = sqlx::query("UPDATE plans SET state = ?, outcome = ?, owner = NULL WHERE id = ?")
        .bind(state.word())
        .bind(outcome)
        .bind(id.as_str());
    db.write(query).await?;
    if let Some(undoes) = &plan.content.undoes {
        undo::ended(db, &undoes.plan, id, state, outcome).await?;
    }
    if is_final {
        db.write(sqlx::query("DELETE FROM held WHERE plan = ?").bind(id.as_str())).await?;
    }
    Ok(true)
}

/// How a plan ended whose process died.
const ORPHANED: &str = "the process that applied it is gone";

async fn orphan(db: &mut Transaction<'_>, plan: &PlanId, owner: &str) -> Result<bool, StoreError> {
    let query = sqlx::query(
        "UPDATE plans SET state = 'unknown', owner = NULL, outcome = 'the process that applied it is gone' \
         WHERE id = ? AND state = 'applying' AND owner = ?",
    );
    let changed = db.write(query.bind(plan.as_str()).bind(owner)).await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    if let Some(undoes) = db.plan(plan, Timestamp::MIN).await?.content.undoes {
        undo::ended(db, &undoes.plan, plan, PlanState::Unknown, Some(ORPHANED)).await?;
    }
    Ok(true)
}

async fn use_once(db: &mut Transaction<'_>, mark: &str, forget_after: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query("INSERT INTO marks (mark, forget_after) VALUES (?, ?) ON CONFLICT DO NOTHING");
    let inserted = db.write(query.bind(mark).bind(forget_after.as_microsecond())).await?;
    Ok(inserted.rows_affected() > 0)
}

async fn forget_marks(db: &mut Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    db.write(sqlx::query("DELETE FROM marks WHERE forget_after < ?").bind(now.as_microsecond())).await?;
    Ok(())
}

/// How an outcome is told in the plan itself.
pub(super) fn outcome_text(event: &Event) -> Option<String> {
    match &event.what {
        What::Outcome { request_id, detail, .. } => match (detail, request_id) {
            (Some(detail), Some(id)) => Some(format!("{detail} (AWS request {id})")),
            (Some(detail), None) => Some(detail.clone()),
            (None, Some(id)) => Some(format!("AWS request {id}")),
            (None, None) => None,
        },
        What::Reconciled { detail, .. } => Some(detail.clone()),
        _ => None,
    }
}

/// All columns of a plan; an open one whose time ran out at the first parameter is `expired`.
macro_rules! select_plans {
    ($rest:literal) => {
        concat!(
            "SELECT id, digest, content, agent, created_at, expires_at, owner, outcome, parked_at, input, kept, undone, \
             CASE WHEN state = 'open' AND expires_at <= ?1 THEN 'expired' ELSE state END AS state_now FROM plans ",
            $rest
        )
    };
}

/// One plan. Parameters: now, id.
pub(super) const SELECT_ONE: &str = select_plans!("WHERE id = ?2");
/// Plans, newest first. Parameters: now, agent or null, states as a JSON list, only parked ones, text in lower case or
/// null, the plan they are older than or null, limit. The inner query reads nothing but the index `plans_to_list`.
pub(super) const SELECT_SOME: &str = select_plans!(
    "WHERE id IN (SELECT id FROM plans WHERE (?2 IS NULL OR agent = ?2) \
     AND (?3 = '[]' OR CASE WHEN state = 'open' AND expires_at <= ?1 THEN 'expired' ELSE state END \
     IN (SELECT value FROM json_each(?3))) \
     AND (NOT ?4 OR parked_at IS NOT NULL) \
     AND (?6 IS NULL OR (created_at, id) < (SELECT created_at, id FROM plans WHERE id = ?6)) \
     AND (?5 IS NULL OR EXISTS (SELECT 1 FROM plan_texts WHERE plan = plans.id AND instr(text, ?5) > 0)) \
     ORDER BY created_at DESC, id DESC LIMIT ?7) ORDER BY created_at DESC, id DESC"
);
/// Plans that are being applied or whose outcome isn't known, oldest first. Parameter: any time.
pub(super) const SELECT_UNDER_WAY: &str =
    select_plans!("WHERE state IN ('applying', 'unknown') ORDER BY created_at, id");
/// Plans whose undo is stuck, newest first. Parameters: now, limit.
pub(super) const SELECT_STUCK: &str =
    select_plans!("WHERE json_extract(undone, '$.state') = 'stuck' ORDER BY created_at DESC, id DESC LIMIT ?2");
/// A plan's row; an error where it is not the plan that was filed.
pub(super) fn plan(row: &SqliteRow, path: &Path) -> Result<FiledPlan, StoreError> {
    let id: String = row.try_get("id").map_err(|error| failure::database(path, &error))?;
    let unreadable = |why: &str| failure::unreadable(path, &format!("plan {id}"), why);
    let text = |column| row.try_get::<String, _>(column).map_err(|error| unreadable(&error.to_string()));
    let number = |column| row.try_get::<i64, _>(column).map_err(|error| unreadable(&error.to_string()));

    let digest = records::digest(row, "digest", &format!("plan {id}"), path)?;
    let stored = text("content")?;
    if Digest::of_bytes(PLAN_DOMAIN, stored.as_bytes()) != digest {
        return Err(unreadable("its content does not have its digest"));
    }
    let content: PlanContent = serde_json::from_str(&stored).map_err(|error| unreadable(&error.to_string()))?;
    if content.id.as_str() != id
        || content.agent.as_str() != text("agent")?
        || content.created_at.as_microsecond() != number("created_at")?
        || content.expires_at.as_microsecond() != number("expires_at")?
    {
        return Err(unreadable("its columns differ from its content"));
    }
    let state: PlanState =
        serde_json::from_value(Value::String(text("state_now")?)).map_err(|_| unreadable("it has no known state"))?;
    let outcome = row.try_get("outcome").map_err(|error| unreadable(&error.to_string()))?;
    let input: Option<&str> = row.try_get("input").map_err(|error| unreadable(&error.to_string()))?;
    let input = input.map(serde_json::from_str).transpose().map_err(|error| unreadable(&error.to_string()))?;
    let parked_at: Option<i64> = row.try_get("parked_at").map_err(|error| unreadable(&error.to_string()))?;
    let parked_at = parked_at.map(Timestamp::from_microsecond).transpose();
    let parked_at = parked_at.map_err(|error| unreadable(&error.to_string()))?;
    let kept: Option<&str> = row.try_get("kept").map_err(|error| unreadable(&error.to_string()))?;
    let kept = kept.map(serde_json::from_str).transpose().map_err(|error| unreadable(&error.to_string()))?;
    let undone: Option<&str> = row.try_get("undone").map_err(|error| unreadable(&error.to_string()))?;
    let undone = undone.map(serde_json::from_str).transpose().map_err(|error| unreadable(&error.to_string()))?;
    Ok(FiledPlan { content, digest, state, outcome, input, parked_at, kept, undone })
}

/// The text of one plan. Parameter: its id.
pub(super) const SELECT_CONTENT: &str = "SELECT content FROM plans WHERE id = ?";

/// What [`SELECT_CONTENT`] found.
pub(super) fn content(row: &SqliteRow, path: &Path) -> Result<String, StoreError> {
    row.try_get("content").map_err(|error| failure::database(path, &error))
}

/// The instance that applies the plan of a row.
pub(super) fn owner(row: &SqliteRow, path: &Path) -> Result<Option<String>, StoreError> {
    row.try_get("owner").map_err(|error| failure::database(path, &error))
}
