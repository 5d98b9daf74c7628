//! Checkpoints: what the record was when it had so many records, signed. Whoever keeps one elsewhere sees any later change
//! of what it covers.
//!
//! A checkpoint is a signed note of four lines: the origin (which installation), the number of records, the root of the
//! Merkle tree over their hashes, and, as an extension line, the hash of the last record. The key's name is the origin.
//!
//! <https://c2sp.org/tlog-checkpoint>

use std::cmp::Reverse;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::chain::{self, Broken, Verified, Verifier};
use super::event::{Event, Head, StoredRecord, What};
use super::merkle::{self, Frontier, Hash};
use super::note::{BadNote, Note, SigningKey, VerifierKey};
use crate::digest::Digest;

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which installation's record it is.
    pub origin: String,
    /// The last record it covers.
    pub head: Head,
    /// The root of the tree over all records up to that one.
    pub root: Hash,
}

impl Checkpoint {
    fn text(&self) -> String {
        let Self { origin, head, root } = self;
        format!("{origin}\n{}\n{}\nhead {}\n", head.seq, BASE64.encode(root), head.hash)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (origin, size, root, head) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
        let hash = Digest::try_from(head.strip_prefix("head ")?.to_owned()).ok()?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            head: Head { seq: size.parse().ok()?, hash },
            root: BASE64.decode(root).ok()?.try_into().ok()?,
        };
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

/// A checkpoint with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Signs a checkpoint; its origin becomes the key's name.
    pub fn sign(head: Head, root: Hash, key: &SigningKey) -> Result<Self, BadNote> {
        let checkpoint = Checkpoint { origin: key.verifier().name().to_owned(), head, root };
        let note = Note::sign(&checkpoint.text(), key)?;
        Ok(Self { checkpoint, note })
    }

    /// Reads a checkpoint; who signed it is not checked yet.
    pub fn parse(note: &str) -> Result<Self, BadNote> {
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())
            .ok_or(BadNote::Form("its text is not origin, size, root and head, one line each"))?;
        Ok(Self { checkpoint, note })
    }

    /// What it says. Worth nothing before [`SignedCheckpoint::check`].
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// How many signatures it bears, whoever they are by.
    pub fn signatures(&self) -> usize {
        self.note.signatures()
    }

    /// Checks that it was signed with this key, for the installation whose key it is.
    pub fn check(&self, key: &VerifierKey) -> Result<(), BadNote> {
        if self.checkpoint.origin != key.name() {
            return Err(BadNote::NotSigned(key.to_string()));
        }
        self.note.check(key)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// The keys that checkpoints are signed with, as the record names them, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<RecordedKey>);

/// A key on record.
#[derive(Clone, Debug)]
pub struct RecordedKey {
    /// From this record on it is in use.
    pub since: u64,
    /// The key.
    pub key: VerifierKey,
    /// True where the key before signed that this one follows it.
    pub follows: bool,
}

/// What is wrong with a key's record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {since} names a checkpoint key that can't be one: {why}")]
pub struct BadKey {
    /// The record.
    pub since: u64,
    /// Why not.
    pub why: BadNote,
}

impl Keys {
    /// Takes a record's event, which may name a key.
    pub fn take(&mut self, since: u64, what: &What) -> Result<(), BadKey> {
        let What::CheckpointKey { verifier, signed_by_previous } = what else { return Ok(()) };
        let bad = |why| BadKey { since, why };
        let key: VerifierKey = verifier.parse().map_err(bad)?;
        // Two processes that start at the same time may both put the first key on record.
        if self.current() == Some(&key) {
            return Ok(());
        }
        let follows = match (self.current(), signed_by_previous) {
            (Some(before), Some(note)) => {
                let note = Note::parse(note).map_err(bad)?;
                if note.text() != succession(&key) || note.signatures() != 1 {
                    return Err(bad(BadNote::Form("the key before signed something else")));
                }
                note.check(before).map_err(bad)?;
                true
            }
            (None, Some(_)) => return Err(bad(BadNote::Form("it names a key before, and there is none"))),
            (_, None) => false,
        };
        self.0.push(RecordedKey { since, key, follows });
        Ok(())
    }

    /// All of them.
    pub fn all(&self) -> &[RecordedKey] {
        &self.0
    }

    /// The newest.
    pub fn current(&self) -> Option<&VerifierKey> {
        self.0.last().map(|recorded| &recorded.key)
    }

    /// The one in use when there were so many records.
    pub fn at(&self, size: u64) -> Option<&VerifierKey> {
        self.0.iter().rev().find(|recorded| recorded.since <= size).map(|recorded| &recorded.key)
    }

    /// True where trust in `trusted` is trust in `key`: it is the same, or each key after it up to `key` was signed by the
    /// one before.
    pub fn vouches(&self, trusted: &VerifierKey, key: &VerifierKey) -> bool {
        let place = |wanted: &VerifierKey| self.0.iter().position(|recorded| recorded.key == *wanted);
        let (Some(from), Some(to)) = (place(trusted), place(key)) else { return false };
        from <= to && self.0.iter().take(to.saturating_add(1)).skip(from.saturating_add(1)).all(|next| next.follows)
    }
}

/// The event that puts a key on record. `before` is the key it follows; without it, trust begins anew.
pub fn key_event(key: &VerifierKey, before: Option<&SigningKey>) -> Result<What, BadNote> {
    let signed = before.map(|before| Note::sign(&succession(key), before)).transpose()?;
    let signed_by_previous = signed.map(|note| note.to_string());
    Ok(What::CheckpointKey { verifier: key.to_string(), signed_by_previous })
}

/// What the key before signs. No checkpoint reads like it: where that has its size, this has a word.
fn succession(key: &VerifierKey) -> String {
    format!("{}\nfollowed by {key}\n", key.name())
}

/// Why a record or one of its checkpoints can't be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// The chain is broken, or does not contain what a checkpoint says.
    #[error("{0}")]
    Chain(#[from] Broken),
    /// A key on record is none.
    #[error("{0}")]
    Key(#[from] BadKey),
    /// A checkpoint is not what was signed here.
    #[error("the checkpoint of {size} records is not good: {why}")]
    Checkpoint {
        /// How many records it covers.
        size: u64,
        /// What is wrong with it.
        why: BadNote,
    },
    /// The tree over the records has another root than a checkpoint says.
    #[error("the checkpoint of {size} records has another root than the records: they, or it, were changed")]
    Root {
        /// How many records it covers.
        size: u64,
    },
}

impl Unsound {
    /// What to do about it.
    pub fn mend(&self) -> String {
        match self {
            Self::Chain(broken) => broken.mend(),
            Self::Key(_) | Self::Checkpoint { .. } | Self::Root { .. } => {
                "somebody wrote to the database who is not this program, or the checkpoint is not of this record. Keep \
                 database, `audit.head` and `checkpoint.key` as they are, stop the servers that use them, and compare with \
                 an export or a checkpoint that was kept elsewhere."
                    .to_owned()
            }
        }
    }
}

/// Follows the record from its first entry: checks the chain and the checkpoints that were kept, grows the tree, and learns
/// the keys.
#[derive(Clone, Debug)]
pub struct Follower {
    chain: Verifier,
    /// `None` where it began later than with the first record: the tree can't be known then.
    frontier: Option<Frontier>,
    keys: Keys,
    /// Those that are still ahead, the nearest last.
    ahead: Vec<SignedCheckpoint>,
    passed: u64,
}

impl Follower {
    /// Begins before the first record. The chain must contain each of these heads and checkpoints.
    pub fn new(kept: Vec<Head>, checkpoints: Vec<SignedCheckpoint>) -> Self {
        Self::after(chain::empty(), kept, checkpoints)
    }

    /// Begins after `head`, which is taken as given.
    pub fn after(head: Head, kept: Vec<Head>, mut checkpoints: Vec<SignedCheckpoint>) -> Self {
        let heads = checkpoints.iter().map(|kept| kept.checkpoint.head.clone()).chain(kept).collect();
        checkpoints.sort_by_key(|kept| Reverse(kept.checkpoint.head.seq));
        let frontier = (head == chain::empty()).then(Frontier::default);
        let chain = Verifier::after(head, heads);
        Self { chain, frontier, keys: Keys::default(), ahead: checkpoints, passed: 0 }
    }

    /// Takes the next record.
    pub fn take(&mut self, record: &StoredRecord) -> Result<(), Unsound> {
        self.chain.check(record)?;
        if let Some(frontier) = &mut self.frontier {
            frontier.push(merkle::leaf(record.hash.as_bytes()));
            // Few records name a key; the others need not be read a second time.
            if record.event.contains("\"checkpoint_key\"")
                && let Ok(event) = serde_json::from_str::<Event>(&record.event)
            {
                self.keys.take(record.seq, &event.what)?;
            }
        }
        while let Some(kept) = self.ahead.pop_if(|kept| kept.checkpoint.head.seq <= record.seq) {
            self.check(&kept)?;
            self.passed = self.passed.saturating_add(1);
        }
        Ok(())
    }

    /// The last record taken.
    pub fn head(&self) -> &Head {
        self.chain.head()
    }

    /// The keys on record so far.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How many checkpoints were good.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// The root over all records so far; `None` where it didn't begin with the first.
    pub fn root(&self) -> Option<Hash> {
        self.frontier.as_ref().map(Frontier::root)
    }

    /// The checkpoint of all records so far.
    pub fn checkpoint(&self, key: &SigningKey) -> Result<SignedCheckpoint, BadNote> {
        let root = self.root().ok_or(BadNote::Form("the records before it are not known"))?;
        SignedCheckpoint::sign(self.head().clone(), root, key)
    }

    /// Ends after the last record.
    pub fn finish(self) -> Result<Verified, Unsound> {
        Ok(self.chain.finish()?)
    }

    fn check(&self, kept: &SignedCheckpoint) -> Result<(), Unsound> {
        let size = kept.checkpoint.head.seq;
        let wrong = |why| Unsound::Checkpoint { size, why };
        let Some(root) = self.root() else { return Ok(()) };
        let key = self.keys.current().ok_or(wrong(BadNote::Form("no key was on record then")))?;
        kept.check(key).map_err(wrong)?;
        match kept.checkpoint.root == root && size == self.head().seq {
            true => Ok(()),
            false => Err(Unsound::Root { size }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::BrokenKind;

    fn key() -> SigningKey {
        SigningKey::generate("countersign.test").unwrap()
    }

    fn served(number: usize) -> What {
        What::Served { tool: format!("tool_{number}") }
    }

    fn records(all: impl IntoIterator<Item = What>) -> Vec<StoredRecord> {
        let mut head = chain::empty();
        let events =
            all.into_iter().map(|what| Event { at: jiff::Timestamp::UNIX_EPOCH, call: None, caller: None, what });
        let next = |event: Event| {
            let record = chain::next(&head, chain::canonical_event(&event).unwrap());
            head = Head { seq: record.seq, hash: record.hash };
            record
        };
        events.map(next).collect()
    }

    fn follow(records: &[StoredRecord], kept: Vec<SignedCheckpoint>) -> Result<Follower, Unsound> {
        let mut follower = Follower::new(Vec::new(), kept);
        records.iter().try_for_each(|record| follower.take(record))?;
        follower.clone().finish()?;
        Ok(follower)
    }

    #[test]
    fn a_checkpoint_is_a_note_that_tells_origin_size_root_and_head() {
        let key = SigningKey::of("countersign.test", [7; 32]).unwrap();
        let records = records([key_event(key.verifier(), None).unwrap(), served(1), served(2)]);
        let signed = follow(&records, vec![]).unwrap().checkpoint(&key).unwrap();
        insta::assert_snapshot!(signed, @r"
        countersign.test
        3
        RsiACuJ6B1gudWFov0Yc5eGtvOmzm69Sgsq1dRbSCX8=
        head e7e9d267c1390bf271dca51d7eeeb62149c5612b18bd86d6ccc4bb4f642f1b36

        — countersign.test /1aktKtomtwZT+VVaIHjJlKzQAowIiIxmMufYsJIC8PP1XfCX+70jaWLJY7Q/PhIi/pt8DKOxdwlsJi4rBP3TK6ZqQQ=
        ");
        let parsed = SignedCheckpoint::parse(&signed.to_string()).unwrap();
        assert_eq!(parsed, signed);
        parsed.check(key.verifier()).unwrap();
        for (from, to) in [("\n3\n", "\n03\n"), ("\n3\n", "\n+3\n"), ("head ", "head  "), ("\nhead", "\nmore\nhead")] {
            assert!(SignedCheckpoint::parse(&signed.to_string().replacen(from, to, 1)).is_err(), "{to:?}");
        }
    }

    #[test]
    fn every_kept_checkpoint_must_fit_the_record() {
        let (key, stranger) = (key(), SigningKey::generate("countersign.test").unwrap());
        let all = records(std::iter::once(key_event(key.verifier(), None).unwrap()).chain((0..9).map(served)));
        let at = |size: usize| follow(&all[..size], vec![]).unwrap().checkpoint(&key).unwrap();
        assert_eq!(follow(&all, vec![at(7), at(3), at(10), at(3)]).unwrap().passed(), 4);

        let other = records(std::iter::once(key_event(key.verifier(), None).unwrap()).chain((5..14).map(served)));
        let rewritten = follow(&other, vec![at(7)]).unwrap_err();
        assert_eq!(rewritten, Unsound::Chain(Broken { seq: 7, kind: BrokenKind::Rewritten }));
        let cut_off = follow(&all[..6], vec![at(7)]).unwrap_err();
        assert_eq!(cut_off, Unsound::Chain(Broken { seq: 7, kind: BrokenKind::CutOff { last: 6, kept: 7 } }));
        let head = at(7).checkpoint.head;
        let root = SignedCheckpoint::sign(head.clone(), [1; 32], &key).unwrap();
        assert_eq!(follow(&all, vec![root]).unwrap_err(), Unsound::Root { size: 7 });
        let forged = SignedCheckpoint::sign(head, at(7).checkpoint.root, &stranger).unwrap();
        assert!(matches!(follow(&all, vec![forged]), Err(Unsound::Checkpoint { size: 7, .. })));
    }

    #[test]
    fn keys_follow_each_other_by_signature() {
        let (one, two, three) = (key(), key(), key());
        let first = key_event(one.verifier(), None).unwrap();
        let second = key_event(two.verifier(), Some(&one)).unwrap();
        let third = key_event(three.verifier(), Some(&two)).unwrap();
        let all = records([first.clone(), first.clone(), served(1), second.clone(), served(2), third, served(3)]);
        let old = follow(&all[..3], vec![]).unwrap().checkpoint(&one).unwrap();
        let keys = follow(&all, vec![old]).unwrap().keys().clone();
        assert_eq!(keys.all().iter().map(|key| key.since).collect::<Vec<_>>(), [1, 4, 6]);
        let vouches = |from: &SigningKey, to: &SigningKey| keys.vouches(from.verifier(), to.verifier());
        assert!(vouches(&one, &three) && vouches(&two, &three) && vouches(&three, &three) && vouches(&one, &one));
        assert!(!vouches(&three, &one) && !vouches(&key(), &three) && !vouches(&one, &key()));

        let late = follow(&all, vec![]).unwrap().checkpoint(&one).unwrap();
        let refused = follow(&all, vec![late]).unwrap_err();
        assert!(matches!(refused, Unsound::Checkpoint { size: 7, .. }), "a key that was replaced: {refused}");
        let forged = key_event(three.verifier(), Some(&three)).unwrap();
        assert!(matches!(follow(&records([first.clone(), forged]), vec![]), Err(Unsound::Key(_))));
        assert!(matches!(follow(&records([second]), vec![]), Err(Unsound::Key(_))));
        // A key that was lost: the record goes on, and trust in the old key ends.
        let lost = follow(&records([first, key_event(two.verifier(), None).unwrap()]), vec![]).unwrap();
        assert!(!lost.keys().vouches(one.verifier(), two.verifier()));
    }
}
