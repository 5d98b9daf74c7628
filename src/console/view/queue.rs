//! The queue: plans that wait for people, those that wait for the one who looks first.

use jiff::Timestamp;
use maud::{Markup, html};

use super::shell::{Here, Page};
use super::words::{LINE, code_line, count, effect, left, name, prose, prose_line, stage};
use crate::console::standing::Standing;
use crate::names::Stage;
use crate::plan::filed::FiledPlan;
use crate::ports::Breaker;

/// What the queue shows.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Plans that wait for the one who looks, the most urgent first.
    pub(crate) yours: Vec<Waiting>,
    /// Plans that wait for others, or for the agent.
    pub(crate) others: Vec<Waiting>,
    /// Open breakers.
    pub(crate) breakers: Vec<Breaker>,
    /// Plans of which nobody knows whether they were carried out.
    pub(crate) unknown: usize,
    /// Plans whose undo is stuck.
    pub(crate) stuck: Vec<FiledPlan>,
    /// True where there are more than are shown.
    pub(crate) more: bool,
    /// Now.
    pub(crate) now: Timestamp,
}

/// A plan and where it stands.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The plan.
    pub(crate) plan: FiledPlan,
    /// Where it stands, for the one who looks.
    pub(crate) standing: Standing,
}

/// The queue's page.
pub(crate) fn queue(queue: &Queue) -> Page {
    let main = html! {
        h1 { "Queue" }
        div #queue data-live="queue" data-says=(says(queue)) {
            @if queue.unknown > 0 {
                p.banner.warn {
                    strong { (count(queue.unknown, "plan has", "plans have")) " an unknown outcome. " }
                    "AWS may have acted. "
                    a href="/history?state=unknown" { "Look at what is unknown" }
                }
            }
            @for plan in &queue.stuck { (stuck(plan)) }
            @for breaker in &queue.breakers { (self::breaker(breaker)) }
            section aria-labelledby="yours" {
                h2 #yours { "Waiting for you" span.count { (queue.yours.len()) } }
                @if queue.yours.is_empty() {
                    p.calm { "Nothing waits for you. What does appears here by itself." }
                } @else {
                    ol.plans { @for waiting in &queue.yours { (row(waiting, queue.now)) } }
                }
            }
            @if !queue.others.is_empty() {
                section aria-labelledby="others" {
                    h2 #others { "Waiting for others" span.count { (queue.others.len()) } }
                    ol.plans.quiet { @for waiting in &queue.others { (row(waiting, queue.now)) } }
                }
            }
            @if queue.more { p.calm { "There are more; the " a href="/history?state=open" { "history" } " shows all." } }
        }
    };
    Page { title: "Queue".to_owned(), here: Here::Queue, live: true, main }
}

fn says(queue: &Queue) -> String {
    match queue.yours.len() {
        0 => "Nothing waits for you.".to_owned(),
        waiting => format!("{} for you.", count(waiting, "plan waits", "plans wait")),
    }
}

fn stuck(plan: &FiledPlan) -> Markup {
    html! {
        p.banner.warn {
            strong { "Stuck: undoing " a href={ "/plans/" (plan.content.id) } { (prose_line(&plan.content.title, 80)) } " failed. " }
            (targets(plan)) " in " (name(&plan.content.account.name)) ". "
            @if let Some(by_hand) = plan.content.undo.by_hand() { "By hand: " (prose_line(by_hand, LINE)) }
        }
    }
}

fn breaker(breaker: &Breaker) -> Markup {
    html! {
        p.banner.warn {
            strong { "The breaker of " (name(&breaker.scope.to_string())) " is open. " }
            "Nothing is changed through it. " (prose_line(&breaker.why, LINE)) " An operator closes it with "
            code { "countersign breaker close" } "."
        }
    }
}

fn row(waiting: &Waiting, now: Timestamp) -> Markup {
    let content = &waiting.plan.content;
    let highest = content.raised_stage().unwrap_or(content.account.stage);
    html! {
        li.plan.loud[highest == Stage::Prod] {
            div.tags { (stage(highest)) (effect(content.effect)) }
            div.what {
                h3 { a href={ "/plans/" (content.id) } { (prose_line(&content.title, 80)) } " " span.on { (targets(&waiting.plan)) } }
                p.where {
                    "in " (name(&content.account.name)) ", " (name(content.region.as_str()))
                    " · asked by " (name(content.agent.as_str())) " for " (name(content.human.as_str()))
                }
                div.why { (prose(&content.reason, LINE)) }
            }
            div.needs { (needs(waiting)) p.until { (left(content.expires_at, now)) " left" } }
        }
    }
}

/// What the plan acts on, on one line.
pub(crate) fn targets(plan: &FiledPlan) -> Markup {
    html! {
        @match plan.content.targets.as_slice() {
            [] => (code_line(&plan.content.operation.to_string(), 80)),
            [one] => (code_line(&one.id, 64)),
            [first, rest @ ..] => { (code_line(&first.id, 64)) " and " (count(rest.len(), "other", "others")) },
        }
    }
}

fn needs(waiting: &Waiting) -> Markup {
    let standing = &waiting.standing;
    let (given, needed) = standing.approvals();
    let action = match &standing.may {
        may if may.apply => Some("you can apply it"),
        may if may.confirm => Some("you confirm it"),
        may if may.approve => Some("you can approve it"),
        _ => None,
    };
    html! {
        @if needed > 0 {
            p.pips {
                span.dots aria-hidden="true" { @for at in 0..needed.min(8) { span.dot.on[at < given] {} } }
                (given) " of " (count(needed, "approval", "approvals"))
            }
        }
        @if let Some(action) = action {
            p.yours { (action) }
        } @else if standing.complete {
            p { "complete: the agent can apply it" }
        } @else if !standing.may.why_not.is_empty() {
            p { (standing.may.why_not) }
        }
        @for (group, by) in &standing.groups {
            @if by.is_none() { p { "somebody of " (name(group)) } }
        }
        @for also in &standing.also { p { "also needs " (also) } }
    }
}
