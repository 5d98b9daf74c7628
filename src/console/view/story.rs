//! Events of the record, as people read them.

use maud::{Markup, html};

use super::words::{LINE, clock, code_line, count, moment, name, prose_line};
use crate::audit::event::{Event, PointWord, ProbeWord, ResultWord, What};
use crate::plan::kept::UndoState;
use crate::ports::GrantKind;

/// Some events of the record.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// Sequence number and event, the oldest first.
    pub(crate) events: Vec<(u64, Event)>,
    /// True where only a part of the record was looked at, and there may be more.
    pub(crate) cut: bool,
}

/// The events as a list, with links to the plans they are about unless that is `here`.
pub(crate) fn list(story: &Story, here: &str) -> Markup {
    let days: Vec<String> = story.events.iter().map(|(_, event)| event.at.strftime("%-d %b %Y").to_string()).collect();
    let before = std::iter::once(None).chain(days.iter().map(Some));
    html! {
        ol.story {
            @for (((seq, event), day), before) in story.events.iter().zip(&days).zip(before) {
                @if before != Some(day) { li.day { (day) } }
                li {
                    span.at { (clock(event.at)) }
                    span.did { (line(&event.what, here)) }
                    span.seq { span.hidden { "record " } (seq) }
                }
            }
        }
        @if story.cut { p.calm { "Only the nearest part of the record was looked at; " code { "countersign audit" } " shows all of it." } }
    }
}

fn line(what: &What, here: &str) -> Markup {
    let of = |plan: &str| {
        html! { @if plan != here { " · " a href={ "/plans/" (plan) } { (code_line(plan, 64)) } } }
    };
    html! {
        @match what {
            What::Requested { tool, .. } => { b { "asked" } " for " (code_line(tool, 64)) },
            What::Answered { operation, .. } => { b { "read" } " with " (code_line(&operation.to_string(), 80)) },
            What::Served { tool } => { b { "served" } " " (code_line(tool, 64)) },
            What::Refused { code, message, plan, .. } => {
                b.bad { "refused" } " (" (code.word()) "): " (prose_line(message, LINE))
                @if let Some(plan) = plan { (of(plan.as_str())) }
            },
            What::Previewed { plan, operation, effect, targets, .. } => {
                b { "planned" } " " (code_line(&operation.to_string(), 80)) ", " (effect.word()) ", on "
                (count(targets.len(), "target", "targets")) (of(plan.as_str()))
            },
            What::Asked { plan, .. } => { b { "asked its person" } " to confirm" (of(plan.as_str())) },
            What::Confirmed { plan, answered_after_ms, faster_than_reading, .. } => {
                b.good { "confirmed" } " in the agent’s client after " (answered_after_ms / 1000) " s"
                @if *faster_than_reading { ", " strong { "faster than a person reads" } }
                (of(plan.as_str()))
            },
            What::Parked { plan, .. } => { b { "put before people" } (of(plan.as_str())) },
            What::Signed { plan, kind, by, answered_after_ms, .. } => {
                b.good { (signed(*kind)) } " by " (name(by.as_str())) " with a passkey, after " (answered_after_ms / 1000) " s on its page"
                (of(plan.as_str()))
            },
            What::NotSigned { by, message, .. } => {
                b.bad { "not signed" } " by " (name(by.as_str())) ": " (prose_line(message, LINE))
            },
            What::Rejected { plan, by, reason, .. } => {
                b.bad { "rejected" } " by " (name(by.as_str())) ": " (prose_line(reason, LINE)) (of(plan.as_str()))
            },
            What::Intent { plan, operation, .. } => { b { "sent" } " " (code_line(&operation.to_string(), 80)) (of(plan.as_str())) },
            What::Outcome { plan, result, request_id, detail } => {
                (outcome(*result))
                @if let Some(id) = request_id { " · AWS request " (code_line(id, 64)) }
                @if let Some(detail) = detail { ": " (prose_line(detail, LINE)) }
                (of(plan.as_str()))
            },
            What::Reconciled { plan, result, detail } => {
                (outcome(*result)) ", settled: " (prose_line(detail, LINE)) (of(plan.as_str()))
            },
            What::RecoveryPoint { plan, label, target, result, id, detail, .. } => {
                (point(*result)) ": " (name(label)) " of " (code_line(target, 80))
                @if let Some(id) = id { " · " (code_line(&id.to_string(), 160)) }
                @if let Some(detail) = detail { ": " (prose_line(detail, LINE)) }
                (of(plan.as_str()))
            },
            What::Undo { plan, by, state, details, .. } => {
                b.bad[*state == UndoState::Stuck].good[*state == UndoState::Undone] { "undo " (state.words()) }
                " of " (code_line(plan.as_str(), 40)) " by " (code_line(by.as_str(), 40))
                @if !details.is_empty() { ": " (prose_line(&details.join("; "), LINE)) }
            },
            What::Waited { plan, detail, .. } => { b { "waited" } ": " (prose_line(detail, LINE)) (of(plan.as_str())) },
            What::Probing { plan, name, .. } => { b { "made a change set" } " to see what would change: " (code_line(name, 90)) (of(plan.as_str())) },
            What::Probed { plan, result: ProbeWord::Left, name, detail } => {
                b.bad { "could not delete" } " the change set " (code_line(name, 90)) ": " (prose_line(detail, LINE)) (of(plan.as_str()))
            },
            What::Probed { plan, result: ProbeWord::Deleted, .. } => { b { "deleted" } " the change set again" (of(plan.as_str())) },
            What::Probed { plan, result: ProbeWord::NotMade, .. } => { "AWS made " b { "no change set" } (of(plan.as_str())) },
            What::BreakerOpened { scope, why } => { b.bad { "breaker opened" } " for " (name(&scope.to_string())) ": " (prose_line(why, LINE)) },
            What::BreakerClosed { scope, by, .. } => { b { "breaker closed" } " for " (name(&scope.to_string())) " by " (name(by)) },
            _ => { b { "server" } " event" },
        }
    }
}

/// What a signature stands for, as something that was done.
pub(crate) fn signed(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Confirmation => "confirmed",
        GrantKind::Approval => "approved",
        GrantKind::Application => "ordered to be applied",
    }
}

fn point(result: PointWord) -> Markup {
    html! {
        @match result {
            PointWord::Taking => b { "recovery point to be taken" },
            PointWord::Taken => b { "recovery point taken" },
            PointWord::Usable => b.good { "recovery point usable" },
            PointWord::Failed => b.bad { "recovery point not usable" },
        }
    }
}

fn outcome(result: ResultWord) -> Markup {
    html! {
        @match result {
            ResultWord::Applied => b.good { "applied" },
            ResultWord::Failed => b.bad { "failed; nothing changed" },
            ResultWord::Unknown => b.bad { "outcome unknown" },
        }
    }
}

/// When a plan ended, and by whose hand, where the record says so.
pub(crate) fn ended(story: &Story) -> Option<Markup> {
    story.events.iter().rev().find_map(|(_, event)| match &event.what {
        What::Outcome { .. } | What::Reconciled { .. } => Some(moment(event.at)),
        What::Rejected { by, .. } => Some(html! { "By " (name(by.as_str())) ", " (moment(event.at)) }),
        _ => None,
    })
}
