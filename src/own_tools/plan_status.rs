//! `plan_status`: what has become of a plan, and, where it waits for people, what for. An unknown outcome is settled by
//! reading the targets, where they tell.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Sheet, arguments, store_failed};
use crate::approval::ask::Asker;
use crate::approval::signatures::{Missing, Signatures};
use crate::approval::waiting;
use crate::audit::event::Event;
use crate::call::refused::{Code, Refused};
use crate::call::request::ToolRequest;
use crate::execute::back::compare;
use crate::execute::reconcile::{reconcile, waiting};
use crate::names::PlanId;
use crate::pipeline::World;
use crate::plan::filed::{FiledPlan, PlanState};
use crate::plan::text;
use crate::text::escape::quoted;

/// The longest wait, in seconds: clients give up on a silent call after about five minutes.
const LONGEST_WAIT: u64 = 240;

/// How often the record is looked at: another process may serve the approvers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often the client is told that the wait goes on.
const TELL_EVERY: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    plan_id: String,
    #[serde(default)]
    wait_seconds: u64,
}

pub(super) fn sheet() -> Sheet {
    Sheet {
        name: "plan_status",
        title: "Status of a plan",
        description: "Shows one of this agent's plans and what has become of it; with wait_seconds it waits until people \
                      have signed or rejected it, or what it began at AWS is done. Where an outcome is unknown it reads the targets to settle it. Read \
                      only.",
        arguments: json!({
            "plan_id": { "type": "string", "maxLength": 64 },
            "wait_seconds": { "type": "integer", "minimum": 0, "maximum": LONGEST_WAIT, "default": 0 },
        }),
        required: &["plan_id"],
    }
}

pub(super) async fn serve(
    request: &ToolRequest,
    world: &World,
    asker: &dyn Asker,
    cancel: &CancellationToken,
) -> Result<(Value, String), Refused> {
    let asked: Arguments = arguments(request)?;
    if asked.wait_seconds > LONGEST_WAIT {
        let message = format!("`wait_seconds` is {}, at most {LONGEST_WAIT} are waited", asked.wait_seconds);
        return Err(Refused::new(Code::InvalidArguments, message, "wait for less, and ask again"));
    }
    let id = PlanId::from_outside(&asked.plan_id);
    let give_up = Instant::now() + Duration::from_secs(asked.wait_seconds);
    // The end of the record comes before the look each time, so that nothing is missed between the two.
    let mut seen = end(world).await?;
    let mut filed = find(&id, request, world).await?;
    if filed.state == PlanState::Unknown {
        reconcile(&filed, &world.witness()).await.map_err(|error| store_failed(&error))?;
        filed = find(&id, request, world).await?;
    }
    filed = looked_back(filed, &id, request, world, asked.wait_seconds, asker, cancel).await?;
    let mut look = Look::at(filed, world).await?;
    while look.waits() && wait_for_news(seen, give_up, world, asker, cancel).await? {
        seen = end(world).await?;
        look = Look::at(find(&id, request, world).await?, world).await?;
    }
    let (mut view, mut text) = look.told(world);
    if let Some(waiting) = waiting(&look.filed, &world.witness()).await {
        let waited = waiting.run(give_up.saturating_duration_since(Instant::now()), asker, cancel).await;
        if waited.is_final() {
            let event = Event {
                at: world.clock.now(),
                call: Some(request.call.clone()),
                caller: Some(request.caller.clone()),
                what: waited.what(),
            };
            world.store.append(vec![event]).await.map_err(|error| store_failed(&error))?;
        }
        if let Value::Object(members) = &mut view {
            members.insert("wait".to_owned(), waited.structured());
        }
        text = format!("{}\n{text}", waited.told());
    }
    Ok((view, text))
}

/// Where a plan was undone, or undoes one, and nobody has looked yet how the targets are: looks.
async fn looked_back(
    filed: FiledPlan,
    id: &PlanId,
    request: &ToolRequest,
    world: &World,
    wait_seconds: u64,
    asker: &dyn Asker,
    cancel: &CancellationToken,
) -> Result<FiledPlan, Refused> {
    let original = match &filed.content.undoes {
        Some(undoes) => {
            world.store.plan(&undoes.plan, world.clock.now()).await.map_err(|error| store_failed(&error))?
        }
        None => Some(filed.clone()),
    };
    let Some(original) = original else { return Ok(filed) };
    let patience = Duration::from_secs(wait_seconds);
    let compared = compare(&original, &world.witness(), patience, asker, cancel).await;
    match compared.map_err(|error| store_failed(&error))? {
        Some(_) => find(id, request, world).await,
        None => Ok(filed),
    }
}

/// The number of the record's last entry.
async fn end(world: &World) -> Result<u64, Refused> {
    Ok(world.store.head().await.map_err(|error| store_failed(&error))?.seq)
}

/// A plan and its consents at one time.
struct Look {
    filed: FiledPlan,
    signatures: Signatures,
    missing: Vec<Missing>,
}

impl Look {
    async fn at(filed: FiledPlan, world: &World) -> Result<Self, Refused> {
        let signatures = Signatures::of(&filed, &*world.store, world.clock.now()).await;
        let signatures = signatures.map_err(|error| store_failed(&error))?;
        let missing = signatures.missing(&filed.content, None);
        Ok(Self { filed, signatures, missing })
    }

    /// True while people may still do something about it: it is before them, and not all have.
    fn waits(&self) -> bool {
        match self.filed.state {
            PlanState::Open => self.filed.parked_at.is_some() && !self.missing.is_empty(),
            PlanState::Applying => true,
            _ => false,
        }
    }

    fn told(&self, world: &World) -> (Value, String) {
        let filed = &self.filed;
        let mut view = text::status(filed);
        let mut lines = vec![text::line(filed)];
        if filed.state == PlanState::Open && filed.parked_at.is_some() {
            let page = world.config.http.as_ref().map(|http| http.plan_page(&filed.content.id));
            let needs = waiting::needs(filed, &self.missing);
            let next = waiting::next(filed, &self.missing);
            lines.push(match needs.as_slice() {
                [] => format!("Everything it needs is there. Next: {next}"),
                needs => format!("It waits for {}. Next: {next}", needs.join("; and for ")),
            });
            lines.extend(page.iter().map(|page| format!("Its page for people: {page}")));
            text::with_waiting(&mut view, page.as_deref(), &needs, self.signatures.list(), &next);
        }
        lines.extend(filed.outcome.iter().map(|outcome| format!("Outcome: {}", quoted(outcome, 600))));
        lines.extend(text::undone(filed));
        lines.push(text::full(&filed.content, filed.digest));
        (view, lines.join("\n"))
    }
}

/// Waits until something new is on record after entry `seen`. False where the time is over, or nobody waits any more.
async fn wait_for_news(
    seen: u64,
    give_up: Instant,
    world: &World,
    asker: &dyn Asker,
    cancel: &CancellationToken,
) -> Result<bool, Refused> {
    let mut tell = Instant::now() + TELL_EVERY;
    loop {
        let now = Instant::now();
        if now >= give_up || cancel.is_cancelled() {
            return Ok(false);
        }
        tokio::select! {
            () = cancel.cancelled() => return Ok(false),
            () = tokio::time::sleep_until(give_up.min(now + LOOK_EVERY)) => {}
        }
        if end(world).await? != seen {
            return Ok(true);
        }
        if Instant::now() >= tell {
            asker.progress("waiting for people to sign the plan").await;
            tell = Instant::now() + TELL_EVERY;
        }
    }
}

/// A plan of the agent that asks.
pub(super) async fn find(id: &PlanId, request: &ToolRequest, world: &World) -> Result<FiledPlan, Refused> {
    let found = world.store.plan(id, world.clock.now()).await.map_err(|error| store_failed(&error))?;
    found
        .filter(|plan| plan.content.agent == request.caller.agent && plan.content.human == request.caller.human)
        .ok_or_else(|| {
            let message = format!("there is no plan {} of yours", quoted(id.as_str(), 64));
            Refused::new(Code::PlanNotUsable, message, "`list_plans` shows yours")
        })
}
