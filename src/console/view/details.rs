//! Everything else of a plan: the exact request, whose credentials, which policies, and what happened.

use maud::{Markup, html};

use super::plan::PlanPage;
use super::story;
use super::words::{LINE, code, code_line, json, name, prose_line, rows};
use crate::plan::filed::{Obligation, PlanContent};

/// The details of a plan's page.
pub(crate) fn section(page: &PlanPage) -> Markup {
    let content = &page.plan.content;
    html! {
        section aria-labelledby="past" {
            h2 #past { "What the agent did before, in this session" }
            @if page.before.events.is_empty() {
                p.calm { "Nothing that is on record." }
            } @else {
                (story::list(&page.before, content.id.as_str()))
            }
        }
        section aria-labelledby="why" {
            h2 #why { "Why it needs this" }
            (policies(page))
        }
        section aria-labelledby="exactly" {
            h2 #exactly { "What exactly would be sent" }
            (request(content))
        }
        section aria-labelledby="record" data-live="record" {
            h2 #record { "On record" }
            (story::list(&page.story, content.id.as_str()))
        }
    }
}

fn policies(page: &PlanPage) -> Markup {
    let content = &page.plan.content;
    html! {
        ul.needs { @for obligation in &content.obligations { li { (need(obligation, content)) } } }
        @if content.obligations.is_empty() { p { "The policies ask for nothing more." } }
        @if !content.permitted_by.is_empty() {
            p { "Then it is permitted by" }
            ul.policies {
                @for id in &content.permitted_by {
                    li { (code_line(id, 80)) @if let Some(says) = page.says.get(id) { ": " (prose_line(says, LINE)) } }
                }
            }
        }
        dl.facts.small {
            div { dt { "Policies" } dd { (code_line(&content.policy.short(), 16)) } }
            div { dt { "Manifest" } dd { (code_line(&content.tool, 64)) " " (code_line(&content.manifest.short(), 16)) } }
        }
    }
}

fn need(obligation: &Obligation, content: &PlanContent) -> Markup {
    html! {
        @match obligation {
            Obligation::Preview => "a preview, which this is",
            Obligation::Confirmation { text } => {
                "a confirmation by " (name(content.human.as_str())) ", who types " (code_line(text, 120))
            },
            Obligation::Approvals { count, groups } => {
                (super::words::count(usize::try_from(*count).unwrap_or(usize::MAX), "approval", "approvals"))
                " by people other than " (name(content.human.as_str()))
                @for group in groups { ", somebody of " (name(group)) " among them" }
            },
            Obligation::Ticket => "a ticket",
            Obligation::Window => "an open change window",
            Obligation::Person => "a person who applies it, in place of the agent",
        }
    }
}

fn request(content: &PlanContent) -> Markup {
    let request = &content.request;
    html! {
        p.calm { "Signed and not sent. Credentials and the signature are left out." }
        div.request {
            p { b { (code_line(&request.method, 10)) } " " }
            (code(&request.url, LINE))
            details {
                summary { (super::words::count(request.headers.len(), "header", "headers")) }
                dl.tagged { @for (key, value) in &request.headers { div { dt { (code_line(key, 80)) } dd { (code(value, LINE)) } } } }
            }
            @if !request.body.is_empty() { (body(&request.body)) }
        }
        details { summary { "All arguments" } (json(&content.arguments)) }
        @if let Some(role) = &content.credentials.role { p { "Under role " } (code(role, LINE)) }
        @match &content.session_policy {
            Some(policy) => details { summary { "What its credentials may do, and nothing else" } (body(policy)) },
            None => p.note.warn { "No role is configured for this account: the server’s own credentials are used, and AWS narrows nothing." },
        }
    }
}

/// A body: JSON in lines, a form one member a line, anything else as it is.
fn body(text: &str) -> Markup {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) if value.is_object() || value.is_array() => json(&value),
        _ => rows(text.split_inclusive('&')),
    }
}
