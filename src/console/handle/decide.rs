//! What people do with a plan: sign it, carry it out, reject it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::plan_page;
use super::{asked, told};
use crate::approval::not_done::NotDone;
use crate::console::Console;
use crate::console::ask::{Call, Form};
use crate::console::trouble::Trouble;
use crate::console::view::plan::Answer;
use crate::digest::Digest;
use crate::names::{Human, PlanId};
use crate::ports::GrantKind;

/// How long a page waits for a plan to be carried out. It goes on meanwhile, and the page shows how it ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is signed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Begin {
    kind: Kind,
    plan: String,
    digest: Digest,
    #[serde(default)]
    typed: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Approve,
    Confirm,
    Apply,
}

/// What the browser answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct Finish {
    pub(super) ticket: String,
    pub(super) credential: Value,
}

/// `/api/sign/begin`
pub(in crate::console) async fn begin(State(console): State<Console>, call: Call<Begin>) -> Response {
    let Begin { kind, plan, digest, typed } = call.body;
    let kind = match kind {
        Kind::Approve => GrantKind::Approval,
        Kind::Confirm => GrantKind::Confirmation,
        Kind::Apply => GrantKind::Application,
    };
    let plan = PlanId::from_outside(&plan);
    let begun = console.approvals().begin_sign(&plan, &digest, call.me.name(), kind, typed.as_deref()).await;
    told(begun.map(asked).map_err(Trouble::from))
}

/// `/api/sign/finish`: files the signature; where it was to apply the plan, that happens now.
pub(in crate::console) async fn finish(State(console): State<Console>, call: Call<Finish>) -> Response {
    let Finish { ticket, credential } = call.body;
    let me = call.me.name();
    let result = match console.approvals().finish_sign(&ticket, me, &credential).await {
        Err(not) => Err(not.into()),
        Ok(grant) => match grant.kind {
            GrantKind::Approval => Ok("Your approval is signed and on record.".to_owned()),
            GrantKind::Confirmation => Ok("Your confirmation is signed and on record.".to_owned()),
            GrantKind::Application => apply(&console, &grant.plan, me).await,
        },
    };
    told(result.map(|done| json!({ "done": done })))
}

async fn apply(console: &Console, id: &PlanId, by: &Human) -> Result<String, Trouble> {
    let plan = console.store().plan(id, console.clock().now()).await?;
    let plan = plan.ok_or_else(|| NotDone::NoPlan(id.clone()))?;
    let (hands, by) = (Arc::clone(console.hands()), by.clone());
    let task = tokio::spawn(async move { hands.apply(&plan, &by).await });
    let refused = |why: String| {
        Trouble::new(StatusCode::UNPROCESSABLE_ENTITY, why, "what is on record of it stands on the plan’s page")
    };
    match tokio::time::timeout(PATIENCE, task).await {
        Ok(Ok(done)) => done.map_err(refused),
        Ok(Err(_)) => Err(refused("it broke off; don’t try again before you have looked".to_owned())),
        Err(_) => Ok("It is being applied, and takes its time. This page shows how it ends.".to_owned()),
    }
}

/// `/plans/{id}/reject`: ends a plan. What was typed is never lost.
pub(in crate::console) async fn reject(
    State(console): State<Console>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Trouble> {
    let id = PlanId::from_outside(&id);
    let reason = form.get("reason");
    match console.approvals().reject(&id, form.me.name(), reason).await {
        Ok(()) => Ok(Redirect::to(&format!("/plans/{id}")).into_response()),
        Err(NotDone::NoPlan(_)) => Err(Trouble::nowhere()),
        Err(not) => {
            let problem = Some(Trouble::from(not).line());
            let answer = Answer { problem, reason: reason.to_owned() };
            plan_page(&console, &form.me, &id, answer, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}
