//! What is recorded.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::people::{Passkey, PeopleChange, Proposal, Standing};
use crate::approval::statement::Signed;
use crate::call::refused::Code;
use crate::call::request::Caller;
use crate::digest::Digest;
use crate::names::{CallId, Effect, GrantId, Human, OperationId, PlanId, ProposalId};
use crate::plan::kept::UndoState;
use crate::ports::{BreakerScope, GrantKind};

/// One event of the record. Sensitive values are redacted before an event is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the server's clock.
    pub at: Timestamp,
    /// The request it belongs to; `None` for events of the server itself.
    pub call: Option<CallId>,
    /// Who asked; `None` for events of the server itself.
    pub caller: Option<Caller>,
    /// What happened.
    pub what: What,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The server started with these manifests, this policy and this configuration.
    Started {
        /// The program's version.
        version: String,
        /// Digest of all loaded manifests.
        manifests: Digest,
        /// Digest of the policy in force.
        policy: Digest,
        /// Digest of the configuration.
        config: Digest,
    },
    /// A request arrived. Durable before anything is sent to AWS for it.
    Requested {
        /// The tool's name as the client wrote it, cut at 64 characters.
        tool: String,
        /// The arguments, sensitive and oversized values replaced by a mark.
        arguments: Value,
    },
    /// A read was answered.
    Answered {
        /// The operation called.
        operation: OperationId,
        /// AWS's request id.
        request_id: Option<String>,
    },
    /// A tool of the server's own was answered.
    Served {
        /// The tool's name.
        tool: String,
    },
    /// The request was refused; nothing was changed.
    Refused {
        /// The kind.
        code: Code,
        /// What the agent was told.
        message: String,
        /// What only the operator sees.
        operator_detail: Option<String>,
        /// The plan, where there was one.
        plan: Option<PlanId>,
    },
    /// A preview was made and filed.
    Previewed {
        /// The plan.
        plan: PlanId,
        /// Its digest.
        digest: Digest,
        /// The operation it would call.
        operation: OperationId,
        /// The effect, raised by what the preview showed.
        effect: Effect,
        /// The targets' ARNs.
        targets: Vec<String>,
    },
    /// The person was asked to confirm.
    Asked {
        /// The plan.
        plan: PlanId,
        /// The plan's digest.
        digest: Digest,
        /// Digest of the text shown.
        prompt: Digest,
    },
    /// The person confirmed with the exact text.
    Confirmed {
        /// The plan.
        plan: PlanId,
        /// The plan's digest.
        digest: Digest,
        /// Milliseconds between showing the prompt and the answer.
        answered_after_ms: u64,
        /// True where that is faster than a person can read the prompt.
        faster_than_reading: bool,
    },
    /// A plan waits for people: to confirm, to approve, or to carry it out.
    Parked {
        /// The plan.
        plan: PlanId,
        /// The plan's digest.
        digest: Digest,
        /// What it waits for, for people.
        needs: Vec<String>,
    },
    /// Somebody signed a plan with a passkey.
    Signed {
        /// The plan.
        plan: PlanId,
        /// The plan's digest.
        digest: Digest,
        /// What the signature stands for.
        kind: GrantKind,
        /// The grant it became.
        grant: GrantId,
        /// Who signed.
        by: Human,
        /// Milliseconds between showing the plan's page and the signature.
        answered_after_ms: u64,
        /// The statement, the public key and the signature.
        signed: Box<Signed>,
    },
    /// What somebody tried at the console, and may not, or what was no signature of theirs.
    NotSigned {
        /// Who, as they are signed in.
        by: Human,
        /// The plan; `None` where it was about something else.
        plan: Option<PlanId>,
        /// The kind of refusal, such as `own_plan`.
        code: String,
        /// What they were told.
        message: String,
    },
    /// Somebody rejected a plan; it can't be applied any more.
    Rejected {
        /// The plan.
        plan: PlanId,
        /// The plan's digest.
        digest: Digest,
        /// Who.
        by: Human,
        /// Why, in their words.
        reason: String,
    },
    /// A change of people waits for an admin's signature.
    PeopleProposed {
        /// The proposal.
        proposal: Proposal,
    },
    /// A proposed change of people was withdrawn.
    PeopleWithdrawn {
        /// The proposal.
        proposal: ProposalId,
        /// Who withdrew it.
        by: String,
    },
    /// A change of people is in force.
    PeopleChanged {
        /// The proposal that was signed; `None` for the first invitation of an installation.
        proposal: Option<ProposalId>,
        /// What changed.
        change: PeopleChange,
        /// Who did it: the admin, or for the first invitation the operating system's name of the operator.
        by: String,
        /// The admin's signature; `None` for the first invitation.
        signed: Option<Box<Signed>>,
    },
    /// Somebody enrolled a passkey.
    Enrolled {
        /// Who, and as what.
        standing: Standing,
        /// The passkey.
        passkey: Box<Passkey>,
    },
    /// Somebody signed in to the console.
    SignedIn {
        /// Who.
        by: Human,
        /// The passkey's id.
        passkey: String,
    },
    /// The record's checkpoints are signed with this key from here on.
    CheckpointKey {
        /// The key's name and public key, as verifiers of signed notes take it.
        verifier: String,
        /// The key before signed that this one follows it; `None` for the first.
        signed_by_previous: Option<String>,
    },
    /// A preview is about to have AWS work out what a call would change, in a thing made for that and deleted again (a
    /// change set). Durable before its first byte.
    Probing {
        /// The plan.
        plan: PlanId,
        /// The operation that makes it.
        operation: OperationId,
        /// The ARN of the target whose it is.
        target: String,
        /// Its name.
        name: String,
        /// The role whose credentials are used.
        role: Option<String>,
        /// Digest of the session policy that narrows them.
        session_policy: Option<Digest>,
    },
    /// What became of that thing.
    Probed {
        /// The plan.
        plan: PlanId,
        /// Its name.
        name: String,
        /// Whether it is gone.
        result: ProbeWord,
        /// Why it is not; empty where it is.
        detail: String,
    },
    /// A changing call is about to be sent. Durable before its first byte.
    Intent {
        /// The plan.
        plan: PlanId,
        /// The plan's digest.
        digest: Digest,
        /// The operation.
        operation: OperationId,
        /// The targets' ARNs.
        targets: Vec<String>,
        /// The role whose credentials are used.
        role: Option<String>,
        /// Digest of the session policy that narrows them.
        #[serde(default)]
        session_policy: Option<Digest>,
    },
    /// How a changing call ended.
    Outcome {
        /// The plan.
        plan: PlanId,
        /// `applied`, `failed` or `unknown`.
        result: ResultWord,
        /// AWS's request id.
        request_id: Option<String>,
        /// AWS's error, or why the outcome is unknown.
        detail: Option<String>,
    },
    /// A recovery point is being taken before a call. That it will be is durable before its own first byte.
    RecoveryPoint {
        /// The plan whose call waits for it.
        plan: PlanId,
        /// What it is.
        label: String,
        /// The target it is of.
        target: String,
        /// The name it is given.
        name: String,
        /// The operation that takes it.
        operation: OperationId,
        /// How far it is.
        result: PointWord,
        /// What AWS calls it: a text or a list of texts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// AWS's request id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// How far undoing a plan is.
    Undo {
        /// The plan that is undone.
        plan: PlanId,
        /// The plan that undoes it.
        by: PlanId,
        /// How far it is.
        state: UndoState,
        /// What is different from before, or what stands in the way.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        details: Vec<String>,
        /// What a person does, where it is stuck.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_hand: Option<String>,
    },
    /// What an accepted call began was waited for. The plan is `applied` whatever this says.
    Waited {
        /// The plan.
        plan: PlanId,
        /// The waiter of AWS's model.
        until: String,
        /// How far it is.
        result: WaitWord,
        /// What was seen.
        detail: String,
    },
    /// A breaker opened: nothing is changed through it until a person closes it.
    BreakerOpened {
        /// Whose calls it stops.
        scope: BreakerScope,
        /// Why.
        why: String,
    },
    /// A person closed a breaker.
    BreakerClosed {
        /// Whose calls it had stopped.
        scope: BreakerScope,
        /// The person, as the operating system names them.
        by: String,
        /// Why, in their words.
        reason: String,
    },
    /// Another set of policies is in force from here on.
    PolicyChanged {
        /// Digest of the set before.
        before: Digest,
        /// Digest of the set in force.
        now: Digest,
    },
    /// A changed set of policies was not taken; the one before stays in force.
    PolicyRejected {
        /// Digest of the set that stays.
        kept: Digest,
        /// What is wrong with the other.
        problems: String,
    },
    /// An unknown outcome was settled, or not, by reading the targets.
    Reconciled {
        /// The plan.
        plan: PlanId,
        /// `applied` (the targets changed), `failed` (they did not) or still `unknown`.
        result: ResultWord,
        /// What was read.
        detail: String,
    },
}

/// How far a recovery point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointWord {
    /// It is about to be taken.
    Taking,
    /// AWS has accepted that.
    Taken,
    /// It was seen to be usable.
    Usable,
    /// It can't be relied on; the call is not sent.
    Failed,
}

/// How a changing call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultWord {
    /// AWS accepted it.
    Applied,
    /// AWS refused it; nothing changed.
    Failed,
    /// It is not known whether AWS acted.
    Unknown,
}

/// What became of a thing that a preview had AWS make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeWord {
    /// AWS did not make it.
    NotMade,
    /// It is deleted again.
    Deleted,
    /// It could not be deleted, and lies there.
    Left,
}

/// How far what an accepted call began is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitWord {
    /// It is done.
    Reached,
    /// It can't be reached any more.
    Failed,
    /// It was still going on when the wait ended.
    Going,
    /// It can't be read.
    Untold,
}

/// The end of the chain: how many records there are, and the hash of the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Sequence number of the last record; 0 where there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

/// A record as it is stored: the event's exact canonical text, so that the hash can be computed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// 1, 2, 3, ...
    pub seq: u64,
    /// Hash of the record before; of the genesis text for the first.
    pub previous: Digest,
    /// Hash of this record: over sequence number, previous hash and event.
    pub hash: Digest,
    /// The event, canonical JSON.
    pub event: String,
}
