//! What a plan changes, target by target, as far as the plan knows: what was read before, and what the call says.

use maud::{Markup, html};
use serde_json::Value;

use super::words::{LINE, code, code_line, json, name, prose, stage, value};
use crate::plan::filed::{Change, ChangeSet, PlanContent, PlannedTarget, ResourceChange};

/// Levels of a state that get rows of their own; what is deeper stands in one.
const DEEPEST: usize = 3;
/// Rows that are shown at once; the others can be unfolded.
const ROWS: usize = 14;
/// Targets that are shown unfolded.
const UNFOLDED: usize = 4;

/// One row of a difference.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// The member's path, such as `State.Name`.
    pub(crate) path: String,
    /// What there is now; `None` where the plan does not know it.
    pub(crate) before: Option<Value>,
    /// What the call says it should be; `None` where the call does not speak of it.
    pub(crate) after: Option<Value>,
}

/// The rows of a target: what the call says, beside what is there, then the rest of what is watched.
pub(crate) fn rows(target: &PlannedTarget, all: &[PlannedTarget], arguments: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut told = Vec::new();
    for (path, after) in leaves(arguments) {
        if names(&after, target, all) {
            continue;
        }
        let before = find(&target.state, &path).or_else(|| find(&target.fingerprint, &path));
        told.push(path.to_lowercase());
        rows.push(Row { path, before, after: Some(after) });
    }
    let known = leaves(&target.fingerprint);
    rows.extend(known.into_iter().filter(|(path, _)| !told.contains(&path.to_lowercase())).map(|(path, before)| Row {
        path,
        before: Some(before),
        after: None,
    }));
    rows
}

/// The section of what changes.
pub(crate) fn section(content: &PlanContent) -> Markup {
    html! {
        section.changes aria-labelledby="changes" {
            h2 #changes { "What changes" span.count { (content.targets.len()) } }
            p.lead {
                (code_line(&content.operation.to_string(), 80)) " is called once"
                @match content.targets.len() {
                    0 => ". It names no targets of its own: judge it by its arguments.",
                    1 => " and acts on this target.",
                    _ => " and acts on these targets.",
                }
                @if !content.targets.is_empty() && content.targets.iter().all(|target| says_nothing(target, content)) {
                    " The call says only which: what happens to them is the operation itself."
                }
            }
            @if let Some(set) = &content.change_set { (change_set(set)) }
            @if content.targets.is_empty() {
                div.target { h3 { "Arguments" } (table(&arguments_only(&content.arguments))) }
            }
            @for (at, target) in content.targets.iter().enumerate() {
                @if content.targets.len() > UNFOLDED {
                    details.target open[at < UNFOLDED - 1] {
                        summary { (head(target)) }
                        (body(target, content))
                    }
                } @else {
                    article.target { (head(target)) (body(target, content)) }
                }
            }
        }
    }
}

fn head(target: &PlannedTarget) -> Markup {
    html! { h3 { (code_line(&target.id, 100)) @if let Some(named) = target.tags.get("Name") { " " span.called { (super::words::prose_line(named, 80)) } } } }
}

fn body(target: &PlannedTarget, content: &PlanContent) -> Markup {
    let rows = rows(target, &content.targets, &content.arguments);
    let (shown, folded) = rows.split_at(rows.len().min(ROWS));
    html! {
        div.arn { (code(&target.arn, LINE)) }
        @if target.stage > content.account.stage {
            p.note.warn { (stage(target.stage)) " by its tags; its account is " (content.account.stage) "." }
        }
        @if target.protected { p.note { strong { "Protected from deletion." } } }
        @if let Some(owner) = &target.owner { p.note { "Owner: " (name(owner)) } }
        (declared(target, content))
        (table(shown))
        @if !folded.is_empty() {
            details { summary { "Show " (super::words::count(folded.len(), "more row", "more rows")) } (table(folded)) }
        }
        @if !target.tags.is_empty() {
            dl.tagged aria-label="Tags" {
                @for (key, tag) in &target.tags {
                    div { dt { (code_line(key, 60)) } dd { (prose(tag, 80)) } }
                }
            }
        }
        details { summary { "Its whole state, as it was read" } (json(&target.state)) }
    }
}

/// What the manifest says changes, and how.
fn declared(target: &PlannedTarget, content: &PlanContent) -> Markup {
    let rows: Vec<&Change> = content.changes.iter().filter(|row| row.target == target.id).collect();
    html! {
        @if !rows.is_empty() {
            table.diff.declared {
                thead { tr { th scope="col" { "What changes" } th scope="col" { "Now" } th scope="col" { "Then" } } }
                tbody {
                    @for row in rows {
                        tr.change {
                            th scope="row" { (super::words::prose_line(&row.what, 80)) }
                            @if let Some(why) = row.not_known.as_ref().filter(|_| !row.is_hidden()) {
                                td.before colspan="2" { strong.bad { "Not known: " } (super::words::prose_line(why, LINE)) }
                            } @else {
                                td.before.known data-label="Now" { span.sign { "−" span.hidden { " before: " } } (side(&row.before)) }
                                td.after data-label="Then" {
                                    span.sign { "+" span.hidden { " after: " } } (side(&row.after))
                                    @if row.is_hidden() { " " strong.bad { (crate::plan::changes::HIDDEN) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn side(side: &Value) -> Markup {
    html! { @if side.is_null() { span.none { "none" } } @else { (value(side, LINE)) } }
}

/// What AWS says would happen to each resource, the worst first.
fn change_set(set: &ChangeSet) -> Markup {
    let changes = set.worst_first();
    let (shown, folded) = changes.split_at(changes.len().min(ROWS));
    html! {
        div.target {
            h3 { "By AWS’s change set: " (super::words::prose_line(&set.counts(), 200)) }
            p.note { "It was made for this preview and is deleted again. What changes inside a nested stack is not shown by it." }
            (resources(shown))
            @if !folded.is_empty() {
                details { summary { "Show " (super::words::count(folded.len(), "more resource", "more resources")) } (resources(folded)) }
            }
        }
    }
}

fn resources(changes: &[&ResourceChange]) -> Markup {
    html! {
        table.diff {
            thead { tr { th scope="col" { "Resource" } th scope="col" { "What happens" } th scope="col" { "Type and name" } } }
            tbody {
                @for change in changes {
                    tr.change[change.loses()] {
                        th scope="row" { (code_line(&change.logical_id, 80)) }
                        td.before data-label="What happens" {
                            (code_line(&change.action, 20))
                            @match change.replacement.as_deref() {
                                Some("True") => { ", " strong.bad { "replaced by another" } },
                                Some("Conditional") => { ", " strong.bad { "perhaps replaced by another" } },
                                _ => {},
                            }
                            @if let Some(policy) = &change.policy { ", policy " (code_line(policy, 30)) }
                            @if !change.scope.is_empty() { ", in " (code_line(&change.scope.join(" "), 60)) }
                            @if !change.properties.is_empty() { ": " (code_line(&change.properties.join(" "), 200)) }
                        }
                        td.after data-label="Type and name" {
                            (code_line(&change.kind, 80))
                            @if let Some(id) = &change.physical_id { " " (code_line(id, 120)) }
                            @if !change.names.is_empty() { ", to be named " (code_line(&change.names.join(" "), 120)) }
                        }
                    }
                }
            }
        }
    }
}

fn table(rows: &[Row]) -> Markup {
    let says = rows.iter().any(|row| row.after.is_some());
    html! {
        table.diff {
            thead { tr { th scope="col" { "Member" } th scope="col" { "Now" } @if says { th scope="col" { "The call says" } } } }
            tbody { @for row in rows { (table_row(row, says)) } }
        }
    }
}

fn table_row(row: &Row, says: bool) -> Markup {
    let change = changes(row);
    html! {
        tr.change[change] {
            th scope="row" { (code_line(&row.path, 80)) }
            td.before.known[row.before.is_some()] data-label="Now" {
                @match &row.before {
                    Some(before) => {
                        @if change { span.sign { "−" span.hidden { " before: " } } }
                        (value(before, LINE))
                    }
                    None => span.none { "not known" },
                }
            }
            @if says {
                td.after data-label="The call says" {
                    @match &row.after {
                        Some(after) if change => { span.sign { "+" span.hidden { " after: " } } (value(after, LINE)) },
                        Some(_) => span.none { "the same" },
                        None => span.none { "—" span.hidden { "nothing" } },
                    }
                }
            }
        }
    }
}

fn says_nothing(target: &PlannedTarget, content: &PlanContent) -> bool {
    rows(target, &content.targets, &content.arguments).iter().all(|row| row.after.is_none())
}

fn changes(row: &Row) -> bool {
    row.after.is_some() && row.before != row.after
}

fn arguments_only(arguments: &Value) -> Vec<Row> {
    leaves(arguments).into_iter().map(|(path, after)| Row { path, before: None, after: Some(after) }).collect()
}

/// True where an argument does nothing but name the target, alone or among `all` of the call's.
fn names(argument: &Value, target: &PlannedTarget, all: &[PlannedTarget]) -> bool {
    let is = |item: &Value, target: &PlannedTarget| item.as_str().is_some_and(|t| t == target.id || t == target.arn);
    match argument {
        Value::String(_) => is(argument, target),
        Value::Array(items) => {
            items.iter().any(|item| is(item, target))
                && items.iter().all(|item| all.iter().any(|other| is(item, other)))
        }
        _ => false,
    }
}

/// The parts of a value with their paths; lists stay whole.
fn leaves(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    descend(String::new(), value, DEEPEST, &mut found);
    found
}

fn descend(path: String, value: &Value, deepest: usize, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) if deepest > 0 && !members.is_empty() => {
            for (key, inner) in members {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                descend(at, inner, deepest - 1, found);
            }
        }
        _ => found.push((path, value.clone())),
    }
}

/// What a state holds at a path, whatever the case of its names.
fn find(state: &Value, path: &str) -> Option<Value> {
    let mut at = state;
    for key in path.split('.') {
        let members = at.as_object()?;
        at = members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, inner)| inner)?;
    }
    Some(at.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::filed::tests::sample;

    #[test]
    fn what_the_call_says_stands_beside_what_is_there() {
        let mut target = sample().targets.remove(0);
        target.id = "orders".into();
        target.state = json!({ "MultiAZ": true, "Scaling": { "Min": 1, "Max": 4 }, "Class": "db.m7g.large" });
        target.fingerprint = json!({ "multiAZ": true, "status": "available" });
        let arguments = json!({ "Name": "orders", "MultiAZ": false, "Scaling": { "Min": 0 }, "Skip": true, "Class": "db.m7g.large" });
        let told: Vec<String> = rows(&target, std::slice::from_ref(&target), &arguments)
            .iter()
            .map(|row| {
                format!(
                    "{} {:?} -> {:?} {}",
                    row.path,
                    row.before.as_ref().map(Value::to_string),
                    row.after.as_ref().map(Value::to_string),
                    changes(row)
                )
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        MultiAZ Some("true") -> Some("false") true
        Scaling.Min Some("1") -> Some("0") true
        Skip None -> Some("true") true
        Class Some("\"db.m7g.large\"") -> Some("\"db.m7g.large\"") false
        status Some("\"available\"") -> None false
        "#);
    }
}
