//! The audit record as `countersign audit export` writes it.

use serde_json::Value;

/// The events of a record, in order.
#[derive(Debug)]
pub(crate) struct Record {
    events: Vec<Value>,
}

impl Record {
    /// Takes the export's lines but for the last, which says where the chain ends.
    pub(crate) fn parse(export: &str) -> Self {
        let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        Self {
            events: lines.filter(|line| line.get("footer").is_none()).map(|mut line| line["event"].take()).collect(),
        }
    }

    /// What happened, of one kind, such as `refused`: the members of `what`.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().map(|event| &event["what"]).filter(|what| what["event"] == kind).collect()
    }

    /// How often something of a kind happened.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.of_kind(kind).len()
    }

    /// The kinds of all events, in order.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.events.iter().map(|event| event["what"]["event"].as_str().unwrap()).collect()
    }

    /// The codes of all refusals, in order.
    pub(crate) fn refusals(&self) -> Vec<&str> {
        self.of_kind("refused").into_iter().map(|what| what["code"].as_str().unwrap()).collect()
    }

    /// All events, with who asked and when.
    pub(crate) fn events(&self) -> &[Value] {
        &self.events
    }
}
