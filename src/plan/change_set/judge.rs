//! How bad what a change set shows is. It can only raise the effect.

use super::data::{guards, holds_data, holds_more, is_guard, permits};
use super::{Anew, AnewMakes, ChangeSet, ResourceChange, UNNAMED};
use crate::names::{Effect, StepKind};
use crate::plan::chain::PlannedStep;
use crate::plan::filed::Raised;
use crate::text::escape::quoted;

/// Resources, or properties, that are named in one reason.
const NAMED: usize = 3;

/// AWS's word for a resource's properties in the scope of a change.
const PROPERTIES: &str = "Properties";

/// What changes of a resource without anything being lost or opened. All other words of a scope, policies of what becomes of
/// the resource and words that AWS may add, are more than that.
const HARMLESS: [&str; 3] = ["CreationPolicy", "Metadata", "Tags"];

/// Attributes that keep what a resource holds when it goes.
const KEEPING: [&str; 2] = ["DeletionPolicy", "UpdateReplacePolicy"];

const PERMITS: &str = "changes who may do what";

/// What of a change set raises the effect above `least`: for each worse effect one reason, the worst first.
pub fn raised(set: &ChangeSet, least: Effect) -> Vec<Raised> {
    let mut found = Vec::new();
    if let Some(Anew { what, makes }) = &set.anew {
        let (to, then) = match makes {
            AnewMakes::Anything => (Effect::Irreversible, ""),
            AnewMakes::Values => (Effect::Destructive, ", and a value that is a name replaces its resource"),
        };
        let because = format!(
            "what is shown may not be what is done: the template has {what}, which is worked out anew when the update is \
             carried out{then}"
        );
        found.extend((to > least).then_some(Raised { to, because }));
    }
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
pub(super) fn of(change: &ResourceChange) -> Option<(Effect, String)> {
    let (effect, why) = match change.action.as_str() {
        _ if holds_more(&change.kind) => {
            (Effect::Irreversible, "runs code or has resources of its own, and what would change there is not shown")
        }
        "Add" | "Import" if permits(&change.kind) => (Effect::Destructive, PERMITS),
        "Add" | "Import" => return None,
        "Modify" | "SyncWithActual" => return modified(change),
        "Remove" => (lost(change), "is removed"),
        _ => (lost(change), "has something done to it that is not known before"),
    };
    Some((effect, why.to_owned()))
}

/// The steps that the changes are, each of the thing by its name at AWS, or by the name that it would get.
pub fn steps(set: &ChangeSet) -> Vec<PlannedStep> {
    set.changes.iter().flat_map(steps_of).collect()
}

fn steps_of(change: &ResourceChange) -> Vec<PlannedStep> {
    let to = |is: StepKind| PlannedStep { is, of: change.physical_id.as_ref().unwrap_or(&change.logical_id).clone() };
    match change.action.as_str() {
        // What is imported was there before.
        "Import" => Vec::new(),
        "Add" => change.names.iter().map(|name| PlannedStep { is: StepKind::Create, of: name.clone() }).collect(),
        "Remove" if change.policy.as_deref().is_some_and(|policy| policy.starts_with("Retain")) => {
            vec![to(StepKind::Detach)]
        }
        "Remove" => vec![to(StepKind::Delete)],
        "Modify" | "SyncWithActual" => {
            let replaced = change.may_be_replaced().then_some(StepKind::Replace);
            let renamed = change.names.iter().map(|name| PlannedStep { is: StepKind::Create, of: name.clone() });
            let renamed = renamed.filter(|_| replaced.is_some());
            replaced.into_iter().chain(weakened(change)).map(to).chain(renamed).collect()
        }
        _ => vec![to(StepKind::Replace)],
    }
}

/// What a change takes from what guards the resource. What AWS doesn't say which way it goes, is taken for the worse.
fn weakened(change: &ResourceChange) -> Option<StepKind> {
    let protects = |word: &str| word.to_lowercase().contains("protect");
    let keeps = |word: &String| KEEPING.contains(&word.as_str());
    if change.scope.iter().any(keeps) || change.guards().any(protects) {
        return Some(StepKind::Unprotect);
    }
    let weakens = change.guards().next().is_some()
        || holds_more(&change.kind)
        || (change.changes_properties() && (permits(&change.kind) || guards(&change.kind)));
    weakens.then_some(StepKind::Weaken)
}

/// What a modification comes to.
fn modified(change: &ResourceChange) -> Option<(Effect, String)> {
    match change.replacement.as_deref() {
        Some("False") => {}
        Some("True") => return Some((lost(change), "is replaced by another".to_owned())),
        _ => return Some((lost(change), "may be replaced by another".to_owned())),
    }
    let quoted_all = |words: &[&str]| words.iter().map(|word| quoted(word, 60)).collect::<Vec<_>>().join(", ");
    let policies: Vec<&str> = change
        .scope
        .iter()
        .map(String::as_str)
        .filter(|word| !HARMLESS.contains(word) && *word != PROPERTIES)
        .collect();
    if !policies.is_empty() {
        return Some((Effect::Destructive, format!("has its {} changed", quoted_all(&policies))));
    }
    if !change.changes_properties() {
        return None;
    }
    let of_guard: Vec<&str> = change.guards().take(NAMED).collect();
    let why = match () {
        () if !of_guard.is_empty() => format!("has changed what guards it: {}", quoted_all(&of_guard)),
        () if permits(&change.kind) => PERMITS.to_owned(),
        () if guards(&change.kind) => "guards other things, and is changed".to_owned(),
        () if holds_data(&change.kind) => "may hold data, and is changed".to_owned(),
        () if change.properties.is_empty() || change.properties.iter().any(|name| name == UNNAMED) => {
            "has properties changed that AWS does not name".to_owned()
        }
        () => return None,
    };
    Some((Effect::Destructive, why))
}

impl ResourceChange {
    /// True for a modification that AWS doesn't say leaves the resource in its place.
    pub fn may_be_replaced(&self) -> bool {
        self.replacement.as_deref() != Some("False")
    }

    /// True where properties other than tags change, or AWS doesn't say what does.
    fn changes_properties(&self) -> bool {
        let tags_alone = !self.properties.is_empty() && self.properties.iter().all(|name| is_tags(name));
        self.scope.is_empty() || (self.scope.iter().any(|word| word == PROPERTIES) && !tags_alone)
    }

    /// The changed properties that guard it.
    fn guards(&self) -> impl Iterator<Item = &str> {
        self.properties.iter().map(String::as_str).filter(|name| is_guard(name))
    }
}

/// True for a property that holds tags alone, such as `Tags` or `UserPoolTags`.
fn is_tags(property: &str) -> bool {
    property.ends_with("Tags")
}

/// The effect of the loss of the resource as it is. What goes with nobody saying that it is kept is gone.
fn lost(change: &ResourceChange) -> Effect {
    if holds_data(&change.kind) && !kept(change) { Effect::Irreversible } else { Effect::Destructive }
}

/// True where the resource that goes, or a copy of it, stays outside of the stack.
fn kept(change: &ResourceChange) -> bool {
    matches!(
        change.policy.as_deref(),
        Some("Retain" | "Snapshot" | "ReplaceAndRetain" | "ReplaceAndSnapshot" | "RetainExceptOnCreate")
    )
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
