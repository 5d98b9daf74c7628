//! Reading, on connections that can't write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow};

use super::head::Kept;
use super::{breakers, checkpoints, counters, failure, grants, people, plans, records, schema, steps};
use crate::approval::people::{Approver, Invitation, Proposal};
use crate::audit::event::{Head, StoredRecord};
use crate::digest::Digest;
use crate::names::PlanId;
use crate::plan::filed::FiledPlan;
use crate::ports::{Breaker, Counted, GrantRecord, PlanFilter, StepsAsked, StepsFound, StoreError, Tally};

/// A view of a store that changes nothing, not even where the record was tampered with.
#[derive(Clone, Debug)]
pub struct Reader {
    path: PathBuf,
    pool: SqlitePool,
}

impl Reader {
    /// Opens the database at `path`, which must exist.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.is_file() {
            return Err(StoreError::Failed(format!(
                "there is no record at `{}`: no server has run with this configuration yet, or `store` names another file",
                path.display()
            )));
        }
        let reader = Self::lazy(path, Duration::from_secs(5));
        let mut connection = reader.pool.acquire().await.map_err(|error| failure::database(path, &error))?;
        if !schema::is_newest(&mut connection, path).await? {
            return Err(StoreError::Failed(format!(
                "`{}` holds no record, or one of an older version: start the server once, which brings it up to date",
                path.display()
            )));
        }
        drop(connection);
        Ok(reader)
    }

    /// Connects when something is read for the first time.
    pub(super) fn lazy(path: &Path, busy_timeout: Duration) -> Self {
        let options = connect_options(path).read_only(true).busy_timeout(busy_timeout);
        let pool = SqlitePoolOptions::new().min_connections(0).max_connections(4).connect_lazy_with(options);
        Self { path: path.to_owned(), pool }
    }

    /// The heads that are kept beside the database; the chain must contain each of them.
    pub fn kept_heads(&self) -> Result<Vec<Head>, StoreError> {
        let mut heads = Kept::beside(&self.path)?.heads();
        heads.extend(Kept::aside(&self.path)?.heads());
        Ok(heads)
    }

    /// The chain's end.
    pub async fn head(&self) -> Result<Head, StoreError> {
        let rows = self.rows(sqlx::query(records::TIP)).await?;
        records::tip(&rows, &self.path)
    }

    /// Records of the chain from sequence number `from`, at most `limit`.
    pub async fn records(&self, from: u64, limit: u32) -> Result<Vec<StoredRecord>, StoreError> {
        let query = sqlx::query("SELECT seq, previous, hash, event FROM records WHERE seq >= ? ORDER BY seq LIMIT ?")
            .bind(i64::try_from(from).unwrap_or(i64::MAX))
            .bind(i64::from(limit));
        self.rows(query).await?.iter().map(|row| records::record(row, &self.path)).collect()
    }

    /// One plan, as [`crate::ports::Store::plan`] has it.
    pub async fn plan(&self, id: &PlanId, now: Timestamp) -> Result<Option<FiledPlan>, StoreError> {
        let query = sqlx::query(plans::SELECT_ONE).bind(now.as_microsecond()).bind(id.as_str());
        self.rows(query).await?.first().map(|row| plans::plan(row, &self.path)).transpose()
    }

    /// Plans, newest first.
    pub async fn plans(&self, filter: &PlanFilter, now: Timestamp) -> Result<Vec<FiledPlan>, StoreError> {
        let states: Value = filter.states.iter().map(|state| state.word()).collect();
        let query = sqlx::query(plans::SELECT_SOME)
            .bind(now.as_microsecond())
            .bind(filter.agent.as_ref().map(|agent| agent.as_str()))
            .bind(states.to_string())
            .bind(filter.parked)
            .bind(filter.text.as_ref().map(|text| text.to_lowercase()))
            .bind(filter.before.as_ref().map(|plan| plan.as_str()))
            .bind(i64::from(filter.limit));
        self.rows(query).await?.iter().map(|row| plans::plan(row, &self.path)).collect()
    }

    /// Plans whose undo is stuck, newest first.
    pub async fn stuck(&self, limit: u32, now: Timestamp) -> Result<Vec<FiledPlan>, StoreError> {
        let query = sqlx::query(plans::SELECT_STUCK).bind(now.as_microsecond()).bind(i64::from(limit));
        self.rows(query).await?.iter().map(|row| plans::plan(row, &self.path)).collect()
    }

    /// The unused grants of a plan, expired ones included.
    pub async fn grants(&self, plan: &PlanId) -> Result<Vec<GrantRecord>, StoreError> {
        let rows = self.rows(sqlx::query(grants::SELECT_ALL).bind(plan.as_str())).await?;
        rows.iter().map(|row| grants::grant(row, &self.path)).collect()
    }

    /// What happened so far, as [`crate::ports::Store::tally`] has it.
    pub async fn tally(&self, who: &Counted, now: Timestamp) -> Result<Tally, StoreError> {
        match self.rows(counters::select(who, now)).await?.first() {
            Some(row) => counters::tally(row, who, &self.path),
            None => Err(failure::unreadable(&self.path, "the counters", "there is no answer")),
        }
    }

    /// Steps about things, as [`crate::ports::Store::steps`] has it.
    pub async fn steps(&self, asked: &StepsAsked, now: Timestamp) -> Result<StepsFound, StoreError> {
        let rows = self.rows(steps::select(asked, now)).await?;
        steps::found(&rows, asked, &self.path)
    }

    /// All open breakers, oldest first.
    pub async fn breakers(&self) -> Result<Vec<Breaker>, StoreError> {
        let rows = self.rows(sqlx::query(breakers::SELECT_ALL)).await?;
        rows.iter().map(|row| breakers::breaker(row, &self.path)).collect()
    }

    /// Everybody who ever enrolled, by name; the revoked included.
    pub async fn people(&self) -> Result<Vec<Approver>, StoreError> {
        let rows = self.rows(sqlx::query(people::SELECT_PEOPLE)).await?;
        rows.iter().map(|row| people::person(row, &self.path)).collect()
    }

    /// The changes of people that wait for a signature, unexpired, oldest first.
    pub async fn proposals(&self, now: Timestamp) -> Result<Vec<Proposal>, StoreError> {
        let rows = self.rows(sqlx::query(people::SELECT_PROPOSALS).bind(now.as_microsecond())).await?;
        rows.iter().map(|row| people::proposal(row, &self.path)).collect()
    }

    /// The invitation of a token, unused and unexpired; `None` else.
    pub async fn invitation(&self, token: &Digest, now: Timestamp) -> Result<Option<Invitation>, StoreError> {
        let query = sqlx::query(people::SELECT_INVITATION).bind(token.as_bytes().as_slice());
        let rows = self.rows(query.bind(now.as_microsecond())).await?;
        rows.first().map(|row| people::invitation(row, &self.path)).transpose()
    }

    /// Where somebody who follows the record has got to; 0 at first.
    pub async fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        checkpoints::cursor(&self.rows(sqlx::query(checkpoints::SELECT_CURSOR).bind(name)).await?, &self.path)
    }

    /// The newest kept checkpoint, at least of `size` records if that is given, with how many records it covers.
    pub async fn checkpoint(&self, size: Option<u64>) -> Result<Option<(u64, String)>, StoreError> {
        let least = i64::try_from(size.unwrap_or_default()).unwrap_or(i64::MAX);
        checkpoints::checkpoint(&self.rows(sqlx::query(checkpoints::SELECT_NEWEST).bind(least)).await?, &self.path)
    }

    /// Every kept checkpoint with how many records it covers, the smallest first.
    pub async fn checkpoints(&self) -> Result<Vec<(u64, String)>, StoreError> {
        checkpoints::checkpoints(&self.rows(sqlx::query(checkpoints::SELECT_ALL)).await?, &self.path)
    }

    /// A plan's content as it was filed: the text that its digest is over.
    pub async fn plan_content(&self, id: &PlanId) -> Result<Option<String>, StoreError> {
        let rows = self.rows(sqlx::query(plans::SELECT_CONTENT).bind(id.as_str())).await?;
        rows.first().map(|row| plans::content(row, &self.path)).transpose()
    }

    /// Plans that are being applied, with the instance that does it, and those whose outcome isn't known.
    pub(super) async fn under_way(&self) -> Result<Vec<(FiledPlan, Option<String>)>, StoreError> {
        let rows = self.rows(sqlx::query(plans::SELECT_UNDER_WAY).bind(i64::MIN)).await?;
        rows.iter().map(|row| Ok((plans::plan(row, &self.path)?, plans::owner(row, &self.path)?))).collect()
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn rows(
        &self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        query.fetch_all(&self.pool).await.map_err(|error| failure::database(&self.path, &error))
    }
}

/// What every connection has in common.
pub(super) fn connect_options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    // A database that somebody tampered with may hold views and triggers; they get no functions with side effects.
    sqlx::ConnectOptions::disable_statement_logging(options.pragma("trusted_schema", "OFF"))
}
