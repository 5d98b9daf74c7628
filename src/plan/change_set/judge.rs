//! How bad what a change set shows is. It can only raise the effect.

use super::data::{holds_data, holds_more, permits};
use super::{ChangeSet, ResourceChange};
use crate::names::Effect;
use crate::plan::filed::Raised;
use crate::text::escape::quoted;

/// Resources that are named in one reason.
const NAMED: usize = 3;

/// What of a change set raises the effect above `least`: for each worse effect one reason, the worst first.
pub fn raised(set: &ChangeSet, least: Effect) -> Vec<Raised> {
    let mut found = Vec::new();
    for to in [Effect::Irreversible, Effect::Destructive] {
        let of_this = |change: &&ResourceChange| of(change).is_some_and(|(effect, _)| effect == to);
        let changes: Vec<&ResourceChange> = set.changes.iter().filter(of_this).collect();
        if to > least && !changes.is_empty() {
            found.push(Raised { to, because: because(&changes) });
        }
    }
    found
}

/// What one change comes to, and why; `None` where it raises nothing.
pub(super) fn of(change: &ResourceChange) -> Option<(Effect, &'static str)> {
    let kind = change.kind.as_str();
    let data = holds_data(kind);
    // What goes with nobody saying that it is kept is gone.
    let kept = matches!(
        change.policy.as_deref(),
        Some("Retain" | "Snapshot" | "ReplaceAndRetain" | "ReplaceAndSnapshot" | "RetainExceptOnCreate")
    );
    let lost = if data && !kept { Effect::Irreversible } else { Effect::Destructive };
    match (change.action.as_str(), change.replacement.as_deref()) {
        ("Add" | "Import" | "Modify" | "SyncWithActual", None | Some("False")) if permits(kind) => {
            Some((Effect::Destructive, "changes who may do what"))
        }
        ("Add" | "Import", _) => None,
        ("Modify", _) if holds_more(kind) => {
            Some((Effect::Irreversible, "is a stack of its own, and what would change in it is not shown"))
        }
        ("Modify" | "SyncWithActual", None | Some("False")) => None,
        ("Modify" | "SyncWithActual", Some("True")) => Some((lost, "is replaced by another")),
        ("Modify" | "SyncWithActual", Some(_)) => Some((lost, "may be replaced by another")),
        ("Remove", _) if holds_more(kind) => Some((Effect::Irreversible, "is removed, a stack with all that is in it")),
        ("Remove", _) => Some((lost, "is removed")),
        _ => Some((lost, "has something done to it that is not known before")),
    }
}

fn because(changes: &[&ResourceChange]) -> String {
    let one = |change: &&ResourceChange| {
        let why = of(change).map(|(_, why)| why).unwrap_or_default();
        format!("{} ({}) {why}", quoted(&change.logical_id, 60), quoted(&change.kind, 60))
    };
    let named: Vec<String> = changes.iter().take(NAMED).map(one).collect();
    let more = match changes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more like that"),
    };
    format!("by AWS's change set {}{more}", named.join(", "))
}
