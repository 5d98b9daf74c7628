//! The rows of the audit chain.

use std::path::Path;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::failure;
use crate::audit::chain;
use crate::audit::event::{Head, StoredRecord};
use crate::digest::Digest;
use crate::ports::StoreError;

/// How many rows one statement inserts; few sizes, so that all are prepared once.
const SIZES: [usize; 3] = [16, 4, 1];

/// Inserts records that follow the chain's end, within the caller's transaction.
pub(super) async fn insert(connection: &mut SqliteConnection, records: &[StoredRecord]) -> Result<(), sqlx::Error> {
    let mut rest = records;
    for size in SIZES {
        while let Some((now, later)) = rest.split_at_checked(size) {
            insert_all(connection, now).await?;
            rest = later;
        }
    }
    Ok(())
}

async fn insert_all(connection: &mut SqliteConnection, records: &[StoredRecord]) -> Result<(), sqlx::Error> {
    let rows = vec!["(?, ?, ?, ?)"; records.len()].join(", ");
    let sql = format!("INSERT INTO records (seq, previous, hash, event) VALUES {rows}");
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for record in records {
        query = query
            .bind(record.seq.cast_signed())
            .bind(record.previous.as_bytes().as_slice())
            .bind(record.hash.as_bytes().as_slice())
            .bind(record.event.as_str());
    }
    query.execute(connection).await?;
    Ok(())
}

/// The chain's end in what [`TIP`] selected.
pub(super) fn tip(rows: &[SqliteRow], path: &Path) -> Result<Head, StoreError> {
    let Some(row) = rows.first() else { return Ok(chain::empty()) };
    let seq = seq(row, path)?;
    Ok(Head { seq, hash: digest(row, "hash", &format!("record {seq}"), path)? })
}

/// Selects the chain's end.
pub(super) const TIP: &str = "SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1";

/// A whole record.
pub(super) fn record(row: &SqliteRow, path: &Path) -> Result<StoredRecord, StoreError> {
    let seq = seq(row, path)?;
    let what = format!("record {seq}");
    Ok(StoredRecord {
        seq,
        previous: digest(row, "previous", &what, path)?,
        hash: digest(row, "hash", &what, path)?,
        event: row.try_get("event").map_err(|error| failure::unreadable(path, &what, &error.to_string()))?,
    })
}

/// The 32 bytes in `column` of `what`.
pub(super) fn digest(row: &SqliteRow, column: &str, what: &str, path: &Path) -> Result<Digest, StoreError> {
    let unreadable = |why: &str| failure::unreadable(path, what, &format!("`{column}`: {why}"));
    let bytes: &[u8] = row.try_get(column).map_err(|error| unreadable(&error.to_string()))?;
    <[u8; 32]>::try_from(bytes).map(Digest::from_stored).map_err(|_| unreadable("it is not 32 bytes long"))
}

fn seq(row: &SqliteRow, path: &Path) -> Result<u64, StoreError> {
    let seq: i64 = row.try_get("seq").map_err(|error| failure::unreadable(path, "a record", &error.to_string()))?;
    u64::try_from(seq).map_err(|_| failure::unreadable(path, "a record", "its number is negative"))
}
