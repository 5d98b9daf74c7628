//! Open breakers. One that has no row is closed.

use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::failure;
use super::plans::Transaction;
use crate::ports::{Breaker, BreakerScope, StoreError};

/// All open breakers, oldest first.
pub(super) const SELECT_ALL: &str = "SELECT scope, record FROM breakers ORDER BY opened_at, scope";

/// A scope as it is stored; migrations and queries spell it out, so it is not that of messages.
pub(super) fn key(scope: &BreakerScope) -> String {
    match scope {
        BreakerScope::Agent(agent) => format!("agent:{agent}"),
        BreakerScope::Account(id) => format!("account:{id}"),
    }
}

/// Opens a breaker. False where it is open.
pub(super) async fn open(db: &mut Transaction<'_>, breaker: &Breaker) -> Result<bool, StoreError> {
    let record = serde_json::to_string(breaker)
        .map_err(|error| StoreError::Failed(format!("the breaker of {} can't be written: {error}", breaker.scope)))?;
    let query = sqlx::query("INSERT INTO breakers (scope, opened_at, record) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(key(&breaker.scope))
        .bind(breaker.opened_at.as_microsecond())
        .bind(record);
    Ok(db.write(query).await?.rows_affected() > 0)
}

/// Closes a breaker and forgets what was counted for it. False where it is not open.
pub(super) async fn close(db: &mut Transaction<'_>, scope: &BreakerScope) -> Result<bool, StoreError> {
    let scope = key(scope);
    let closed = db.write(sqlx::query("DELETE FROM breakers WHERE scope = ?").bind(&scope)).await?;
    if closed.rows_affected() == 0 {
        return Ok(false);
    }
    db.write(sqlx::query("DELETE FROM mishaps WHERE scope = ?").bind(&scope)).await?;
    Ok(true)
}

/// A row of [`SELECT_ALL`].
pub(super) fn breaker(row: &SqliteRow, path: &Path) -> Result<Breaker, StoreError> {
    let text = |column| row.try_get::<&str, _>(column).map_err(|error| failure::database(path, &error));
    parse(text("record")?, text("scope")?, path)
}

/// The breaker of `scope` whose record is in `column`; `None` where that is null, and the breaker so closed.
pub(super) fn open_in(
    row: &SqliteRow,
    column: &str,
    scope: &BreakerScope,
    path: &Path,
) -> Result<Option<Breaker>, StoreError> {
    let record: Option<&str> = row.try_get(column).map_err(|error| failure::database(path, &error))?;
    record.map(|record| parse(record, &key(scope), path)).transpose()
}

/// An error where the record is not that of the breaker it is filed under.
fn parse(record: &str, scope: &str, path: &Path) -> Result<Breaker, StoreError> {
    let unreadable = |why: &str| failure::unreadable(path, &format!("the breaker of `{scope}`"), why);
    let breaker: Breaker = serde_json::from_str(record).map_err(|error| unreadable(&error.to_string()))?;
    if key(&breaker.scope) != scope {
        return Err(unreadable("it is filed under another name"));
    }
    Ok(breaker)
}
