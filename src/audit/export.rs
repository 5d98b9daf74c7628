//! The record as a file: JSON lines, one record a line, and a last line that says where the chain ends.
//!
//! A record's line is `{"seq":1,"previous":"<hash>","hash":"<hash>","event":{...}}`. The event is the stored text, byte
//! for byte, so that the file can be checked without the database; do not reformat it. The last line is
//! `{"footer":{"from":1,"records":3,"head":{"seq":3,"hash":"<hash>"},"checkpoint":"<note>"}}`; the checkpoint is the one of
//! that head, where there is one.

use serde::{Deserialize, Serialize};

use super::chain::{Broken, BrokenKind, Verified, empty};
use super::checkpoint::{Follower, Keys, SignedCheckpoint, Unsound};
use super::event::{Head, StoredRecord};
use super::merkle::Hash;
use super::note::{BadNote, VerifierKey};
use crate::digest::Digest;

/// What stands between a line's own members and the event's text.
const EVENT: &str = ",\"event\":";

/// The last line's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footer {
    /// Sequence number of the first record; 1 for a whole export.
    pub from: u64,
    /// How many records there are.
    pub records: u64,
    /// The last record; where there is none, the end before the first.
    pub head: Head,
    /// The signed checkpoint of that head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLine {
    footer: Footer,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    seq: u64,
    previous: Digest,
    hash: Digest,
}

/// A record's line, without its end.
pub fn line(record: &StoredRecord) -> String {
    let StoredRecord { seq, previous, hash, event } = record;
    format!("{{\"seq\":{seq},\"previous\":\"{previous}\",\"hash\":\"{hash}\"{EVENT}{event}}}")
}

/// The last line, without its end.
pub fn last_line(footer: Footer) -> Result<String, serde_json::Error> {
    serde_json::to_string(&LastLine { footer })
}

/// Checks an export line by line.
///
/// An export that begins later than with record 1 is checked from there on: what its first record follows is taken as
/// given, and the root of the tree over all records can't be computed.
#[derive(Debug)]
pub struct ExportVerifier {
    kept: Vec<Head>,
    checkpoints: Vec<SignedCheckpoint>,
    trusted: Option<VerifierKey>,
    chain: Option<Follower>,
    first: u64,
    seen: u64,
    footer: Option<Footer>,
}

/// An export that is intact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedExport {
    /// Sequence number of the first record.
    pub from: u64,
    /// What it holds.
    pub verified: Verified,
    /// Who vouches for it.
    pub attested: Attested,
}

/// Who vouches for an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attested {
    /// Its checkpoint is signed with this key.
    Signed(VerifierKey),
    /// It has a checkpoint that fits its head, and nothing to check the signature with.
    Unchecked,
    /// Nobody: it has no checkpoint.
    No,
}

impl ExportVerifier {
    /// Begins before the first line. `kept` and `checkpoints` were kept elsewhere; those before the first record can't be
    /// checked and are left out. With a `trusted` key there must be a checkpoint signed with it, or with one that follows
    /// from it.
    pub fn new(kept: Vec<Head>, checkpoints: Vec<SignedCheckpoint>, trusted: Option<VerifierKey>) -> Self {
        Self { kept, checkpoints, trusted, chain: None, first: 1, seen: 0, footer: None }
    }

    /// Takes the next line.
    pub fn check(&mut self, line: &str) -> Result<(), Unsound> {
        if self.footer.is_some() {
            return Err(self.unreadable("there are lines after the last one"));
        }
        if let Ok(LastLine { footer }) = serde_json::from_str(line) {
            self.footer = Some(footer);
            return Ok(());
        }
        let record = parse(line).ok_or_else(|| self.unreadable("its line is not as it was exported"))?;
        let chain = match &mut self.chain {
            Some(chain) => chain,
            None => {
                self.first = record.seq;
                let (kept, checkpoints) = self.still_ahead();
                self.chain.insert(Follower::after(before(&record), kept, checkpoints))
            }
        };
        chain.take(&record)?;
        self.seen = self.seen.saturating_add(1);
        Ok(())
    }

    /// Ends after the last line.
    pub fn finish(mut self) -> Result<VerifiedExport, Unsound> {
        let Some(footer) = self.footer.take() else {
            return Err(self.unreadable("the export ends without its last line, so it was cut off"));
        };
        let chain = match self.chain.take() {
            Some(chain) => chain,
            None => Follower::after(footer.head.clone(), self.kept.clone(), self.checkpoints.clone()),
        };
        // What was kept elsewhere and lies before these records can't be compared with them.
        let from = if self.seen > 0 { self.first } else { footer.head.seq.saturating_add(1) };
        let compared = |seq: u64| seq >= from || seq == 0;
        let passed = self.kept.iter().map(|kept| kept.seq);
        let passed = passed.chain(self.checkpoints.iter().map(|kept| kept.checkpoint().head.seq));
        if let Some(seq) = passed.filter(|seq| !compared(*seq)).max() {
            let why =
                format!("the export begins after record {seq}, which a kept head is of: export from there or before");
            return Err(Broken { seq, kind: BrokenKind::Unreadable(why) }.into());
        }
        let (keys, root) = (chain.keys().clone(), chain.root());
        let verified = chain.finish()?;
        if footer.head.seq > verified.head.seq {
            let kind = BrokenKind::CutOff { last: verified.head.seq, kept: footer.head.seq };
            return Err(Broken { seq: verified.head.seq.saturating_add(1), kind }.into());
        }
        let ends = footer.from.checked_add(footer.records).and_then(|next| next.checked_sub(1));
        let fits = ends == Some(footer.head.seq) && (self.seen == 0 || footer.from == self.first);
        if footer.head != verified.head || footer.records != self.seen || !fits {
            let why = "the export's last line does not fit its records".to_owned();
            return Err(Broken { seq: verified.head.seq, kind: BrokenKind::Unreadable(why) }.into());
        }
        let size = footer.head.seq;
        let attested = self.attested(&footer, &keys, root).map_err(|why| Unsound::Checkpoint { size, why })?;
        Ok(VerifiedExport { from: footer.from, verified, attested })
    }

    fn attested(&self, footer: &Footer, keys: &Keys, root: Option<Hash>) -> Result<Attested, BadNote> {
        let Some(note) = &footer.checkpoint else {
            return match &self.trusted {
                Some(trusted) => Err(BadNote::NotSigned(trusted.to_string())),
                None => Ok(Attested::No),
            };
        };
        let signed = SignedCheckpoint::parse(note)?;
        let checkpoint = signed.checkpoint();
        if checkpoint.head != footer.head || root.is_some_and(|root| root != checkpoint.root) {
            return Err(BadNote::Form("it is of other records"));
        }
        let key = match (&self.trusted, root.and(keys.current())) {
            (None, Some(key)) => key,
            (Some(trusted), Some(key)) if keys.vouches(trusted, key) => key,
            (Some(trusted), Some(_)) => return Err(BadNote::NotSigned(trusted.to_string())),
            (Some(trusted), None) => trusted,
            (None, None) => return Ok(Attested::Unchecked),
        };
        signed.check(key)?;
        Ok(Attested::Signed(key.clone()))
    }

    fn still_ahead(&self) -> (Vec<Head>, Vec<SignedCheckpoint>) {
        let kept = self.kept.iter().filter(|kept| kept.seq >= self.first).cloned().collect();
        let ahead = self.checkpoints.iter().filter(|kept| kept.checkpoint().head.seq >= self.first).cloned().collect();
        (kept, ahead)
    }

    fn unreadable(&self, why: &str) -> Unsound {
        let kind = BrokenKind::Unreadable(why.to_owned());
        Broken { seq: self.first.saturating_add(self.seen), kind }.into()
    }
}

/// The end of the chain that a first record claims to follow; for record 1 that is not its to say.
fn before(first: &StoredRecord) -> Head {
    match first.seq {
        0 | 1 => empty(),
        seq => Head { seq: seq.saturating_sub(1), hash: first.previous },
    }
}

fn parse(line: &str) -> Option<StoredRecord> {
    let (link, event) = line.split_once(EVENT)?;
    let Link { seq, previous, hash } = serde_json::from_str(&format!("{link}}}")).ok()?;
    let record = StoredRecord { seq, previous, hash, event: event.strip_suffix('}')?.to_owned() };
    // A line with other spelling (`1.0`, spaces, upper case) is not what was exported.
    (self::line(&record) == line).then_some(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::audit::chain;
    use crate::audit::event::{Event, What};

    fn exported(events: usize, from: usize) -> Vec<String> {
        let mut head = empty();
        let mut lines = Vec::new();
        for number in 1..=events {
            let what = What::Served { tool: format!("tool {number} \",\"event\":{{ \u{1f512}\n") };
            let event = Event { at: jiff::Timestamp::UNIX_EPOCH, call: None, caller: None, what };
            let record = chain::next(&head, chain::canonical_event(&event).unwrap());
            head = Head { seq: record.seq, hash: record.hash };
            if number >= from {
                lines.push(line(&record));
            }
        }
        let records = lines.len() as u64;
        lines.push(last_line(Footer { from: from as u64, records, head, checkpoint: None }).unwrap());
        lines
    }

    fn verify(lines: &[String], kept: Vec<Head>) -> Result<VerifiedExport, Unsound> {
        let mut verifier = ExportVerifier::new(kept, Vec::new(), None);
        for line in lines {
            verifier.check(line)?;
        }
        verifier.finish()
    }

    #[test]
    fn every_line_is_json_of_its_own() {
        for line in exported(3, 1) {
            assert!(!line.contains('\n'));
            let _: serde_json::Value = serde_json::from_str(&line).unwrap();
        }
    }

    #[test]
    fn an_export_is_checked_from_its_beginning_or_from_where_it_starts() {
        let whole = verify(&exported(5, 1), vec![]).unwrap();
        assert_eq!((whole.from, whole.verified.head.seq), (1, 5));
        let part = verify(&exported(5, 3), vec![]).unwrap();
        assert_eq!((part.from, part.verified.head.clone()), (3, whole.verified.head.clone()));
        assert_eq!(verify(&exported(0, 1), vec![]).unwrap().verified.head, empty());
        let later = Head { seq: 9, ..whole.verified.head };
        let cut = Broken { seq: 6, kind: BrokenKind::CutOff { last: 5, kept: 9 } };
        assert_eq!(verify(&exported(5, 1), vec![later]), Err(cut.into()));
    }

    #[test]
    fn an_export_that_claims_to_begin_with_record_1_must_begin_with_the_genesis() {
        let forged = StoredRecord { seq: 1, ..parse(&exported(2, 2)[0]).unwrap() };
        assert_eq!(verify(&[line(&forged)], vec![]), Err(Broken { seq: 1, kind: BrokenKind::Edited }.into()));
    }

    proptest! {
        #[test]
        fn any_missing_line_is_found(events in 1usize..8, at in any::<Index>()) {
            let mut lines = exported(events, 1);
            // Without its first lines an export begins later; its last line still says otherwise.
            lines.remove(at.index(lines.len()));
            prop_assert!(verify(&lines, vec![]).is_err());
        }

        #[test]
        fn any_changed_character_is_found(events in 1usize..4, at in any::<Index>(), place in any::<Index>(), to in any::<char>()) {
            let mut lines = exported(events, 1);
            let line = at.get_mut(&mut lines);
            let mut characters: Vec<char> = line.chars().collect();
            let character = place.get_mut(&mut characters);
            prop_assume!(*character != to);
            *character = to;
            let changed: String = characters.into_iter().collect();
            // Only an upper-case digit of the last line's hash reads the same.
            prop_assume!(!(at.index(events + 1) == events && changed.eq_ignore_ascii_case(line)));
            *line = changed;
            prop_assert!(verify(&lines, vec![]).is_err(), "{:?}", lines);
        }
    }
}
