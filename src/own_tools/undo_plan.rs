//! `undo_plan`: the inverse call of an applied plan, as a new request that goes through the whole chain.
//!
//! The request is made from what the plan and the answer to its call have told, and nothing else: the agent can't change
//! it. Whether it is permitted, previewed, confirmed and approved is up to the inverse tool, under the caller's own policies.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Sheet, arguments, store_failed};
use crate::aws::redact::holds_redacted;
use crate::call::refused::{Code, Refused};
use crate::call::request::{Caller, ToolRequest};
use crate::execute::back::since;
use crate::names::PlanId;
use crate::pipeline::World;
use crate::plan::filed::{FiledPlan, PlanState, Undo, Undoes};
use crate::plan::identity::Identity;
use crate::plan::kept::{UndoState, Undone};
use crate::text::escape::quoted;

/// Characters of what a manifest says of an undo in a refusal.
const LONGEST: usize = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    plan_id: String,
    reason: String,
    dry_run: Option<bool>,
    preview_id: Option<String>,
    ticket: Option<String>,
}

pub(super) fn sheet() -> Sheet {
    Sheet {
        name: "undo_plan",
        title: "Undo a plan",
        description: "Undoes one of this agent's applied plans with the inverse call that the plan names. Previews by \
                      default (dry_run true) and returns a plan of its own; to apply it call again with dry_run false, \
                      the same plan_id and reason, and preview_id: the plan_id of the preview. Needs what the inverse \
                      tool needs. Destructive at worst.",
        arguments: json!({
            "plan_id": { "type": "string", "maxLength": 64, "description": "the applied plan to undo" },
            "reason": { "type": "string", "minLength": 1, "maxLength": 500, "description": "why; recorded and shown to people" },
            "dry_run": { "type": "boolean", "default": true },
            "preview_id": { "type": "string", "maxLength": 64, "description": "the plan_id that the preview of this undo returned" },
            "ticket": { "type": "string", "maxLength": 200 },
        }),
        required: &["plan_id", "reason"],
    }
}

/// The plan that a request undoes.
#[derive(Debug)]
pub(crate) struct Undoing(FiledPlan);

impl Undoing {
    /// Reads a request for an undo: which plan it undoes, and the call that does it.
    pub(crate) async fn of(request: ToolRequest, world: &World) -> Result<(Self, ToolRequest), Refused> {
        let asked: Arguments = arguments(&request)?;
        let original = find(&PlanId::from_outside(&asked.plan_id), &request.caller, world).await?;
        let (tool, mut inverse) = inverse(&original)?;
        inverse.insert("reason".to_owned(), Value::from(asked.reason));
        inverse.insert("dry_run".to_owned(), Value::from(asked.dry_run.unwrap_or(true)));
        inverse.extend(asked.preview_id.map(|id| ("plan_id".to_owned(), Value::from(id))));
        inverse.extend(asked.ticket.map(|ticket| ("ticket".to_owned(), Value::from(ticket))));
        let request = ToolRequest { tool, arguments: inverse, ..request };
        Ok((Self(original), request))
    }

    /// What a call undoes: what it was made for, or what the plan it names was filed for. The two must agree.
    pub(crate) async fn agreed(
        given: Option<Self>,
        identity: &Identity,
        caller: &Caller,
        world: &World,
    ) -> Result<Option<Undoes>, Refused> {
        let filed = match identity {
            Identity::Fresh { .. } => None,
            Identity::Filed(filed) => Some(&filed.content),
        };
        let original = match (given, filed.map(|content| (&content.id, &content.undoes))) {
            (None, None | Some((_, None))) => return Ok(None),
            (Some(Self(original)), None) => original,
            (Some(Self(original)), Some((_, Some(undoes)))) if undoes.plan == original.content.id => original,
            (Some(Self(original)), Some((preview, _))) => {
                return Err(Refused::new(
                    Code::PlanMismatch,
                    format!("plan `{preview}` is no preview of undoing plan `{}`", original.content.id),
                    "pass as `preview_id` the `plan_id` that the preview of this undo returned",
                ));
            }
            (None, Some((_, Some(undoes)))) => {
                let original = find(&undoes.plan, caller, world).await?;
                undoable(&original)?;
                original
            }
        };
        let content = &original.content;
        let Undo::Recipe { loses, by_hand, .. } = &content.undo else { return Err(no_way(&original)) };
        let since = since(&original, &world.witness()).await.map_err(|error| store_failed(&error))?;
        Ok(Some(Undoes {
            plan: content.id.clone(),
            title: content.title.clone(),
            targets: content.targets.iter().map(|target| target.arn.clone()).collect(),
            loses: loses.clone(),
            since,
            by_hand: by_hand.clone(),
        }))
    }
}

async fn find(id: &PlanId, caller: &Caller, world: &World) -> Result<FiledPlan, Refused> {
    let found = world.store.plan(id, world.clock.now()).await.map_err(|error| store_failed(&error))?;
    // Somebody else's plan is treated as if there were none: ids tell nothing.
    found.filter(|plan| plan.content.agent == caller.agent && plan.content.human == caller.human).ok_or_else(|| {
        let message = format!("there is no plan {} of yours", quoted(id.as_str(), 64));
        Refused::new(Code::PlanNotUsable, message, "`list_plans` shows yours; `plan_id` names the applied plan to undo")
    })
}

/// The inverse call, with what was known only after the call filled in.
fn inverse(original: &FiledPlan) -> Result<(String, Map<String, Value>), Refused> {
    undoable(original)?;
    let Undo::Recipe { tool, arguments, later, by_hand, .. } = &original.content.undo else {
        return Err(no_way(original));
    };
    let mut arguments = arguments.clone();
    if !later.is_empty() {
        let known = original.kept.as_deref().and_then(|kept| kept.later.as_ref());
        let known = known.filter(|known| later.iter().all(|open| known.contains_key(&open.at)));
        let Some(known) = known else {
            return Err(not_known(original, "what AWS answered to the call is not known", by_hand.as_deref()));
        };
        for (at, value) in known {
            if !fill(&mut arguments, at, value) {
                return Err(not_known(original, "AWS's answer lacks a part of it", by_hand.as_deref()));
            }
        }
    }
    if holds_redacted(&arguments) {
        return Err(not_known(original, "a sensitive value in it is kept nowhere", by_hand.as_deref()));
    }
    match arguments {
        Value::Object(members) => Ok((tool.clone(), members)),
        _ => Err(not_known(original, "it has no arguments", by_hand.as_deref())),
    }
}

fn undoable(original: &FiledPlan) -> Result<(), Refused> {
    let id = &original.content.id;
    let refuse = |message: String, hint: &str| Err(Refused::new(Code::PlanNotUsable, message, hint));
    match original.state {
        PlanState::Applied => {}
        PlanState::Unknown => {
            let message = format!("it is not known whether plan `{id}` was carried out, so nor what would be undone");
            return refuse(message, "ask `plan_status`, which reads the targets; undo it when it is `applied`");
        }
        PlanState::Applying => {
            return refuse(format!("plan `{id}` is being applied now"), "wait for it with `plan_status`");
        }
        state @ (PlanState::Open | PlanState::Failed | PlanState::Expired | PlanState::Rejected) => {
            let message = format!("plan `{id}` is {state}: it changed nothing, so there is nothing to undo");
            return refuse(message, "`list_plans` shows which plans were applied");
        }
    }
    if matches!(original.content.undo, Undo::None { .. }) {
        return Err(no_way(original));
    }
    match original.undone.as_deref() {
        None | Some(Undone { state: UndoState::Stuck, .. }) => Ok(()),
        Some(Undone { state, by, .. }) => {
            let message = format!("plan `{id}` is {} already, by plan `{by}`", state.words());
            refuse(message, "a plan is undone once; `plan_status` of both tells how it went")
        }
    }
}

fn no_way(original: &FiledPlan) -> Refused {
    let reason = match &original.content.undo {
        Undo::None { reason, .. } => reason.as_str(),
        Undo::Recipe { .. } => "its manifest names no way",
    };
    let message = format!("plan `{}` can't be undone: {}", original.content.id, quoted(reason, LONGEST));
    Refused::new(Code::PlanNotUsable, message, by_hand(original.content.undo.by_hand()))
}

fn not_known(original: &FiledPlan, what: &str, hand: Option<&str>) -> Refused {
    let message = format!("plan `{}` can't be undone by itself: {what}", original.content.id);
    Refused::new(Code::PlanNotUsable, message, by_hand(hand))
}

fn by_hand(text: Option<&str>) -> String {
    match text {
        Some(text) => format!("a person does it by hand: {}", quoted(text, LONGEST)),
        None => "tell the person you work for".to_owned(),
    }
}

/// Puts a value at its place. One that is null is left out, as in every template; a list can't leave one out.
fn fill(arguments: &mut Value, at: &str, value: &Value) -> bool {
    if !value.is_null() {
        return arguments.pointer_mut(at).map(|place| *place = value.clone()).is_some();
    }
    let Some((around, key)) = at.rsplit_once('/') else { return false };
    match arguments.pointer_mut(around) {
        Some(Value::Object(members)) => members.shift_remove(&key.replace("~1", "/").replace("~0", "~")).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::filed::Later;
    use crate::plan::kept::Kept;
    use crate::testing::open_plan;

    fn applied() -> FiledPlan {
        let mut plan = open_plan(&["i-1"], jiff::Timestamp::UNIX_EPOCH).unwrap();
        plan.content.id = PlanId::from_outside("plan-1");
        plan.state = PlanState::Applied;
        plan
    }

    fn deferred(values: Option<&[(&str, Value)]>) -> FiledPlan {
        let mut plan = applied();
        plan.content.undo = Undo::Recipe {
            tool: "restore".into(),
            arguments: json!({ "A": "known", "B": null, "C": { "D": null } }),
            loses: Vec::new(),
            later: ["/B", "/C/D"].map(|at| Later { at: at.into(), from: "{result.X}".into() }).into(),
            by_hand: Some("restore the backup in the console".into()),
        };
        let later = values.map(|values| values.iter().map(|(at, value)| ((*at).to_owned(), value.clone())).collect());
        plan.kept = Some(Box::new(Kept { later, ..Kept::default() }));
        plan
    }

    #[test]
    fn what_was_open_is_filled_in() {
        let all: &[_] = &[("/B", json!("b")), ("/C/D", json!([1]))];
        assert_eq!(
            Value::Object(inverse(&deferred(Some(all))).unwrap().1),
            json!({ "A": "known", "B": "b", "C": { "D": [1] } })
        );
        let null: &[_] = &[("/B", Value::Null), ("/C/D", json!(1))];
        assert_eq!(Value::Object(inverse(&deferred(Some(null))).unwrap().1), json!({ "A": "known", "C": { "D": 1 } }));
    }

    #[test]
    fn what_can_not_be_undone_is_refused_with_what_to_do() {
        let with = |change: &dyn Fn(&mut FiledPlan)| {
            let mut plan = applied();
            change(&mut plan);
            plan
        };
        let undone = |state| {
            let by = PlanId::from_outside("plan-2");
            with(&move |plan| plan.undone = Some(Box::new(Undone { state, by: by.clone(), details: Vec::new() })))
        };
        let none =
            |by_hand: Option<&str>| Undo::None { reason: "it is gone".into(), by_hand: by_hand.map(str::to_owned) };
        let plans = [
            with(&|plan| plan.state = PlanState::Open),
            with(&|plan| plan.state = PlanState::Applying),
            with(&|plan| plan.state = PlanState::Unknown),
            with(&|plan| plan.state = PlanState::Failed),
            with(&|plan| plan.content.undo = none(None)),
            with(&|plan| plan.content.undo = none(Some("make it again"))),
            undone(UndoState::Undoing),
            undone(UndoState::Undone),
            undone(UndoState::Different),
            deferred(None),
            deferred(Some(&[("/B", json!("b"))])),
            deferred(Some(&[("/B", json!("[redacted]")), ("/C/D", json!(1))])),
        ];
        let told: Vec<String> = plans
            .iter()
            .map(|plan| {
                let Refused { message, hint, .. } = inverse(plan).unwrap_err();
                format!("{message}\n  {hint}")
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
        inverse(&undone(UndoState::Stuck)).unwrap();
    }
}
