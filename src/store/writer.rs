//! The one writer of a process: takes jobs, commits as many together as have arrived, then answers.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use super::counters::Count;
use super::head::HeadFile;
use super::instance::Instance;
use super::plans::{Change, Transaction};
use super::{failure, records};
use crate::audit::chain;
use crate::audit::event::{Head, StoredRecord};
use crate::ports::StoreError;

/// Most jobs committed together; bounds how long the first of them waits for the last.
const MOST_TOGETHER: usize = 256;

/// What one caller wants written, all or nothing.
#[derive(Debug)]
pub(super) struct Job {
    /// What changes besides the record.
    pub(super) change: Change,
    /// The events' canonical texts.
    pub(super) events: Vec<String>,
    /// What the events add to the counters.
    pub(super) counts: Vec<Count>,
    /// True where it must survive a loss of power.
    pub(super) durable: bool,
    /// Where the answer goes, after the commit.
    pub(super) answer: oneshot::Sender<Result<Written, StoreError>>,
}

/// What a job has come to.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The chain's end after the job's events.
    pub(super) head: Head,
    /// False where there was nothing to change, and so nothing was written.
    pub(super) changed: bool,
}

/// The writer and what it holds as long as it lives.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    connection: SqliteConnection,
    head_file: HeadFile,
    instance: Arc<Instance>,
    /// The chain's end as this writer saw it last; it can only grow.
    last: Head,
    /// The connection's `synchronous` is FULL rather than NORMAL.
    full: bool,
}

/// Why a batch could not be committed.
enum Trouble {
    /// The batch as a whole: none of its jobs would fare better alone.
    All(StoreError),
    /// One of the jobs; the others may be fine.
    One(StoreError),
}

impl Writer {
    /// A writer on a connection that was opened with `synchronous=NORMAL`, for a chain that ends with `last`.
    pub(super) fn new(
        path: PathBuf,
        connection: SqliteConnection,
        head_file: HeadFile,
        instance: Arc<Instance>,
        last: Head,
    ) -> Self {
        Self { path, connection, head_file, instance, last, full: false }
    }

    /// Works until there is nobody left who could send a job.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(MOST_TOGETHER);
        while jobs.recv_many(&mut batch, MOST_TOGETHER).await > 0 {
            self.serve(std::mem::take(&mut batch)).await;
        }
        if let Err(error) = sqlx::Connection::close(self.connection).await {
            tracing::warn!(%error, "the store did not close cleanly");
        }
    }

    async fn serve(&mut self, mut batch: Vec<Job>) {
        // Nobody would carry out what was claimed for a caller that has gone away. All else happened, and is recorded.
        batch.retain(|job| !(job.answer.is_closed() && matches!(job.change, Change::Claim(_))));
        match self.commit(&batch).await {
            Ok(written) => {
                for (job, written) in batch.into_iter().zip(written) {
                    let _ = job.answer.send(written);
                }
            }
            Err(Trouble::One(_)) if batch.len() > 1 => {
                for job in batch {
                    let written = match self.commit(std::slice::from_ref(&job)).await {
                        Ok(mut written) => written.pop().unwrap_or_else(|| Err(lost())),
                        Err(Trouble::All(error) | Trouble::One(error)) => Err(error),
                    };
                    let _ = job.answer.send(written);
                }
            }
            Err(Trouble::All(error) | Trouble::One(error)) => {
                let reason = error.to_string();
                for job in batch {
                    let _ = job.answer.send(Err(StoreError::Failed(reason.clone())));
                }
            }
        }
    }

    /// Commits the jobs in one transaction and answers for each, in order. Nothing is written where it fails.
    async fn commit(&mut self, jobs: &[Job]) -> Result<Vec<Result<Written, StoreError>>, Trouble> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let durable = jobs.iter().any(|job| job.durable);
        let tip = self.begin(durable).await.map_err(Trouble::All)?;
        let worked = self.work(jobs, tip).await;
        let (answers, tip) = match worked {
            Ok(done) => done,
            Err(trouble) => {
                self.roll_back().await;
                return Err(trouble);
            }
        };
        if let Err(error) = sqlx::query("COMMIT").execute(&mut self.connection).await {
            self.roll_back().await;
            return Err(Trouble::All(failure::database(&self.path, &error)));
        }
        self.keep(tip, durable);
        Ok(answers)
    }

    async fn begin(&mut self, durable: bool) -> Result<Head, StoreError> {
        if self.full != durable {
            let level = if durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            let set = sqlx::raw_sql(level).execute(&mut self.connection).await;
            set.map_err(|error| failure::database(&self.path, &error))?;
            self.full = durable;
        }
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await;
        begun.map_err(|error| failure::database(&self.path, &error))?;
        let tip = self.tip().await;
        if tip.is_err() {
            self.roll_back().await;
        }
        tip
    }

    async fn tip(&mut self) -> Result<Head, StoreError> {
        let rows = sqlx::query(records::TIP).fetch_all(&mut self.connection).await;
        let tip = records::tip(&rows.map_err(|error| failure::database(&self.path, &error))?, &self.path)?;
        if tip.seq < self.last.seq || (tip.seq == self.last.seq && tip.hash != self.last.hash) {
            return Err(StoreError::Failed(format!(
                "the record in `{}` ended with record {} a moment ago and now ends with record {}: another program \
                 changed it; keep it as it is and run `countersign audit verify`",
                self.path.display(),
                self.last.seq,
                tip.seq
            )));
        }
        Ok(tip)
    }

    /// Carries out the changes and writes all records; returns the answers and the chain's new end.
    async fn work(&mut self, jobs: &[Job], mut tip: Head) -> Result<(Vec<Result<Written, StoreError>>, Head), Trouble> {
        let mut answers = Vec::with_capacity(jobs.len());
        let mut new: Vec<StoredRecord> = Vec::with_capacity(jobs.len());
        let mut transaction = Transaction { connection: &mut self.connection, path: &self.path };
        for job in jobs {
            match apply(job, &mut transaction, self.instance.id()).await {
                Ok(changed) => {
                    if changed {
                        for event in &job.events {
                            let record = chain::next(&tip, event.clone());
                            tip = Head { seq: record.seq, hash: record.hash };
                            new.push(record);
                        }
                    }
                    answers.push(Ok(Written { head: tip.clone(), changed }));
                }
                Err(error @ StoreError::Failed(_)) => return Err(Trouble::One(error)),
                Err(refusal) => answers.push(Err(refusal)),
            }
        }
        let inserted = records::insert(transaction.connection, &new).await;
        inserted.map_err(|error| Trouble::All(failure::database(&self.path, &error)))?;
        Ok((answers, tip))
    }

    async fn roll_back(&mut self) {
        // SQLite may have rolled back by itself; then there is no transaction, and this fails without harm.
        let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
    }

    /// After a commit: what was committed stands, so trouble with the second copy is told to the operator only.
    fn keep(&mut self, tip: Head, durable: bool) {
        if tip == self.last {
            return;
        }
        if let Err(error) = self.head_file.advance(&tip, durable) {
            tracing::error!(%error, "the head of the record could not be kept: a cut-off end may go unnoticed");
        }
        self.last = tip;
    }
}

/// Carries out one job's change and counts its events. False where there was nothing to change.
async fn apply(job: &Job, transaction: &mut Transaction<'_>, instance: &str) -> Result<bool, StoreError> {
    let changed = job.change.apply(transaction, instance).await?;
    for count in job.counts.iter().filter(|_| changed) {
        count.add(transaction).await?;
    }
    Ok(changed)
}

/// The writer is gone, which happens only while the process ends.
pub(super) fn lost() -> StoreError {
    StoreError::Failed("the store is closing: nothing is recorded any more".to_owned())
}
