//! Signed checkpoints of the record, and where those who follow the record have got to.

use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::failure;
use super::plans::Transaction;
use crate::ports::StoreError;

/// One cursor. Parameter: its name.
pub(super) const SELECT_CURSOR: &str = "SELECT seq FROM cursors WHERE name = ?";

/// The newest checkpoint. Parameter: how many records it covers at least.
pub(super) const SELECT_NEWEST: &str = "SELECT size, note FROM checkpoints WHERE size >= ? ORDER BY size DESC LIMIT 1";

/// Every checkpoint, the smallest first.
pub(super) const SELECT_ALL: &str = "SELECT size, note FROM checkpoints ORDER BY size";

/// Moves a cursor from one place to the next. False where it is elsewhere.
pub(super) async fn move_cursor(db: &mut Transaction<'_>, name: &str, from: u64, to: u64) -> Result<bool, StoreError> {
    let rows = db.rows(sqlx::query(SELECT_CURSOR).bind(name)).await?;
    if cursor(&rows, db.path)? != from {
        return Ok(false);
    }
    let query = sqlx::query("INSERT OR REPLACE INTO cursors (name, seq) VALUES (?, ?)").bind(name);
    db.write(query.bind(to.cast_signed())).await?;
    Ok(true)
}

/// Keeps a checkpoint; a new one of the same size takes the place of the old.
pub(super) async fn keep(db: &mut Transaction<'_>, size: u64, note: &str) -> Result<bool, StoreError> {
    let query = sqlx::query("INSERT OR REPLACE INTO checkpoints (size, note) VALUES (?, ?)");
    db.write(query.bind(size.cast_signed()).bind(note)).await?;
    Ok(true)
}

/// What [`SELECT_CURSOR`] found.
pub(super) fn cursor(rows: &[SqliteRow], path: &Path) -> Result<u64, StoreError> {
    rows.first().map_or(Ok(0), |row| number(row, "seq", "a cursor", path))
}

/// What [`SELECT_NEWEST`] found.
pub(super) fn checkpoint(rows: &[SqliteRow], path: &Path) -> Result<Option<(u64, String)>, StoreError> {
    Ok(checkpoints(rows, path)?.into_iter().next())
}

/// What [`SELECT_ALL`] found.
pub(super) fn checkpoints(rows: &[SqliteRow], path: &Path) -> Result<Vec<(u64, String)>, StoreError> {
    let one = |row: &SqliteRow| {
        let note = row.try_get("note").map_err(|error| failure::database(path, &error))?;
        Ok((number(row, "size", "a checkpoint", path)?, note))
    };
    rows.iter().map(one).collect()
}

fn number(row: &SqliteRow, column: &str, what: &str, path: &Path) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column).map_err(|error| failure::database(path, &error))?;
    u64::try_from(number).map_err(|_| failure::unreadable(path, what, "its number is negative"))
}
