//! The hash chain: how a record is bound to the one before, and how any change of the past shows.
//!
//! Pure: works on records from a database and from an exported file alike.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event::{Event, Head, StoredRecord};
use crate::digest::{Digest, canonical_json};

/// The domain of record hashes; a change of [`record_hash`]'s input changes it.
pub const RECORD_DOMAIN: &str = "countersign.audit.v1";

/// What the first record has for the hash of the one before.
pub fn genesis() -> Digest {
    Digest::of_bytes(RECORD_DOMAIN, b"genesis")
}

/// Where a chain without records ends.
pub fn empty() -> Head {
    Head { seq: 0, hash: genesis() }
}

/// A record's hash: over its sequence number (8 bytes, big-endian), the hash before (32 bytes) and the event's text.
///
/// The first two have fixed lengths, so no two records share an input.
pub fn record_hash(seq: u64, previous: &Digest, event: &str) -> Digest {
    let mut input = Vec::with_capacity(40 + event.len());
    input.extend_from_slice(&seq.to_be_bytes());
    input.extend_from_slice(previous.as_bytes());
    input.extend_from_slice(event.as_bytes());
    Digest::of_bytes(RECORD_DOMAIN, &input)
}

/// An event's canonical text, as it is stored and hashed.
pub fn canonical_event(event: &Event) -> Result<String, serde_json::Error> {
    let bytes = canonical_json(&serde_json::to_value(event)?)?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// The record that follows `head`.
pub fn next(head: &Head, event: String) -> StoredRecord {
    let seq = head.seq.saturating_add(1);
    StoredRecord { seq, previous: head.hash, hash: record_hash(seq, &head.hash, &event), event }
}

/// What an intact chain holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its end.
    pub head: Head,
    /// How many records of each kind, by the kind's name, such as `refused`.
    pub counts: BTreeMap<String, u64>,
}

/// Where a chain is broken. The record named is the first that can't be trusted; all before it are intact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} {kind}")]
pub struct Broken {
    /// The record's sequence number.
    pub seq: u64,
    /// What is wrong with it.
    pub kind: BrokenKind,
}

/// The ways in which a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenKind {
    /// Its hash doesn't fit its content.
    #[error("was edited: its content does not have the hash it was written with")]
    Edited,
    /// It is well-formed in itself, and names another record before it than the one that is there.
    #[error("does not follow from the record before it: one of the two was put in, or replaced, afterwards")]
    Unlinked,
    /// Records are missing in its place.
    #[error("is missing: it was deleted, and the next one there is record {next}")]
    Missing {
        /// The next record that exists.
        next: u64,
    },
    /// A record with this number stands in another place, or twice.
    #[error("is out of place: record {found} stands where it belongs")]
    OutOfPlace {
        /// The number of the record that stands there.
        found: u64,
    },
    /// The chain ends too early: a head that was kept lies beyond its end.
    #[error("is missing: the chain was cut off after record {last}, and a kept head says there were {kept}")]
    CutOff {
        /// The last record there is.
        last: u64,
        /// The kept head's sequence number.
        kept: u64,
    },
    /// The whole chain was written anew: at a kept head's place stands another hash.
    #[error("is not the one that was written: a kept head has another hash for it, so the record was written anew")]
    Rewritten,
    /// It can't be read.
    #[error("can't be read: {0}")]
    Unreadable(String),
}

impl Broken {
    /// What to do about it.
    pub fn mend(&self) -> String {
        let trusted = match self.seq.saturating_sub(1) {
            0 => "no record".to_owned(),
            last => format!("records 1 to {last}"),
        };
        let cause = match self.kind {
            BrokenKind::CutOff { .. } => {
                " Records are also lost where the machine lost power right after they were written; compare the times."
            }
            BrokenKind::Rewritten => " The kept head itself may be the one that was changed.",
            _ => "",
        };
        format!(
            "{trusted} can be trusted on this evidence. Keep database and `audit.head` as they are, stop the servers \
             that use them, and compare with your last export.{cause}"
        )
    }
}

/// Checks a chain record by record.
#[derive(Clone, Debug)]
pub struct Verifier {
    at: Head,
    kept: Vec<Head>,
    counts: BTreeMap<String, u64>,
}

impl Verifier {
    /// Begins before the first record. `kept` are heads that were kept elsewhere: the chain must contain each.
    pub fn new(kept: Vec<Head>) -> Self {
        Self::after(empty(), kept)
    }

    /// Begins after `head`, which is taken as given.
    pub fn after(head: Head, kept: Vec<Head>) -> Self {
        Self { at: head, kept, counts: BTreeMap::new() }
    }

    /// Takes the next record.
    pub fn check(&mut self, record: &StoredRecord) -> Result<(), Broken> {
        let seq = self.at.seq.saturating_add(1);
        let broken = |kind| Err(Broken { seq, kind });
        if record.seq > seq {
            return broken(BrokenKind::Missing { next: record.seq });
        }
        if record.seq < seq {
            return broken(BrokenKind::OutOfPlace { found: record.seq });
        }
        if record_hash(seq, &record.previous, &record.event) != record.hash {
            return broken(BrokenKind::Edited);
        }
        if record.previous != self.at.hash {
            return broken(BrokenKind::Unlinked);
        }
        if self.kept.iter().any(|kept| kept.seq == seq && kept.hash != record.hash) {
            return broken(BrokenKind::Rewritten);
        }
        let Some(kind) = kind_of(&record.event) else {
            return broken(BrokenKind::Unreadable("it is not an event".to_owned()));
        };
        let count = self.counts.entry(kind).or_default();
        *count = count.saturating_add(1);
        self.at = Head { seq, hash: record.hash };
        Ok(())
    }

    /// The last record taken; before the first, the end of an empty chain.
    pub fn head(&self) -> &Head {
        &self.at
    }

    /// Ends after the last record.
    pub fn finish(self) -> Result<Verified, Broken> {
        let last = self.at.seq;
        match self.kept.iter().map(|kept| kept.seq).max() {
            Some(kept) if kept > last => {
                Err(Broken { seq: last.saturating_add(1), kind: BrokenKind::CutOff { last, kept } })
            }
            _ => Ok(Verified { head: self.at, counts: self.counts }),
        }
    }
}

/// Checks a whole chain from its first record, against heads that were kept elsewhere.
pub fn verify<'a>(records: impl IntoIterator<Item = &'a StoredRecord>, kept: Vec<Head>) -> Result<Verified, Broken> {
    let mut verifier = Verifier::new(kept);
    for record in records {
        verifier.check(record)?;
    }
    verifier.finish()
}

fn kind_of(event: &str) -> Option<String> {
    let event: Value = serde_json::from_str(event).ok()?;
    event.get("what")?.get("event")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::json;

    use super::*;
    use crate::audit::event::What;
    use crate::call::refused::Code;

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let what = prop_oneof![
            (".{0,20}", ".{0,20}").prop_map(|(tool, text)| What::Requested { tool, arguments: json!({ "a": text }) }),
            ".{0,40}".prop_map(|message| What::Refused {
                code: Code::Forbidden,
                message,
                operator_detail: None,
                plan: None
            }),
            ".{0,20}".prop_map(|tool| What::Served { tool }),
        ];
        let event = (0i64..4_000_000_000, what).prop_map(|(at, what)| Event {
            at: jiff::Timestamp::from_second(at).unwrap(),
            call: None,
            caller: None,
            what,
        });
        prop::collection::vec(event, 1..12)
    }

    fn chain(events: &[Event]) -> (Vec<StoredRecord>, Head) {
        let mut head = empty();
        let mut records = Vec::new();
        for event in events {
            let record = next(&head, canonical_event(event).unwrap());
            head = Head { seq: record.seq, hash: record.hash };
            records.push(record);
        }
        (records, head)
    }

    proptest! {
        #[test]
        fn an_intact_chain_of_any_events_passes(events in events()) {
            let (records, head) = chain(&events);
            let verified = verify(&records, vec![head.clone(), empty()]).unwrap();
            prop_assert_eq!(verified.head, head);
            prop_assert_eq!(verified.counts.values().sum::<u64>(), events.len() as u64);
        }

        #[test]
        fn any_changed_bit_of_an_event_is_found_in_its_record(
            events in events(), at in any::<Index>(), byte in any::<Index>(), bit in 0u8..8,
        ) {
            let (mut records, head) = chain(&events);
            let record = at.get_mut(&mut records);
            let mut bytes = record.event.clone().into_bytes();
            *byte.get_mut(&mut bytes) ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
            record.event = changed;
            let seq = record.seq;
            prop_assert_eq!(verify(&records, vec![head]), Err(Broken { seq, kind: BrokenKind::Edited }));
        }

        #[test]
        fn any_changed_bit_of_a_hash_is_found(
            events in events(), at in any::<Index>(), byte in 0usize..32, bit in 0u8..8, own in any::<bool>(),
        ) {
            let (mut records, head) = chain(&events);
            let record = at.get_mut(&mut records);
            let field = if own { &mut record.hash } else { &mut record.previous };
            let mut bytes = *field.as_bytes();
            bytes[byte] ^= 1 << bit;
            *field = Digest::try_from(hex::encode(bytes)).unwrap();
            let seq = record.seq;
            prop_assert_eq!(verify(&records, vec![head]), Err(Broken { seq, kind: BrokenKind::Edited }));
        }

        #[test]
        fn a_changed_event_with_a_fitting_hash_breaks_the_link_or_the_head(events in events(), at in any::<Index>()) {
            let (mut records, head) = chain(&events);
            let record = at.get_mut(&mut records);
            record.event = record.event.replacen('{', "{\"added\":1,", 1);
            record.hash = record_hash(record.seq, &record.previous, &record.event);
            let seq = record.seq;
            let expected = if seq == head.seq {
                Broken { seq, kind: BrokenKind::Rewritten }
            } else {
                Broken { seq: seq + 1, kind: BrokenKind::Unlinked }
            };
            prop_assert_eq!(verify(&records, vec![head]), Err(expected));
        }

        #[test]
        fn a_chain_written_anew_from_any_record_on_differs_from_the_kept_head(
            mut events in events(), at in any::<Index>(),
        ) {
            let (_, head) = chain(&events);
            at.get_mut(&mut events).what = What::Served { tool: "something else altogether, not generated".into() };
            let (forged, _) = chain(&events);
            prop_assert_eq!(verify(&forged, vec![head.clone()]), Err(Broken {
                seq: head.seq, kind: BrokenKind::Rewritten
            }));
        }

        #[test]
        fn a_deleted_record_is_found(events in events(), at in any::<Index>()) {
            let (mut records, head) = chain(&events);
            let seq = records.remove(at.index(records.len())).seq;
            let kind = if seq == head.seq {
                BrokenKind::CutOff { last: seq - 1, kept: seq }
            } else {
                BrokenKind::Missing { next: seq + 1 }
            };
            prop_assert_eq!(verify(&records, vec![head]), Err(Broken { seq, kind }));
        }

        #[test]
        fn a_cut_off_end_is_found(events in events(), at in any::<Index>()) {
            let (mut records, head) = chain(&events);
            let last = at.index(records.len());
            records.truncate(last);
            prop_assert_eq!(verify(&records, vec![head.clone()]), Err(Broken {
                seq: last as u64 + 1, kind: BrokenKind::CutOff { last: last as u64, kept: head.seq },
            }));
        }

        #[test]
        fn a_repeated_record_is_found(events in events(), at in any::<Index>()) {
            let (mut records, head) = chain(&events);
            let again = at.get(&records).clone();
            records.insert(again.seq as usize, again.clone());
            prop_assert_eq!(verify(&records, vec![head]), Err(Broken {
                seq: again.seq + 1, kind: BrokenKind::OutOfPlace { found: again.seq },
            }));
        }

        #[test]
        fn swapped_records_are_found(events in events(), a in any::<Index>(), b in any::<Index>(), renumber in any::<bool>()) {
            let (mut records, head) = chain(&events);
            let (a, b) = (a.index(records.len()), b.index(records.len()));
            prop_assume!(a != b);
            records.swap(a, b);
            if renumber {
                let seq = records[a].seq;
                records[a].seq = records[b].seq;
                records[b].seq = seq;
            }
            let broken = verify(&records, vec![head]).unwrap_err();
            prop_assert_eq!(broken.seq, a.min(b) as u64 + 1);
        }

        #[test]
        fn an_inserted_record_is_found(events in events(), at in any::<Index>()) {
            let (mut records, head) = chain(&events);
            let at = at.index(records.len());
            let before = Head { seq: records[at].seq - 1, hash: records[at].previous };
            records.insert(at, next(&before, records[at].event.clone()));
            prop_assert!(verify(&records, vec![head]).is_err());
        }
    }

    #[test]
    fn the_encoding_of_hashes_is_pinned() {
        insta::assert_snapshot!(genesis(), @"bad0e17c419592b7592bf52ab453ae73fe1de467aa3a3eb259c0680e1f73e11c");
        let first = record_hash(1, &genesis(), "{}");
        insta::assert_snapshot!(first, @"33baa2e28bbabdeb8a5db1cafae74950685ea0bde0296b4ef1f00861aa6f7eb3");
    }

    #[test]
    fn a_break_says_where_what_and_what_to_do() {
        let broken = Broken { seq: 17, kind: BrokenKind::CutOff { last: 16, kept: 20 } };
        insta::assert_snapshot!(format!("{broken}\n{}", broken.mend()), @r"
        record 17 is missing: the chain was cut off after record 16, and a kept head says there were 20
        records 1 to 16 can be trusted on this evidence. Keep database and `audit.head` as they are, stop the servers that use them, and compare with your last export. Records are also lost where the machine lost power right after they were written; compare the times.
        ");
        let broken = Broken { seq: 1, kind: BrokenKind::Edited };
        insta::assert_snapshot!(format!("{broken}\n{}", broken.mend()), @r"
        record 1 was edited: its content does not have the hash it was written with
        no record can be trusted on this evidence. Keep database and `audit.head` as they are, stop the servers that use them, and compare with your last export.
        ");
    }

    #[test]
    fn a_record_that_is_no_event_is_not_counted_as_one() {
        let record = next(&empty(), "[]".to_owned());
        let broken = verify([&record], vec![]).unwrap_err();
        assert_eq!(broken, Broken { seq: 1, kind: BrokenKind::Unreadable("it is not an event".into()) });
    }
}
