//! Known ways to more permissions: sets of actions that, held together, let their holder become somebody mightier.
//!
//! The public list of pathfinding.cloud as `data/escalation.json`, made by `scripts/escalation.py`.

use std::collections::BTreeMap;

use serde::Deserialize;

static TABLE: &str = include_str!("../../../data/escalation.json");

/// A known way to more permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscalationPath {
    /// Its name in the public list, such as `lambda-001`.
    pub id: String,
    /// The actions it needs, all of them.
    pub needs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    source: String,
    #[serde(rename = "commit")]
    _commit: String,
    paths: BTreeMap<String, Vec<String>>,
}

impl EscalationPath {
    /// Where it is described.
    pub fn page(&self) -> String {
        Self::page_of(&self.id)
    }

    /// Where the path of that name is described.
    pub fn page_of(id: &str) -> String {
        format!("https://pathfinding.cloud/paths/{id}")
    }

    /// True where every action it needs is allowed.
    pub fn is_within(&self, allows: impl Fn(&str) -> bool) -> bool {
        !self.needs.is_empty() && self.needs.iter().all(|action| allows(action))
    }
}

/// All known paths, by name. An error means that the binary is damaged.
pub(super) fn table() -> Result<Vec<EscalationPath>, String> {
    let table: Table = serde_json::from_str(TABLE).map_err(|error| error.to_string())?;
    if table.paths.is_empty() || table.source.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(table.paths.into_iter().map(|(id, needs)| EscalationPath { id, needs }).collect())
}
