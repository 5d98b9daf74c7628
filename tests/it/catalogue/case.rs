//! A case: how a tool is tried, as `tests/catalogue/<service>.yaml` says it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign::document::{self, Language, Source};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::repository;

/// One tool, tried once. A tool may have several cases, each `about` something.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) tool: String,
    /// What this case is about, where the tool has more than one.
    pub(super) about: Option<String>,
    /// The cloud it is tried before.
    pub(super) cloud: Option<CloudName>,
    /// Calls made as an administrator first, in order.
    #[serde(default)]
    pub(super) given: Vec<Step>,
    /// What the agent passes, without account, region and reason.
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
    #[serde(default)]
    pub(super) expect: Expect,
    /// Reads whose answer (at `look`) is the same before and after the call.
    #[serde(default)]
    pub(super) bystander: Vec<Step>,
    /// What holds after the call.
    #[serde(default)]
    pub(super) after: Vec<Step>,
    /// What comes of undoing it.
    pub(super) undo: Option<Undone>,
    /// What holds after the undo.
    #[serde(default)]
    pub(super) undone: Vec<Step>,
    /// Why it is previewed and not applied here.
    pub(super) not_applied: Option<String>,
    /// Why it is applied and not undone here, although the manifest says how.
    pub(super) not_undone: Option<String>,
    /// Why it is not tried at all.
    pub(super) not_run: Option<String>,
}

/// A local cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CloudName {
    Ministack,
    Moto,
}

impl CloudName {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ministack => "ministack",
            Self::Moto => "moto",
        }
    }
}

/// A call made as an administrator, past the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// The operation.
    pub(super) call: String,
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// Parts of the answer (JMESPath), kept under names.
    #[serde(rename = "as", default)]
    pub(super) keep: BTreeMap<String, String>,
    /// JMESPath over the answer; the call is repeated until it is true, for at most half a minute.
    #[serde(alias = "holds")]
    pub(super) until: Option<String>,
    /// Error codes, one of which is expected (`after`, `undone`: repeated until it comes) or does not matter (`given`).
    #[serde(default)]
    pub(super) error: Vec<String>,
    /// JMESPath over the answer: what of it counts.
    pub(super) look: Option<String>,
}

/// What the preview and the answer say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// The effect, as the preview judges it.
    pub(super) effect: Option<String>,
    /// Parts of reasons why it was raised.
    #[serde(default)]
    pub(super) raised: Vec<String>,
    /// Parts of warnings.
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    /// How many of each dependent.
    #[serde(default)]
    pub(super) dependents: BTreeMap<String, u64>,
    /// Rows of what changes: before and after.
    #[serde(default)]
    pub(super) changes: BTreeMap<String, [Value; 2]>,
    /// JMESPath over the answer of a read, or of the call that was applied, that is true.
    pub(super) result: Option<String>,
}

/// What comes of undoing a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Undone {
    /// The targets' fingerprints are as they were.
    Back,
    /// It is applied, and something stays different.
    Done,
    /// The manifest says why there is no undo.
    None,
}

/// The cases of one file.
#[derive(Debug)]
pub(super) struct Service {
    /// The file's name without its ending: the folder of the manifests.
    pub(super) name: String,
    pub(super) cases: Vec<Case>,
}

impl Case {
    /// What it is called where something is told about it.
    pub(super) fn title(&self) -> String {
        match &self.about {
            Some(about) => format!("{} ({about})", self.tool),
            None => self.tool.clone(),
        }
    }

    /// What is wrong with the case itself.
    pub(super) fn slips(&self) -> Vec<&'static str> {
        let mut slips = Vec::new();
        let mut needs = |holds: bool, slip| {
            if !holds {
                slips.push(slip);
            }
        };
        let tried = !self.given.is_empty() || !self.arguments.is_empty() || self.cloud.is_some();
        needs(self.not_run.is_none() || !tried, "has `not_run` and says how it is run");
        needs(self.not_run.is_some() || self.cloud.is_some(), "names no `cloud` and has no `not_run`");
        let whys = [&self.not_run, &self.not_applied, &self.not_undone];
        needs(whys.iter().all(|why| why.as_ref().is_none_or(|why| why.len() > 20)), "gives no reason");
        needs(self.not_applied.is_none() || self.undo.is_none(), "is not applied, so it can't be undone");
        needs(self.bystander.iter().all(|step| step.error.is_empty()), "has a bystander that fails");
        let judges = |step: &Step| step.until.is_some() || !step.error.is_empty();
        needs(self.after.iter().chain(&self.undone).all(judges), "has a step after it that says nothing");
        slips
    }
}

/// The folder of the cases: the repository's, or that of `COUNTERSIGN_CASE_FOLDER`.
pub(super) fn folder() -> PathBuf {
    std::env::var_os("COUNTERSIGN_CASE_FOLDER").map_or_else(|| repository().join("tests/catalogue"), PathBuf::from)
}

/// All cases, by service; files that can't be read are told with their place.
pub(super) fn load(folder: &Path) -> Result<Vec<Service>, String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let mut problems = Vec::new();
    let mut services = Vec::new();
    for file in files {
        match read(&file) {
            Ok(service) => services.push(service),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(services) } else { Err(problems.join("\n")) }
}

fn read(file: &Path) -> Result<Service, String> {
    let source = Source::load(file).map_err(|problem| problem.to_string())?;
    let document = document::read(source, Language::Yaml).map_err(|problems| problems.to_string())?;
    let list = document.value().as_array().ok_or_else(|| format!("{}: is no list of cases", file.display()))?;
    let mut cases = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let tool = value["tool"].as_str().unwrap_or("?");
        let case: Case = serde_json::from_value(value.clone())
            .map_err(|error| format!("{}: case {} (`{tool}`): {error}", file.display(), index + 1))?;
        cases.push(case);
    }
    Ok(Service { name: file.file_stem().unwrap().to_str().unwrap().to_owned(), cases })
}
