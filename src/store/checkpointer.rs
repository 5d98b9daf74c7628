//! Makes checkpoints of a store's record: follows it to its end, signs what it found, keeps that.

use std::path::Path;
use std::sync::Arc;

use super::key_files::KeyFiles;
use crate::audit::checkpoint::{Follower, SignedCheckpoint, Unsound, key_event};
use crate::audit::event::{Event, What};
use crate::audit::note::{BadNote, SigningKey, VerifierKey};
use crate::ports::{Clock, Store, StoreError};

/// Records read at a time.
const PAGE: u32 = 1000;

/// Makes checkpoints. What it has checked once it doesn't read again.
#[derive(Debug)]
pub struct Checkpointer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    files: KeyFiles,
    follower: Option<Follower>,
}

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum NoCheckpoint {
    /// The store failed, or a key's file can't be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The record is not what it was: nothing of it is signed.
    #[error("nothing is signed: {0}; run `countersign audit verify`")]
    Unsound(#[from] Unsound),
    /// Signing failed.
    #[error("{0}")]
    Note(#[from] BadNote),
    /// The private key is gone.
    #[error(
        "the private half of {key}, which the record names, is not in `{file}`: put back a backup of that file; without \
         one, begin with a new key by `countersign audit rotate-key --lost`"
    )]
    Lost {
        /// The key.
        key: VerifierKey,
        /// Where it should be.
        file: String,
    },
    /// Another process replaced the key just now.
    #[error("the key was replaced just now; try again")]
    Replaced,
    /// There is nothing to replace.
    #[error(
        "the key is not lost: run `countersign audit rotate-key` without `--lost`, so that the old key signs the new"
    )]
    NotLost,
}

/// A key and the one it took the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The key before.
    pub before: VerifierKey,
    /// The key from now on.
    pub now: VerifierKey,
}

impl Checkpointer {
    /// Of the store in the database at `database`.
    pub fn new(database: &Path, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, files: KeyFiles::beside(database), follower: None }
    }

    /// Makes the key where there is none, and puts it on record. Cheap where there is one.
    pub async fn prepare(&mut self) -> Result<(), NoCheckpoint> {
        if !self.files.is_there()? {
            self.key().await?;
        }
        Ok(())
    }

    /// The checkpoint of the record as it is now, kept.
    pub async fn make(&mut self) -> Result<SignedCheckpoint, NoCheckpoint> {
        let made = self.try_make().await;
        if made.is_err() {
            // What was followed may be half-way; the next attempt begins anew.
            self.follower = None;
        }
        made
    }

    /// As [`Checkpointer::make`], where something was recorded since the newest one; `None` where nothing was.
    pub async fn make_if_new(&mut self) -> Result<Option<SignedCheckpoint>, NoCheckpoint> {
        let kept = self.store.checkpoint(None).await?;
        match self.store.head().await?.seq {
            seq if kept.is_some_and(|(size, _)| size == seq) => Ok(None),
            _ => self.make().await.map(Some),
        }
    }

    /// The private half of the key that a checkpoint of this record was signed with.
    pub async fn signing_key(&mut self, checkpoint: &SignedCheckpoint) -> Result<SigningKey, NoCheckpoint> {
        let keys = self.follow().await?.keys().clone();
        let size = checkpoint.checkpoint().head.seq;
        let named = keys.at(size).ok_or(BadNote::Form("no key was on record then"))?;
        match self.files.find(named)? {
            Some(key) => Ok(key),
            None => Err(self.lost(named.clone())),
        }
    }

    /// A new key, which the old one signs. With `lost`, where that can't: then trust begins anew.
    pub async fn rotate(&mut self, lost: bool) -> Result<Rotation, NoCheckpoint> {
        let _held = self.files.lock()?;
        let before = self.named().await?;
        let old = self.files.find(&before)?;
        if self.files.has_next(&before)? {
            self.files.advance()?;
        }
        let old = match (old, lost) {
            (Some(old), false) => Some(old),
            (None, true) => None,
            (None, false) => return Err(self.lost(before)),
            (Some(_), true) => return Err(NoCheckpoint::NotLost),
        };
        if old.is_some() {
            self.make().await?;
        }
        let new = self.files.prepare(before.name())?;
        let now = new.verifier().clone();
        self.append(key_event(&now, old.as_ref())?).await?;
        self.files.advance()?;
        Ok(Rotation { before, now })
    }

    async fn try_make(&mut self) -> Result<SignedCheckpoint, NoCheckpoint> {
        let key = self.key().await?;
        let follower = self.follow().await?;
        // Another process may have replaced the key just now: what the old one signed from there on would count for nothing.
        if follower.keys().current() != Some(key.verifier()) {
            return Err(NoCheckpoint::Replaced);
        }
        let checkpoint = follower.checkpoint(&key)?;
        let size = checkpoint.checkpoint().head.seq;
        self.store.keep_checkpoint(size, &checkpoint.to_string()).await?;
        Ok(checkpoint)
    }

    /// The key that the record names, once it names one, to sign what was followed so far.
    async fn key(&mut self) -> Result<SigningKey, NoCheckpoint> {
        let named = self.named().await?;
        match self.files.find(&named)? {
            Some(key) => Ok(key),
            None => Err(self.lost(named)),
        }
    }

    async fn named(&mut self) -> Result<VerifierKey, NoCheckpoint> {
        if let Some(named) = self.follow().await?.keys().current() {
            return Ok(named.clone());
        }
        let first = self.files.first(&origin())?;
        self.append(key_event(first.verifier(), None)?).await?;
        // Another process may have been faster, with the same key.
        match self.follow().await?.keys().current() {
            Some(named) => Ok(named.clone()),
            None => Err(self.lost(first.verifier().clone())),
        }
    }

    /// Follows the record to its end.
    async fn follow(&mut self) -> Result<&Follower, NoCheckpoint> {
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => {
                let newest = self.store.checkpoint(None).await?;
                let parse = |(size, note): (u64, String)| {
                    SignedCheckpoint::parse(&note).map_err(|why| Unsound::Checkpoint { size, why })
                };
                Follower::new(Vec::new(), newest.map(parse).transpose()?.into_iter().collect())
            }
        };
        loop {
            let page = self.store.records(follower.head().seq.saturating_add(1), PAGE).await?;
            if page.is_empty() {
                break;
            }
            page.iter().try_for_each(|record| follower.take(record))?;
        }
        follower.clone().finish()?;
        Ok(self.follower.insert(follower))
    }

    async fn append(&self, what: What) -> Result<(), StoreError> {
        let event = Event { at: self.clock.now(), call: None, caller: None, what };
        self.store.append(vec![event]).await.map(|_| ())
    }

    fn lost(&self, key: VerifierKey) -> NoCheckpoint {
        NoCheckpoint::Lost { key, file: self.files.path().display().to_string() }
    }
}

/// A name for an installation that no other has.
fn origin() -> String {
    format!("countersign.{}", ulid::Ulid::generate().to_string().to_lowercase())
}
