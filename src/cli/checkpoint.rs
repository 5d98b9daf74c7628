//! Checkpoints of the record: by hand (`countersign audit checkpoint`, `rotate-key`), and while a server runs.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::audit::checkpoint::SignedCheckpoint;
use crate::clock::SystemClock;
use crate::pipeline::World;
use crate::store::{Checkpointer, NoCheckpoint, Rotation, SqliteStore};

/// How often a running server makes a checkpoint, where something was recorded meanwhile.
const EVERY: Duration = Duration::from_secs(600);
/// How long a server that ends takes for its last checkpoint.
const MOST_WAIT: Duration = Duration::from_secs(5);

/// Makes checkpoints while a server runs.
#[derive(Clone, Debug)]
pub(super) struct Keeper(Arc<Mutex<Checkpointer>>);

impl Keeper {
    /// For a server: makes the key where there is none yet, and puts it on record.
    pub(super) async fn start(world: &World) -> Result<Self, NoCheckpoint> {
        let (store, clock) = (Arc::clone(&world.store), Arc::clone(&world.clock));
        let mut checkpointer = Checkpointer::new(&world.config.store, store, clock);
        checkpointer.prepare().await?;
        Ok(Self(Arc::new(Mutex::new(checkpointer))))
    }

    /// Makes a checkpoint now and then.
    pub(super) async fn run(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.make().await;
        }
    }

    /// Makes the last one.
    pub(super) async fn end(&self) {
        if tokio::time::timeout(MOST_WAIT, self.make()).await.is_err() {
            tracing::warn!("the last checkpoint took too long and was left out; the next server makes it");
        }
    }

    async fn make(&self) {
        match self.0.lock().await.make_if_new().await {
            Ok(Some(made)) => tracing::debug!(records = made.checkpoint().head.seq, "a checkpoint was made"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "no checkpoint could be made"),
        }
    }
}

/// Makes a checkpoint of the record in the database at `path`, and keeps it.
pub(super) async fn make(path: &Path) -> Result<SignedCheckpoint, Box<dyn Error>> {
    Ok(open(path).await?.make().await?)
}

/// Replaces the key that signs checkpoints.
pub(super) async fn rotate(path: &Path, lost: bool, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let mut checkpointer = open(path).await?;
    let Rotation { before, now } = checkpointer.rotate(lost).await?;
    checkpointer.make().await?;
    writeln!(out, "checkpoints are signed with a new key from now on, which is on record:\n  {now}")?;
    match lost {
        false => writeln!(out, "the old one signed that; it is gone:\n  {before}")?,
        true => writeln!(
            out,
            "the old one could not sign that; whoever trusts it must be told of the new one by other means:\n  {before}"
        )?,
    }
    Ok(())
}

async fn open(path: &Path) -> Result<Checkpointer, Box<dyn Error>> {
    Ok(Checkpointer::new(path, Arc::new(SqliteStore::open(path).await?), Arc::new(SystemClock)))
}
