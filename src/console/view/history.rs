//! The history: every plan, with search.

use maud::{Markup, html};

use super::plan::stage_of;
use super::queue::targets;
use super::shell::{Here, Page};
use super::words::{effect, moment, name, prose_line, state, state_word};
use crate::names::PlanId;
use crate::plan::filed::{FiledPlan, PlanState};

/// All states, in the order they are offered.
const STATES: [PlanState; 7] = [
    PlanState::Open,
    PlanState::Applying,
    PlanState::Applied,
    PlanState::Failed,
    PlanState::Unknown,
    PlanState::Rejected,
    PlanState::Expired,
];

/// What the history shows.
#[derive(Debug)]
pub(crate) struct History {
    /// The plans of this page, the newest first.
    pub(crate) plans: Vec<FiledPlan>,
    /// What was searched for.
    pub(crate) text: String,
    /// Only these states; empty means all.
    pub(crate) states: Vec<PlanState>,
    /// The plan after which the next page begins; `None` where this is the last.
    pub(crate) older: Option<PlanId>,
    /// True where this isn't the first page.
    pub(crate) paged: bool,
}

/// The page.
pub(crate) fn history(history: &History) -> Page {
    let main = html! {
        h1 { "History" }
        (search(history))
        @if history.plans.is_empty() {
            p.calm { "No plan is like that. Search for a part of an id, a name, a target or a reason." }
        } @else {
            table.list {
                caption.hidden { "Plans, the newest first" }
                thead { tr { th scope="col" { "Plan" } th scope="col" { "Where" } th scope="col" { "Asked by" } th scope="col" { "What became of it" } th scope="col" { "When" } } }
                tbody { @for plan in &history.plans { (row(plan)) } }
            }
        }
        nav.pages aria-label="Pages of the history" {
            @if history.paged { a href=(link(history, None)) { "Newest" } }
            @if let Some(older) = &history.older { a rel="next" href=(link(history, Some(older))) { "Older" } }
        }
    };
    Page { title: "History".to_owned(), here: Here::History, live: false, main }
}

fn search(history: &History) -> Markup {
    html! {
        form.search method="get" action="/history" role="search" {
            div.field {
                label for="text" { "Search" }
                input #text type="search" name="text" value=(history.text) maxlength="100" autocomplete="off" placeholder="id, name, target, reason";
            }
            fieldset {
                legend.hidden { "States" }
                @for each in STATES {
                    label.check {
                        input type="checkbox" name="state" value=(each.word()) checked[history.states.contains(&each)];
                        (state_word(each))
                    }
                }
            }
            button.primary type="submit" { "Search" }
        }
    }
}

fn row(plan: &FiledPlan) -> Markup {
    let content = &plan.content;
    html! {
        tr {
            th scope="row" {
                a href={ "/plans/" (content.id) } { (prose_line(&content.title, 60)) }
                span.on { (targets(plan)) }
            }
            td { (stage_of(content)) " " (name(&content.account.name)) }
            td { (name(content.agent.as_str())) " for " (name(content.human.as_str())) }
            td { (state(plan.state)) " " (effect(content.effect)) }
            td.when { (moment(content.created_at)) }
        }
    }
}

fn link(history: &History, before: Option<&PlanId>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if !history.text.is_empty() {
        query.append_pair("text", &history.text);
    }
    for state in &history.states {
        query.append_pair("state", state.word());
    }
    if let Some(before) = before {
        query.append_pair("before", before.as_str());
    }
    match query.finish() {
        empty if empty.is_empty() => "/history".to_owned(),
        query => format!("/history?{query}"),
    }
}
