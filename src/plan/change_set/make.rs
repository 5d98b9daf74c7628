//! Makes a change set, reads it and deletes it again, on a task of its own that nobody's hanging up ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{ChangeSet, ResourceChange, UNNAMED, template};
use crate::audit::event::{self, ProbeWord, What};
use crate::aws::models::Models;
use crate::aws::redact::{Direction, redact};
use crate::call::refused::{Code, Refused};
use crate::call::request::Caller;
use crate::credentials::session_policy::SessionPolicy;
use crate::names::{CallId, OperationId, PlanId};
use crate::ports::{Clock, CloudError, CloudSession, LONGEST_MESSAGE, Store};
use crate::text::escape::quoted;

/// What `UpdateStack` and `CreateChangeSet` both take; of the rest of an update a change set knows nothing.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html>
const SHARED: [&str; 11] = [
    "Capabilities",
    "NotificationARNs",
    "Parameters",
    "ResourceTypes",
    "RoleARN",
    "RollbackConfiguration",
    "StackName",
    "Tags",
    "TemplateBody",
    "TemplateURL",
    "UsePreviousTemplate",
];

/// Pages of one change set. A stack has at most 500 resources, and a page holds some dozens of them.
const MOST_PAGES: usize = 60;

/// So many reads in a row may fail before the change set is given up.
const MOST_UNTOLD: u32 = 3;

/// So often in a row it must be absent where it isn't known whether AWS made it.
const ABSENT_TIMES: u32 = 4;

/// How AWS says that a change set is not there.
const NOT_THERE: [&str; 2] = ["ChangeSetNotFound", "ChangeSetNotFoundException"];

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The first pause between two reads; each next one is twice as long.
    pub(crate) first: Duration,
    /// The longest pause.
    pub(crate) most: Duration,
    /// The longest wait until the change set is ready.
    pub(crate) ready: Duration,
    /// The longest that deleting it is tried.
    pub(crate) gone: Duration,
    /// How long it must have been absent where it isn't known whether AWS made it.
    pub(crate) absent: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            first: Duration::from_millis(250),
            most: seconds(5),
            ready: seconds(120),
            gone: seconds(120),
            absent: seconds(30),
        }
    }
}

/// What is recorded, and where.
pub(crate) struct Event {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) call: CallId,
    pub(crate) caller: Caller,
    pub(crate) plan: PlanId,
    /// The stack's ARN.
    pub(crate) target: String,
    /// The change set's name.
    pub(crate) name: String,
}

/// A change set that can be made.
pub(crate) struct Making {
    session: Arc<dyn CloudSession>,
    session_policy: Option<SessionPolicy>,
    event: Event,
    arguments: Value,
    stack: Value,
    models: Models,
    pace: Pace,
}

impl fmt::Debug for Making {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Making").field("name", &self.event.name).finish_non_exhaustive()
    }
}

/// Whether there may be something to delete.
enum Made {
    Yes,
    No(Refused),
    NotKnown(Refused),
}

impl Making {
    /// Takes `UpdateStack`'s arguments for the change set.
    pub(crate) fn new(
        (session, session_policy): (Arc<dyn CloudSession>, Option<SessionPolicy>),
        event: Event,
        update: &Value,
        models: Models,
        pace: Pace,
    ) -> Result<Self, Refused> {
        let member = |name: &str| update.get(name).filter(|value| !value.is_null()).cloned();
        let Some(stack) = member("StackName") else {
            return Err(Refused::new(Code::PreviewFailed, "no stack is named", "pass `StackName`"));
        };
        let shared = SHARED.iter().filter_map(|name| Some(((*name).to_owned(), member(name)?)));
        let mut arguments: Map<String, Value> = shared.collect();
        arguments.insert("ChangeSetName".to_owned(), json!(event.name));
        arguments.insert("ChangeSetType".to_owned(), json!("UPDATE"));
        arguments.insert("Description".to_owned(), json!(format!("preview of {}; deleted again at once", event.plan)));
        Ok(Self { session, session_policy, event, arguments: Value::Object(arguments), stack, models, pace })
    }

    /// Makes it, reads it and deletes it. `stop` ends the reading, never the deleting.
    ///
    /// # Errors
    /// Where AWS would refuse the update or sees nothing to change, where there is no answer, and where the change set
    /// could not be deleted: nobody should sign a plan while something is left lying about that could be executed.
    pub(crate) async fn carry_out(self, stop: CancellationToken) -> Result<ChangeSet, Refused> {
        self.record(What::Probing {
            plan: self.event.plan.clone(),
            operation: operation("CreateChangeSet"),
            target: self.event.target.clone(),
            name: self.event.name.clone(),
            role: self.session.credentials().role,
            session_policy: self.session_policy.as_ref().map(SessionPolicy::digest),
        })
        .await?;
        let (read, gone) = match self.make().await {
            Made::No(refused) => (Err(refused), Ok(ProbeWord::NotMade)),
            Made::NotKnown(refused) => (Err(refused), self.delete(false).await),
            Made::Yes => (self.read(&stop).await, self.delete(true).await),
        };
        let recorded = self.told(&gone).await;
        match (gone, recorded) {
            (Err(error), _) => Err(self.left(&error, read.err())),
            (Ok(_), Err(unrecorded)) => Err(unrecorded),
            (Ok(_), Ok(())) => read,
        }
    }

    /// Deletes what a preview may have made that didn't live to do it.
    ///
    /// # Errors
    /// As for [`Self::carry_out`], where it is left.
    pub(crate) async fn clear(self) -> Result<(), Refused> {
        let gone = self.delete(false).await;
        let recorded = self.told(&gone).await;
        gone.map_err(|error| self.left(&error, None)).and(recorded)
    }

    /// Puts on record whether it is gone.
    async fn told(&self, gone: &Result<ProbeWord, CloudError>) -> Result<(), Refused> {
        let (result, detail) = match gone {
            Ok(word) => (*word, String::new()),
            Err(error) => {
                tracing::error!(change_set = %self.event.name, stack = %self.event.target, %error, "a change set is left");
                (ProbeWord::Left, error.to_string())
            }
        };
        let (plan, name) = (self.event.plan.clone(), self.event.name.clone());
        self.record(What::Probed { plan, name, result, detail }).await
    }

    async fn make(&self) -> Made {
        match self.session.send(&operation("CreateChangeSet"), &self.arguments).await {
            Ok(_) => Made::Yes,
            Err(CloudError::Refused { code, message, .. }) => Made::No(Refused::new(
                Code::PreviewFailed,
                format!("AWS makes no change set of this update: {code}: {}", quoted(&message, LONGEST_MESSAGE)),
                "correct the call; or an operator looks at the stack and at what the account's `change_role` may do",
            )),
            Err(CloudError::NotSent { reason }) => Made::No(Refused::new(
                Code::PreviewFailed,
                format!("no change set could be asked for: {reason}"),
                "try the preview again",
            )),
            Err(error) => Made::NotKnown(no_answer(&error)),
        }
    }

    async fn read(&self, stop: &CancellationToken) -> Result<ChangeSet, Refused> {
        let (began, mut delay, mut untold) = (Instant::now(), self.pace.first, 0);
        loop {
            match self.describe(None).await {
                Ok(first) => match word(&first, "Status") {
                    "CREATE_COMPLETE" => return self.all(first).await,
                    "FAILED" => return Err(failed(word(&first, "StatusReason"))),
                    "CREATE_PENDING" | "CREATE_IN_PROGRESS" => untold = 0,
                    other => {
                        let message = format!("the change set of this preview is {}", quoted(other, 40));
                        return Err(Refused::new(Code::PreviewFailed, message, "try the preview again"));
                    }
                },
                // What was just made may not be seen everywhere yet.
                Err(error) => {
                    untold += 1;
                    if untold >= MOST_UNTOLD {
                        return Err(no_answer(&error));
                    }
                }
            }
            if began.elapsed() + delay > self.pace.ready {
                let message =
                    format!("CloudFormation did not say in {} s what would change", self.pace.ready.as_secs());
                return Err(Refused::new(Code::PreviewFailed, message, "try the preview again later"));
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    return Err(Refused::new(Code::PreviewFailed, "the request was cancelled", "call again"));
                }
                () = sleep(delay) => {}
            }
            delay = (delay * 2).min(self.pace.most);
        }
    }

    /// All pages, from the first on.
    async fn all(&self, first: Value) -> Result<ChangeSet, Refused> {
        let (mut page, mut changes) = (first, Vec::new());
        for _ in 0..MOST_PAGES {
            let items = page.get("Changes").and_then(Value::as_array).cloned().unwrap_or_default();
            for item in items {
                changes.push(change(&item).ok_or_else(|| {
                    let message = "CloudFormation lists a change that is none of a resource";
                    Refused::new(Code::PreviewFailed, message, "tell an operator: this can't be judged")
                })?);
            }
            match page.get("NextToken").and_then(Value::as_str).map(str::to_owned) {
                None => {
                    changes.sort();
                    return Ok(ChangeSet { changes, anew: None });
                }
                Some(token) => page = self.describe(Some(token)).await.map_err(|error| no_answer(&error))?,
            }
        }
        let message = "the change set is longer than what can be read";
        Err(Refused::new(Code::PreviewFailed, message, "split the update"))
    }

    async fn describe(&self, token: Option<String>) -> Result<Value, CloudError> {
        let describe = operation("DescribeChangeSet");
        let mut arguments = self.names();
        if let Value::Object(members) = &mut arguments {
            members.insert("IncludePropertyValues".to_owned(), json!(true));
        }
        if let (Some(token), Value::Object(members)) = (token, &mut arguments) {
            members.insert("NextToken".to_owned(), json!(token));
        }
        let output = self.session.send(&describe, &arguments).await?.output;
        let hidden = redact(&self.models, &describe, Direction::Output, &output);
        hidden.map_err(|error| CloudError::NotSent { reason: error.to_string() })
    }

    /// Deletes it, also while CloudFormation is still at it, until it is seen to be gone. AWS answers a deletion with success
    /// also where there is nothing to delete, so that answer alone says nothing.
    ///
    /// `surely`: whether AWS has made it. What it may make yet, by a request whose answer was lost, must be seen to be absent
    /// again and again for some time.
    async fn delete(&self, surely: bool) -> Result<ProbeWord, CloudError> {
        let (began, mut delay) = (Instant::now(), self.pace.first);
        let mut absent: Option<(Instant, u32)> = None;
        let (times, over) = if surely { (1, Duration::ZERO) } else { (ABSENT_TIMES, self.pace.absent) };
        loop {
            let error = match self.try_delete().await {
                Ok(()) => {
                    let (since, seen) = absent.map_or((Instant::now(), 1), |(since, seen)| (since, seen + 1));
                    if seen >= times && since.elapsed() >= over {
                        return Ok(ProbeWord::Deleted);
                    }
                    absent = Some((since, seen));
                    no_conclusion("it is not yet certain that there is none")
                }
                Err(error) => {
                    absent = None;
                    error
                }
            };
            if began.elapsed() + delay > self.pace.gone {
                return Err(error);
            }
            sleep(delay).await;
            delay = (delay * 2).min(self.pace.most);
        }
    }

    /// Once: deletes it, and looks whether it is gone.
    async fn try_delete(&self) -> Result<(), CloudError> {
        let absent =
            |error: &CloudError| matches!(error, CloudError::Refused { code, message, .. } if not_there(code, message));
        match self.session.send(&operation("DeleteChangeSet"), &self.names()).await {
            Err(error) if !absent(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
        match self.session.send(&operation("DescribeChangeSet"), &self.names()).await {
            Err(error) if absent(&error) => Ok(()),
            Err(error) => Err(error),
            Ok(reply) => {
                Err(no_conclusion(&format!("it is still there, {}", quoted(word(&reply.output, "Status"), 40))))
            }
        }
    }

    fn names(&self) -> Value {
        json!({ "StackName": self.stack, "ChangeSetName": self.event.name })
    }

    fn left(&self, error: &CloudError, besides: Option<Refused>) -> Refused {
        let besides = besides.map(|other| format!("; besides, {other}")).unwrap_or_default();
        Refused::new(
            Code::PreviewFailed,
            format!(
                "the change set {} of this preview could NOT be deleted again and is left at {}: {error}{besides}",
                quoted(&self.event.name, 128),
                quoted(&self.event.target, 200)
            ),
            "tell a person: an operator deletes it with `DeleteChangeSet`, and must not execute it",
        )
    }

    async fn record(&self, what: What) -> Result<(), Refused> {
        let Event { store, clock, call, caller, .. } = &self.event;
        let event = event::Event { at: clock.now(), call: Some(call.clone()), caller: Some(caller.clone()), what };
        store.append(vec![event]).await.map(|_| ()).map_err(|error| {
            Refused::new(Code::Internal, "the change set of the preview can't be recorded", "tell an operator")
                .with_operator_detail(error.to_string())
        })
    }
}

fn operation(name: &str) -> OperationId {
    OperationId::new("cloudformation", name)
}

fn word<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn no_conclusion(reason: &str) -> CloudError {
    CloudError::Unknown { reason: reason.to_owned(), request_id: None }
}

fn not_there(code: &str, message: &str) -> bool {
    NOT_THERE.contains(&code) || (code == "ValidationError" && message.contains("does not exist"))
}

fn no_answer(error: &CloudError) -> Refused {
    Refused::new(Code::PreviewFailed, format!("CloudFormation's change set can't be read: {error}"), "try again later")
}

/// CloudFormation makes a change set fail also where it finds nothing to change; only its words tell.
fn failed(reason: &str) -> Refused {
    let nothing = ["didn't contain changes", "No updates are to be performed", "no changes"];
    if nothing.iter().any(|words| reason.to_lowercase().contains(&words.to_lowercase())) {
        let message = format!("nothing would change: AWS answers {}", quoted(reason, LONGEST_MESSAGE));
        return Refused::new(
            Code::PreviewFailed,
            message,
            "the stack is as this call wants it; nothing has to be done",
        );
    }
    let message = format!("CloudFormation can't work out this update: {}", quoted(reason, LONGEST_MESSAGE));
    Refused::new(Code::PreviewFailed, message, "correct the template or the parameters")
}

/// One change. Only what matters for judging it, and what is the same each time it is asked for.
fn change(item: &Value) -> Option<ResourceChange> {
    let of = item.get("ResourceChange")?;
    let text = |member: &str| of.get(member).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut scope: Vec<String> = of
        .get("Scope")
        .and_then(Value::as_array)
        .map(|words| words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    scope.sort();
    let mut change = ResourceChange {
        logical_id: text("LogicalResourceId")?,
        action: text("Action")?,
        kind: text("ResourceType")?,
        physical_id: text("PhysicalResourceId"),
        replacement: text("Replacement"),
        scope,
        properties: properties(of),
        names: Vec::new(),
        policy: text("PolicyAction"),
    };
    if change.gets_a_name() {
        change.names = names_after(of);
    }
    Some(change)
}

/// The properties that change. Not their values, which may be secret.
fn properties(change: &Value) -> Vec<String> {
    let details = change.get("Details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let targets = details.iter().filter_map(|detail| detail.get("Target"));
    let of_properties = targets.filter(|target| word(target, "Attribute") == "Properties");
    let name = |target: &Value| match word(target, "Name") {
        "" => UNNAMED.to_owned(),
        name => name.to_owned(),
    };
    let mut names: Vec<String> = of_properties.map(name).collect();
    names.sort();
    names.dedup();
    names
}

/// The names that a resource would have, as CloudFormation works them out. All else of its context is left.
fn names_after(change: &Value) -> Vec<String> {
    let context: Value = serde_json::from_str(word(change, "AfterContext")).unwrap_or_default();
    let properties = context.get("Properties").and_then(Value::as_object);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    properties.map(|properties| template::names(properties, &text)).unwrap_or_default()
}
