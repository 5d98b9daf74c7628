//! Receipts: what the record says of one plan, in a file that anybody can check without the record.
//!
//! # The file
//! One JSON object, printed with two spaces of indentation in plain ASCII, members in this order, and an end of line. It
//! counts only in exactly this form, so that no byte of it is free. All hashes are 64 lower-case hexadecimal digits.
//!
//! | member | what |
//! |---|---|
//! | `format` | `countersign.receipt.v1` |
//! | `plan`, `digest` | the plan's id, and its digest: SHA-256 of the line `countersign.plan.v1` and `content` |
//! | `content` | the plan as it was filed and shown, canonical JSON as text |
//! | `records` | of each record its `seq`, the hash before (`previous`), its own `hash` (see [`super::chain`]), its `event` as text, and the `proof` that it is in the tree (RFC 9162, see [`super::merkle`]) |
//! | `checkpoint` | the signed checkpoint that the proofs lead to, a signed note (see [`super::checkpoint`]) |
//! | `seal` | a signed note with the same key: SHA-256 of the line `countersign.receipt.v1` and the canonical JSON of the object with an empty seal. Nobody without the key can leave anything out |
//!
//! # The records in it
//! Everything recorded of the plan, the requests of the calls that it was recorded in, the checkpoint keys from the first
//! on, and of everybody who signed: how they were invited, enrolled, regrouped and revoked, and the same of the admins who
//! signed that.

pub mod gather;
mod people;
pub mod text;
pub mod verify;
mod walk;

use serde::{Deserialize, Serialize};

use super::chain::record_hash;
use super::event::StoredRecord;
use super::merkle::{self, Hash, Tree};
use super::note::{BadNote, Note, SigningKey, VerifierKey};
use crate::digest::{Digest, NotCanonical};
use crate::names::PlanId;
use crate::text::escape::ascii_json;

/// The format, and the domain of seals; a change of [`Receipt`]'s form changes it.
pub const FORMAT: &str = "countersign.receipt.v1";

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`FORMAT`].
    pub format: String,
    /// The plan.
    pub plan: PlanId,
    /// Its digest.
    pub digest: Digest,
    /// The plan as it was filed, canonical JSON.
    pub content: String,
    /// What the record says of it, in order.
    pub records: Vec<Proven>,
    /// What the record was then.
    pub checkpoint: String,
    /// The signature over all this.
    pub seal: String,
}

/// A record, and the proof of its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// Its number.
    pub seq: u64,
    /// The hash of the record before.
    pub previous: Digest,
    /// Its own hash.
    pub hash: Digest,
    /// The event's exact text.
    pub event: String,
    /// The hashes from its leaf to the root.
    pub proof: Vec<Digest>,
}

/// Why a receipt can't be made.
#[derive(Debug, thiserror::Error)]
pub enum NoReceipt {
    /// It can't be written.
    #[error("the receipt can't be written: {0}")]
    NotCanonical(#[from] NotCanonical),
    /// It can't be written.
    #[error("the receipt can't be written: {0}")]
    NotWritten(#[from] serde_json::Error),
    /// It can't be sealed.
    #[error("the receipt can't be sealed: {0}")]
    Note(#[from] BadNote),
    /// A record is not in the tree.
    #[error("record {0} is not in the checkpoint: run `countersign audit verify`")]
    NotInTree(u64),
}

impl Receipt {
    /// The file.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(format!("{}\n", ascii_json(&serde_json::to_string_pretty(self)?)))
    }

    /// Reads a file, which must be written exactly as [`Receipt::text`] writes it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let receipt: Self = serde_json::from_str(text).map_err(|error| format!("it is not a receipt: {error}"))?;
        if receipt.format != FORMAT {
            return Err(format!("it is not a receipt of the form `{FORMAT}`"));
        }
        match receipt.text() {
            Ok(same) if same == text => Ok(receipt),
            _ => Err("it is not written as receipts are: a byte was changed that has no meaning of its own".to_owned()),
        }
    }

    /// Signs all of it.
    fn seal(mut self, key: &SigningKey) -> Result<Self, NoReceipt> {
        self.seal = Note::sign(&self.seal_text(key.verifier())?, key)?.to_string();
        Ok(self)
    }

    /// Checks that nothing was left out or put in by somebody without the key.
    fn check_seal(&self, key: &VerifierKey) -> Result<(), String> {
        let note = Note::parse(&self.seal).map_err(|error| format!("its seal is broken: {error}"))?;
        let expected = self.seal_text(key).map_err(|error| error.to_string())?;
        if note.text() != expected || note.signatures() != 1 {
            return Err("its seal is another receipt's: something was changed, left out or put in".to_owned());
        }
        note.check(key).map_err(|error| format!("its seal is broken: {error}"))
    }

    fn seal_text(&self, key: &VerifierKey) -> Result<String, NotCanonical> {
        let unsealed = Self { seal: String::new(), ..self.clone() };
        Ok(format!("{}\nreceipt {}\n", key.name(), Digest::of(FORMAT, &unsealed)?))
    }
}

impl Proven {
    /// A record of a tree of `size` leaves.
    fn of(record: StoredRecord, tree: &Tree, size: u64) -> Result<Self, NoReceipt> {
        let StoredRecord { seq, previous, hash, event } = record;
        let index = seq.checked_sub(1).ok_or(NoReceipt::NotInTree(seq))?;
        let proof = tree.inclusion(index, size).ok_or(NoReceipt::NotInTree(seq))?;
        Ok(Self { seq, previous, hash, event, proof: proof.into_iter().map(Digest::from_stored).collect() })
    }

    /// True where the record has this hash, and the tree of `size` leaves with this root has the record.
    fn holds(&self, size: u64, root: &Hash) -> bool {
        let proof: Vec<Hash> = self.proof.iter().map(|hash| *hash.as_bytes()).collect();
        let Some(index) = self.seq.checked_sub(1) else { return false };
        record_hash(self.seq, &self.previous, &self.event) == self.hash
            && merkle::includes(merkle::leaf(self.hash.as_bytes()), index, size, &proof, root)
    }
}

#[cfg(test)]
mod tests;
