//! People: who may sign, what waits for an admin's signature, and the forms to change it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use maud::{Markup, html};

use super::shell::{Here, Page, Viewer, csrf, needs_script, problem};
use super::words::{left, moment, name, prose_line};
use crate::approval::people::{Approver, PeopleChange, Proposal, Standing};
use crate::names::Human;

/// What the page of people shows.
#[derive(Debug)]
pub(crate) struct People {
    /// Everybody who ever enrolled, by name.
    pub(crate) people: Vec<Approver>,
    /// What waits for an admin's signature.
    pub(crate) proposals: Vec<Proposal>,
    /// The groups there are.
    pub(crate) groups: BTreeSet<String>,
    /// What was wrong with what was just entered.
    pub(crate) problem: Option<String>,
    /// Now.
    pub(crate) now: Timestamp,
}

/// The page.
pub(crate) fn people(people: &People, viewer: &Viewer) -> Page {
    let admin = viewer.approver.admin;
    let (active, gone): (Vec<_>, Vec<_>) = people.people.iter().partition(|person| person.is_active());
    let main = html! {
        h1 { "People" }
        @if let Some(problem) = &people.problem { p.problem role="alert" { (problem) } }
        div #link .banner.good data-link hidden role="status" {
            p { strong { "The invitation is signed. " } "Hand this link to the person; it works once and is shown only now." }
            p.copy { input readonly aria-label="Invitation link" data-link-text; button type="button" data-copy { "Copy" } }
        }
        div data-live="proposals" {
            @if !people.proposals.is_empty() {
                section aria-labelledby="waits" {
                    h2 #waits { "Waits for an admin’s signature" span.count { (people.proposals.len()) } }
                    ol.plans { @for proposal in &people.proposals { (self::proposal(proposal, people, viewer)) } }
                }
            }
        }
        section aria-labelledby="approvers" data-live="people" {
            h2 #approvers { "Approvers" span.count { (active.len()) } }
            ul.people { @for person in active { (self::person(person, people, viewer)) } }
            @if !gone.is_empty() {
                details {
                    summary { "Revoked" span.count { (gone.len()) } }
                    ul.people { @for person in gone { (self::person(person, people, viewer)) } }
                }
            }
        }
        @if admin {
            section aria-labelledby="invite" {
                h2 #invite { "Invite somebody" }
                (invite(people, viewer))
            }
        } @else {
            p.calm { "Admins invite, regroup and revoke; each change is signed with a passkey and on record." }
        }
    };
    Page { title: "People".to_owned(), here: Here::People, live: true, main }
}

fn proposal(proposal: &Proposal, people: &People, viewer: &Viewer) -> Markup {
    let digest = proposal.digest().ok();
    html! {
        li.plan.proposal id=(proposal.id) {
            div.what {
                h3 { (title(&proposal.change)) }
                p.where { "proposed by " (name(&proposal.by)) ", " (moment(proposal.at)) " · " (left(proposal.expires_at, people.now)) " left" }
                @match &proposal.change {
                    PeopleChange::Invite(standing) => { (differs(standing, people)) (comes_back(standing, people)) },
                    PeopleChange::Regroup(standing) => (differs(standing, people)),
                    PeopleChange::Revoke { .. } => p { "Nothing they sign counts any more, not even what they signed already." },
                }
            }
            div.needs {
                @if viewer.approver.admin {
                    form.act data-people=(proposal.id) data-digest=[digest] { button.primary type="submit" disabled data-enable { "Sign with passkey" } (problem()) (needs_script()) }
                } @else { p { "An admin signs it." } }
                @if viewer.approver.admin {
                    form.act method="post" action="/people/withdraw" {
                        (csrf(viewer))
                        input type="hidden" name="proposal" value=(proposal.id);
                        button.quiet type="submit" { "Withdraw" }
                    }
                }
            }
        }
    }
}

fn title(change: &PeopleChange) -> Markup {
    html! {
        @match change {
            PeopleChange::Invite(standing) => { "Invite " (name(standing.name.as_str())) },
            PeopleChange::Regroup(standing) => { "Change what " (name(standing.name.as_str())) " may do" },
            PeopleChange::Revoke { name: who } => { "Revoke " (name(who.as_str())) },
        }
    }
}

/// What somebody would be, beside what they are.
fn differs(standing: &Standing, people: &People) -> Markup {
    let is = people.people.iter().find(|person| person.is(&standing.name));
    let row = |what: &str, before: Option<String>, after: String| {
        html! {
            tr.change[before.as_ref() != Some(&after)] {
                th scope="row" { (what) }
                td.before.known[before.is_some()] data-label="Now" { @match &before { Some(before) => (prose_line(before, 200)), None => span.none { "not here" } } }
                td.after data-label="Then" { (prose_line(&after, 200)) }
            }
        }
    };
    html! {
        table.diff {
            thead { tr { th scope="col" { "What" } th scope="col" { "Now" } th scope="col" { "Then" } } }
            tbody {
                (row("Groups", is.map(|person| listed(person.groups.iter().map(String::as_str))), listed(standing.groups.iter().map(String::as_str))))
                (row("Admin", is.map(|person| yes(person.admin)), yes(standing.admin)))
                (row("Also known as", is.map(|person| listed(person.aliases.iter().map(Human::as_str))), listed(standing.aliases.iter().map(Human::as_str))))
            }
        }
    }
}

/// What an invitation means to somebody who was here before.
fn comes_back(standing: &Standing, people: &People) -> Markup {
    let is = people.people.iter().find(|person| person.is(&standing.name));
    html! {
        @if is.is_some_and(Approver::is_active) { p.note { "They are here already: the link adds another passkey." } }
        @if is.is_some_and(|person| !person.is_active()) { p.note.warn { "They have been revoked; this lets them in again." } }
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<_> = names.collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn person(person: &Approver, people: &People, viewer: &Viewer) -> Markup {
    let you = viewer.approver.name == person.name;
    html! {
        li.person.gone[!person.is_active()] {
            div.who {
                h3 { (name(person.name.as_str())) @if you { span.tag { "you" } } @if person.admin { span.tag.admin { "admin" } } }
                p { @for group in &person.groups { span.tag { (name(group)) } " " } }
                @if !person.aliases.is_empty() {
                    p.calm { "also known as " @for alias in &person.aliases { (name(alias.as_str())) " " } }
                }
                @if let Some(at) = person.revoked_at { p.calm { "revoked " (moment(at)) } }
            }
            ul.keys aria-label="Passkeys" {
                @for passkey in &person.passkeys {
                    li { (key()) (prose_line(&passkey.label, 60)) span.calm { " since " (moment(passkey.added_at)) } }
                }
            }
            @if viewer.approver.admin && person.is_active() { (changes(person, people, viewer)) }
        }
    }
}

fn key() -> Markup {
    html! { svg.key viewBox="0 0 20 20" aria-hidden="true" { circle cx="6" cy="10" r="4" {} path d="M10 10h8m-3 0v4" {} } }
}

fn changes(person: &Approver, people: &People, viewer: &Viewer) -> Markup {
    let id = hex::encode(person.name.as_str());
    html! {
        details.edit {
            summary { "Change …" span.hidden { " " (name(person.name.as_str())) } }
            form.act method="post" action="/people/propose" data-propose {
                (csrf(viewer))
                input type="hidden" name="change" value="regroup";
                input type="hidden" name="name" value=(person.name);
                (standing_fields(&id, people, Some(person)))
                button.primary type="submit" { "Sign the change" }
                (problem())
            }
            form.act method="post" action="/people/propose" data-propose {
                (csrf(viewer))
                input type="hidden" name="change" value="passkey";
                input type="hidden" name="name" value=(person.name);
                button type="submit" { "Invite another passkey" }
                (problem())
            }
            form.act method="post" action="/people/propose" data-propose {
                (csrf(viewer))
                input type="hidden" name="change" value="revoke";
                input type="hidden" name="name" value=(person.name);
                button.danger type="submit" { "Revoke " (name(person.name.as_str())) }
                (problem())
            }
        }
    }
}

fn invite(people: &People, viewer: &Viewer) -> Markup {
    html! {
        form.act.card method="post" action="/people/propose" data-propose {
            (csrf(viewer))
            input type="hidden" name="change" value="invite";
            label for="invite-name" { "Name" }
            input #invite-name name="name" type="text" required maxlength="100" autocomplete="off" autocapitalize="none" spellcheck="false" data-keep;
            (standing_fields("invite", people, None))
            button.primary type="submit" { "Sign the invitation" }
            (problem()) (needs_script())
        }
    }
}

fn standing_fields(id: &str, people: &People, is: Option<&Approver>) -> Markup {
    html! {
        fieldset {
            legend { "Groups" }
            @for group in &people.groups {
                label.check { input type="checkbox" name="group" value=(group) checked[is.is_none_or(|person| person.groups.contains(group)) && (is.is_some() || group == "approvers")]; (name(group)) }
            }
        }
        label.check { input type="checkbox" name="admin" value="yes" checked[is.is_some_and(|person| person.admin)]; "Admin: signs who else signs" }
        label for={ "aliases-" (id) } { "Other names under which agents act for them, one a line" }
        textarea id={ "aliases-" (id) } name="aliases" rows="2" maxlength="1000" spellcheck="false" data-keep {
            @if let Some(person) = is { @for alias in &person.aliases { (alias) "\n" } }
        }
    }
}
