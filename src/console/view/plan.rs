//! A plan's page: what a reviewer must know at a glance, then what they may do, then everything else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, html};

use super::shell::{Here, Page, Viewer};
use super::story::Story;
use super::words::{LINE, code_line, count, effect, left, moment, name, prose, prose_line, stage, state, state_word};
use super::{back, change, decide, details, story};
use crate::console::standing::Standing;
use crate::names::{Effect, Stage};
use crate::plan::chain::Chain;
use crate::plan::filed::{Dependents, DryRun, FiledPlan, PlanContent, PlanState, Undo};

/// What a plan's page shows.
#[derive(Debug)]
pub(crate) struct PlanPage {
    /// The plan.
    pub(crate) plan: FiledPlan,
    /// Where it stands, for the one who looks.
    pub(crate) standing: Standing,
    /// Seconds until an irreversible plan may be signed; 0 where it may be now.
    pub(crate) read_on: u64,
    /// What the agent did before, in the session that planned this.
    pub(crate) before: Story,
    /// What became of this plan.
    pub(crate) story: Story,
    /// What policies say of themselves, by name; empty where another set is in force by now.
    pub(crate) says: BTreeMap<String, String>,
    /// What just happened, or went wrong, and what was typed; shown in place.
    pub(crate) answer: Answer,
    /// Now.
    pub(crate) now: Timestamp,
}

/// What the person did just now on a plan's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Why a rejection wasn't taken.
    pub(crate) problem: Option<String>,
    /// The reason they had typed.
    pub(crate) reason: String,
}

/// The page.
pub(crate) fn plan(page: &PlanPage, viewer: &Viewer) -> Page {
    let content = &page.plan.content;
    let main = html! {
        article.sheet {
            (head(page))
            div.columns {
                div.first {
                    (glance(page))
                    (back::undoes(content))
                    (change::section(content))
                    (back::points(&page.plan))
                    (consequences(content))
                }
                aside #decide .decide aria-labelledby="decision" { div.stick { (decide::section(page, viewer)) } }
                div.second {
                    (details::section(page))
                }
            }
        }
        @if page.standing.may.something() {
            a.jump href="#decide" { span { (left(content.expires_at, page.now)) " left" } b { "Decide ↓" } }
        }
    };
    Page {
        title: format!("{} in {}", content.operation, content.account.stage.loud()),
        here: Here::Elsewhere,
        live: true,
        main,
    }
}

fn head(page: &PlanPage) -> Markup {
    let content = &page.plan.content;
    let highest = content.raised_stage().unwrap_or(content.account.stage);
    html! {
        header class={ "band stage-" (highest) } {
            p.stage {
                strong { (highest.loud()) }
                span { "account " (name(&content.account.name)) " " (code_line(&content.account.id, 20)) }
                span { (name(content.region.as_str())) }
            }
            @if highest > content.account.stage {
                p.by-tags { "By the tags of what it acts on; the account itself is " (content.account.stage) "." }
            }
        }
        div.title {
            div.tags data-live="state" data-says={ "This plan is " (state_word(page.plan.state)) "." } {
                (effect(content.effect)) (state(page.plan.state))
                @if page.plan.state == PlanState::Open {
                    span.until { (left(content.expires_at, page.now)) " left" }
                }
            }
            h1 { (prose_line(&content.title, 100)) }
            p.asks {
                "Agent " (name(content.agent.as_str())) " asks for " (name(content.human.as_str())) ", " (moment(content.created_at))
                @if let Some(ticket) = &content.ticket { ", under ticket " (code_line(ticket, 60)) }
            }
            figure.reason {
                blockquote { (prose(&content.reason, 400)) }
                figcaption { "The reason, in the agent’s own words: data, never an instruction" }
            }
        }
        div data-live="ending" { (ending(page)) (back::undone(&page.plan)) }
    }
}

fn ending(page: &PlanPage) -> Markup {
    let (kind, text) = match page.plan.state {
        PlanState::Open => return html! {},
        PlanState::Applying => ("", "It is being applied now."),
        PlanState::Applied => ("good", "It was applied."),
        PlanState::Failed => ("warn", "AWS refused it; nothing changed."),
        PlanState::Unknown => {
            ("warn", "It was sent, and nobody knows whether AWS acted. Look before anything else is done.")
        }
        PlanState::Expired => ("", "Its time ran out; nothing was done."),
        PlanState::Rejected => ("warn", "It was rejected; nothing was done."),
    };
    html! {
        div class={ "banner " (kind) } {
            strong { (text) } @if let Some(at) = story::ended(&page.story) { " " (at) }
            @if let Some(outcome) = &page.plan.outcome { div { (prose(outcome, LINE)) } }
        }
    }
}

fn glance(page: &PlanPage) -> Markup {
    let content = &page.plan.content;
    html! {
        section.glance aria-labelledby="glance" {
            h2 #glance { "At a glance" }
            @for chain in &content.chains { (self::chain(chain)) }
            @for other in &content.besides {
                p.note.warn { strong { "Another open plan " } (prose_line(&other.words(), LINE)) }
            }
            @for (target, part) in content.not_known() {
                p.note.warn {
                    strong { "Not known: " } (code_line(&part.what, 60)) " of " (code_line(&target.id, 80)) ": " (prose_line(&part.why, LINE))
                }
            }
            @for warning in &content.warnings { p.note.warn { strong { "Warning: " } (prose_line(warning, 400)) } }
            @for raised in &content.raised {
                p.note.warn { strong { "Judged " (raised.to.word()) ": " } (prose_line(&raised.because, 400)) }
            }
            dl.facts {
                div { dt { "Can it be undone?" } dd { (undo_short(content)) } }
                div { dt { "What depends on it?" } dd { (depends_short(content)) } }
                div { dt { "Did AWS try it?" } dd { (dry_run(content)) } }
                div { dt { "Whose credentials?" } dd { (credentials(content)) } }
            }
        }
    }
}

fn chain(chain: &Chain) -> Markup {
    html! {
        div.note.warn {
            strong { "This is the " } (prose_line(&chain.words(), LINE)) "."
            ul { @for step in &chain.earlier { li { (moment(step.at)) ": " (prose_line(&step.words(), LINE)) } } }
        }
    }
}

fn undo_short(content: &PlanContent) -> Markup {
    html! {
        @match &content.undo {
            Undo::None { .. } => strong.bad { "No" },
            Undo::Recipe { loses, .. } if loses.is_empty() => strong.good { "Yes" },
            Undo::Recipe { loses, .. } => { strong { "In part" } ": " (count(loses.len(), "thing", "things")) " won’t come back" },
        }
    }
}

fn depends_short(content: &PlanContent) -> Markup {
    let known: Option<u64> = content.dependents.iter().map(|found| found.count).sum();
    html! {
        @match known {
            None => strong.bad { "Not known" },
            Some(0) if content.targets.is_empty() => "Not looked for: it names no targets",
            Some(0) => "Nothing that was looked for",
            Some(several) => strong { (count(usize::try_from(several).unwrap_or(usize::MAX), "thing", "things")) },
        }
    }
}

fn dry_run(content: &PlanContent) -> Markup {
    html! {
        @match &content.dry_run {
            DryRun::Passed => "Yes, a dry run passed",
            DryRun::ChangeSet => "Yes, a change set was made and deleted again",
            DryRun::NotOffered => "No, it offers no dry run here",
            DryRun::NotTrusted { reason } => { "No: " (prose_line(reason, LINE)) },
        }
    }
}

fn credentials(content: &PlanContent) -> Markup {
    html! {
        @match &content.credentials.role {
            Some(_) => "A role, narrowed to this one call",
            None => strong.bad { "The server’s own: AWS does not narrow this call" },
        }
    }
}

fn consequences(content: &PlanContent) -> Markup {
    html! {
        section aria-labelledby="depends" {
            h2 #depends { "What depends on it" }
            @if content.dependents.is_empty() {
                p.calm { "The tool’s manifest names nothing to look for." }
            } @else {
                ul.depends { @for found in &content.dependents { (dependents(found, content.targets.len() > 1)) } }
            }
        }
        section aria-labelledby="undo" {
            h2 #undo { "How it can be undone" }
            @match &content.undo {
                Undo::None { reason, .. } => p.note.warn[content.effect == Effect::Irreversible] { strong { "Not at all: " } (prose_line(reason, 400)) },
                Undo::Recipe { tool, loses, .. } => {
                    p { "With " (code_line(tool, 64)) ", itself previewed and confirmed:" }
                    (super::words::json(&content.undo.shown_arguments().unwrap_or_default()))
                    @if !loses.is_empty() {
                        p { strong { "What won’t come back:" } }
                        ul { @for lost in loses { li { (prose(lost, LINE)) } } }
                    }
                },
            }
        }
    }
}

fn dependents(found: &Dependents, several: bool) -> Markup {
    html! {
        li {
            span.number.nothing[found.count == Some(0)] {
                @match found.count {
                    Some(count) => (count),
                    None => strong.bad { "?" span.hidden { " not known" } },
                }
            }
            div {
                (prose_line(&found.label, 100))
                @if several { " of " (code_line(&found.target, 64)) }
                @if let Some(why) = &found.unknown_because { p.note.warn { "It could not be found out: " (prose_line(why, LINE)) } }
                @if !found.sample.is_empty() {
                    p.sample { @for named in &found.sample { (code_line(named, 64)) " " } }
                }
            }
        }
    }
}

/// True where colour and words must be at their loudest.
pub(crate) fn is_loud(content: &PlanContent) -> bool {
    content.raised_stage().unwrap_or(content.account.stage) == Stage::Prod
}

/// The stage's badge for lists.
pub(crate) fn stage_of(content: &PlanContent) -> Markup {
    stage(content.raised_stage().unwrap_or(content.account.stage))
}
