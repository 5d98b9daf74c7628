//! The frame of every page.

use maud::{DOCTYPE, Markup, html};

use super::words::name;
use crate::approval::people::Approver;
use crate::console::assets::{ICON, SCRIPT, STYLE};

/// Whoever is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    /// Who.
    pub(crate) approver: Approver,
    /// The token every form of theirs carries.
    pub(crate) csrf: String,
    /// How many plans wait for them.
    pub(crate) waiting: usize,
}

/// Where a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    /// The queue.
    Queue,
    /// The history.
    History,
    /// The people.
    People,
    /// None of these.
    Elsewhere,
}

/// A page without its frame.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its title; plain, without foreign text.
    pub(crate) title: String,
    /// Where it belongs.
    pub(crate) here: Here,
    /// True where it changes while it is open.
    pub(crate) live: bool,
    /// What it shows.
    pub(crate) main: Markup,
}

/// A whole page for somebody who is signed in.
pub(crate) fn framed(page: &Page, viewer: &Viewer) -> Markup {
    let waiting = viewer.waiting;
    let title = match waiting {
        0 => page.title.clone(),
        _ => format!("({waiting}) {}", page.title),
    };
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        header.top {
            div.bar {
                (mark("/"))
                nav aria-label="Pages" {
                    (link("/", "Queue", page.here == Here::Queue, Some(waiting)))
                    (link("/history", "History", page.here == Here::History, None))
                    (link("/people", "People", page.here == Here::People, None))
                }
                div.me {
                    span.who { span.hidden { "Signed in as " } (name(viewer.approver.name.as_str())) }
                    form method="post" action="/sign-out" {
                        (csrf(viewer))
                        button.quiet type="submit" { "Sign out" }
                    }
                }
            }
        }
        main #main tabindex="-1" { (page.main) }
        p.hidden #news role="status" aria-live="polite" {}
    };
    document(&title, body, page.live, Some(&viewer.csrf))
}

/// A whole page for somebody who isn't signed in.
pub(crate) fn bare(title: &str, main: &Markup) -> Markup {
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        main #main .alone tabindex="-1" {
            (mark("/"))
            (main)
        }
    };
    document(title, body, false, None)
}

/// The session's token, for a form.
pub(crate) fn csrf(viewer: &Viewer) -> Markup {
    html! { input type="hidden" name="csrf" value=(viewer.csrf); }
}

/// Where the script says what went wrong, in place; empty at first.
pub(crate) fn problem() -> Markup {
    html! { p.problem role="alert" hidden {} }
}

/// What stands where a passkey is needed and there is no script.
pub(crate) fn needs_script() -> Markup {
    html! { noscript { p.problem { "A passkey needs JavaScript, and it is switched off here. Everything else works without it." } } }
}

fn document(title: &str, body: Markup, live: bool, csrf: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex, nofollow";
                title { (title) " · countersign" }
                link rel="icon" href=(ICON.path()) type="image/svg+xml";
                link rel="stylesheet" href=(STYLE.path());
                script src=(SCRIPT.path()) defer {}
            }
            body data-live[live] data-csrf=[csrf] { (body) }
        }
    }
}

fn mark(href: &str) -> Markup {
    html! {
        a.mark href=(href) {
            svg viewBox="0 0 32 32" aria-hidden="true" {
                rect width="32" height="32" rx="7" {}
                path.one d="M7 16.5 12 21.5 20 9" {}
                path.two d="M14.5 21.5 16 23 25.5 10.5" {}
                path.line d="M7 27h18" {}
            }
            "countersign"
        }
    }
}

fn link(href: &str, label: &str, here: bool, count: Option<usize>) -> Markup {
    html! {
        a href=(href) aria-current=[here.then_some("page")] {
            (label)
            @if let Some(count) = count {
                span.count data-live="count" hidden[count == 0] { (count) span.hidden { " wait for you" } }
            }
        }
    }
}
