//! `docs/tools.md`: every tool, its effect, how it is undone and where it was run. Written from manifests and cases, and held
//! against what really ran.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use super::case::{self, Case, CloudName, Undone};
use super::manifests::{self, Manifest};
use crate::support::repository;

/// The file.
pub(crate) const FILE: &str = "docs/tools.md";

/// How to write it anew.
pub(crate) const MEND: &str = "write it with `make tools`";

/// How many tools there are, and of how many it was tried that they work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) tools: usize,
    pub(super) services: usize,
    /// Read or applied for real.
    pub(super) run: usize,
    /// Of these, how many were undone with `undo_plan`.
    pub(super) undone: usize,
    /// Previewed only.
    pub(super) previewed: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tools, services, run, undone, previewed } = self;
        write!(
            f,
            "{tools} tools over {services} services; {run} run for real on local clouds, {undone} of them undone"
        )?;
        let rest = tools.saturating_sub(run + previewed);
        write!(f, "; {previewed} previewed only, {rest} not runnable there")
    }
}

/// What the cases say of a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tried {
    pub(super) cloud: Option<CloudName>,
    pub(super) run: bool,
    pub(super) previewed: bool,
    pub(super) undone: bool,
}

impl Tried {
    /// What a case that passes has done.
    pub(super) fn by(case: &Case, changes: bool) -> Self {
        let tried = case.not_run.is_none();
        let applied = tried && case.not_applied.is_none();
        let undone = matches!(case.undo, Some(Undone::Back | Undone::Done)) && case.not_undone.is_none();
        Self { cloud: case.cloud, run: applied, previewed: tried && changes, undone: applied && undone }
    }
}

/// The totals of some tools.
pub(super) fn totals<'a>(tools: impl Iterator<Item = (&'a str, Tried)>) -> Totals {
    let (mut totals, mut services) = (Totals::default(), std::collections::BTreeSet::new());
    for (service, tried) in tools {
        services.insert(service);
        totals.tools += 1;
        totals.run += usize::from(tried.run);
        totals.undone += usize::from(tried.undone);
        totals.previewed += usize::from(tried.previewed && !tried.run);
    }
    totals.services = services.len();
    totals
}

/// With `UPDATE_TOOLS` set the file is written instead of compared.
#[test]
fn the_list_of_tools_is_up_to_date() {
    let (path, wanted) = (repository().join(FILE), written());
    if std::env::var_os("UPDATE_TOOLS").is_some() {
        std::fs::write(path, wanted).unwrap();
        return;
    }
    assert!(std::fs::read_to_string(path).is_ok_and(|present| present == wanted), "{FILE} is out of date: {MEND}");
}

fn written() -> String {
    let cases = cases();
    let mut services: BTreeMap<String, Vec<Manifest>> = BTreeMap::new();
    for manifest in manifests::all() {
        services.entry(manifest.service.clone()).or_default().push(manifest);
    }
    let of = |manifest: &Manifest| tried(&cases, manifest);
    let totals = totals(services.values().flatten().map(|manifest| (manifest.service.as_str(), of(manifest))));
    let mut text = format!("{HEAD}\n{totals}.\n");
    for (service, mut manifests) in services {
        manifests.sort_by_key(|manifest| (manifest.changes(), manifest.tool().to_owned()));
        let _ = write!(text, "\n## {service}\n\n| tool | effect | operation | undo | tried |\n|---|---|---|---|---|\n");
        for manifest in &manifests {
            let page = manifest.text("docs");
            let _ = writeln!(
                text,
                "| `{}` | {} | [{}]({page}) | {} | {} |",
                manifest.tool(),
                manifest.text("effect"),
                manifest.text("operation"),
                undo(manifest),
                told(of(manifest), cases.get(manifest.tool()).map_or(&[], Vec::as_slice)),
            );
        }
    }
    text
}

/// The README's table: a row a service.
pub(crate) fn by_service() -> String {
    let (cases, manifests) = (cases(), manifests::all());
    let mut services: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for manifest in &manifests {
        let tried = tried(&cases, manifest);
        let counts = services.entry(&manifest.service).or_default();
        let counted = [!manifest.changes(), manifest.changes(), tried.run, tried.undone];
        counts.iter_mut().zip(counted).for_each(|(count, one)| *count += usize::from(one));
    }
    let totals = totals(manifests.iter().map(|manifest| (manifest.service.as_str(), tried(&cases, manifest))));
    let rows: String = services
        .iter()
        .map(|(service, [reads, changes, run, undone])| {
            format!("| [{service}]({FILE}#{service}) | {reads} | {changes} | {run} | {undone} |\n")
        })
        .collect();
    let head = "| service | reads | changes | run by the tests | and undone |\n|---|---|---|---|---|";
    format!("\n{totals}. [All of them]({FILE}).\n\n{head}\n{rows}")
}

const HEAD: &str = "<!-- Written by `make tools`. -->

# Tools

Each row is a manifest in `tool-manifests/` and a case in `tests/catalogue/`. *Tried* is what the tests do with the real server
before a local cloud: `read`; or `previewed`, `applied` under credentials as narrow as the manifest says, and `undone` with
`undo_plan`. Operations without a row are reached through `aws_read` and `aws_change`.
";

fn undo(manifest: &Manifest) -> String {
    let ways = manifest.undos().into_iter().map(|undo| match (undo["tool"].as_str(), undo["none"].as_str()) {
        (Some(tool), _) => format!("`{tool}`"),
        (_, Some(why)) => format!("none: {}", why.replace('|', "\\|")),
        _ => String::new(),
    });
    ways.collect::<Vec<_>>().join("; else ")
}

fn told(tried: Tried, cases: &[Case]) -> String {
    let mut parts = Vec::new();
    if let Some(cloud) = tried.cloud {
        let done = [
            (tried.run && !tried.previewed, "read"),
            (tried.previewed, "previewed"),
            (tried.run && tried.previewed, "applied"),
            (tried.undone, "undone"),
        ];
        let done: Vec<&str> = done.into_iter().filter(|(done, _)| *done).map(|(_, word)| word).collect();
        parts.push(format!("{}: {}", cloud.word(), done.join(", ")));
    }
    let whys = cases.iter().flat_map(|case| [&case.not_run, &case.not_applied, &case.not_undone]).flatten();
    parts.extend(whys.map(|why| why.replace('|', "\\|")));
    parts.join("; ")
}

/// The cases of each tool.
fn cases() -> BTreeMap<String, Vec<Case>> {
    let mut cases: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for service in case::load(&case::folder()).unwrap_or_else(|problems| panic!("{problems}")) {
        for case in service.cases {
            cases.entry(case.tool.clone()).or_default().push(case);
        }
    }
    cases
}

/// The furthest that any of its cases takes a tool.
fn tried(cases: &BTreeMap<String, Vec<Case>>, manifest: &Manifest) -> Tried {
    let all = cases.get(manifest.tool()).into_iter().flatten();
    furthest(all.map(|case| Tried::by(case, manifest.text("effect") != "read")))
}

/// All that was done, taken together.
pub(super) fn furthest(all: impl Iterator<Item = Tried>) -> Tried {
    all.fold(Tried::default(), |sum, one| Tried {
        cloud: sum.cloud.or(one.cloud),
        run: sum.run || one.run,
        previewed: sum.previewed || one.previewed,
        undone: sum.undone || one.undone,
    })
}
