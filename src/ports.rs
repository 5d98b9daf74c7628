//! What the chain needs of the world outside, as traits. Each has a real, a fake and a failing implementation.
//!
//! `aws/` implements [`Cloud`], `store/` implements [`Store`]; `testing.rs` holds the fakes.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::people::{Approver, Invitation, Passkey, PeopleChange, Proposal};
use crate::approval::statement::Signed;
use crate::audit::event::{Event, Head, StoredRecord};
use crate::config::{Account, BudgetsConfig};
use crate::credentials::session_policy::SessionPolicy;
use crate::digest::Digest;
use crate::names::{Agent, CallId, GrantId, Human, OperationId, PlanId, ProposalId, Region, SessionId};
use crate::plan::chain::EarlierStep;
use crate::plan::filed::{FiledPlan, PlanState};
use crate::plan::kept::{Kept, Undone};
use crate::text::escape::quoted;

/// Characters of AWS's own messages that are passed on.
pub const LONGEST_MESSAGE: usize = 500;

/// The present time. `SystemTime::now` is called nowhere else.
pub trait Clock: Send + Sync + Debug {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// What credentials a session at AWS is for. Reads and changes never share credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Reading a call's targets, or a read tool's answer.
    Read,
    /// The one changing call.
    Change,
}

/// For whom and what a session at AWS is opened.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// The account, with the roles configured for it.
    pub account: Account,
    /// The region calls go to.
    pub region: Region,
    /// Which of the two roles.
    pub purpose: Purpose,
    /// Narrows the role; without a role there is nothing it could narrow.
    pub policy: SessionPolicy,
    /// Becomes the role session's name.
    pub call: CallId,
    /// Becomes the source identity.
    pub human: Human,
    /// Becomes a session tag.
    pub agent: Agent,
    /// The plan a change belongs to; becomes a session tag.
    pub plan: Option<PlanId>,
    /// The ticket it is for; becomes a session tag.
    pub ticket: Option<String>,
}

/// AWS, as the chain sees it.
#[async_trait]
pub trait Cloud: Send + Sync + Debug {
    /// Gets credentials for one call (or, for reads, shares them) and returns a session that uses only these.
    async fn open(&self, request: SessionRequest) -> Result<Arc<dyn CloudSession>, CloudError>;

    /// The region that a call is signed for when it is made in `region`: the same but for services that have one endpoint
    /// for all regions, such as IAM. It is what IAM knows as `aws:RequestedRegion`.
    fn signing_region(
        &self,
        _operation: &OperationId,
        _arguments: &Value,
        region: &Region,
    ) -> Result<String, CloudError> {
        Ok(region.as_str().to_owned())
    }
}

/// A session at AWS: one account, one region, one set of credentials.
#[async_trait]
pub trait CloudSession: Send + Sync + Debug {
    /// Calls an operation and waits for AWS's answer. `arguments` is a JSON object in the model's own member names.
    async fn send(&self, operation: &OperationId, arguments: &Value) -> Result<CloudReply, CloudError>;

    /// Builds and signs the request exactly as `send` would, and does not send it.
    async fn sign(&self, operation: &OperationId, arguments: &Value) -> Result<SignedRequest, CloudError>;

    /// The address that `operation` would be sent to, such as `https://ec2.eu-central-1.amazonaws.com`.
    fn endpoint(&self, operation: &OperationId) -> Result<String, CloudError>;

    /// Whose credentials these are.
    fn credentials(&self) -> CredentialsNote;
}

/// Whose credentials a session uses; goes into plans and records. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsNote {
    /// The role's ARN; `None` where no role is configured and the server's own identity is used.
    pub role: Option<String>,
}

/// AWS's answer to a call.
#[derive(Clone, Debug)]
pub struct CloudReply {
    /// The output, a JSON object in the model's member names; blobs are base64, timestamps RFC 3339.
    pub output: Value,
    /// AWS's request id.
    pub request_id: Option<String>,
}

/// A request that was signed and not sent. Credentials and signature are replaced by a mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRequest {
    /// The HTTP method.
    pub method: String,
    /// The whole address, with its query.
    pub url: String,
    /// Header names (lower case) and values in order; volatile and secret values are replaced by a mark.
    pub headers: Vec<(String, String)>,
    /// The body as text; base64 where it isn't UTF-8. Sensitive members are redacted before the body is built.
    pub body: String,
}

/// Why a call has no good answer. What matters most is whether AWS may have acted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CloudError {
    /// Nothing was sent: AWS has not acted.
    #[error("nothing was sent: {reason}")]
    NotSent {
        /// What stood in the way, and the mend.
        reason: String,
    },
    /// AWS answered with an error (4xx): it refused the call.
    #[error("AWS answered {code}: {}", quoted(message, LONGEST_MESSAGE))]
    Refused {
        /// AWS's error code, such as `UnauthorizedOperation`.
        code: String,
        /// AWS's message.
        message: String,
        /// The HTTP status.
        status: u16,
        /// AWS's request id.
        request_id: Option<String>,
    },
    /// The request left, and no conclusive answer came (time-out, broken connection, 5xx): AWS may have acted.
    #[error("no conclusive answer: {reason}")]
    Unknown {
        /// What happened.
        reason: String,
        /// AWS's request id, where an answer came.
        request_id: Option<String>,
    },
}

/// A consent on record, bound to one plan's digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// Its identifier.
    pub id: GrantId,
    /// The plan consented to.
    pub plan: PlanId,
    /// That plan's digest at the time of consent.
    pub digest: Digest,
    /// Who consented.
    pub by: Human,
    /// When.
    pub at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
    /// Milliseconds between showing the prompt, or the plan's page, and the answer.
    pub answered_after_ms: u64,
    /// What was consented to.
    #[serde(default)]
    pub kind: GrantKind,
    /// The signature, where it was given with a passkey. Approvals and applications always are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Box<Signed>>,
}

/// What a grant stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// The human the agent acts for typed the text: in the agent's client, or in the console with a passkey.
    #[default]
    Confirmation,
    /// Somebody else signed the plan.
    Approval,
    /// A person carries it out from the console, having typed the text.
    Application,
}

/// What `arm` asks of the store, all or nothing.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The plan, which must be in state `open`.
    pub plan: PlanId,
    /// Its digest, which must equal the filed one.
    pub digest: Digest,
    /// Unused, unexpired grants for that digest; they are used up.
    pub grants: Vec<GrantId>,
    /// ARNs no other plan may be applying at the same time.
    pub targets: Vec<String>,
    /// Now; plans and grants that expired before it don't count.
    pub now: Timestamp,
    /// Rolling-hour budget of the tool, in targets; `None` where the manifest sets none.
    pub per_hour: Option<HourlyBudget>,
    /// For whom it counts: the plan's agent and account, and the session that applies it.
    pub who: Counted,
    /// How many resources it changes; at least 1.
    pub resources: u32,
    /// What the session and the agent may change altogether.
    pub budgets: BudgetsConfig,
    /// Steps that were taken before it are no part of chains any more.
    pub steps_since: Timestamp,
}

/// Whose steps are asked for.
#[derive(Clone, Debug)]
pub struct StepsAsked {
    /// Steps of this agent,
    pub agent: Agent,
    /// and those for this human.
    pub human: Human,
    /// In this account (its twelve digits).
    pub account: String,
    /// Taken after this.
    pub since: Timestamp,
    /// The plan that asks; its own are left out.
    pub own: PlanId,
    /// The plan that it undoes; putting its steps back is no further step after them.
    pub undone: Option<PlanId>,
}

/// Steps about things, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepsFound {
    /// Of plans that are applied, are being applied, or whose outcome is unknown.
    pub taken: Vec<EarlierStep>,
    /// Of plans that are open.
    pub open: Vec<EarlierStep>,
}

/// For whom is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The agent, over all its sessions.
    pub agent: Agent,
    /// One of its sessions.
    pub session: SessionId,
    /// The account's twelve digits.
    pub account: String,
}

/// What happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Resources changed in the session.
    pub changed_in_session: u32,
    /// Resources the agent changed within the last hour.
    pub changed_in_hour: u32,
    /// Calls of the agent that failed, or whose outcome is unknown, within the last hour and since its breaker was closed.
    pub errors_in_hour: u32,
    /// Refusals the agent got within the last hour and since its breaker was closed.
    pub denials_in_hour: u32,
    /// Calls of all agents to the account that failed, or whose outcome is unknown, likewise.
    pub account_errors_in_hour: u32,
    /// The open breakers of the agent and of the account.
    pub open: Vec<Breaker>,
}

/// An open breaker: no change goes through it until a person closes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whose calls it stops.
    pub scope: BreakerScope,
    /// When it opened.
    pub opened_at: Timestamp,
    /// Why, for people.
    pub why: String,
}

/// Whose calls a breaker stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum BreakerScope {
    /// One agent's.
    Agent(Agent),
    /// All agents' to one account (its twelve digits).
    Account(String),
}

impl std::fmt::Display for BreakerScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent {agent}"),
            Self::Account(id) => write!(f, "account {id}"),
        }
    }
}

/// A tool's budget of targets per rolling hour and agent.
#[derive(Clone, Debug)]
pub struct HourlyBudget {
    /// The tool's name.
    pub tool: String,
    /// The agent that is counted.
    pub agent: Agent,
    /// Most targets per hour.
    pub most: u32,
    /// Targets of this call.
    pub asks: u32,
}

/// What a budget of changed resources is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetSpan {
    /// One session.
    Session,
    /// Any hour, over all sessions of the agent.
    Hour,
}

impl std::fmt::Display for BudgetSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Session => "a session",
            Self::Hour => "an hour",
        })
    }
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The plan is not open any more: someone else applied it, or it ended.
    #[error("plan {plan} is {state}")]
    NotOpen {
        /// The plan.
        plan: PlanId,
        /// Its state.
        state: PlanState,
    },
    /// The plan or a grant has expired, is missing, used, is for another digest, or of somebody who may not give it; or
    /// people can't change like that.
    #[error("{0}")]
    NotGranted(String),
    /// Another plan is applying to the same target.
    #[error("another plan ({plan}) is changing {target} now")]
    TargetBusy {
        /// The contested target's ARN.
        target: String,
        /// The plan that holds it.
        plan: PlanId,
    },
    /// The tool's hourly budget is used up.
    #[error("the budget of {most} targets an hour for `{tool}` has {left} left, this call needs {asks}")]
    OverBudget {
        /// The tool.
        tool: String,
        /// The budget.
        most: u32,
        /// What is left of it.
        left: u32,
        /// What was asked for.
        asks: u32,
    },
    /// The session's or the agent's budget of changed resources is used up.
    #[error("the budget of {most} changed resources {span} has {left} left, this call needs {asks}")]
    OverChanges {
        /// Whose budget.
        span: BudgetSpan,
        /// The budget.
        most: u32,
        /// What is left of it.
        left: u32,
        /// What was asked for.
        asks: u32,
    },
    /// A breaker stops the agent's calls, or all calls to the account.
    #[error(
        "the breaker of {} has been open since {:.0}: {}",
        quoted(&.0.scope.to_string(), 80),
        .0.opened_at,
        quoted(&.0.why, LONGEST_MESSAGE)
    )]
    BreakerOpen(Breaker),
    /// The store itself failed. Whatever was under way must stop.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Which plans to list.
#[derive(Clone, Debug, Default)]
pub struct PlanFilter {
    /// Only of this agent.
    pub agent: Option<Agent>,
    /// Only in these states; empty means all.
    pub states: Vec<PlanState>,
    /// Only those put before people, which wait or waited for them.
    pub parked: bool,
    /// Only those with this text in them, such as a part of an id, a name, a target or a reason; whatever its case.
    pub text: Option<String>,
    /// Only those older than this plan: the next page.
    pub before: Option<PlanId>,
    /// At most so many, newest first.
    pub limit: u32,
}

/// Plans, grants, counters, breakers and the audit chain. Every method that takes events makes state and events durable together.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// Appends events to the audit chain, in order; durable when it returns.
    async fn append(&self, events: Vec<Event>) -> Result<Head, StoreError>;

    /// Files a new plan (state `open`) together with its event.
    async fn file_plan(&self, plan: FiledPlan, event: Event) -> Result<(), StoreError>;

    /// One plan; `None` where there is none of that id. An expired open plan is returned as `expired` at `now`.
    async fn plan(&self, id: &PlanId, now: Timestamp) -> Result<Option<FiledPlan>, StoreError>;

    /// Plans, newest first.
    async fn plans(&self, filter: PlanFilter, now: Timestamp) -> Result<Vec<FiledPlan>, StoreError>;

    /// Records a grant together with its event.
    async fn grant(&self, grant: GrantRecord, event: Event) -> Result<(), StoreError>;

    /// The unused grants of a plan, expired ones included.
    async fn grants(&self, plan: &PlanId) -> Result<Vec<GrantRecord>, StoreError>;

    /// In one transaction: checks and carries out the claim (no breaker open, plan `open` to `applying`, grants used,
    /// targets held, budgets counted) and appends the intent. Exactly one of several concurrent claims wins.
    async fn claim(&self, claim: Claim, intent: Event) -> Result<(), StoreError>;

    /// In one transaction: sets an `applying` (or, when reconciling, `unknown`) plan's state, frees its targets where
    /// the state is final, appends the outcome.
    async fn settle(&self, plan: &PlanId, state: PlanState, outcome: Event) -> Result<(), StoreError>;

    /// Keeps what carrying a plan out has told so far, in place of what was kept before, together with its events. The plan
    /// must be `applying`, `unknown` or `applied`.
    async fn keep(&self, plan: &PlanId, kept: Kept, events: Vec<Event>) -> Result<(), StoreError>;

    /// Says how the targets of a plan are after it was undone, together with its event. False where it isn't being undone
    /// by that plan (any more), and then nothing is recorded.
    ///
    /// All else of an undo follows from the plan that undoes: claiming that makes this one `undoing`, and a failed or
    /// unknown outcome of it `stuck`, in the same transaction.
    async fn returned(&self, plan: &PlanId, undone: Undone, event: Event) -> Result<bool, StoreError>;

    /// Plans whose undo is stuck, newest first.
    async fn stuck(&self, limit: u32, now: Timestamp) -> Result<Vec<FiledPlan>, StoreError>;

    /// Marks plans that a process which is no longer alive was applying as `unknown`, with the events `event` makes,
    /// and returns every plan in state `unknown`.
    async fn orphans(
        &self,
        event: &(dyn for<'a> Fn(&'a FiledPlan) -> Event + Send + Sync),
    ) -> Result<Vec<FiledPlan>, StoreError>;

    /// A single-use mark, such as the nonce of a sealed state: true the first time, false ever after.
    async fn use_once(&self, mark: &str, forget_after: Timestamp) -> Result<bool, StoreError>;

    /// What happened so far. Counts derive from the events recorded, in the same transaction: a refusal with code
    /// `forbidden`, `needs_second_person`, `rejected`, `not_confirmed` or `over_limit` is a denial; an outcome `failed` or `unknown`
    /// is an error; a claim counts its resources.
    async fn tally(&self, who: &Counted, now: Timestamp) -> Result<Tally, StoreError>;

    /// What plans of an agent or for a human did to things in an account, or would do. Claiming a plan makes its steps taken;
    /// where others were taken since it was judged, so that its chains would be other ones, it can't be claimed.
    async fn steps(&self, asked: &StepsAsked, now: Timestamp) -> Result<StepsFound, StoreError>;

    /// Opens a breaker together with its event, unless it is open already. True where it wasn't.
    async fn open_breaker(&self, breaker: Breaker, event: Event) -> Result<bool, StoreError>;

    /// Closes a breaker together with its event; what was counted so far doesn't count for it any more. False where it
    /// was not open, and then nothing is recorded.
    async fn close_breaker(&self, scope: &BreakerScope, event: Event) -> Result<bool, StoreError>;

    /// All open breakers, oldest first.
    async fn breakers(&self) -> Result<Vec<Breaker>, StoreError>;

    /// Puts an open plan before people, with its event. False where it was before them already, and then nothing is
    /// recorded.
    async fn park(&self, plan: &PlanId, event: Event) -> Result<bool, StoreError>;

    /// Ends an open plan as `rejected`, with the reason as its outcome, together with its event.
    async fn reject(&self, plan: &PlanId, reason: &str, event: Event) -> Result<(), StoreError>;

    /// Everybody who ever enrolled, by name; the revoked included.
    async fn people(&self) -> Result<Vec<Approver>, StoreError>;

    /// Records a change of people that waits for an admin's signature.
    async fn propose(&self, proposal: Proposal, event: Event) -> Result<(), StoreError>;

    /// The changes that wait for a signature, unexpired, oldest first.
    async fn proposals(&self, now: Timestamp) -> Result<Vec<Proposal>, StoreError>;

    /// Withdraws a proposal, together with its event. False where there is none.
    async fn withdraw(&self, proposal: &ProposalId, event: Event) -> Result<bool, StoreError>;

    /// In one transaction: takes the proposal off the list (or, for the first invitation of an installation that has no
    /// enrolled admin, needs none), carries its change out, and appends the event. An invitation becomes `invitation`.
    ///
    /// The last active admin can neither be revoked nor lose that right.
    async fn change_people(
        &self,
        proposal: Option<&ProposalId>,
        change: PeopleChange,
        invitation: Option<Invitation>,
        event: Event,
    ) -> Result<(), StoreError>;

    /// The invitation of a token, unused and unexpired; `None` else.
    async fn invitation(&self, token: &Digest, now: Timestamp) -> Result<Option<Invitation>, StoreError>;

    /// In one transaction: uses an invitation up and enrols its passkey, of a person who was not there or one who was.
    async fn enrol(&self, token: &Digest, passkey: Passkey, event: Event) -> Result<(), StoreError>;

    /// Remembers how often a passkey has signed, so that a cloned authenticator shows. False where it has signed as
    /// often before.
    async fn count_signature(&self, name: &Human, passkey: &str, counter: u32) -> Result<bool, StoreError>;

    /// Where somebody who follows the record has got to; 0 at first.
    async fn cursor(&self, name: &str) -> Result<u64, StoreError>;

    /// Moves a cursor on. False where it isn't at `from` any more: somebody else moved it.
    async fn move_cursor(&self, name: &str, from: u64, to: u64) -> Result<bool, StoreError>;

    /// Keeps a signed checkpoint of the record.
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError>;

    /// The newest kept checkpoint, at least of `size` records if that is given: how many records it covers, and its note.
    async fn checkpoint(&self, size: Option<u64>) -> Result<Option<(u64, String)>, StoreError>;

    /// The end of the record. Cheap: asked again and again by those who wait for something to happen.
    async fn head(&self) -> Result<Head, StoreError>;

    /// Records of the chain from sequence number `from` (the first is 1), at most `limit`.
    async fn records(&self, from: u64, limit: u32) -> Result<Vec<StoredRecord>, StoreError>;
}
