//! `ValidatedCall` to [`ResolvedCall`]: which things in AWS the call acts on, and what they are now.

mod back;

use std::sync::Arc;

use futures::future::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;

use super::refused::{Code, Refused};
use super::scope::{Scoping, refused};
use super::target::{Scene, Target};
use super::validate::ValidatedCall;
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::config::TagRule;
use crate::credentials::session_policy::SessionPolicy;
use crate::manifest::spec::Targets;
use crate::names::PlanId;
use crate::ports::{Cloud, CloudSession, Purpose, SessionRequest};

/// Targets read at the same time.
const READS_AT_ONCE: usize = 8;

/// Most targets of a call whose manifest sets no limit.
const MOST_TARGETS: usize = 100;

/// A call whose targets are known and were read.
#[derive(Debug)]
pub struct ResolvedCall {
    call: ValidatedCall,
    targets: Vec<Target>,
    reader: Option<Arc<dyn CloudSession>>,
    models: Models,
    iam: IamFacts,
    tag_rules: Vec<TagRule>,
}

/// A target that is read again.
#[derive(Debug)]
pub enum Seen {
    /// What it is now; what the call would make is still not there.
    Read(Box<Target>),
    /// It is there no more.
    Gone,
    /// What the call would make is there now.
    Appeared,
}

/// Finds the call's targets and reads each with read-only credentials that are good for these targets only.
pub async fn resolve(
    call: ValidatedCall,
    cloud: &dyn Cloud,
    models: &Models,
    iam: &IamFacts,
    tag_rules: &[TagRule],
) -> Result<ResolvedCall, Refused> {
    let spec = Arc::clone(call.spec());
    let (models, iam, tag_rules) = (models.clone(), iam.clone(), tag_rules.to_vec());
    let Some(targets) = &spec.targets else {
        return Ok(ResolvedCall { call, targets: Vec::new(), reader: None, models, iam, tag_rules });
    };
    let names = names(targets, &call)?;
    let scene = scene(&call, &models, &tag_rules);
    names.iter().try_for_each(|name| scene.fits(targets, name))?;
    let contexts = names.iter().map(|name| scene.context_named(targets, name)).collect::<Result<Vec<_>, _>>();
    let contexts = contexts.map_err(|error| refused(&spec.name, error.into()))?;
    let reader = open_reader(&call, contexts, cloud, &iam).await?;
    let reads: Vec<_> = names.into_iter().map(|name| scene.read(targets, &*reader, name).boxed()).collect();
    let read = stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await?;
    Ok(ResolvedCall { call, targets: read, reader: Some(reader), models, iam, tag_rules })
}

impl ResolvedCall {
    /// The call.
    pub fn call(&self) -> &ValidatedCall {
        &self.call
    }

    /// What it acts on; empty for reads without targets and for families.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// How many things it acts on: its targets. Of a call that names none, the items of its longest list, at least one.
    pub fn size(&self) -> u64 {
        let size = match self.targets.len() {
            0 => longest_list(self.call.arguments()).max(1),
            targets => targets,
        };
        size as u64
    }

    /// A session with read-only credentials for this call, shared with whatever else has to be read for it.
    pub async fn reader(&self, cloud: &dyn Cloud) -> Result<Arc<dyn CloudSession>, Refused> {
        match &self.reader {
            Some(reader) => Ok(Arc::clone(reader)),
            None => open_reader(&self.call, self.contexts(), cloud, &self.iam).await,
        }
    }

    /// A session with credentials of its own, which are good for this change only.
    pub async fn changer(&self, cloud: &dyn Cloud, plan: &PlanId) -> Result<Arc<dyn CloudSession>, Refused> {
        let policy = self.change_policy(cloud)?;
        let request = SessionRequest {
            plan: Some(plan.clone()),
            ticket: self.call.ticket().map(str::to_owned),
            ..session_request(&self.call, Purpose::Change, policy)
        };
        cloud.open(request).await.map_err(|error| {
            Refused::new(
                Code::AwsRefused,
                format!("no credentials for the change in account `{}`: {error}", self.call.account().name),
                "nothing was changed; an operator must check the account's `change_role`",
            )
        })
    }

    /// A session that AWS's own dry run of the call is made with, and the policy that narrows it; `None` where there is no
    /// role to narrow. `name` is what the dry run makes.
    pub async fn prober(
        &self,
        cloud: &dyn Cloud,
        plan: &PlanId,
        name: &str,
    ) -> Result<(Arc<dyn CloudSession>, Option<SessionPolicy>), Refused> {
        let call = &self.call;
        let mut contexts = self.contexts();
        for context in &mut contexts {
            if let Value::Object(members) = context {
                members.insert("change_set".to_owned(), Value::from(name));
            }
        }
        let policy = scoping(call, cloud, &self.iam).probing(call.spec(), &contexts)?;
        let narrowed = call.account().change_role.is_some().then(|| policy.clone());
        let request = SessionRequest {
            plan: Some(plan.clone()),
            ticket: call.ticket().map(str::to_owned),
            ..session_request(call, Purpose::Change, policy)
        };
        let session = cloud.open(request).await.map_err(|error| {
            Refused::new(
                Code::PreviewFailed,
                format!("no credentials for the dry run in account `{}`: {error}", call.account().name),
                "nothing was changed; an operator must check the account's `change_role`",
            )
        })?;
        Ok((session, narrowed))
    }

    /// What the credentials of the change may do; the same each time for the same call and targets.
    pub fn change_policy(&self, cloud: &dyn Cloud) -> Result<SessionPolicy, Refused> {
        let call = &self.call;
        scoping(call, cloud, &self.iam).changing(call.spec(), &self.contexts())
    }

    /// The contexts of the targets; where there are none, that of the call.
    fn contexts(&self) -> Vec<Value> {
        let scene = scene(&self.call, &self.models, &self.tag_rules);
        match self.targets.as_slice() {
            [] => vec![scene.context_without_target()],
            targets => targets.iter().map(|target| scene.context_of(target)).collect(),
        }
    }

    /// The context of one target's templates (see `manifest/template`).
    pub fn context(&self, target: &Target) -> Value {
        scene(&self.call, &self.models, &self.tag_rules).context_of(target)
    }

    /// Reads the targets again, in the same order.
    pub async fn read_again(&self) -> Result<Vec<Seen>, Refused> {
        match &self.reader {
            Some(reader) => self.read_with(&**reader).await,
            None => Ok(Vec::new()),
        }
    }

    async fn read_with(&self, reader: &dyn CloudSession) -> Result<Vec<Seen>, Refused> {
        let Some(targets) = &self.call.spec().targets else { return Ok(Vec::new()) };
        let scene = scene(&self.call, &self.models, &self.tag_rules);
        let reads = self.targets.iter().map(|target| scene.read(targets, reader, target.id.clone()).boxed());
        let read: Vec<Result<Target, Refused>> =
            stream::iter(reads.collect::<Vec<_>>()).buffered(READS_AT_ONCE).collect().await;
        let there = |now: Result<Target, Refused>| match now {
            Ok(now) => Ok(Seen::Read(Box::new(now))),
            Err(gone) if gone.code == Code::TargetNotFound => Ok(Seen::Gone),
            Err(there) if there.code == Code::TargetExists => Ok(Seen::Appeared),
            Err(unreadable) => Err(unreadable),
        };
        read.into_iter().map(there).collect()
    }
}

/// The session policies of a call as its arguments alone tell them, before any target is read: that of the reads, and that
/// of the change where it is one.
///
/// # Errors
/// As [`resolve`]; and where a scope asks for a target's state.
pub fn policies_unread(
    call: &ValidatedCall,
    cloud: &dyn Cloud,
    models: &Models,
    iam: &IamFacts,
) -> Result<(SessionPolicy, Option<SessionPolicy>), Refused> {
    let spec = call.spec();
    let scene = scene(call, models, &[]);
    let contexts = match &spec.targets {
        None => vec![scene.context_without_target()],
        Some(targets) => {
            let named = names(targets, call)?.into_iter().map(|name| scene.context_named(targets, &name));
            named.collect::<Result<_, _>>().map_err(|error| refused(&spec.name, error.into()))?
        }
    };
    let scoping = scoping(call, cloud, iam);
    let reading = scoping.reading(spec, &contexts)?;
    let changes = spec.effect.changes() || spec.effect.needs_preview();
    let changing = changes.then(|| scoping.changing(spec, &contexts)).transpose()?;
    Ok((reading, changing))
}

fn scene<'a>(call: &'a ValidatedCall, models: &'a Models, tag_rules: &'a [TagRule]) -> Scene<'a> {
    let (account, region, arguments) = (call.account(), call.region(), call.arguments());
    Scene { tool: &call.spec().name, account, region, arguments, models, tag_rules }
}

fn scoping<'a>(call: &'a ValidatedCall, cloud: &'a dyn Cloud, iam: &'a IamFacts) -> Scoping<'a> {
    Scoping { account: call.account(), region: call.region(), arguments: call.arguments(), cloud, iam }
}

async fn open_reader(
    call: &ValidatedCall,
    contexts: Vec<Value>,
    cloud: &dyn Cloud,
    iam: &IamFacts,
) -> Result<Arc<dyn CloudSession>, Refused> {
    let policy = scoping(call, cloud, iam).reading(call.spec(), &contexts)?;
    cloud.open(session_request(call, Purpose::Read, policy)).await.map_err(|error| {
        Refused::new(
            Code::TargetUnreadable,
            format!("no read credentials for account `{}`: {error}", call.account().name),
            "an operator must check the account's `read_role` and the server's own credentials",
        )
    })
}

fn session_request(call: &ValidatedCall, purpose: Purpose, policy: SessionPolicy) -> SessionRequest {
    SessionRequest {
        account: call.account().clone(),
        region: call.region().clone(),
        purpose,
        policy,
        call: call.call().clone(),
        human: call.caller().human.clone(),
        agent: call.caller().agent.clone(),
        plan: None,
        ticket: None,
    }
}

/// The items of the longest list anywhere in some arguments.
fn longest_list(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(longest_list).max().unwrap_or(0).max(items.len()),
        Value::Object(members) => members.values().map(longest_list).max().unwrap_or(0),
        _ => 0,
    }
}

fn names(targets: &Targets, call: &ValidatedCall) -> Result<Vec<String>, Refused> {
    let tool = &call.spec().name;
    let broken = |what: String| {
        Refused::new(Code::Internal, format!("the targets of `{tool}` can't be named"), "tell an operator")
            .with_operator_detail(what)
    };
    let found = targets.each.search(call.arguments()).map_err(|error| broken(error.to_string()))?;
    let items = match found {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        single => vec![single],
    };
    let mut names = Vec::new();
    for item in items {
        match item {
            Value::String(name) if !name.is_empty() => {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            other => return Err(broken(format!("`{}` yields {other}", targets.each.text()))),
        }
    }
    if names.is_empty() {
        let hint = "name at least one target in the arguments";
        return Err(Refused::new(Code::InvalidArguments, format!("`{tool}` has nothing to act on"), hint));
    }
    let most = call.spec().limits.per_call.map_or(MOST_TARGETS, |most| most as usize);
    if names.len() > most {
        let message = format!("{} targets in one call, `{tool}` allows {most}", names.len());
        return Err(Refused::new(Code::OverLimit, message, "split the call"));
    }
    Ok(names)
}
