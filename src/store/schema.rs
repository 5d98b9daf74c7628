//! The tables, and how an older database gets the newest ones.

use std::path::Path;

use sqlx::{Row, SqliteConnection};

use super::failure;
use crate::ports::StoreError;

/// Each brings the tables from the version that is its index to the next one. Never change one that was released.
const MIGRATIONS: [&str; 5] = [
    include_str!("../../migrations/0001_plans_grants_and_record.sql"),
    include_str!("../../migrations/0002_counters_and_breakers.sql"),
    include_str!("../../migrations/0003_second_person.sql"),
    include_str!("../../migrations/0004_undo.sql"),
    include_str!("../../migrations/0005_steps.sql"),
];

/// Runs what is missing; where nothing is, this reads one number.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    if is_newest(connection, path).await? {
        return Ok(());
    }
    execute(connection, path, "BEGIN IMMEDIATE").await?;
    let migrated = run_missing(connection, path).await;
    execute(connection, path, if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    migrated
}

async fn run_missing(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let done = version(connection, path).await?;
    for migration in MIGRATIONS.iter().skip(done) {
        execute(connection, path, migration).await?;
    }
    let newest = format!("PRAGMA user_version = {}", MIGRATIONS.len());
    sqlx::raw_sql(sqlx::AssertSqlSafe(newest))
        .execute(connection)
        .await
        .map_err(|error| failure::database(path, &error))?;
    Ok(())
}

/// True where the tables are this program's; an error where they are a newer one's.
pub(super) async fn is_newest(connection: &mut SqliteConnection, path: &Path) -> Result<bool, StoreError> {
    let version = version(connection, path).await?;
    if version > MIGRATIONS.len() {
        return Err(StoreError::Failed(format!(
            "`{}` was written by a newer version of countersign (tables of version {version}, this one knows {}): \
             update countersign",
            path.display(),
            MIGRATIONS.len()
        )));
    }
    Ok(version == MIGRATIONS.len())
}

async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<usize, StoreError> {
    let row = sqlx::query("PRAGMA user_version")
        .persistent(false)
        .fetch_one(connection)
        .await
        .map_err(|error| failure::database(path, &error))?;
    let version: i64 = row.try_get(0).map_err(|error| failure::database(path, &error))?;
    usize::try_from(version).map_err(|_| failure::unreadable(path, "its version", "it is negative"))
}

async fn execute(connection: &mut SqliteConnection, path: &Path, sql: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(sql).execute(connection).await.map_err(|error| failure::database(path, &error))?;
    Ok(())
}
