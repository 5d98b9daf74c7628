//! Fakes of the ports, for tests here and in `tests/`: a clock that is set by hand, a cloud that follows a script, a
//! store that fails, a passkey in software. The store itself has no fake: [`crate::store::SqliteStore`] in a temporary
//! folder is fast enough.

mod soft_key;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::approval::people::{Approver, Invitation, Passkey, PeopleChange, Proposal};
use crate::audit::event::{Event, Head, StoredRecord};
use crate::config::Account;
use crate::credentials::session_policy::SessionPolicy;
use crate::digest::{Digest, NotCanonical, canonical_json};
use crate::names::{Agent, CallId, Effect, Human, OperationId, PlanId, ProposalId, Region, SessionId, Stage};
use crate::plan::filed::{DryRun, FiledPlan, Obligation, PlanContent, PlanState, PlannedAccount, PlannedTarget, Undo};
use crate::plan::kept::{Kept, Undone};
use crate::ports::{
    Breaker, BreakerScope, Claim, Clock, Cloud, CloudError, CloudReply, CloudSession, Counted, CredentialsNote,
    GrantRecord, PlanFilter, Purpose, SessionRequest, SignedRequest, StepsAsked, StepsFound, Store, StoreError, Tally,
};

pub use soft_key::{SoftKey, SoftKeyFailed};

/// A clock that stands still until it is moved. Clones share their time.
#[derive(Clone, Debug)]
pub struct FixedClock(Arc<Mutex<Timestamp>>);

impl FixedClock {
    /// Stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves to `now`.
    pub fn set(&self, now: Timestamp) {
        *lock(&self.0) = now;
    }

    /// Moves on by `by`; stays where it is if that were beyond what a timestamp can hold.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = lock(&self.0);
        *now = now.checked_add(by).unwrap_or(*now);
    }
}

impl Default for FixedClock {
    /// The first second of 2026.
    fn default() -> Self {
        Self::at(Timestamp::from_second(1_767_225_600).unwrap_or_default())
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }
}

/// A call that reached the fake cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenCall {
    /// The account's twelve digits.
    pub account: String,
    /// The region's code.
    pub region: String,
    /// Which credentials it would have run under.
    pub purpose: Purpose,
    /// The operation.
    pub operation: OperationId,
    /// Its arguments.
    pub arguments: Value,
}

/// A cloud that answers from a script and remembers what it was asked. Clones share script and memory.
///
/// Each operation has a queue of replies; the last one is given again and again. An operation without a script is
/// answered with [`CloudError::NotSent`], so that a test says what it expects to be called.
#[derive(Clone, Debug, Default)]
pub struct FakeCloud(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    replies: HashMap<OperationId, VecDeque<Result<Value, CloudError>>>,
    opened: Vec<SessionRequest>,
    sent: Vec<SeenCall>,
    signed: Vec<SeenCall>,
    refuse_to_open: Option<CloudError>,
    turns: Vec<Turn>,
}

/// What a call changes in the script.
#[derive(Clone, Debug)]
struct Turn {
    after: OperationId,
    operation: OperationId,
    reply: Result<Value, CloudError>,
}

impl FakeCloud {
    /// A cloud with an empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer of `operation` (written `ec2:StopInstances`) with this output.
    pub fn answers(self, operation: &str, output: Value) -> Self {
        self.replies(operation, Ok(output))
    }

    /// Adds an error of `operation`.
    pub fn fails(self, operation: &str, error: CloudError) -> Self {
        self.replies(operation, Err(error))
    }

    /// Adds AWS's refusal of `operation`, with this code and status 400.
    pub fn refuses(self, operation: &str, code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        self.fails(
            operation,
            CloudError::Refused { code, message, status: 400, request_id: Some("fake-request".to_owned()) },
        )
    }

    /// Adds a broken connection after `operation` was sent.
    pub fn loses(self, operation: &str) -> Self {
        self.fails(operation, CloudError::Unknown { reason: "the connection broke".to_owned(), request_id: None })
    }

    /// From when `after` has succeeded on, `operation` answers with this output, or with that AWS's error code.
    pub fn turns(self, after: &str, operation: &str, reply: Result<Value, &str>) -> Self {
        if let (Ok(after), Ok(operation)) = (after.parse(), operation.parse()) {
            let refused = |code: &str| CloudError::Refused {
                code: code.to_owned(),
                message: "by the script".to_owned(),
                status: 400,
                request_id: None,
            };
            lock(&self.0).turns.push(Turn { after, operation, reply: reply.map_err(refused) });
        }
        self
    }

    /// Gives nobody credentials any more.
    pub fn refuse_to_open(&self, error: CloudError) {
        lock(&self.0).refuse_to_open = Some(error);
    }

    /// Forgets the replies of `operation` that are left and answers with this output from now on.
    pub fn change(&self, operation: &str, output: Value) {
        if let Ok(operation) = operation.parse() {
            lock(&self.0).replies.insert(operation, VecDeque::from([Ok(output)]));
        }
    }

    /// As [`Self::change`], with AWS's refusal of `operation`.
    pub fn change_to_refusal(&self, operation: &str, code: &str, message: &str) {
        let (code, message) = (code.to_owned(), message.to_owned());
        self.change_to(operation, CloudError::Refused { code, message, status: 400, request_id: None });
    }

    /// As [`Self::change`], with a broken connection after `operation` was sent.
    pub fn change_to_loss(&self, operation: &str) {
        self.change_to(operation, CloudError::Unknown { reason: "the connection broke".to_owned(), request_id: None });
    }

    fn change_to(&self, operation: &str, error: CloudError) {
        if let Ok(operation) = operation.parse() {
            lock(&self.0).replies.insert(operation, VecDeque::from([Err(error)]));
        }
    }

    /// Every call sent, in order.
    pub fn sent(&self) -> Vec<SeenCall> {
        lock(&self.0).sent.clone()
    }

    /// Every call sent under credentials for changes, in order.
    pub fn changes(&self) -> Vec<SeenCall> {
        self.sent().into_iter().filter(|call| call.purpose == Purpose::Change).collect()
    }

    /// Every call signed and not sent, in order.
    pub fn signed(&self) -> Vec<SeenCall> {
        lock(&self.0).signed.clone()
    }

    /// Every session opened, in order.
    pub fn opened(&self) -> Vec<SessionRequest> {
        lock(&self.0).opened.clone()
    }

    fn replies(self, operation: &str, reply: Result<Value, CloudError>) -> Self {
        if let Ok(operation) = operation.parse() {
            lock(&self.0).replies.entry(operation).or_default().push_back(reply);
        }
        self
    }
}

#[async_trait]
impl Cloud for FakeCloud {
    async fn open(&self, request: SessionRequest) -> Result<Arc<dyn CloudSession>, CloudError> {
        let mut script = lock(&self.0);
        if let Some(error) = &script.refuse_to_open {
            return Err(error.clone());
        }
        script.opened.push(request.clone());
        Ok(Arc::new(FakeSession { request, cloud: self.clone() }))
    }
}

/// A session at the fake cloud.
#[derive(Debug)]
struct FakeSession {
    request: SessionRequest,
    cloud: FakeCloud,
}

impl FakeSession {
    fn seen(&self, operation: &OperationId, arguments: &Value) -> SeenCall {
        SeenCall {
            account: self.request.account.id.clone(),
            region: self.request.region.as_str().to_owned(),
            purpose: self.request.purpose,
            operation: operation.clone(),
            arguments: arguments.clone(),
        }
    }
}

#[async_trait]
impl CloudSession for FakeSession {
    async fn send(&self, operation: &OperationId, arguments: &Value) -> Result<CloudReply, CloudError> {
        let mut script = lock(&self.cloud.0);
        script.sent.push(self.seen(operation, arguments));
        let number = script.sent.len();
        let replies = script.replies.entry(operation.clone()).or_default();
        let reply = if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() };
        if let Some(Ok(_)) = &reply {
            let turns: Vec<Turn> = script.turns.iter().filter(|turn| turn.after == *operation).cloned().collect();
            for Turn { operation, reply, .. } in turns {
                script.replies.insert(operation, VecDeque::from([reply]));
            }
        }
        match reply {
            Some(Ok(output)) => Ok(CloudReply { output, request_id: Some(format!("fake-{number}")) }),
            Some(Err(error)) => Err(error),
            None => Err(CloudError::NotSent { reason: format!("the fake cloud has no reply to `{operation}`") }),
        }
    }

    async fn sign(&self, operation: &OperationId, arguments: &Value) -> Result<SignedRequest, CloudError> {
        lock(&self.cloud.0).signed.push(self.seen(operation, arguments));
        let body = canonical_json(arguments).map_err(|error| CloudError::NotSent { reason: error.to_string() })?;
        Ok(SignedRequest {
            method: "POST".to_owned(),
            url: format!("{}/", self.endpoint(operation)?),
            headers: vec![("x-fake-operation".to_owned(), operation.to_string())],
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    fn endpoint(&self, operation: &OperationId) -> Result<String, CloudError> {
        Ok(format!("https://{}.{}.fake.invalid", operation.service(), self.request.region))
    }

    fn credentials(&self) -> CredentialsNote {
        let account = &self.request.account;
        CredentialsNote {
            role: match self.request.purpose {
                Purpose::Read => account.read_role.clone(),
                Purpose::Change => account.change_role.clone(),
            },
        }
    }
}

/// A session policy of any text, for sessions that a test opens by itself.
pub fn session_policy(text: &str) -> SessionPolicy {
    SessionPolicy::of_text(text)
}

/// A session for reading in an account without roles, for tests that open one by themselves.
pub fn reading() -> SessionRequest {
    SessionRequest {
        account: Account {
            name: "shop-dev".to_owned(),
            id: "210987654321".to_owned(),
            stage: Stage::Dev,
            regions: Vec::new(),
            read_role: None,
            change_role: None,
            external_id: None,
        },
        region: Region::new("eu-central-1"),
        purpose: Purpose::Read,
        policy: session_policy("{}"),
        call: CallId::fresh(),
        human: Human::new("ann"),
        agent: Agent::new("agent"),
        plan: None,
        ticket: None,
    }
}

/// A store of which everything fails, as on a full or broken disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct FailingStore;

impl FailingStore {
    fn fail<T>() -> Result<T, StoreError> {
        Err(StoreError::Failed("the disk is full".to_owned()))
    }
}

#[async_trait]
impl Store for FailingStore {
    async fn append(&self, _: Vec<Event>) -> Result<Head, StoreError> {
        Self::fail()
    }

    async fn file_plan(&self, _: FiledPlan, _: Event) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn plan(&self, _: &PlanId, _: Timestamp) -> Result<Option<FiledPlan>, StoreError> {
        Self::fail()
    }

    async fn plans(&self, _: PlanFilter, _: Timestamp) -> Result<Vec<FiledPlan>, StoreError> {
        Self::fail()
    }

    async fn grant(&self, _: GrantRecord, _: Event) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn grants(&self, _: &PlanId) -> Result<Vec<GrantRecord>, StoreError> {
        Self::fail()
    }

    async fn claim(&self, _: Claim, _: Event) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn settle(&self, _: &PlanId, _: PlanState, _: Event) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn keep(&self, _: &PlanId, _: Kept, _: Vec<Event>) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn returned(&self, _: &PlanId, _: Undone, _: Event) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn stuck(&self, _: u32, _: Timestamp) -> Result<Vec<FiledPlan>, StoreError> {
        Self::fail()
    }

    async fn orphans(
        &self,
        _: &(dyn for<'a> Fn(&'a FiledPlan) -> Event + Send + Sync),
    ) -> Result<Vec<FiledPlan>, StoreError> {
        Self::fail()
    }

    async fn use_once(&self, _: &str, _: Timestamp) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn tally(&self, _: &Counted, _: Timestamp) -> Result<Tally, StoreError> {
        Self::fail()
    }

    async fn steps(&self, _: &StepsAsked, _: Timestamp) -> Result<StepsFound, StoreError> {
        Self::fail()
    }

    async fn open_breaker(&self, _: Breaker, _: Event) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn close_breaker(&self, _: &BreakerScope, _: Event) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn breakers(&self) -> Result<Vec<Breaker>, StoreError> {
        Self::fail()
    }

    async fn park(&self, _: &PlanId, _: Event) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn reject(&self, _: &PlanId, _: &str, _: Event) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn people(&self) -> Result<Vec<Approver>, StoreError> {
        Self::fail()
    }

    async fn propose(&self, _: Proposal, _: Event) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn proposals(&self, _: Timestamp) -> Result<Vec<Proposal>, StoreError> {
        Self::fail()
    }

    async fn withdraw(&self, _: &ProposalId, _: Event) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn change_people(
        &self,
        _: Option<&ProposalId>,
        _: PeopleChange,
        _: Option<Invitation>,
        _: Event,
    ) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn invitation(&self, _: &Digest, _: Timestamp) -> Result<Option<Invitation>, StoreError> {
        Self::fail()
    }

    async fn enrol(&self, _: &Digest, _: Passkey, _: Event) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn count_signature(&self, _: &Human, _: &str, _: u32) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn cursor(&self, _: &str) -> Result<u64, StoreError> {
        Self::fail()
    }

    async fn move_cursor(&self, _: &str, _: u64, _: u64) -> Result<bool, StoreError> {
        Self::fail()
    }

    async fn keep_checkpoint(&self, _: u64, _: &str) -> Result<(), StoreError> {
        Self::fail()
    }

    async fn checkpoint(&self, _: Option<u64>) -> Result<Option<(u64, String)>, StoreError> {
        Self::fail()
    }

    async fn head(&self) -> Result<Head, StoreError> {
        Self::fail()
    }

    async fn records(&self, _: u64, _: u32) -> Result<Vec<StoredRecord>, StoreError> {
        Self::fail()
    }
}

/// An open plan to stop the given instances in account 111122223333, made at `now` and good for fifteen minutes.
///
/// Its arguments, states and request are only as real as the store needs them.
pub fn open_plan(instances: &[&str], now: Timestamp) -> Result<FiledPlan, NotCanonical> {
    let content = PlanContent {
        id: PlanId::fresh(),
        tool: "ec2_stop_instances".to_owned(),
        title: "Stop EC2 instances".to_owned(),
        manifest: Digest::of_bytes("testing", b"manifest"),
        policy: Digest::of_bytes("testing", b"policy"),
        agent: Agent::new("agent"),
        human: Human::new("dana"),
        reason: "they are not used at night".to_owned(),
        account: PlannedAccount { id: "111122223333".to_owned(), name: "shop-dev".to_owned(), stage: Stage::Dev },
        region: Region::new("eu-central-1"),
        operation: OperationId::new("ec2", "StopInstances"),
        effect: Effect::Write,
        raised: Vec::new(),
        steps: Vec::new(),
        chains: Vec::new(),
        besides: Vec::new(),
        warnings: Vec::new(),
        arguments: json!({ "InstanceIds": instances }),
        arguments_digest: Digest::of("testing", &instances)?,
        targets: instances.iter().map(|id| target(id)).collect(),
        request: SignedRequest {
            method: "POST".to_owned(),
            url: "https://ec2.eu-central-1.fake.invalid/".to_owned(),
            headers: Vec::new(),
            body: "Action=StopInstances".to_owned(),
        },
        dry_run: DryRun::Passed,
        changes: Vec::new(),
        change_set: None,
        dependents: Vec::new(),
        undo: Undo::Recipe {
            tool: "ec2_start_instances".to_owned(),
            arguments: json!({ "InstanceIds": instances }),
            loses: vec!["what was in memory".to_owned()],
            later: Vec::new(),
            by_hand: None,
        },
        recovery_points: Vec::new(),
        undoes: None,
        ticket: None,
        obligations: vec![Obligation::Confirmation { text: instances.join(" ") }],
        permitted_by: Vec::new(),
        session_policy: None,
        credentials: CredentialsNote { role: None },
        created_at: now,
        expires_at: now.checked_add(SignedDuration::from_mins(15)).unwrap_or(now),
    };
    Ok(FiledPlan {
        digest: content.digest()?,
        content,
        state: PlanState::Open,
        outcome: None,
        input: None,
        parked_at: None,
        kept: None,
        undone: None,
    })
}

/// For whom a change by this plan counts, in session `session-1`.
pub fn counted(plan: &FiledPlan) -> Counted {
    Counted {
        agent: plan.content.agent.clone(),
        session: SessionId::new("session-1"),
        account: plan.content.account.id.clone(),
    }
}

fn target(id: &str) -> PlannedTarget {
    PlannedTarget {
        id: id.to_owned(),
        arn: format!("arn:aws:ec2:eu-central-1:111122223333:instance/{id}"),
        state: json!({ "InstanceId": id, "State": { "Name": "running" } }),
        fingerprint: json!({ "state": "running" }),
        tags: BTreeMap::new(),
        stage: Stage::Dev,
        protected: false,
        owner: None,
        not_known: Vec::new(),
    }
}

/// A panic while a fake was locked has failed its test already; the others may go on.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
