//! Checks a receipt, with nothing but the file and, better, the public key that its checkpoint should be signed with.

use jiff::Timestamp;

use super::walk::Walk;
use super::{Proven, Receipt};
use crate::approval::statement::Signed;
use crate::audit::checkpoint::{Keys, SignedCheckpoint};
use crate::audit::event::{Event, ResultWord, WaitWord};
use crate::audit::note::VerifierKey;
use crate::digest::Digest;
use crate::names::Human;
use crate::plan::filed::{PLAN_DOMAIN, PlanContent};
use crate::ports::GrantKind;

/// Checks that a statement was signed with its passkey: challenge, origin, user verification, signature.
pub type CheckSigned<'a> = &'a dyn Fn(&Signed) -> Result<(), String>;

/// What a receipt proves; every part of it was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// The plan.
    pub content: PlanContent,
    /// Its digest.
    pub digest: Digest,
    /// The key that checkpoint and seal are signed with.
    pub key: VerifierKey,
    /// True where that key was known beforehand, or follows from the one that was.
    pub pinned: bool,
    /// How many records there were.
    pub size: u64,
    /// How many of them are in the receipt.
    pub records: usize,
    /// The consents, in order.
    pub consents: Vec<Consent>,
    /// Who invited the first admin, where that is in it; nobody signed for them.
    pub founders: Vec<String>,
    /// Who rejected it, and why.
    pub rejected: Option<(Human, String)>,
    /// How it was carried out.
    pub intent: Option<Intent>,
    /// How it ended, as far as the record shows.
    pub ending: Option<Ending>,
    /// What came of what the accepted call began, where that was waited for.
    pub waited: Option<(WaitWord, String)>,
}

/// A consent.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    /// What it stands for.
    pub kind: GrantKind,
    /// Who gave it.
    pub by: Human,
    /// When.
    pub at: Timestamp,
    /// How long they took, in milliseconds.
    pub after_ms: u64,
    /// The passkey's label and the person's groups then; `None` where it was typed in the agent's own client.
    pub signed: Option<(String, Vec<String>)>,
}

/// How a plan was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// The record's number.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The role.
    pub role: Option<String>,
    /// The digest of the session policy.
    pub session_policy: Option<Digest>,
}

/// How a plan ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// How.
    pub result: ResultWord,
    /// AWS's request ids, in order.
    pub request_ids: Vec<String>,
    /// AWS's error, or what was read.
    pub detail: Option<String>,
}

/// Checks a receipt. `trusted`: the key it must be signed with, or follow from. `check`: see [`CheckSigned`].
///
/// # Errors
/// What is wrong with it, for people. Foreign text is quoted.
pub fn verify(text: &str, trusted: Option<&VerifierKey>, check: CheckSigned<'_>) -> Result<Story, Vec<String>> {
    let one = |flaw: String| vec![flaw];
    let receipt = Receipt::parse(text).map_err(one)?;
    let checkpoint =
        SignedCheckpoint::parse(&receipt.checkpoint).map_err(|error| one(format!("checkpoint: {error}")))?;
    let events = events(&receipt, &checkpoint)?;
    let key = key(&receipt, &checkpoint, &events, trusted).map_err(one)?;
    let content = content(&receipt).map_err(one)?;

    let mut walk = Walk::new(&content, receipt.digest);
    let mut flaws = Vec::new();
    for (seq, event) in &events {
        if let Err(flaw) = walk.take(*seq, event, check) {
            flaws.push(format!("record {seq}: {flaw}"));
        }
    }
    flaws.extend(walk.missing());
    if !flaws.is_empty() {
        return Err(flaws);
    }
    Ok(Story {
        digest: receipt.digest,
        key,
        pinned: trusted.is_some(),
        size: checkpoint.checkpoint().head.seq,
        records: events.len(),
        founders: walk.founders().to_vec(),
        consents: walk.consents,
        rejected: walk.rejected,
        intent: walk.intent.map(|carried| carried.intent),
        ending: walk.ending,
        waited: walk.waited,
        content,
    })
}

/// The events, each of which was recorded in its place before the checkpoint was made.
fn events(receipt: &Receipt, checkpoint: &SignedCheckpoint) -> Result<Vec<(u64, Event)>, Vec<String>> {
    let said = checkpoint.checkpoint();
    let (mut events, mut flaws, mut before) = (Vec::new(), Vec::new(), 0);
    for record in &receipt.records {
        let Proven { seq, event, .. } = record;
        if *seq <= before {
            flaws.push(format!("record {seq} is not in its place"));
        }
        before = *seq;
        if !record.holds(said.head.seq, &said.root) {
            flaws.push(format!("record {seq} is not one that the checkpoint covers: it was changed"));
        }
        match serde_json::from_str(event) {
            Ok(event) => events.push((*seq, event)),
            Err(error) => flaws.push(format!("record {seq} can't be read: {error}; take a newer countersign")),
        }
    }
    if flaws.is_empty() { Ok(events) } else { Err(flaws) }
}

/// The key that checkpoint and seal are signed with, which the record must name.
fn key(
    receipt: &Receipt,
    checkpoint: &SignedCheckpoint,
    events: &[(u64, Event)],
    trusted: Option<&VerifierKey>,
) -> Result<VerifierKey, String> {
    let mut keys = Keys::default();
    for (seq, event) in events {
        keys.take(*seq, &event.what).map_err(|error| error.to_string())?;
    }
    let key = keys.current().ok_or("no record names the key that its checkpoint is signed with")?;
    // Signatures of others could be changed unnoticed.
    if checkpoint.signatures() != 1 {
        return Err("its checkpoint has more than one signature".to_owned());
    }
    checkpoint.check(key).map_err(|error| format!("its checkpoint: {error}"))?;
    receipt.check_seal(key)?;
    match trusted {
        Some(trusted) if !keys.vouches(trusted, key) => Err(format!(
            "it is signed with key {key}, which neither is the given one nor follows from it: this is another \
             installation's receipt, or a forged one"
        )),
        _ => Ok(key.clone()),
    }
}

fn content(receipt: &Receipt) -> Result<PlanContent, String> {
    if Digest::of_bytes(PLAN_DOMAIN, receipt.content.as_bytes()) != receipt.digest {
        return Err("the plan's content does not have its digest".to_owned());
    }
    let content: PlanContent = serde_json::from_str(&receipt.content)
        .map_err(|error| format!("the plan can't be read: {error}; take a newer countersign"))?;
    if content.id == receipt.plan { Ok(content) } else { Err("the plan's content is another plan's".to_owned()) }
}
