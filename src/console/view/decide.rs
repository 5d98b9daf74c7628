//! Who signed a plan, what is missing, and what the one who looks can do about it.

use maud::{Markup, html};

use super::plan::{PlanPage, is_loud};
use super::shell::{Viewer, csrf, needs_script, problem};
use super::story::signed;
use super::words::{code_line, count, left, moment, name};
use crate::console::standing::{Signature, Slot};
use crate::names::Effect;
use crate::plan::filed::{PlanContent, PlanState};
use crate::ports::GrantKind;
use crate::text::escape::shows_as_itself;

/// Most characters of a reason for a rejection.
pub(crate) const LONGEST_REASON: usize = 500;

/// The decision's part of a plan's page.
pub(crate) fn section(page: &PlanPage, viewer: &Viewer) -> Markup {
    let content = &page.plan.content;
    let open = page.plan.state == PlanState::Open;
    html! {
        h2 #decision { "Decision" }
        div data-live="signatures" data-says=(says(page)) { (signatures(page)) }
        dl.terms data-live="terms" {
            @if open {
                div { dt { "Good until" } dd { (moment(content.expires_at)) span.until { (left(content.expires_at, page.now)) " left" } } }
            }
            div { dt { "Digest" } dd { details.long { summary { (code_line(&page.plan.digest.short(), 16)) span.cut { "… show all" } } div.all { (code_line(&page.plan.digest.to_string(), 64)) } } } }
            div { dt { "Plan" } dd { (code_line(content.id.as_str(), 64)) } }
        }
        div data-live="actions" { (actions(page, viewer)) }
    }
}

fn says(page: &PlanPage) -> String {
    let (given, needed) = page.standing.approvals();
    match page.plan.state {
        PlanState::Open if needed > 0 => format!("{given} of {}.", count(needed, "approval", "approvals")),
        _ => String::new(),
    }
}

fn signatures(page: &PlanPage) -> Markup {
    let content = &page.plan.content;
    let standing = &page.standing;
    html! {
        @if standing.slots.is_empty() {
            p.calm { "It needs nobody’s signature." }
        } @else {
            ol.slots { @for slot in &standing.slots { (self::slot(slot, content)) } }
        }
        @if !standing.groups.is_empty() {
            ul.groups {
                @for (group, by) in &standing.groups {
                    li.met[by.is_some()] {
                        span.sign aria-hidden="true" { @if by.is_some() { "✓" } @else { "○" } }
                        "somebody of " (name(group))
                        @match by {
                            Some(by) => { ": " (name(by.as_str())) },
                            None => { ": " strong { "missing" } },
                        }
                    }
                }
            }
        }
        @for also in &standing.also { p.note { "Also needs " (also) "." } }
        @for (signature, why) in &standing.void {
            p.note.warn { "The signature of " (name(signature.by.as_str())) " does not count: " (why) "." }
        }
    }
}

fn slot(slot: &Slot, content: &PlanContent) -> Markup {
    html! {
        @match &slot.by {
            Some(signature) => li.slot.filled { (autograph(signature, slot.kind)) },
            None => li.slot.empty {
                span.rule aria-hidden="true" {}
                span.label { span.hidden { "Missing: " } (wanted(slot.kind, content)) }
            },
        }
    }
}

fn autograph(signature: &Signature, kind: GrantKind) -> Markup {
    html! {
        span.autograph { (name(signature.by.as_str())) }
        span.rule aria-hidden="true" {}
        span.label {
            span.sign aria-hidden="true" { "✓" } (signed(kind)) " " (moment(signature.at))
            @if !signature.passkey { " in the agent’s client" }
        }
    }
}

fn wanted(kind: GrantKind, content: &PlanContent) -> Markup {
    html! {
        @match kind {
            GrantKind::Approval => { "approval by somebody other than " (name(content.human.as_str())) },
            GrantKind::Confirmation => { "confirmation by " (name(content.human.as_str())) ", here or in the agent’s client" },
            GrantKind::Application => "a person who applies it, in place of the agent",
        }
    }
}

fn actions(page: &PlanPage, viewer: &Viewer) -> Markup {
    let may = &page.standing.may;
    html! {
        @if page.plan.state == PlanState::Open {
            @if may.approve { (approve(page)) }
            @if may.confirm { (typed(page, "confirm", "Confirm", "You say that you want this, and that the agent may apply it once everything else is there.")) }
            @if may.apply { (typed(page, "apply", "Apply it now", "It is carried out at AWS at once; the record says that you did it, and AWS’s own trail names the one the agent acts for.")) }
            @if !may.something() && !may.why_not.is_empty() { p.calm { "You can’t sign this: " (may.why_not) "." } }
            @if !may.something() && page.standing.complete { p.calm { "Everything is there; the agent can apply it." } }
            @if may.reject { (reject(page, viewer)) }
        }
        p.calm {
            @if page.plan.content.effect == Effect::Irreversible { "What is signed is the digest above: this plan, exactly as it stands here." }
            @else { "What is signed is the digest above." }
        }
    }
}

fn approve(page: &PlanPage) -> Markup {
    html! {
        form.act data-sign="approve" data-plan=(page.plan.content.id) data-digest=(page.plan.digest) {
            (reading(page))
            button.primary.loud[is_loud(&page.plan.content)] type="submit" disabled data-enable data-ready-in=(page.read_on) {
                "Approve with passkey"
            }
            (problem()) (needs_script())
        }
    }
}

fn typed(page: &PlanPage, kind: &str, label: &str, explains: &str) -> Markup {
    let content = &page.plan.content;
    let text = content.confirmation();
    html! {
        form.act data-sign=(kind) data-plan=(content.id) data-digest=(page.plan.digest) {
            p { (explains) }
            @if let Some(text) = text {
                label for={ "typed-" (kind) } {
                    "Type " @if shows_as_itself(text) { code.foreign.type-it { (text) } } @else { (code_line(text, 120)) } " to allow it"
                }
                input id={ "typed-" (kind) } name="typed" type="text" required autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false" data-keep;
            }
            (reading(page))
            button.primary.loud[is_loud(content)] type="submit" disabled data-enable data-ready-in=(page.read_on) { (label) " with passkey" }
            (problem()) (needs_script())
        }
    }
}

fn reading(page: &PlanPage) -> Markup {
    html! {
        @if page.read_on > 0 {
            p.reading data-reading {
                "It can’t be undone, so take your time: you can sign in " b data-count { (page.read_on) } " s."
            }
        }
    }
}

fn reject(page: &PlanPage, viewer: &Viewer) -> Markup {
    let id = &page.plan.content.id;
    let answer = &page.answer;
    html! {
        details.reject open[answer.problem.is_some()] {
            summary { "Reject …" }
            form.act method="post" action={ "/plans/" (id) "/reject" } {
                (csrf(viewer))
                label for="reason" { "Why? The agent gets to read it, and it goes on record." }
                textarea #reason name="reason" rows="3" required maxlength=(LONGEST_REASON) data-keep
                    aria-describedby=[answer.problem.as_ref().map(|_| "reason-problem")]
                    aria-invalid=[answer.problem.as_ref().map(|_| "true")] { (answer.reason) }
                @if let Some(problem) = &answer.problem { p.problem #reason-problem role="alert" { (problem) } }
                button.danger type="submit" { "Reject this plan" }
            }
        }
    }
}
