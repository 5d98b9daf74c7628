//! Change sets of previews whose process died before they were deleted: found on the record, and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::make::{Event, Making, Pace};
use crate::audit::event::{self, What};
use crate::aws::models::Models;
use crate::call::refused::{Code, Refused};
use crate::call::request::Caller;
use crate::call::reserved::OWN_CHANGE_SETS;
use crate::config::Account;
use crate::credentials::session_policy::SessionPolicy;
use crate::names::{CallId, PlanId, Region};
use crate::ports::{Clock, Cloud, Purpose, SessionRequest, Store, StoreError};
use crate::text::escape::quoted;

/// What is this old and not said to be gone has nobody left who deletes it: a preview makes, reads and deletes its change set
/// in less.
const OLD: SignedDuration = SignedDuration::from_mins(15);

/// How far the record was read, for the next start.
const CURSOR: &str = "change-sets";

/// Records that are read at once.
const AT_ONCE: u32 = 500;

/// Where change sets are deleted.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    /// AWS.
    pub cloud: &'a dyn Cloud,
    /// The record.
    pub store: &'a Arc<dyn Store>,
    /// The time.
    pub clock: &'a Arc<dyn Clock>,
    /// The configured accounts.
    pub accounts: &'a [Account],
    /// The service models.
    pub models: &'a Models,
}

/// What is on record of change sets that are not said to be gone.
#[derive(Debug)]
pub struct Leftovers {
    /// The record is read up to here; `None` before the first look.
    read: Option<u64>,
    /// Where the cursor stands.
    cursor: u64,
    /// By name.
    open: BTreeMap<String, Probe>,
    /// Names of those that can't even be tried, and were told.
    told: BTreeSet<String>,
    pace: Pace,
}

/// One that was about to be made.
#[derive(Debug)]
struct Probe {
    seq: u64,
    at: Timestamp,
    call: CallId,
    caller: Caller,
    plan: PlanId,
    target: String,
}

impl Default for Leftovers {
    fn default() -> Self {
        Self::new(Pace::default())
    }
}

impl Leftovers {
    /// Nothing is known yet.
    pub(crate) fn new(pace: Pace) -> Self {
        Self { read: None, cursor: 0, open: BTreeMap::new(), told: BTreeSet::new(), pace }
    }

    /// Reads what is new on the record, and deletes what is old and not said to be gone. Each is tried for as long as a
    /// preview would; whether it is gone is put on record, and one that is not is said loudly.
    ///
    /// # Errors
    /// Where the record can't be read.
    pub async fn look(&mut self, places: &Places<'_>) -> Result<(), StoreError> {
        self.catch_up(places.store).await?;
        let now = places.clock.now();
        let old = |probe: &Probe| probe.at.checked_add(OLD).is_ok_and(|old| old <= now);
        let names: Vec<String> =
            self.open.iter().filter(|(_, probe)| old(probe)).map(|(name, _)| name.clone()).collect();
        for name in names {
            let Some(probe) = self.open.get(&name) else { continue };
            let (stack, change_set) = (&probe.target, &name);
            match begin(&name, probe, places, self.pace).await {
                // Nothing was tried, so the next look tries again; said loudly once.
                Err(refused) => {
                    if self.told.insert(name.clone()) {
                        tell(change_set, stack, &refused);
                    }
                    continue;
                }
                Ok(making) => match making.clear().await {
                    Ok(()) => tracing::warn!(change_set, stack, "a change set was left behind, and is deleted"),
                    Err(refused) => tell(change_set, stack, &refused),
                },
            }
            self.open.remove(&name);
        }
        Ok(())
    }

    async fn catch_up(&mut self, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let mut at = match self.read {
            Some(at) => at,
            None => {
                self.cursor = store.cursor(CURSOR).await?;
                self.cursor
            }
        };
        loop {
            let records = store.records(at + 1, AT_ONCE).await?;
            let Some(last) = records.last().map(|record| record.seq) else { break };
            for record in &records {
                // A record of another version is no reason to give the others up.
                if let Ok(event) = serde_json::from_str::<event::Event>(&record.event) {
                    self.take(record.seq, event);
                }
            }
            at = last;
            self.read = Some(at);
        }
        // The next start begins with the oldest that is open.
        let done = self.open.values().map(|probe| probe.seq - 1).min().unwrap_or(at);
        if done > self.cursor {
            // Where another server moved it, that one has read as far.
            store.move_cursor(CURSOR, self.cursor, done).await?;
            self.cursor = store.cursor(CURSOR).await?;
        }
        Ok(())
    }

    fn take(&mut self, seq: u64, event: event::Event) {
        match (event.what, event.call, event.caller) {
            (What::Probing { plan, target, name, .. }, Some(call), Some(caller)) => {
                self.open.insert(name, Probe { seq, at: event.at, call, caller, plan, target });
            }
            (What::Probed { name, .. }, ..) => {
                self.open.remove(&name);
            }
            _ => {}
        }
    }
}

fn tell(change_set: &str, stack: &str, refused: &Refused) {
    tracing::error!(
        change_set,
        stack,
        error = %refused,
        hint = refused.hint,
        detail = refused.operator_detail,
        "a change set was left behind and is not deleted: an operator deletes it, and must not execute it"
    );
}

/// Prepares to delete one, with credentials that are good for that alone.
async fn begin(name: &str, probe: &Probe, places: &Places<'_>, pace: Pace) -> Result<Making, Refused> {
    let unknown = |message: String| Refused::new(Code::Internal, message, "look at the stack's change sets at AWS");
    let stack = Stack::of(&probe.target).filter(|_| name.starts_with(OWN_CHANGE_SETS));
    let stack = stack.ok_or_else(|| unknown(format!("{} is no stack that is known", quoted(&probe.target, 200))))?;
    let account = places.accounts.iter().find(|account| account.id == stack.account);
    let account = account.ok_or_else(|| unknown(format!("account {} is not configured", quoted(stack.account, 20))))?;
    let policy = policy(name, &probe.target, stack.region);
    let narrowed = account.change_role.is_some().then(|| policy.clone());
    let request = SessionRequest {
        account: account.clone(),
        region: Region::new(stack.region),
        purpose: Purpose::Change,
        policy,
        call: probe.call.clone(),
        human: probe.caller.human.clone(),
        agent: probe.caller.agent.clone(),
        plan: Some(probe.plan.clone()),
        ticket: None,
    };
    let session = places.cloud.open(request).await.map_err(|error| {
        unknown(format!("there are no credentials for account `{}`", account.name))
            .with_operator_detail(error.to_string())
    })?;
    let event = Event {
        store: Arc::clone(places.store),
        clock: Arc::clone(places.clock),
        call: probe.call.clone(),
        caller: probe.caller.clone(),
        plan: probe.plan.clone(),
        target: probe.target.clone(),
        name: name.to_owned(),
    };
    Making::new((session, narrowed), event, &json!({ "StackName": stack.name }), places.models.clone(), pace)
}

/// A stack, as its ARN names it.
struct Stack<'a> {
    region: &'a str,
    account: &'a str,
    name: &'a str,
}

impl<'a> Stack<'a> {
    /// Of `arn:aws:cloudformation:eu-central-1:111122223333:stack/orders/*`.
    fn of(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(2);
        let (service, region, account, resource) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let name = resource.strip_prefix("stack/")?.split('/').next().filter(|name| !name.is_empty())?;
        (service == "cloudformation").then_some(Self { region, account, name })
    }
}

/// What a preview's own session may do with its change set, but for making one.
fn policy(name: &str, target: &str, region: &str) -> SessionPolicy {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["cloudformation:DeleteChangeSet", "cloudformation:DescribeChangeSet"],
            "Resource": target,
            "Condition": {
                "StringEquals": { "aws:RequestedRegion": region },
                "StringEqualsIfExists": { "cloudformation:ChangeSetName": name },
            },
        }],
    });
    SessionPolicy::of_text(policy.to_string())
}
