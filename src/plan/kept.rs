//! What is known of a plan only once it is carried out, or undone. None of it is under the plan's digest.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::{OperationId, PlanId};

/// What carrying a plan out has told. Sensitive values are redacted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Recovery points, in the plan's order, as far as their taking was begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<KeptPoint>,
    /// The undo's arguments that are known only after the call, by their JSON pointers; null for one that is left out.
    /// `None` where they could not be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<BTreeMap<String, Value>>,
    /// The targets' fingerprints right after the call, or after what it began was done; null for one that was gone. `None`
    /// where they could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<Value>>,
}

/// A recovery point whose taking was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptPoint {
    /// What it is.
    pub label: String,
    /// The target it is of.
    pub target: String,
    /// The name it was given.
    pub name: String,
    /// The operation that takes it.
    pub operation: OperationId,
    /// What AWS calls it: a text or a list of texts. `None` where AWS hasn't said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    /// True once it was seen to be usable.
    pub usable: bool,
}

impl fmt::Display for KeptPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::text::escape::quoted;
        let id = match &self.id {
            Some(Value::String(id)) => quoted(id, 200),
            Some(other) => quoted(&other.to_string(), 200),
            None => format!("named {}", quoted(&self.name, 60)),
        };
        let state = if self.usable { "usable" } else { "not seen to be usable" };
        write!(f, "{} of {}: {id} ({state})", self.label, quoted(&self.target, 80))
    }
}

/// What has become of undoing a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undone {
    /// How far it is.
    pub state: UndoState,
    /// The plan that undoes it.
    pub by: PlanId,
    /// What is different from before, or what stands in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// How far undoing a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UndoState {
    /// The inverse call is being made, or was accepted and its targets weren't compared yet.
    Undoing,
    /// Everything that the plan's manifest looks at is as it was before.
    Undone,
    /// The inverse call was made, and not everything is as it was before.
    Different,
    /// The inverse call failed, or nobody knows whether it was carried out.
    Stuck,
}

impl UndoState {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Undoing => "being undone",
            Self::Undone => "undone",
            Self::Different => "undone with differences",
            Self::Stuck => "STUCK",
        }
    }
}
