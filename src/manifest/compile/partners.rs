//! What tools say about each other: names are unique, and an undo is a tool that takes those arguments.

use std::collections::HashMap;

use super::Draft;
use crate::aws::models::nearest;
use crate::document::Problems;
use crate::manifest::spec::{Tool, UndoHow, UndoWay};
use crate::manifest::template::{Template, join_pointer};

/// Everything that is wrong between the tools.
pub(super) fn check(drafts: &[Draft]) -> Problems {
    let mut problems = Problems::new();
    let mut by_name: HashMap<&str, &Draft> = HashMap::new();
    for draft in drafts {
        let tool = &draft.tool;
        if let Some(other) = by_name.insert(&tool.name, draft) {
            let message =
                format!("the tool `{}` is declared in `{}` too", tool.name, other.document.source().path().display());
            problems.push(draft.problem("/tool", message, "give one of the two another name"));
        }
    }
    for draft in drafts {
        for (index, way) in draft.tool.undo.iter().enumerate() {
            undo(draft, &written_at(draft, index), way, &by_name, &mut problems);
        }
    }
    problems
}

/// Where a way to undo a call is written: alone, or in a list.
fn written_at(draft: &Draft, index: usize) -> String {
    let several = draft.document.value().get("undo").is_some_and(serde_json::Value::is_array);
    if several { format!("/undo/{index}") } else { "/undo".to_owned() }
}

fn undo(draft: &Draft, pointer: &str, way: &UndoWay, by_name: &HashMap<&str, &Draft>, problems: &mut Problems) {
    let UndoHow::Recipe { tool, with, .. } = &way.how else { return };
    match by_name.get(tool.as_str()) {
        Some(partner) => arguments(draft, pointer, with, &partner.tool, problems),
        None => {
            let mend = match nearest(tool, by_name.keys().copied()).first() {
                Some(best) => format!("did you mean `{best}`?"),
                None => "declare that tool too".to_owned(),
            };
            problems.push(draft.problem(&format!("{pointer}/tool"), format!("there is no tool `{tool}`"), mend));
        }
    }
}

fn arguments(draft: &Draft, pointer: &str, with: &Template, partner: &Tool, problems: &mut Problems) {
    let pointer = format!("{pointer}/with");
    let known = || partner.input.iter().map(|input| input.member.as_str());
    for member in with.members() {
        if !known().any(|name| name == member) {
            let mend = match nearest(member, known()).first() {
                Some(best) => format!("did you mean `{best}`?"),
                None => format!("it takes `{}`", known().collect::<Vec<_>>().join("`, `")),
            };
            let message = format!("`{}` takes no `{member}`", partner.name);
            problems.push(draft.document.problem_at_key(&join_pointer(&pointer, member), message, mend));
        }
    }
    for input in partner.input.iter().filter(|input| input.required) {
        if !with.members().any(|name| name == input.member) {
            let message = format!("`{}` needs `{}`", partner.name, input.member);
            problems.push(draft.document.problem_at_key(&pointer, message, format!("add `{}`", input.member)));
        }
    }
}
