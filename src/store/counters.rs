//! What was changed, failed and refused so far, over all processes that share the database.
//!
//! Counts come from the events recorded, in the same transaction: what is on record is counted, and nothing else. A
//! refusal by policy or person counts for the agent, a failed or unknown outcome for the plan's agent and account, and
//! a claim counts its resources for agent and session, however it ends: a call that fails has been tried.
//!
//! A row goes when no window needs it any more: after an hour, or, as a session's budget holds as long as the session,
//! 48 hours after the session's last claim. So a session that does nothing for two days begins anew.

use std::path::Path;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::plans::{HOUR, Transaction};
use super::{breakers, failure};
use crate::audit::event::{Event, ResultWord, What};
use crate::call::refused::Code;
use crate::names::{Agent, PlanId};
use crate::ports::{BreakerScope, BudgetSpan, Claim, Counted, StoreError, Tally};

/// How long a session is remembered after its last claim.
const SESSION: i64 = 48 * HOUR;

/// What one event adds to the counters.
#[derive(Debug)]
pub(super) struct Count {
    at: Timestamp,
    of: CountOf,
}

#[derive(Debug)]
enum CountOf {
    /// A refusal, for the agent that asked.
    Denial(Agent),
    /// A failed or unknown outcome, for the agent and the account of the plan.
    Error(PlanId),
}

impl Count {
    /// `None` where an event adds nothing.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let of = match (&event.what, &event.caller) {
            (What::Refused { code, .. }, Some(caller)) if is_denial(*code) => CountOf::Denial(caller.agent.clone()),
            (What::Outcome { plan, result: ResultWord::Failed | ResultWord::Unknown, .. }, _) => {
                CountOf::Error(plan.clone())
            }
            _ => return None,
        };
        Some(Self { at: event.at, of })
    }

    /// Counts it.
    pub(super) async fn add(&self, db: &mut Transaction<'_>) -> Result<(), StoreError> {
        let at = self.at.as_microsecond();
        db.write(sqlx::query("DELETE FROM mishaps WHERE at <= ?").bind(at.saturating_sub(HOUR))).await?;
        let query = match &self.of {
            CountOf::Denial(agent) => sqlx::query("INSERT INTO mishaps (scope, kind, at) VALUES (?, 'denial', ?)")
                .bind(breakers::key(&BreakerScope::Agent(agent.clone())))
                .bind(at),
            CountOf::Error(plan) => sqlx::query(
                "INSERT INTO mishaps (scope, kind, at) \
                 SELECT 'agent:' || agent, 'error', ?2 FROM plans WHERE id = ?1 UNION ALL \
                 SELECT 'account:' || json_extract(content, '$.account.id'), 'error', ?2 FROM plans WHERE id = ?1",
            )
            .bind(plan.as_str())
            .bind(at),
        };
        db.write(query).await?;
        Ok(())
    }
}

/// Where the request was understood and someone said no: policy, a person, a limit.
fn is_denial(code: Code) -> bool {
    use Code::{Forbidden, NeedsPerson, NeedsSecondPerson, NeedsTicket, NotConfirmed, OverLimit, WindowClosed};
    matches!(code, Forbidden | NeedsSecondPerson | NeedsPerson | NeedsTicket | WindowClosed | NotConfirmed | OverLimit)
}

/// Refuses a claim that an open breaker stops or a budget does not cover.
pub(super) async fn check(db: &mut Transaction<'_>, claim: &Claim) -> Result<(), StoreError> {
    let Some(row) = db.row(select(&claim.who, claim.now)).await? else {
        return Err(failure::unreadable(db.path, "the counters", "there is no answer"));
    };
    let tally = tally(&row, &claim.who, db.path)?;
    if let Some(breaker) = tally.open.into_iter().next() {
        return Err(StoreError::BreakerOpen(breaker));
    }
    let asks = resources(claim);
    let budgets = [
        (BudgetSpan::Session, claim.budgets.changes_per_session, tally.changed_in_session),
        (BudgetSpan::Hour, claim.budgets.changes_per_hour, tally.changed_in_hour),
    ];
    for (span, most, changed) in budgets {
        let left = most.saturating_sub(changed);
        if asks > left {
            return Err(StoreError::OverChanges { span, most, left, asks });
        }
    }
    Ok(())
}

/// Counts a claim that was found good.
pub(super) async fn take(db: &mut Transaction<'_>, claim: &Claim) -> Result<(), StoreError> {
    let Counted { agent, session, .. } = &claim.who;
    let (now, resources) = (claim.now.as_microsecond(), i64::from(resources(claim)));
    let query = sqlx::query("INSERT INTO changes (agent, at, resources) VALUES (?, ?, ?)");
    db.write(query.bind(agent.as_str()).bind(now).bind(resources)).await?;
    let query = sqlx::query(
        "INSERT INTO sessions (agent, session, changed, last_at) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE \
         SET changed = changed + excluded.changed, last_at = max(last_at, excluded.last_at)",
    );
    db.write(query.bind(agent.as_str()).bind(session.as_str()).bind(resources).bind(now)).await?;
    db.write(sqlx::query("DELETE FROM changes WHERE at <= ?").bind(now.saturating_sub(HOUR))).await?;
    db.write(sqlx::query("DELETE FROM sessions WHERE last_at <= ?").bind(now.saturating_sub(SESSION))).await?;
    Ok(())
}

fn resources(claim: &Claim) -> u32 {
    claim.resources.max(1)
}

/// All counts and open breakers in one row.
const TALLY: &str = "SELECT \
    (SELECT changed FROM sessions WHERE agent = ?1 AND session = ?2) AS changed_in_session, \
    (SELECT sum(resources) FROM changes WHERE agent = ?1 AND at > ?5) AS changed_in_hour, \
    (SELECT count(*) FROM mishaps WHERE scope = ?3 AND kind = 'error' AND at > ?5) AS errors_in_hour, \
    (SELECT count(*) FROM mishaps WHERE scope = ?3 AND kind = 'denial' AND at > ?5) AS denials_in_hour, \
    (SELECT count(*) FROM mishaps WHERE scope = ?4 AND kind = 'error' AND at > ?5) AS account_errors_in_hour, \
    (SELECT record FROM breakers WHERE scope = ?3) AS agent_breaker, \
    (SELECT record FROM breakers WHERE scope = ?4) AS account_breaker";

/// Selects what [`tally`] reads.
pub(super) fn select(
    who: &Counted,
    now: Timestamp,
) -> sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query(TALLY)
        .bind(who.agent.as_str())
        .bind(who.session.as_str())
        .bind(breakers::key(&BreakerScope::Agent(who.agent.clone())))
        .bind(breakers::key(&BreakerScope::Account(who.account.clone())))
        .bind(now.as_microsecond().saturating_sub(HOUR))
}

/// The row that [`select`] selects.
pub(super) fn tally(row: &SqliteRow, who: &Counted, path: &Path) -> Result<Tally, StoreError> {
    let count = |column| {
        let count = row.try_get::<Option<i64>, _>(column).map_err(|error| failure::database(path, &error))?;
        let count = count.unwrap_or(0);
        if count < 0 {
            return Err(failure::unreadable(path, "a counter", "it is negative"));
        }
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    };
    let agent = BreakerScope::Agent(who.agent.clone());
    let account = BreakerScope::Account(who.account.clone());
    let mut open = Vec::new();
    for (column, scope) in [("agent_breaker", agent), ("account_breaker", account)] {
        open.extend(breakers::open_in(row, column, &scope, path)?);
    }
    open.sort_by_key(|breaker| breaker.opened_at);
    Ok(Tally {
        changed_in_session: count("changed_in_session")?,
        changed_in_hour: count("changed_in_hour")?,
        errors_in_hour: count("errors_in_hour")?,
        denials_in_hour: count("denials_in_hour")?,
        account_errors_in_hour: count("account_errors_in_hour")?,
        open,
    })
}
