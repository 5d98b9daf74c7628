//! What each page and each call does: find out what is shown, or carry out what is asked for.

pub(super) mod decide;
pub(super) mod enter;
pub(super) mod pages;
pub(super) mod people;

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Console;
use super::ask::SignedIn;
use super::standing::{Ground, Standing, standing};
use super::trouble::Trouble;
use super::view::shell::{Page, Viewer, framed};
use crate::approval::approve::Asked;
use crate::approval::people::Approver;
use crate::plan::filed::{FiledPlan, PlanState};
use crate::ports::{PlanFilter, StoreError};

/// Plans of the queue that are looked at.
const QUEUE: u32 = 100;

/// The plans that wait for people, and where they stand for somebody.
async fn waiting(console: &Console, viewer: &Approver) -> Result<Vec<(FiledPlan, Standing)>, StoreError> {
    let now = console.clock().now();
    let filter = PlanFilter {
        parked: true,
        states: vec![PlanState::Open],
        limit: QUEUE.saturating_add(1),
        ..PlanFilter::default()
    };
    let plans = console.store().plans(filter, now).await?;
    let people = console.store().people().await?;
    let mut all = Vec::new();
    for plan in plans {
        let grants = console.store().grants(&plan.content.id).await?;
        let stands = standing(&Ground { plan: &plan, grants: &grants, people: &people, now }, viewer);
        all.push((plan, stands));
    }
    Ok(all)
}

/// A page in its frame.
fn show(page: &Page, me: &SignedIn, waiting: usize) -> Response {
    framed(page, &viewer(me, waiting)).into_response()
}

fn viewer(me: &SignedIn, waiting: usize) -> Viewer {
    Viewer { approver: me.person.clone(), csrf: me.found.csrf.clone(), waiting }
}

/// How many plans wait for somebody.
async fn count_waiting(console: &Console, viewer: &Approver) -> Result<usize, StoreError> {
    Ok(waiting(console, viewer).await?.iter().filter(|(_, standing)| standing.may.something()).count())
}

/// What the browser is asked for, as the script takes it.
fn asked(asked: Asked) -> Value {
    json!({ "ticket": asked.ceremony, "options": asked.options })
}

/// JSON, or what went wrong as JSON.
fn told(result: Result<Value, Trouble>) -> Response {
    match result {
        Ok(value) => axum::Json(value).into_response(),
        Err(trouble) => trouble.json(),
    }
}
