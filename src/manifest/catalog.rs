//! `Catalog`: all tools there are, loaded once. It is whole or not at all: one bad manifest and the server doesn't start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::compile::{self, Draft, Facts, LISTS};
use super::family::Family;
use super::shelf::{Head, Shelved};
use super::shipped;
use super::spec::ToolSpec;
use crate::aws::iam::IamFacts;
use crate::aws::models::{Models, nearest};
use crate::config::ManifestsConfig;
use crate::digest::Digest;
use crate::document::folder::{self, Kind};
use crate::document::{self, Document, Language, Problems, Source};
use crate::names::OperationId;

/// Services that send the very requests of another: same endpoint, signing name, API version and operation names in
/// botocore's models. What is declared of the one is declared of the other.
const TWINS: [(&str, &str); 2] = [("docdb", "rds"), ("neptune", "rds")];

/// Files are compiled on so many threads at most.
const MOST_THREADS: usize = 2;

/// Files of manifests.
const MANIFESTS: Kind =
    Kind { one: "manifest", several: "manifests", endings: &["yaml", "yml"], beside: &["md"], beside_named: true };

/// All tools and families.
#[derive(Debug)]
pub struct Catalog {
    tools: BTreeMap<String, Shelved>,
    families: BTreeMap<String, Family>,
    declared: HashMap<OperationId, Vec<Declared>>,
    listed: BTreeSet<String>,
    iam: IamFacts,
    digest: Digest,
}

/// What a name stands for.
#[derive(Debug)]
pub enum Entry<'a> {
    /// A tool with a manifest of its own.
    Tool(&'a Arc<ToolSpec>),
    /// A family.
    Family(&'a Family),
}

/// The tool that declares an operation.
#[derive(Debug)]
pub(super) struct Declared {
    /// Its name.
    pub(super) tool: String,
    /// False where configuration switched it off. Its operation stays closed to families all the same.
    pub(super) offered: bool,
}

impl Catalog {
    /// Loads the shipped manifests and those of the configured folders; a folder's tool replaces the shipped one of its
    /// name. Everything that is wrong is told at once.
    ///
    /// The shipped ones are not held against the models again: they lie in this binary together with them, and a test has
    /// done it. Where there are no others each is compiled when it is first asked for. That keeps the start fast without
    /// trusting anything from outside.
    pub fn load(config: &ManifestsConfig, models: &Models, iam: &IamFacts) -> Result<Self, Problems> {
        let facts = Facts { models, iam };
        let mut problems = Problems::new();
        let mut own = from_folders(&config.folders, facts, &mut problems);
        // What replaces a shipped tool is listed as that is; what is new is listed.
        if !own.is_empty() {
            let heads: Vec<Head> = shipped::TOOLS.iter().filter_map(|(_, text)| Head::read(text)).collect();
            for Draft { tool, .. } in &mut own {
                let replaced = heads.iter().find(|head| head.name == tool.name);
                tool.core.get_or_insert(replaced.is_none_or(|head| head.core == Some(true)));
            }
        }
        let families = families(false, &mut problems);
        let tools = if own.is_empty() { shelved(&mut problems) } else { among_shipped(own, &mut problems) };
        if problems.is_empty() {
            let heads: Vec<&Head> = tools.iter().map(Shelved::head).collect();
            check_names(config, &heads, &families, &mut problems);
        }
        problems.or(())?;
        Self::assemble(config, tools, families, iam)
    }

    /// Everything that is wrong with some files or folders of manifests, held against all facts and the shipped tools.
    /// Gives the number of tools looked at.
    pub fn check(paths: &[PathBuf], models: &Models, iam: &IamFacts) -> Result<usize, Problems> {
        let facts = Facts { models, iam };
        let mut problems = Problems::new();
        let own = from_folders(paths, facts, &mut problems);
        let count = own.len();
        among_shipped(own, &mut problems);
        problems.or(count)
    }

    /// As [`Self::check`], for a manifest that is in no file yet. `path` is what it is called in problems.
    pub fn check_text(path: &str, text: &str, models: &Models, iam: &IamFacts) -> Result<(), Problems> {
        let mut problems = Problems::new();
        let own = compiled(vec![Source::new(path, text)], Some(Facts { models, iam }), &mut problems);
        among_shipped(own, &mut problems);
        problems.or(())
    }

    /// Holds every shipped manifest against all facts. Gives their number.
    pub fn check_shipped(models: &Models, iam: &IamFacts) -> Result<usize, Problems> {
        let mut problems = Problems::new();
        let drafts = compiled(shipped_sources(), Some(Facts { models, iam }), &mut problems);
        let families = families(true, &mut problems);
        let count = drafts.len() + families.len();
        if let Err(found) = compile::seal(drafts) {
            problems.extend(found);
        }
        problems.or(count)
    }

    fn assemble(
        config: &ManifestsConfig,
        all: Vec<Shelved>,
        families: Vec<Family>,
        iam: &IamFacts,
    ) -> Result<Self, Problems> {
        let offered = |name: &str| !config.disabled.iter().any(|off| off == name);
        let asked = |list: &str| config.toolsets.iter().any(|on| on == list);
        let listed = |tool: &Head| {
            let core = tool.core == Some(true) && (config.toolsets.is_empty() || asked("core"));
            core || asked("all") || asked(&tool.toolset)
        };
        let mut names: Vec<(String, Digest, bool)> = Vec::new();
        let (mut tools, mut shown, mut declared) = (BTreeMap::new(), BTreeSet::new(), HashMap::new());
        for shelved in all {
            let tool = shelved.head().clone();
            let offered = offered(&tool.name);
            names.push((tool.name.clone(), tool.digest, offered));
            let declaring: &mut Vec<Declared> = declared.entry(tool.operation.clone()).or_default();
            declaring.push(Declared { tool: tool.name.clone(), offered });
            // What is offered comes first, by name.
            declaring.sort_by(|a, b| (!a.offered, &a.tool).cmp(&(!b.offered, &b.tool)));
            if offered {
                if listed(&tool) {
                    shown.insert(tool.name.clone());
                }
                tools.insert(tool.name, shelved);
            }
        }
        let families: BTreeMap<String, Family> = families
            .into_iter()
            .filter(|family| offered(family.name()))
            .map(|family| (family.name().to_owned(), family))
            .collect();
        names.extend(families.values().map(|family| (family.name().to_owned(), family.digest(), true)));
        names.sort();
        let digest = Digest::of("countersign.catalog.v1", &names)
            .map_err(|error| Source::new("tool-manifests", "").problem(0..0, error.to_string(), "report it"))?;
        Ok(Self { tools, families, declared, listed: shown, iam: iam.clone(), digest })
    }

    /// What a tool's name stands for.
    pub fn entry(&self, name: &str) -> Option<Entry<'_>> {
        let tool = self.get(name).map(Entry::Tool);
        tool.or_else(|| self.families.get(name).map(Entry::Family))
    }

    /// A tool with a manifest of its own.
    pub fn get(&self, name: &str) -> Option<&Arc<ToolSpec>> {
        self.tools.get(name)?.spec()
    }

    /// The manifest of a tool or family, as it was written.
    pub fn manifest(&self, name: &str) -> Option<&str> {
        let tool = self.tools.get(name).map(Shelved::text);
        tool.or_else(|| self.families.get(name).map(Family::text))
    }

    /// All tools with a manifest of their own, by name. This compiles every one of them.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<ToolSpec>> {
        self.tools.values().filter_map(Shelved::spec)
    }

    /// What is known of all tools with a manifest of their own without compiling them, by name.
    pub fn heads(&self) -> impl Iterator<Item = &Head> {
        self.tools.values().map(Shelved::head)
    }

    /// True where a tool is made known to clients. Whatever isn't can be called all the same: by its name, or by its operation
    /// through a family. Families are always made known.
    pub fn is_listed(&self, name: &str) -> bool {
        self.listed.contains(name) || self.families.contains_key(name)
    }

    /// All families, by name.
    pub fn families(&self) -> impl Iterator<Item = &Family> {
        self.families.values()
    }

    /// The toolsets of all tools and families; each as often as it has some.
    pub fn toolsets(&self) -> impl Iterator<Item = &str> {
        let of_tools = self.tools.values().map(|tool| tool.head().toolset.as_str());
        of_tools.chain(self.families.values().map(Family::toolset))
    }

    /// Names of all tools and families.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().chain(self.families.keys()).map(String::as_str)
    }

    /// The tool that declares an operation, switched off or not; families refuse what is declared.
    pub fn declared(&self, operation: &OperationId) -> Option<&str> {
        self.declaration(operation).map(|declared| declared.tool.as_str())
    }

    /// The tools that declare an operation and are not switched off.
    pub fn declared_by(&self, operation: &OperationId) -> impl Iterator<Item = &Arc<ToolSpec>> {
        self.declaring(operation).iter().filter_map(|declared| self.get(&declared.tool))
    }

    pub(super) fn declaration(&self, operation: &OperationId) -> Option<&Declared> {
        self.declaring(operation).first()
    }

    /// All tools that declare an operation, those first that are not switched off.
    pub(super) fn declaring(&self, operation: &OperationId) -> &[Declared] {
        let declared = self.declared.get(operation).or_else(|| self.declared.get(&same_as(operation)?));
        declared.map(Vec::as_slice).unwrap_or_default()
    }

    /// The IAM facts it was made with.
    pub fn iam(&self) -> &IamFacts {
        &self.iam
    }

    /// Digest of all manifests, and of what is switched off.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// The operation of another service that sends the very same request; see [`TWINS`].
pub(super) fn same_as(operation: &OperationId) -> Option<OperationId> {
    let (_, service) = TWINS.iter().find(|(alias, _)| *alias == operation.service())?;
    Some(OperationId::new(*service, operation.name()))
}

fn shipped_sources() -> Vec<Source> {
    shipped::TOOLS.iter().map(|(path, text)| Source::new(*path, *text)).collect()
}

/// The shipped tools, not compiled yet.
fn shelved(problems: &mut Problems) -> Vec<Shelved> {
    let mut tools = Vec::new();
    for source in shipped_sources() {
        match Shelved::shipped(source.clone()) {
            Some(tool) => tools.push(tool),
            None => problems.push(source.problem(0..0, "its head can't be read", "report it")),
        }
    }
    tools
}

/// Manifests and the shipped ones that none of them replaces, held against each other.
fn among_shipped(own: Vec<Draft>, problems: &mut Problems) -> Vec<Shelved> {
    let replaced = |draft: &Draft| own.iter().any(|own| own.tool.name == draft.tool.name);
    let mut drafts: Vec<Draft> =
        compiled(shipped_sources(), None, problems).into_iter().filter(|draft| !replaced(draft)).collect();
    drafts.extend(own);
    match compile::seal(drafts) {
        Ok(tools) => tools.into_iter().map(|(tool, source)| Shelved::compiled(tool, source)).collect(),
        Err(found) => {
            problems.extend(found);
            Vec::new()
        }
    }
}

/// Compiles files, side by side. Their order stays.
fn compiled(sources: Vec<Source>, facts: Option<Facts<'_>>, problems: &mut Problems) -> Vec<Draft> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(MOST_THREADS));
    let share = sources.len().div_ceil(threads).max(1);
    let mut rest = sources.into_iter().peekable();
    let mut shares = Vec::new();
    while rest.peek().is_some() {
        shares.push(rest.by_ref().take(share).collect::<Vec<_>>());
    }
    let compile = |source| document::read(source, Language::Yaml).and_then(|document| Draft::compile(document, facts));
    let all = |share: Vec<Source>| share.into_iter().map(compile).collect::<Vec<_>>();
    let results: Vec<Result<Draft, Problems>> = std::thread::scope(|scope| {
        let own = shares.pop();
        let others: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| all(share))).collect();
        let own = own.map(all).unwrap_or_default();
        let lost = |_| {
            vec![Err(Problems::from(Source::new("manifests", "").problem(0..0, "reading them broke off", "report it")))]
        };
        others.into_iter().flat_map(|thread| thread.join().unwrap_or_else(lost)).chain(own).collect()
    });
    let mut drafts = Vec::new();
    for result in results {
        match result {
            Ok(draft) => drafts.push(draft),
            Err(found) => problems.extend(found),
        }
    }
    drafts
}

fn families(checked: bool, problems: &mut Problems) -> Vec<Family> {
    let compile = |(path, text): &(&str, &str)| -> Result<Family, Problems> {
        let document: Document = document::read(Source::new(*path, *text), Language::Yaml)?;
        Family::compile(&document, checked)
    };
    let results: Vec<_> = shipped::FAMILIES.iter().map(compile).collect();
    results.into_iter().filter_map(|result| result.map_err(|found| problems.extend(found)).ok()).collect()
}

/// Manifests of files and folders. A file that is no manifest is a problem: a misnamed one must not go unnoticed.
fn from_folders(paths: &[PathBuf], facts: Facts<'_>, problems: &mut Problems) -> Vec<Draft> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(folder::files(path, MANIFESTS, problems));
    }
    let mut sources = Vec::new();
    for file in files {
        match Source::load(&file) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    compiled(sources, Some(facts), problems)
}

/// Names in the configuration that mean nothing would leave something on that was meant to be off.
fn check_names(config: &ManifestsConfig, tools: &[&Head], families: &[Family], problems: &mut Problems) {
    let names = || tools.iter().map(|tool| tool.name.as_str()).chain(families.iter().map(Family::name));
    let toolsets = || {
        let of_families = families.iter().map(Family::toolset);
        tools.iter().map(|tool| tool.toolset.as_str()).chain(of_families).chain(LISTS)
    };
    let source = Source::new("countersign.toml", "");
    let mut check = |key: &str, kind: &str, wanted: &[String], known: Vec<&str>| {
        for (index, name) in wanted.iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str())) {
            let mend = match nearest(name, known.iter().copied()).first() {
                Some(best) => format!("did you mean `{best}`?"),
                None => "`countersign manifest list` names them all".to_owned(),
            };
            let message = format!("`{key}` in `[manifests]`: there is no {kind} `{name}`");
            problems.push(match config.places.get(&format!("/manifests/{key}/{index}")) {
                Some(place) => place.saying(message, mend),
                None => source.problem(0..0, message, mend),
            });
        }
    };
    check("disabled", "tool", &config.disabled, names().collect());
    check("toolsets", "toolset", &config.toolsets, toolsets().collect());
    for family in families {
        if tools.iter().any(|tool| tool.name == family.name()) {
            let message = format!("a tool has the family's name `{}`", family.name());
            problems.push(source.problem(0..0, message, "give the tool another name"));
        }
    }
}
