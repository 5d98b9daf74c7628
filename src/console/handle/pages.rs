//! Pages to read: the queue, a plan, the history; and what they load.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};

use super::{QUEUE, count_waiting, show, viewer, waiting};
use crate::approval::people::Approver;
use crate::console::ask::SignedIn;
use crate::console::standing::{Ground, standing};
use crate::console::trouble::Trouble;
use crate::console::view::history::{self, History};
use crate::console::view::plan::{self, Answer, PlanPage};
use crate::console::view::queue::{self, Queue, Waiting};
use crate::console::view::shell::framed;
use crate::console::{Console, assets, live, past};
use crate::names::PlanId;
use crate::plan::filed::{FiledPlan, PlanState};
use crate::ports::PlanFilter;

/// Plans on a page of the history.
const PAGE: u32 = 50;
/// Stuck plans that are shown above the queue.
const STUCK: u32 = 10;
/// Characters of a search.
const LONGEST_SEARCH: usize = 100;

/// `/`: the queue.
pub(in crate::console) async fn queue(State(console): State<Console>, me: SignedIn) -> Result<Response, Trouble> {
    let now = console.clock().now();
    let mut all = waiting(&console, &me.person).await?;
    let most = usize::try_from(QUEUE).unwrap_or(usize::MAX);
    let more = all.len() > most;
    all.truncate(most);
    all.sort_by_key(|(plan, _)| plan.content.expires_at);
    let all = all.into_iter().map(|(plan, standing)| Waiting { plan, standing });
    let (yours, others): (Vec<_>, Vec<_>) = all.partition(|waiting| waiting.standing.may.something());
    let unknown = PlanFilter { states: vec![PlanState::Unknown], limit: PAGE, ..PlanFilter::default() };
    let unknown = console.store().plans(unknown, now).await?.len();
    let stuck = console.store().stuck(STUCK, now).await?;
    let breakers = console.store().breakers().await?;
    let waiting = yours.len();
    Ok(show(&queue::queue(&Queue { yours, others, breakers, unknown, stuck, more, now }), &me, waiting))
}

/// `/plans/{id}`: a plan.
pub(in crate::console) async fn plan(
    State(console): State<Console>,
    Path(id): Path<String>,
    me: SignedIn,
) -> Result<Response, Trouble> {
    plan_page(&console, &me, &PlanId::from_outside(&id), Answer::default(), StatusCode::OK).await
}

/// The page of a plan, with what just went wrong on it.
pub(super) async fn plan_page(
    console: &Console,
    me: &SignedIn,
    id: &PlanId,
    answer: Answer,
    status: StatusCode,
) -> Result<Response, Trouble> {
    let now = console.clock().now();
    let Some(plan) = console.store().plan(id, now).await? else {
        return Err(Trouble::new(StatusCode::NOT_FOUND, "there is no such plan", "the history lists all there are"));
    };
    let page = assembled(console, &me.person, plan, answer).await?;
    let viewer = viewer(me, count_waiting(console, &me.person).await?);
    Ok((status, framed(&plan::plan(&page, &viewer), &viewer)).into_response())
}

async fn assembled(console: &Console, person: &Approver, plan: FiledPlan, answer: Answer) -> Result<PlanPage, Trouble> {
    let (now, store) = (console.clock().now(), console.store());
    let past = past::of(&plan, &**store).await?;
    let people = store.people().await?;
    let standing = if plan.state == PlanState::Open {
        let grants = store.grants(&plan.content.id).await?;
        standing(&Ground { plan: &plan, grants: &grants, people: &people, now }, person)
    } else {
        // What counted when it ended, not what would count now.
        let people: Vec<_> = people.into_iter().map(|person| Approver { revoked_at: None, ..person }).collect();
        let grants = past::consents(&plan, &past.story);
        let then = plan.content.created_at;
        standing(&Ground { plan: &plan, grants: &grants, people: &people, now: then }, person)
    };
    let read_on =
        if standing.may.something() { console.approvals().opened(&plan, &person.name) } else { Default::default() };
    let read_on = u64::try_from(read_on.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    let says = console.hands().says(plan.content.policy, &plan.content.permitted_by);
    Ok(PlanPage { plan, standing, read_on, before: past.before, story: past.story, says, answer, now })
}

/// `/history`: every plan, with search.
pub(in crate::console) async fn history(
    State(console): State<Console>,
    me: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let query = query.unwrap_or_default();
    let fields: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let first = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.trim());
    let text: String = first("text").unwrap_or_default().chars().take(LONGEST_SEARCH).collect();
    let states: Vec<PlanState> =
        fields.iter().filter(|(field, _)| field == "state").filter_map(|(_, word)| state(word)).collect();
    let before = first("before").filter(|before| !before.is_empty()).map(PlanId::from_outside);
    let now = console.clock().now();
    let filter = PlanFilter {
        states: states.clone(),
        text: Some(text.clone()).filter(|text| !text.is_empty()),
        before: before.clone(),
        limit: PAGE.saturating_add(1),
        ..PlanFilter::default()
    };
    let mut plans = console.store().plans(filter, now).await?;
    let most = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = plans.len() > most;
    plans.truncate(most);
    let older = plans.last().filter(|_| more).map(|plan| plan.content.id.clone());
    let page = history::history(&History { plans, text, states, older, paged: before.is_some() });
    Ok(show(&page, &me, count_waiting(&console, &me.person).await?))
}

fn state(word: &str) -> Option<PlanState> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}

/// `/events`: tells the open page that something happened, and nothing else.
pub(in crate::console) async fn events(State(console): State<Console>, me: SignedIn) -> Response {
    match live::stream(&console, me.found) {
        Some(stream) => stream.into_response(),
        None => Trouble::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many pages are open at once",
            "close some; this one shows what is new when it is loaded again",
        )
        .json(),
    }
}

/// `/assets/...`: what pages load; the same for everybody.
pub(in crate::console) async fn asset(uri: Uri) -> Response {
    assets::serve(uri.path())
}

/// Everything else.
pub(in crate::console) async fn nowhere() -> Trouble {
    Trouble::nowhere()
}
