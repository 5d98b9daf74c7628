//! Cases as they are written: requests, and what policies shall say of them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::asked::Asked;
use crate::config::Profile;
use crate::document::{self, Document, Language, Problems, Source};
use crate::policy::obligations::Needs;

/// The JSON Schema of a file of cases, for editors and for checks.
pub(super) fn schema() -> Value {
    document::schema::of::<Cases>("https://countersign.dev/schemas/policy-test.schema.json")
}

/// Cases for policies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Policy test")]
pub(super) struct Cases {
    /// The shipped profile. Default: the configuration's.
    pub(super) profile: Option<Profile>,
    /// Files and folders of policies, from this file's folder on. Default: the configuration's.
    pub(super) policies: Option<Vec<String>>,
    /// What every request says that does not say otherwise.
    #[serde(default)]
    #[expect(dead_code, reason = "laid under every request before it is read into its type; here for the schema")]
    defaults: Asked,
    /// The cases.
    #[schemars(length(min = 1))]
    pub(super) cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What is held true, such as `nobody destroys what is protected`.
    #[schemars(length(min = 1, max = 160))]
    pub(super) name: String,
    /// The request.
    pub(super) request: Asked,
    /// What policies say of it with the consent it names.
    pub(super) expect: Option<Expected>,
    /// What it takes to have it permitted, all of it.
    pub(super) needs: Option<ExpectedNeeds>,
    /// Policies that forbid it, among others.
    #[serde(default)]
    pub(super) forbidden_by: BTreeSet<String>,
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Expected {
    /// Permitted, with the consent there is.
    Permit,
    /// Denied, with the consent there is.
    Deny,
    /// Denied, whatever consent there is.
    Never,
}

/// What a call takes. What isn't named it doesn't take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExpectedNeeds {
    preview: bool,
    confirmation: bool,
    approvals: u32,
    groups: BTreeSet<String>,
    ticket: bool,
    window: bool,
    person: bool,
}

impl ExpectedNeeds {
    /// What a call takes.
    pub(super) fn of(needs: &Needs) -> Self {
        Self {
            preview: needs.preview,
            confirmation: needs.confirmation,
            approvals: needs.approvals,
            groups: needs.groups.clone(),
            ticket: needs.ticket,
            window: needs.window,
            person: needs.person,
        }
    }

    /// For people.
    pub(super) fn said(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        let mut add = |there: bool, words: &str| said.extend(there.then(|| words.to_owned()));
        add(self.preview, "a preview");
        add(self.confirmation, "a confirmation");
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let by = match (self.approvals, groups.is_empty()) {
            (_, true) => String::new(),
            (0 | 1, false) => format!(" by somebody of the group {}", groups.join(" and ")),
            (_, false) => format!(" with somebody of the group {} among them", groups.join(" and ")),
        };
        match self.approvals {
            0 if groups.is_empty() => {}
            0 | 1 => add(true, &format!("one approval{by}")),
            2 => add(true, &format!("two approvals{by}")),
            many => add(true, &format!("{many} approvals{by}")),
        }
        add(self.ticket, "a ticket");
        add(self.window, "an open change window");
        add(self.person, "a person who applies it");
        match said.split_last() {
            None => "nothing".to_owned(),
            Some((only, [])) => only.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    }
}

/// Reads a file of cases. What is wrong with it is told all at once.
pub(super) fn read(source: Source) -> Result<Cases, Problems> {
    let document = document::read(source, Language::Yaml)?;
    document::schema::check(&document, &schema()).or(())?;
    let mut problems = Problems::new();
    let raw: Cases = document.parse()?;
    for (index, case) in raw.cases.iter().enumerate() {
        let pointer = format!("/cases/{index}");
        if case.expect.is_none() && case.needs.is_none() && case.forbidden_by.is_empty() {
            let mend = "add `expect: permit`, `deny` or `never`, or `needs`";
            problems.push(document.problem(&pointer, "this case expects nothing", mend));
        }
        if raw.cases.iter().take(index).any(|earlier| earlier.name == case.name) {
            let mend = "give it a name of its own";
            problems.push(document.problem(&format!("{pointer}/name"), "a case of this name is there already", mend));
        }
    }
    let cases = with_defaults(&document).map_err(|error| {
        Problems::from(document.problem("/defaults", error.to_string(), "write it as in a request"))
    })?;
    problems.or(Cases { cases, ..raw })
}

/// The cases, with the defaults filled in member by member.
fn with_defaults(document: &Document) -> Result<Vec<Case>, serde_json::Error> {
    let mut whole = document.value().clone();
    let defaults = whole.get("defaults").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let cases = whole.get_mut("cases").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    cases
        .into_iter()
        .map(|mut case| {
            if let Some(request) = case.get_mut("request") {
                let mut filled = defaults.clone();
                lay_over(&mut filled, request.take());
                *request = filled;
            }
            serde_json::from_value(case)
        })
        .collect()
}

fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                match below.get_mut(&key) {
                    Some(there) => lay_over(there, value),
                    None => {
                        below.insert(key, value);
                    }
                }
            }
        }
        (below, above) => *below = above,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Stage;

    #[test]
    fn defaults_are_filled_in_member_by_member() {
        let text = "defaults:\n  roles: [operator]\n  resource: {stage: prod, tags: {a: b}}\ncases:\n  - name: x\n    \
                    request: {tool: t, resource: {protected: true}}\n    expect: deny\n";
        let cases = read(Source::new("cases.yaml", text)).unwrap();
        let request = &cases.cases[0].request;
        assert_eq!(request.resource.stage, Some(Stage::Prod));
        assert!(request.resource.protected && request.resource.tags.contains_key("a"));
        assert_eq!(request.roles.as_deref(), Some(&["operator".to_owned()][..]));
        assert!(request.circumstances.window_open);
    }

    #[test]
    fn slips_are_told_with_their_place() {
        let text = "cases:\n  - name: x\n    request: {tool: t, acount: prod}\n    expect: alow\n  - name: x\n    request: {}\n";
        insta::assert_snapshot!(read(Source::new("cases.yaml", text)).unwrap_err().to_string());
        let text =
            "cases:\n  - name: x\n    request: {tool: t}\n  - name: x\n    request: {tool: t}\n    expect: deny\n";
        insta::assert_snapshot!(read(Source::new("cases.yaml", text)).unwrap_err().to_string());
    }

    #[test]
    fn the_schema_for_editors_is_as_generated() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/policy-test.schema.json");
        let generated = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(there, generated, "write it with `UPDATE_SCHEMAS=1 cargo test`");
    }
}
