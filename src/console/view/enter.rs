//! Pages for those who aren't signed in: signing in, enrolling a passkey; and what says that something went wrong.

use jiff::Timestamp;
use maud::{Markup, html};

use super::shell::{bare, needs_script, problem};
use super::words::{left, name};
use crate::approval::people::Invitation;

/// The page to sign in. `next` is a path of the console that was wanted.
pub(crate) fn sign_in(next: &str, origin: &str) -> Markup {
    let main = html! {
        section.card aria-labelledby="enter" {
            h1 #enter { "Sign in" }
            p.calm { "Agents propose changes to AWS here, and people decide. You sign with your passkey." }
            (elsewhere(origin))
            form.act data-enter data-next=(next) {
                button.primary type="submit" disabled data-enable { "Sign in with passkey" }
                details {
                    summary { "Your browser does not find your passkey?" }
                    label for="name" { "Your name here" }
                    input #name name="name" type="text" autocomplete="username webauthn" autocapitalize="none" spellcheck="false" maxlength="100";
                    p.calm { "A security key that keeps no names needs it." }
                }
                (problem()) (needs_script())
            }
        }
        p.calm { "No passkey yet? An admin invites you with a link that works once." }
    };
    bare("Sign in", &main)
}

/// The page to enrol a passkey with an invitation. `token` is the link's own.
pub(crate) fn enrol(invitation: &Invitation, token: &str, host: &str, origin: &str, now: Timestamp) -> Markup {
    let standing = &invitation.standing;
    let main = html! {
        section.card aria-labelledby="enter" {
            h1 #enter { "Welcome, " (name(standing.name.as_str())) }
            p { "With a passkey you sign plans of AI agents, and what you sign can be carried out at AWS." }
            dl.facts.small {
                div { dt { "Your groups" } dd { @if standing.groups.is_empty() { "none" } @for group in &standing.groups { span.tag { (name(group)) } " " } } }
                @if standing.admin { div { dt { "Admin" } dd { "You may sign who else signs." } } }
                @if !standing.aliases.is_empty() {
                    div { dt { "Also known as" } dd { @for alias in &standing.aliases { (name(alias.as_str())) " " } } }
                }
                div { dt { "The link is good for" } dd { (left(invitation.expires_at, now)) } }
            }
            p.calm { "You never approve what an agent does for you, under any of these names." }
            (elsewhere(origin))
            form.act data-enrol data-token=(token) {
                label for="label" { "What do you call this passkey?" }
                input #label name="label" type="text" required maxlength="60" placeholder="laptop, phone, key on the ring" autocomplete="off";
                button.primary type="submit" disabled data-enable { "Create passkey" }
                (problem()) (needs_script())
            }
            p.calm { "It will be bound to " strong { (host) } " and asks for your finger, face or PIN each time." }
        }
    };
    bare("Enrol a passkey", &main)
}

/// What the script shows where the page was opened by another address than passkeys are bound to.
fn elsewhere(origin: &str) -> Markup {
    html! {
        p.problem role="alert" data-origin=(origin) hidden {
            "Passkeys are bound to another address than this one. Open "
            a href=(origin) { (origin) }
            " instead."
        }
    }
}

/// A page that says what went wrong and what to do about it.
pub(crate) fn trouble(title: &str, text: &str, mend: &str) -> Markup {
    html! {
        section.card aria-labelledby="trouble" {
            h1 #trouble { (title) }
            p { (text) }
            p.calm { (mend) }
            p { a href="/" { "Go to the queue" } }
        }
    }
}
