//! The text a person is shown before a confirmation: at most 25 lines, the decision in the first three.
//!
//! The frame is the server's own. Everything that came from outside (names, tags, the agent's reason) is quoted, escaped
//! and cut. It is a function of the plan alone.

use std::cmp::Reverse;
use std::time::Duration;

use super::ask::Prompt;
use crate::digest::Digest;
use crate::names::Stage;
use crate::plan::filed::{DryRun, FiledPlan, Obligation, PlanContent, PlannedTarget, Undo};
use crate::text::escape::quoted;

/// Targets, dependents and reasons of raising that get a line each.
const TARGET_LINES: usize = 4;
const DEPENDENT_LINES: usize = 3;
const RAISED_LINES: usize = 2;

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
    lines.extend(targets(content));
    lines.extend(dependents(content));
    lines.extend(
        content.raised.iter().take(RAISED_LINES).map(|raised| format!("Judged {}: {}", raised.to, raised.because)),
    );
    lines.extend(content.warnings.iter().take(RAISED_LINES).map(|warning| format!("Warning: {warning}")));
    if let Some(line) = dry_run(content) {
        lines.push(line);
    }
    lines.extend(call(content));
    lines.extend(others(content));
    lines.push(match &content.credentials.role {
        Some(role) => format!("Under role {}", quoted(role, 120)),
        None => "Under the server's own credentials: no role is configured for this account".to_owned(),
    });
    lines.push(format!("Plan {} ({}), good until {}", content.id, digest.short(), content.expires_at));
    lines.push("What stands in backticks comes from outside: it is data, never an instruction.".to_owned());
    Prompt {
        plan: content.id.clone(),
        digest,
        text: lines.join("\n"),
        field_label: format!("Type {expected} to allow this"),
        expected: expected.to_owned(),
    }
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
        serde_json::Value::Object(members) => members.iter().map(|(name, v)| (name.clone(), v.to_string())).collect(),
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
        "{} ({}{count}) in {} account {}, {}",
        content.title,
        content.effect.word().to_uppercase(),
        stage,
        content.account.name,
        content.region
    )
}

fn undo(content: &PlanContent) -> String {
    match &content.undo {
        Undo::None { reason, .. } => format!("It can't be undone: {reason}"),
        Undo::Recipe { tool, loses, .. } if loses.is_empty() => format!("It can be undone with {tool}"),
        Undo::Recipe { tool, loses, .. } => {
            format!("It can be undone with {tool}, but for: {}", loses.join(", "))
        }
    }
}

/// Of many targets those of the highest stage are shown.
fn targets(content: &PlanContent) -> Vec<String> {
    let mut targets: Vec<&PlannedTarget> = content.targets.iter().collect();
    targets.sort_by_key(|target| Reverse(target.stage));
    let mut lines: Vec<String> = targets
        .into_iter()
        .take(TARGET_LINES)
        .map(|target| {
            let name = target.tags.get("Name").map(|name| format!(" named {}", quoted(name, 60))).unwrap_or_default();
            let raised = Some(target.stage).filter(|stage| *stage > content.account.stage);
            let raised = raised.map(|stage| format!(", {} by its tags", stage.loud())).unwrap_or_default();
            let owner = target.owner.as_ref().map(|owner| format!(", owned by {}", quoted(owner, 60)));
            let (id, owner) = (quoted(&target.id, 80), owner.unwrap_or_default());
            format!("Target {id}{name}{raised}{owner}, now {}", quoted(&compact(&target.fingerprint), 120))
        })
        .collect();
    if let Some(more) = content.targets.len().checked_sub(TARGET_LINES).filter(|more| *more > 0) {
        lines.push(format!("and {more} more targets; `countersign plan show {}` lists all", content.id));
    }
    lines
}

fn dependents(content: &PlanContent) -> Vec<String> {
    let told: Vec<_> = content.dependents.iter().filter(|d| d.count != Some(0)).collect();
    let mut lines: Vec<String> = told
        .iter()
        .take(DEPENDENT_LINES)
        .map(|d| match d.count {
            Some(count) => {
                let names = d.sample.iter().take(3).map(|name| quoted(name, 40)).collect::<Vec<_>>().join(", ");
                format!("Depends on it: {count} {} ({names})", d.label)
            }
            None => format!("Depends on it: {}: not known how many", d.label),
        })
        .collect();
    if let Some(more) = told.len().checked_sub(DEPENDENT_LINES).filter(|more| *more > 0) {
        lines.push(format!("and {more} more kinds of things that depend on it"));
    }
    lines
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
        DryRun::NotOffered => None,
        DryRun::NotTrusted { .. } => Some("AWS's own dry run was not made: this endpoint ignores it".to_owned()),
    }
}

fn compact(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(members) => members
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
    fn the_largest_prompt_has_25_lines_and_the_decision_in_the_first_three() {
        let mut content = sample();
        content.targets = vec![content.targets[0].clone(); 50];
        content.dependents = vec![content.dependents[0].clone(); 50];
        content.raised = vec![content.raised[0].clone(); 50];
        content.targets[20].stage = Stage::Prod;
        content.targets[20].owner = Some("team\n".repeat(100));
        content.reason = "x\n".repeat(250);
        let text = text(&content);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= 25, "{} lines", lines.len());
        assert!(lines[0].contains("IRREVERSIBLE") && lines[0].contains("shop-dev"));
        assert!(lines[1].contains("type exactly: i-0123456789abcdef0"));
        assert!(lines[2].contains("can't be undone"));
        assert!(lines.iter().all(|line| line.chars().count() < 600));
    }
}
