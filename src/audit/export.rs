//! The record as a file: JSON lines, one record a line, and a last line that says where the chain ends.
//!
//! A record's line is `{"seq":1,"previous":"<hash>","hash":"<hash>","event":{...}}`. The event is the stored text, byte
//! for byte, so that the file can be checked without the database; do not reformat it. The last line is
//! `{"footer":{"from":1,"records":3,"head":{"seq":3,"hash":"<hash>"}}}`.

use serde::{Deserialize, Serialize};

use super::chain::{Broken, BrokenKind, Verified, Verifier, empty};
use super::event::{Head, StoredRecord};
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
/// given.
#[derive(Debug)]
pub struct ExportVerifier {
    kept: Vec<Head>,
    chain: Option<Verifier>,
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
}

impl ExportVerifier {
    /// Begins before the first line. `kept` are heads that were kept elsewhere; those before the first record can't be
    /// checked and are left out.
    pub fn new(kept: Vec<Head>) -> Self {
        Self { kept, chain: None, first: 1, seen: 0, footer: None }
    }

    /// Takes the next line.
    pub fn check(&mut self, line: &str) -> Result<(), Broken> {
        let unreadable = |verifier: &Self, why: &str| Broken {
            seq: verifier.first.saturating_add(verifier.seen),
            kind: BrokenKind::Unreadable(why.to_owned()),
        };
        if self.footer.is_some() {
            return Err(unreadable(self, "there are lines after the last one"));
        }
        if let Ok(LastLine { footer }) = serde_json::from_str(line) {
            self.footer = Some(footer);
            return Ok(());
        }
        let record = parse(line).ok_or_else(|| unreadable(self, "its line is not as it was exported"))?;
        if self.chain.is_none() {
            self.first = record.seq;
            self.kept.retain(|kept| kept.seq >= record.seq);
        }
        let kept = &self.kept;
        let chain = self.chain.get_or_insert_with(|| Verifier::after(before(&record), kept.clone()));
        chain.check(&record)?;
        self.seen = self.seen.saturating_add(1);
        Ok(())
    }

    /// Ends after the last line.
    pub fn finish(self) -> Result<VerifiedExport, Broken> {
        let next = self.first.saturating_add(self.seen);
        let Some(footer) = self.footer else {
            let why = "the export ends without its last line, so it was cut off".to_owned();
            return Err(Broken { seq: next, kind: BrokenKind::Unreadable(why) });
        };
        let empty_before = || Verifier::after(footer.head.clone(), self.kept.clone());
        let verified = self.chain.unwrap_or_else(empty_before).finish()?;
        if footer.head.seq > verified.head.seq {
            let kind = BrokenKind::CutOff { last: verified.head.seq, kept: footer.head.seq };
            return Err(Broken { seq: verified.head.seq.saturating_add(1), kind });
        }
        if footer.head != verified.head || footer.records != self.seen || (self.seen > 0 && footer.from != self.first) {
            let why = "the export's last line does not fit its records".to_owned();
            return Err(Broken { seq: verified.head.seq, kind: BrokenKind::Unreadable(why) });
        }
        Ok(VerifiedExport { from: footer.from, verified })
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
        lines.push(last_line(Footer { from: from as u64, records, head }).unwrap());
        lines
    }

    fn verify(lines: &[String], kept: Vec<Head>) -> Result<VerifiedExport, Broken> {
        let mut verifier = ExportVerifier::new(kept);
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
        assert_eq!(verify(&exported(5, 1), vec![later]), Err(cut));
    }

    #[test]
    fn an_export_that_claims_to_begin_with_record_1_must_begin_with_the_genesis() {
        let forged = StoredRecord { seq: 1, ..parse(&exported(2, 2)[0]).unwrap() };
        assert_eq!(verify(&[line(&forged)], vec![]), Err(Broken { seq: 1, kind: BrokenKind::Edited }));
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
