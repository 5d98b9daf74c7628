//! The ways back on a plan's page: what it undoes, what is taken before it, and what has become of undoing it.

use maud::{Markup, html};

use super::words::{LINE, code_line, prose, prose_line};
use crate::plan::filed::{FiledPlan, PlanContent};
use crate::plan::kept::{UndoState, Undone};

/// What has become of undoing a plan; loud where it is stuck.
pub(crate) fn undone(plan: &FiledPlan) -> Markup {
    let Some(Undone { state, by, details }) = plan.undone.as_deref() else { return html! {} };
    let stuck = *state == UndoState::Stuck;
    html! {
        div.note.warn[stuck || *state == UndoState::Different] role=[stuck.then_some("alert")] {
            p {
                strong { @if stuck { "Stuck: undoing it failed, or nobody knows whether it did." } @else { "It is " (state.words()) "." } }
                " By plan " a href={ "/plans/" (by) } { (code_line(by.as_str(), 40)) } "."
            }
            @if !details.is_empty() { ul { @for detail in details { li { (prose(detail, LINE)) } } } }
            @if stuck {
                p {
                    strong { "By hand: " }
                    (prose_line(plan.content.undo.by_hand().unwrap_or("see what AWS has, and put it right there"), 400))
                }
            }
        }
    }
}

/// What a plan undoes, and what of it will not come back.
pub(crate) fn undoes(content: &PlanContent) -> Markup {
    let Some(undoes) = &content.undoes else { return html! {} };
    html! {
        section aria-labelledby="undoes" {
            h2 #undoes { "What it undoes" }
            p { a href={ "/plans/" (undoes.plan) } { (prose_line(&undoes.title, 80)) } " · " (code_line(undoes.plan.as_str(), 40)) }
            ul { @for target in &undoes.targets { li { (code_line(target, 160)) } } }
            @if !undoes.loses.is_empty() {
                p { strong { "What won’t come back:" } }
                ul { @for lost in &undoes.loses { li { (prose(lost, LINE)) } } }
            }
            @if undoes.since.is_empty() {
                p.calm { "Its targets are as they were right after it." }
            } @else {
                p { strong.bad { "What was done since:" } }
                ul { @for since in &undoes.since { li { (prose(since, LINE)) } } }
            }
        }
    }
}

/// What is taken and verified before the call.
pub(crate) fn points(plan: &FiledPlan) -> Markup {
    let planned = &plan.content.recovery_points;
    if planned.is_empty() {
        return html! {};
    }
    let kept = plan.kept.as_deref().map(|kept| kept.points.as_slice()).unwrap_or_default();
    html! {
        section aria-labelledby="points" {
            h2 #points { "What is taken before the call" }
            p.calm { "The call is sent only once each of these was seen to be usable." }
            ul {
                @for point in planned {
                    li {
                        (prose_line(&point.label, 60)) " of " (code_line(&point.target, 80)) ", with "
                        (code_line(&point.operation.to_string(), 80)) ", within " (point.seconds) " s"
                        @if let Some(kept) = kept.iter().find(|kept| kept.name == point.name) {
                            @if kept.usable { " · " strong.good { "usable" } } @else { " · " strong.bad { "not seen to be usable" } }
                            @if let Some(id) = &kept.id { " " (code_line(&id.to_string(), 160)) }
                        }
                    }
                }
            }
        }
    }
}
