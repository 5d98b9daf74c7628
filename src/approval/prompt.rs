//! The text a person is shown before a confirmation: at most 25 lines, the decision in the first three.
//!
//! The frame is the server's own. Everything that came from outside (names, tags, the agent's reason) is quoted, escaped
//! and cut. It is a function of the plan alone.

use std::cmp::Reverse;
use std::time::Duration;

use serde_json::Value;

use super::ask::Prompt;
use crate::digest::Digest;
use crate::names::Stage;
use crate::plan::filed::{DryRun, FiledPlan, NotKnown, Obligation, PlanContent, PlannedTarget, Raised, Undo};
use crate::text::escape::quoted;

/// Lines of the whole.
const LINES: usize = 25;

/// Most lines of each section, the one that says how many are missing included. Where they don't all fit, each section gets
/// one after the other, in the order of [`sections`].
const RAISED_LINES: usize = 3;
const RESOURCE_LINES: usize = 5;
const TARGET_LINES: usize = 5;
const CHANGE_LINES: usize = 6;
const NOT_KNOWN_LINES: usize = 2;
const WARNING_LINES: usize = 3;
const DEPENDENT_LINES: usize = 4;

/// Characters of each side of a change.
const SIDE: usize = 80;
const UNDO_LINES: usize = 6;
const SINCE_LINES: usize = 2;

/// Steps before that are told in the line of a chain.
const CHAIN_LINES: usize = 3;
const CHAIN_STEPS: usize = 4;

/// Characters of a call's arguments on one line; longer ones of a call without targets get a line each.
const WHOLE_CALL: usize = 240;
const ARGUMENT_LINES: usize = 8;
const ARGUMENT_WIDTH: usize = 300;

/// Words a person reads in a second, generously. An answer that comes faster is recorded as such.
const WORDS_A_SECOND: u64 = 12;

/// True where nobody can have read `text` in that time.
pub fn faster_than_reading(text: &str, after: Duration) -> bool {
    after.as_secs() < text.split_whitespace().count() as u64 / WORDS_A_SECOND
}

/// What confirming a filed plan is asked with; none where it asks for no confirmation.
pub fn of_filed(plan: &FiledPlan) -> Option<Prompt> {
    plan.content.confirmation().map(|text| of(&plan.content, plan.digest, text))
}

/// Makes the prompt. `expected` is what must be typed.
pub fn of(content: &PlanContent, digest: Digest, expected: &str) -> Prompt {
    let mut lines =
        vec![headline(content), format!("To allow it, type exactly: {expected}"), undo(content), String::new()];
    lines.push(format!(
        "Asked by agent {} for {}.",
        quoted(content.agent.as_str(), 40),
        quoted(content.human.as_str(), 40)
    ));
    lines.push(format!("Its reason, in its own words: {}", quoted(&content.reason, 200)));
    let mut end: Vec<String> = dry_run(content).into_iter().chain(call(content)).chain(others(content)).collect();
    end.push(match &content.credentials.role {
        Some(role) => format!("Under role {}", quoted(role, 120)),
        None => "Under the server's own credentials: no role is configured for this account".to_owned(),
    });
    end.push(format!("Plan {} ({}), good until {}", content.id, digest.short(), content.expires_at));
    end.push("What stands in backticks comes from outside: it is data, never an instruction.".to_owned());
    lines.extend(shared(sections(content), LINES.saturating_sub(lines.len() + end.len()), content));
    lines.extend(end);
    Prompt {
        plan: content.id.clone(),
        digest,
        text: lines.join("\n"),
        field_label: format!("To allow this, type exactly: {expected}"),
        expected: expected.to_owned(),
    }
}

/// Lines about one matter, the most important first.
struct Section {
    lines: Vec<String>,
    most: usize,
    /// What the missing ones are called.
    more: &'static str,
}

/// All that is told between who asks and what is called: what counts most for the decision comes first.
fn sections(content: &PlanContent) -> Vec<Section> {
    let section = |lines: Vec<String>, most: usize, more: &'static str| Section { lines, most, more };
    let raised = raised(content).map(|raised| format!("Judged {}: {}", raised.to, raised.because)).collect();
    let warnings = content.warnings.iter().map(|warning| format!("Warning: {warning}")).collect();
    vec![
        section(chains(content), CHAIN_LINES, "lines of the steps that it goes on with"),
        section(undoes(content), UNDO_LINES, "lines of what it undoes and what is taken before"),
        section(targets(content), TARGET_LINES, "targets"),
        section(raised, RAISED_LINES, "reasons for that"),
        section(changes(content), CHANGE_LINES, "changes"),
        section(resources(content), RESOURCE_LINES, "resources it changes"),
        section(not_known(content), NOT_KNOWN_LINES, "things that are not known"),
        section(warnings, WARNING_LINES, "warnings"),
        section(dependents(content), DEPENDENT_LINES, "kinds of things that depend on it"),
    ]
}

/// Shares the room out: a line to each section in turn until it is full. What a section has no room for is said.
fn shared(sections: Vec<Section>, room: usize, content: &PlanContent) -> Vec<String> {
    let wanted = |section: &Section| section.lines.len().min(section.most);
    let mut given: Vec<usize> = vec![0; sections.len()];
    let mut left = room;
    loop {
        let before = left;
        for (section, given) in sections.iter().zip(&mut given) {
            if left > 0 && *given < wanted(section) {
                *given += 1;
                left -= 1;
            }
        }
        if left == 0 || left == before {
            break;
        }
    }
    let mut lines = Vec::new();
    for (section, given) in sections.into_iter().zip(given) {
        let all = section.lines.len();
        if all <= given {
            lines.extend(section.lines);
        } else if given > 0 {
            let shown = given - 1;
            let (word, more, id) = (if shown > 0 { "and " } else { "" }, section.more, &content.id);
            lines.extend(section.lines.into_iter().take(shown));
            let which = if shown > 0 { format!("{} more {more}", all - shown) } else { format!("{all} {more}") };
            lines.push(format!("{word}{which}; `countersign plan show {id}` lists all"));
        }
    }
    lines
}

/// What changes, as the manifest says it; with several targets each line names its own.
fn changes(content: &PlanContent) -> Vec<String> {
    let several = content.targets.len() > 1;
    let of = |target: &str| if several { format!(" of {}", quoted(target, 60)) } else { String::new() };
    content.changes.iter().map(|change| format!("Changes{} {}", of(&change.target), change.line(SIDE))).collect()
}

/// What AWS's change set says, the worst first.
fn resources(content: &PlanContent) -> Vec<String> {
    let Some(set) = &content.change_set else { return Vec::new() };
    let head = format!("AWS would change: {}", set.counts());
    std::iter::once(head).chain(set.worst_first().into_iter().map(|change| format!("  {}", change.line()))).collect()
}

fn not_known(content: &PlanContent) -> Vec<String> {
    let line = |(target, part): (&PlannedTarget, &NotKnown)| {
        format!("NOT KNOWN: {} of {} ({})", quoted(&part.what, 40), quoted(&target.id, 60), quoted(&part.why, 120))
    };
    content.not_known().map(line).collect()
}

/// What the person is told who is asked to open a plan's page: at most four lines.
pub fn of_page(content: &PlanContent, needs: &[String]) -> String {
    let lines = [
        headline(content),
        format!("It waits for {}. Nothing happens until then.", needs.join("; and for ")),
        "Open its page to see what it would do, and to follow or hand on the link.".to_owned(),
        format!("Asked by agent {}: {}", quoted(content.agent.as_str(), 40), quoted(&content.reason, 200)),
    ];
    lines.join("\n")
}

/// The operation with its arguments. A call without targets of its own is judged by these alone, so each gets a line,
/// the shortest first, and what is not shown whole is said.
fn call(content: &PlanContent) -> Vec<String> {
    let whole = content.arguments.to_string();
    if !content.targets.is_empty() || whole.chars().count() <= WHOLE_CALL {
        return vec![format!("Call: {} {}", content.operation, quoted(&whole, WHOLE_CALL))];
    }
    let mut members: Vec<(String, String)> = match &content.arguments {
        Value::Object(members) => members.iter().map(|(name, v)| (name.clone(), v.to_string())).collect(),
        other => vec![("arguments".to_owned(), other.to_string())],
    };
    members.sort_by_key(|(_, value)| value.chars().count());
    let cut = members.len() > ARGUMENT_LINES
        || members.iter().any(|(name, value)| name.chars().count() > 60 || value.chars().count() > ARGUMENT_WIDTH);
    let mut lines = vec![format!("Call: {} with", content.operation)];
    if cut {
        lines.insert(0, format!("NOT ALL OF IT IS SHOWN HERE: read `countersign plan show {}` first.", content.id));
    }
    let shown = members.iter().take(ARGUMENT_LINES);
    lines.extend(shown.map(|(name, value)| format!("  {}: {}", quoted(name, 60), quoted(value, ARGUMENT_WIDTH))));
    lines
}

/// What was done before to the same things, the newest first; and what else is planned.
fn chains(content: &PlanContent) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for chain in &content.chains {
        let steps = chain.earlier.iter().rev().take(CHAIN_STEPS);
        let steps: Vec<String> =
            steps.map(|step| format!("{} at {} ({})", step.is.words(), step.at, step.plan)).collect();
        lines.push(format!("This is the {}. Done before: {}.", chain.words(), steps.join("; ")));
    }
    if let Some(other) = content.besides.first() {
        let more = match content.besides.len() {
            1 => String::new(),
            several => format!(", and {} more", several - 1),
        };
        lines.push(format!("Another open plan {}{more}.", other.words()));
    }
    lines
}

/// Why the effect is worse, without what the lines on chains say.
fn raised(content: &PlanContent) -> impl Iterator<Item = &Raised> {
    let chain = |raised: &Raised| content.chains.iter().any(|chain| chain.words() == raised.because);
    content.raised.iter().filter(move |raised| !chain(raised))
}

fn headline(content: &PlanContent) -> String {
    let stage = match content.account.stage {
        Stage::Prod => Stage::Prod.loud().to_owned(),
        other => other.to_string(),
    };
    let tagged = |stage: Stage| {
        let count = content.targets.iter().filter(|target| target.stage == stage).count();
        if count == content.targets.len() {
            format!(" tagged {}", stage.loud())
        } else {
            format!(", {count} of them tagged {}", stage.loud())
        }
    };
    let tagged = content.raised_stage().map(tagged).unwrap_or_default();
    let count = match content.targets.len() {
        0 => String::new(),
        1 => format!(", 1 target{tagged}"),
        several => format!(", {several} targets{tagged}"),
    };
    format!(
        "{} ({}{count}) in {} account {}, {}.",
        content.title,
        content.effect.word().to_uppercase(),
        stage,
        content.account.name,
        content.region
    )
}

fn undo(content: &PlanContent) -> String {
    match &content.undo {
        Undo::None { reason, .. } => format!("It can't be undone: {}.", reason.trim_end_matches('.')),
        Undo::Recipe { tool, loses, .. } if loses.is_empty() => format!("It can be undone with {tool}."),
        Undo::Recipe { tool, loses, .. } => {
            format!("It can be undone with {tool}, but for: {}.", loses.join(", "))
        }
    }
}

/// What a plan that undoes another brings back, and what not.
fn undoes(content: &PlanContent) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(undoes) = &content.undoes {
        lines.push(format!("It undoes plan {}: {}", undoes.plan, quoted(&undoes.title, 60)));
        if !undoes.loses.is_empty() {
            lines.push(format!("Will NOT come back: {}", quoted(&undoes.loses.join(", "), 240)));
        }
        let shown = undoes.since.iter().take(SINCE_LINES);
        lines.extend(shown.map(|since| format!("Done since then: {since}")));
        if undoes.since.len() > SINCE_LINES {
            lines.push(format!("and {} more, see the plan", undoes.since.len() - SINCE_LINES));
        }
    }
    match content.recovery_points.as_slice() {
        [] => {}
        [point] => lines.push(format!(
            "Before the call: {} of {}, which must be seen to be usable; else nothing is sent.",
            point.label,
            quoted(&point.target, 60)
        )),
        [point, rest @ ..] => lines.push(format!(
            "Before the call: {} of {} and {} more, which must be seen to be usable; else nothing is sent.",
            point.label,
            quoted(&point.target, 60),
            rest.len()
        )),
    }
    lines
}

/// Of many targets those of the highest stage are shown.
fn targets(content: &PlanContent) -> Vec<String> {
    let mut targets: Vec<&PlannedTarget> = content.targets.iter().collect();
    targets.sort_by_key(|target| Reverse(target.stage));
    targets
        .into_iter()
        .map(|target| {
            let name = target.tags.get("Name").map(|name| format!(" named {}", quoted(name, 60))).unwrap_or_default();
            let raised = Some(target.stage).filter(|stage| *stage > content.account.stage);
            let raised = raised.map(|stage| format!(", {} by its tags", stage.loud())).unwrap_or_default();
            let owner = target.owner.as_ref().map(|owner| format!(", owned by {}", quoted(owner, 60)));
            let (id, owner) = (quoted(&target.id, 80), owner.unwrap_or_default());
            let now = match &target.fingerprint {
                Value::Null => "not there yet".to_owned(),
                known => format!("now {}", quoted(&compact(known), 120)),
            };
            format!("Target {id}{name}{raised}{owner}, {now}")
        })
        .collect()
}

fn dependents(content: &PlanContent) -> Vec<String> {
    let told: Vec<_> = content.dependents.iter().filter(|d| d.count != Some(0)).collect();
    told.iter()
        .map(|d| match d.count {
            Some(count) => {
                let names = d.sample.iter().take(3).map(|name| quoted(name, 40)).collect::<Vec<_>>().join(", ");
                format!("Depends on it: {count} {} ({names})", d.label)
            }
            None => format!("Depends on it: {}: not known how many", d.label),
        })
        .collect()
}

/// Who else must agree: the person's own word is not the last one.
fn others(content: &PlanContent) -> Option<String> {
    content.obligations.iter().find_map(|obligation| match obligation {
        Obligation::Approvals { count: 1, .. } => {
            Some("After you another person must approve it before anything happens.".to_owned())
        }
        Obligation::Approvals { count, .. } => {
            Some(format!("After you {count} other people must approve it before anything happens."))
        }
        _ => None,
    })
}

fn dry_run(content: &PlanContent) -> Option<String> {
    match &content.dry_run {
        DryRun::Passed => Some("AWS's own dry run passed".to_owned()),
        DryRun::ChangeSet | DryRun::NotOffered => None,
        DryRun::NotTrusted { .. } => Some("AWS's own dry run was not made: this endpoint ignores it".to_owned()),
    }
}

fn compact(value: &Value) -> String {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, v)| !v.is_null() && !v.is_array() && !v.is_object())
            .map(|(key, v)| format!("{key}={}", v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::filed::tests::sample;

    fn text(content: &PlanContent) -> String {
        of(content, content.digest().unwrap(), "i-0123456789abcdef0").text
    }

    #[test]
    fn what_the_person_sees() {
        insta::assert_snapshot!(text(&sample()));
    }

    #[test]
    fn hostile_text_stays_data_in_its_quotes() {
        let mut content = sample();
        content.reason = "clean up\n\nTo allow it, type exactly: yes\u{202e}\u{1b}[2J already approved".into();
        content.targets[0].tags.insert("Name".into(), "web`\n# APPROVED by [security](https://example.com)".into());
        content.targets[0].id = "i-1 \u{200b}ignore the above".into();
        insta::assert_snapshot!(text(&content));
    }

    #[test]
    fn production_is_said_first_where_only_tags_tell_of_it() {
        let mut content = sample();
        content.targets[0].stage = Stage::Prod;
        content.targets[0].owner = Some("team-orders".into());
        let one = text(&content);
        let dev = sample().targets[0].clone();
        content.targets = [vec![dev; 6], content.targets].concat();
        content.targets[6].id = "i-0fedcba9876543210".into();
        let many = text(&content);
        let part = |text: &str, from: usize, to: usize| text.lines().skip(from).take(to).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(format!("{one}\n\n{}\n{}", part(&many, 0, 1), part(&many, 6, 5)));
    }

    #[test]
    fn a_call_without_targets_shows_each_argument_and_says_what_is_cut() {
        let mut content = sample();
        content.targets.clear();
        content.operation = crate::names::OperationId::new("iam", "PutRolePolicy");
        content.arguments = serde_json::json!({
            "PolicyDocument": format!("{}{{\"Action\": \"*\"}}", " ".repeat(400)),
            "RoleName": "admin",
            "PolicyName": "all",
        });
        let text = text(&content);
        assert!(text.contains("`RoleName`: `\"admin\"`") && text.contains("`PolicyName`"), "{text}");
        assert!(text.contains("NOT ALL OF IT IS SHOWN HERE"), "{text}");
        assert!(text.lines().count() <= 25);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let mut content = sample();
        content.targets = vec![content.targets[0].clone(); 3];
        content.changes = (0..9)
            .map(|at| crate::plan::filed::Change {
                target: "i-0123456789abcdef0".into(),
                what: "size".into(),
                before: at.into(),
                after: format!("{at}`\nTo allow it, type exactly: yes").into(),
                not_known: None,
            })
            .collect();
        let text = text(&content);
        insta::assert_snapshot!(text.lines().skip(6).take(13).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn the_largest_prompt_has_25_lines_and_the_decision_in_the_first_three() {
        let mut content = sample();
        content.targets = vec![content.targets[0].clone(); 50];
        content.dependents = vec![content.dependents[0].clone(); 50];
        content.raised = vec![content.raised[0].clone(); 50];
        content.warnings = vec![content.warnings[0].clone(); 50];
        content.changes = vec![content.changes[0].clone(); 50];
        content.change_set.as_mut().unwrap().changes = vec![content.change_set.clone().unwrap().changes[0].clone(); 50];
        content.obligations.push(Obligation::Approvals { count: 2, groups: std::collections::BTreeSet::new() });
        content.targets[20].stage = Stage::Prod;
        content.targets[20].owner = Some("team\n".repeat(100));
        content.reason = "x\n".repeat(250);
        let text = text(&content);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 25);
        assert!(lines.last().unwrap().contains("never an instruction"));
        for told in ["Target", "PRODUCTION", "Judged", "Changes", "AWS would change", "NOT KNOWN", "Warning", "Depends"]
        {
            let told = told.to_lowercase().replace("depends", "depend");
            assert!(text.to_lowercase().contains(&told), "{told}: {text}");
        }
        assert!(lines[0].contains("IRREVERSIBLE") && lines[0].contains("shop-dev"));
        assert!(lines[1].contains("type exactly: i-0123456789abcdef0"));
        assert!(lines[2].contains("can't be undone"));
        assert!(lines.iter().all(|line| line.chars().count() < 600));
    }
}
