//! The store in one SQLite database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::counters::Count;
use super::head::{HeadFile, Kept};
use super::instance::{self, Instance};
use super::people::{Carried, PeopleWrite};
use super::plans::{Change, outcome_text};
use super::reader::{Reader, connect_options};
use super::writer::{Job, Writer, Written, lost};
use super::{failure, files, head, records, schema, undo};
use crate::approval::people::{Approver, Invitation, Passkey, PeopleChange, Proposal};
use crate::audit::chain;
use crate::audit::event::{Event, Head, StoredRecord, What};
use crate::digest::Digest;
use crate::names::{Human, PlanId, ProposalId};
use crate::plan::filed::{FiledPlan, PlanState};
use crate::plan::kept::{self, Undone};
use crate::ports::{
    Breaker, BreakerScope, Claim, Counted, GrantRecord, PlanFilter, StepsAsked, StepsFound, Store, StoreError, Tally,
};

/// Plans, grants, counters, breakers and the record, in one database file that several processes may share.
///
/// What was handed over is written even if its caller goes away; only a claim is dropped where that is seen in time. So
/// whoever claims a plan must not be cancelled between [`Store::claim`] and [`Store::settle`]: the plan would stay
/// `applying` until the process ends, and become `unknown` then.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
    reader: Reader,
    instance: Arc<Instance>,
    writer: JoinHandle<()>,
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long to wait for other processes that write.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5) }
    }
}

impl SqliteStore {
    /// Opens the database at `path`, makes it where there is none, and brings its tables up to date.
    ///
    /// Fails where the record ends before the head that was kept beside it: someone cut it off.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Options::default()).await
    }

    /// As [`SqliteStore::open`], with other options.
    pub async fn open_with(path: &Path, options: Options) -> Result<Self, StoreError> {
        prepare_files(path)?;
        let kept = Kept::beside(path)?;
        let mut connection = connect(path, options).await?;
        schema::migrate(&mut connection, path).await?;
        check_kept(&mut connection, path, kept).await?;
        let last = tip(&mut connection, path).await?;

        let instance = Arc::new(Instance::start(path)?);
        let head_file = HeadFile::open(path)?;
        let (jobs, inbox) = mpsc::channel(1024);
        let writer = Writer::new(path.to_owned(), connection, head_file, Arc::clone(&instance), last);
        Ok(Self {
            path: path.to_owned(),
            jobs,
            reader: Reader::lazy(path, options.busy_timeout),
            instance,
            writer: tokio::spawn(writer.run(inbox)),
        })
    }

    /// What reads it.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Finishes what is under way and closes the database.
    pub async fn close(self) {
        let Self { jobs, writer, reader, instance, .. } = self;
        drop(jobs);
        reader.close().await;
        if let Err(error) = writer.await {
            tracing::error!(%error, "the store's writer failed");
        }
        drop(instance);
    }

    async fn write_people(&self, write: PeopleWrite, event: Event) -> Result<bool, StoreError> {
        Ok(self.write(Change::People(Box::new(write)), vec![event]).await?.changed)
    }

    async fn write(&self, change: Change, events: Vec<Event>) -> Result<Written, StoreError> {
        let durable = change.must_survive_power_loss() || events.iter().any(must_survive_power_loss);
        let counts = events.iter().filter_map(Count::of).collect();
        let events = events.iter().map(chain::canonical_event).collect::<Result<_, _>>();
        let events = events.map_err(|error| StoreError::Failed(format!("an event can't be recorded: {error}")))?;
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { change, events, counts, durable, answer }).await.map_err(|_| lost())?;
        answered.await.map_err(|_| lost())?
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, events: Vec<Event>) -> Result<Head, StoreError> {
        Ok(self.write(Change::Nothing, events).await?.head)
    }

    async fn file_plan(&self, plan: FiledPlan, event: Event) -> Result<(), StoreError> {
        self.write(Change::File(Box::new(plan)), vec![event]).await?;
        Ok(())
    }

    async fn plan(&self, id: &PlanId, now: Timestamp) -> Result<Option<FiledPlan>, StoreError> {
        self.reader.plan(id, now).await
    }

    async fn plans(&self, filter: PlanFilter, now: Timestamp) -> Result<Vec<FiledPlan>, StoreError> {
        self.reader.plans(&filter, now).await
    }

    async fn grant(&self, grant: GrantRecord, event: Event) -> Result<(), StoreError> {
        self.write(Change::Grant(grant), vec![event]).await?;
        Ok(())
    }

    async fn grants(&self, plan: &PlanId) -> Result<Vec<GrantRecord>, StoreError> {
        self.reader.grants(plan).await
    }

    async fn claim(&self, claim: Claim, intent: Event) -> Result<(), StoreError> {
        self.write(Change::Claim(claim), vec![intent]).await?;
        Ok(())
    }

    async fn settle(&self, plan: &PlanId, state: PlanState, outcome: Event) -> Result<(), StoreError> {
        let text = outcome_text(&outcome);
        let settled = self.reader.plan(plan, outcome.at).await?;
        let stuck = settled.and_then(|plan| undo::event(&plan, state, &outcome, text.as_deref()));
        let change = Change::Settle { plan: plan.clone(), state, outcome: text };
        self.write(change, std::iter::once(outcome).chain(stuck).collect()).await?;
        Ok(())
    }

    async fn keep(&self, plan: &PlanId, kept: kept::Kept, events: Vec<Event>) -> Result<(), StoreError> {
        self.write(Change::Keep { plan: plan.clone(), kept }, events).await?;
        Ok(())
    }

    async fn returned(&self, plan: &PlanId, undone: Undone, event: Event) -> Result<bool, StoreError> {
        Ok(self.write(Change::Returned { plan: plan.clone(), undone }, vec![event]).await?.changed)
    }

    async fn stuck(&self, limit: u32, now: Timestamp) -> Result<Vec<FiledPlan>, StoreError> {
        self.reader.stuck(limit, now).await
    }

    async fn orphans(
        &self,
        event: &(dyn for<'a> Fn(&'a FiledPlan) -> Event + Send + Sync),
    ) -> Result<Vec<FiledPlan>, StoreError> {
        for (plan, owner) in self.reader.under_way().await? {
            if plan.state != PlanState::Applying {
                continue;
            }
            let owner = owner.unwrap_or_default();
            if !instance::is_alive(&self.path, &owner)? {
                let event = event(&plan);
                let stuck = undo::event(&plan, PlanState::Unknown, &event, outcome_text(&event).as_deref());
                let events = std::iter::once(event).chain(stuck).collect();
                self.write(Change::Orphan { plan: plan.content.id, owner }, events).await?;
            }
        }
        instance::sweep(&self.path)?;
        let under_way = self.reader.under_way().await?;
        Ok(under_way.into_iter().map(|(plan, _)| plan).filter(|plan| plan.state == PlanState::Unknown).collect())
    }

    async fn use_once(&self, mark: &str, forget_after: Timestamp) -> Result<bool, StoreError> {
        Ok(self.write(Change::UseOnce { mark: mark.to_owned(), forget_after }, Vec::new()).await?.changed)
    }

    async fn tally(&self, who: &Counted, now: Timestamp) -> Result<Tally, StoreError> {
        self.reader.tally(who, now).await
    }

    async fn steps(&self, asked: &StepsAsked, now: Timestamp) -> Result<StepsFound, StoreError> {
        self.reader.steps(asked, now).await
    }

    async fn open_breaker(&self, breaker: Breaker, event: Event) -> Result<bool, StoreError> {
        Ok(self.write(Change::OpenBreaker(breaker), vec![event]).await?.changed)
    }

    async fn close_breaker(&self, scope: &BreakerScope, event: Event) -> Result<bool, StoreError> {
        Ok(self.write(Change::CloseBreaker(scope.clone()), vec![event]).await?.changed)
    }

    async fn breakers(&self) -> Result<Vec<Breaker>, StoreError> {
        self.reader.breakers().await
    }

    async fn park(&self, plan: &PlanId, event: Event) -> Result<bool, StoreError> {
        Ok(self.write(Change::Park { plan: plan.clone(), at: event.at }, vec![event]).await?.changed)
    }

    async fn reject(&self, plan: &PlanId, reason: &str, event: Event) -> Result<(), StoreError> {
        let change = Change::Reject { plan: plan.clone(), reason: reason.to_owned(), at: event.at };
        self.write(change, vec![event]).await?;
        Ok(())
    }

    async fn people(&self) -> Result<Vec<Approver>, StoreError> {
        self.reader.people().await
    }

    async fn propose(&self, proposal: Proposal, event: Event) -> Result<(), StoreError> {
        self.write_people(PeopleWrite::Propose(proposal), event).await?;
        Ok(())
    }

    async fn proposals(&self, now: Timestamp) -> Result<Vec<Proposal>, StoreError> {
        self.reader.proposals(now).await
    }

    async fn withdraw(&self, proposal: &ProposalId, event: Event) -> Result<bool, StoreError> {
        self.write_people(PeopleWrite::Withdraw(proposal.clone()), event).await
    }

    async fn change_people(
        &self,
        proposal: Option<&ProposalId>,
        change: PeopleChange,
        invitation: Option<Invitation>,
        event: Event,
    ) -> Result<(), StoreError> {
        let signed = match &event.what {
            What::PeopleChanged { proposal: recorded, change: told, signed, .. }
                if recorded.as_ref() == proposal && *told == change =>
            {
                signed.clone()
            }
            _ => return Err(other_event()),
        };
        let carried = Carried { proposal: proposal.cloned(), change, invitation, signed, at: event.at };
        self.write_people(PeopleWrite::Change(carried), event).await?;
        Ok(())
    }

    async fn invitation(&self, token: &Digest, now: Timestamp) -> Result<Option<Invitation>, StoreError> {
        self.reader.invitation(token, now).await
    }

    async fn enrol(&self, token: &Digest, passkey: Passkey, event: Event) -> Result<(), StoreError> {
        let standing = match &event.what {
            What::Enrolled { standing, passkey: told } if **told == passkey => standing.clone(),
            _ => return Err(other_event()),
        };
        self.write_people(PeopleWrite::Enrol { token: *token, passkey, standing, at: event.at }, event).await?;
        Ok(())
    }

    async fn count_signature(&self, name: &Human, passkey: &str, counter: u32) -> Result<bool, StoreError> {
        let change = Change::CountSignature { name: name.clone(), passkey: passkey.to_owned(), counter };
        Ok(self.write(change, Vec::new()).await?.changed)
    }

    async fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        self.reader.cursor(name).await
    }

    async fn move_cursor(&self, name: &str, from: u64, to: u64) -> Result<bool, StoreError> {
        Ok(self.write(Change::MoveCursor { name: name.to_owned(), from, to }, Vec::new()).await?.changed)
    }

    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        self.write(Change::KeepCheckpoint { size, note: note.to_owned() }, Vec::new()).await?;
        Ok(())
    }

    async fn checkpoint(&self, size: Option<u64>) -> Result<Option<(u64, String)>, StoreError> {
        self.reader.checkpoint(size).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.reader.head().await
    }

    async fn records(&self, from: u64, limit: u32) -> Result<Vec<StoredRecord>, StoreError> {
        self.reader.records(from, limit).await
    }
}

/// What is recorded must be what is done.
fn other_event() -> StoreError {
    StoreError::Failed("the event is not of this change".to_owned())
}

/// State and events are durable together, so this is for events that are appended by themselves.
fn must_survive_power_loss(event: &Event) -> bool {
    use What::{CheckpointKey, Confirmed, Intent, Outcome, Reconciled};
    matches!(event.what, Confirmed { .. } | Intent { .. } | Outcome { .. } | Reconciled { .. } | CheckpointKey { .. })
}

fn prepare_files(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::private_folder(folder).map_err(|error| failure::file(folder, &error))?;
    }
    // SQLite gives its log the rights of the database.
    files::private_database(path).map_err(|error| failure::file(path, &error))
}

/// Connects; waits where another process is just making the same database, for which SQLite itself does not wait.
async fn connect(path: &Path, options: Options) -> Result<SqliteConnection, StoreError> {
    let connect = connect_options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("journal_size_limit", "16777216")
        .busy_timeout(options.busy_timeout);
    let give_up = tokio::time::Instant::now() + options.busy_timeout;
    loop {
        match connect.connect().await {
            Err(error) if failure::is_busy(&error) && tokio::time::Instant::now() < give_up => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            connected => return connected.map_err(|error| failure::database(path, &error)),
        }
    }
}

async fn tip(connection: &mut SqliteConnection, path: &Path) -> Result<Head, StoreError> {
    let rows = sqlx::query(records::TIP).fetch_all(connection).await;
    records::tip(&rows.map_err(|error| failure::database(path, &error))?, path)
}

/// Refuses a chain that does not contain the head kept after the last durable commit.
///
/// Records after it may be lost with the power. What is known of them is then put aside for `audit verify`.
async fn check_kept(connection: &mut SqliteConnection, path: &Path, kept: Kept) -> Result<(), StoreError> {
    if let Some(durable) = &kept.durable
        && !contains(connection, path, durable).await?
    {
        return Err(StoreError::Failed(format!(
            "the record in `{}` was cut off or replaced: `{}` says that record {} was written, and it is not there; \
             run `countersign audit verify`, then put back a backup of both, or move both away to begin a new record",
            path.display(),
            head::path_beside(path).display(),
            durable.seq
        )));
    }
    if let Some(latest) = &kept.latest
        && !contains(connection, path, latest).await?
    {
        let aside = head::put_aside(path)?;
        tracing::error!(
            "the last records in `{}`, up to record {}, are lost: cut off, or lost with the power; `audit verify` \
             says so until `{}` is removed",
            path.display(),
            latest.seq,
            aside.display()
        );
    }
    Ok(())
}

async fn contains(connection: &mut SqliteConnection, path: &Path, head: &Head) -> Result<bool, StoreError> {
    let query = sqlx::query("SELECT seq, hash FROM records WHERE seq = ?").bind(head.seq.cast_signed());
    let rows = query.fetch_all(connection).await.map_err(|error| failure::database(path, &error))?;
    Ok(records::tip(&rows, path)?.hash == head.hash)
}
