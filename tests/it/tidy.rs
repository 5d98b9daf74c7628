//! The map of `src/lib.rs` is the land, and every folder keeps to its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::aws::iam::IamFacts;
use countersign::aws::models::Models;
use countersign::config::ManifestsConfig;
use countersign::manifest::catalog::{Catalog, Entry};
use countersign::manifest::spec::{Tool, UndoHow, UndoWay};
use countersign::names::Effect;

use crate::support::repository;

/// The longest a source file may be, in lines.
const LONGEST: usize = 600;

/// Crates that only one folder may know.
const OWNED: [(&str, &[&str]); 5] = [
    ("approval", &["webauthn_rs_core"]),
    ("aws", &["aws_config", "aws_credential_types", "aws_runtime", "aws_sigv4", "aws_smithy_", "aws_types"]),
    ("console", &["maud"]),
    ("store", &["sqlx"]),
    ("mcp", &["rmcp"]),
];

#[test]
fn only_one_folder_knows_each_foreign_world() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let module = path.components().nth(1).unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        for (owner, crates) in OWNED {
            let foreign = |line: &&str| crates.iter().any(|name| mentions(line, name));
            for line in text.lines().filter(|_| owner != module).filter(foreign) {
                wrong.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "these reach for what is not theirs:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_web_knows_the_web() {
    let folders = ["http", "console", "auth"];
    let files = ["src/mcp/http.rs", "src/cli/serve_http.rs"];
    let web = ["axum", "hyper", "tower_http", "tokio_rustls"];
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let module = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
        let shown = path.display().to_string();
        if folders.contains(&module) || files.contains(&shown.as_str()) {
            continue;
        }
        let foreign = |line: &&str| web.iter().any(|name| mentions(line, name));
        wrong.extend(text.lines().filter(foreign).map(|line| format!("{shown}: {}", line.trim())));
    }
    assert!(wrong.is_empty(), "these reach for the web:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_does_no_io_of_its_own() {
    let core = [
        "approval",
        "call",
        "credentials",
        "execute",
        "plan",
        "policy",
        "audit",
        "digest",
        "names",
        "pipeline",
        "own_tools",
        "ports",
        "roles",
    ];
    let io = ["std::fs", "std::net", "std::process", "std::env", "tokio::fs", "tokio::net", "tokio::process"];
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let module = path.components().nth(1).unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        let product = text.split("#[cfg(test)]").next().unwrap();
        for line in product
            .lines()
            .filter(|_| !is_test(&path))
            .filter(|line| core.contains(&module) && io.iter().any(|name| line.contains(name)))
        {
            wrong.push(format!("{}: {}", path.display(), line.trim()));
        }
    }
    assert!(wrong.is_empty(), "the core reaches the world through ports only:\n{}", wrong.join("\n"));
}

#[test]
fn the_product_uses_nothing_made_for_tests() {
    let product = |text: &str| text.split("#[cfg(test)]").next().unwrap().to_owned();
    let sources = sources("src").into_iter().filter(|(path, _)| !is_test(path) && !path.ends_with("testing.rs"));
    let wrong: Vec<_> =
        sources.filter(|(_, text)| product(text).contains("crate::testing")).map(|(path, _)| path).collect();
    assert!(wrong.is_empty(), "these use fakes: {wrong:?}");
}

#[test]
fn no_source_file_is_too_long() {
    let all = ["src", "tests", "examples", "benches"].into_iter().flat_map(sources);
    let long: Vec<_> = all.filter(|(_, text)| text.lines().count() > LONGEST).map(|(path, _)| path).collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
}

#[test]
fn the_map_names_every_module_and_no_other() {
    let text = std::fs::read_to_string(repository().join("src/lib.rs")).unwrap();
    let declared: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let there: BTreeSet<String> = std::fs::read_dir(repository().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".rs").to_owned())
        .filter(|name| !["lib", "main"].contains(&name.as_str()))
        .collect();
    assert_eq!(there, declared.iter().map(|name| (*name).to_owned()).collect(), "src/ and the modules of src/lib.rs");

    let map = text.split("# The map").nth(1).unwrap();
    let rows: Vec<&str> = map.lines().filter_map(|line| line.strip_prefix("//! | ")).collect();
    let first_cells = rows.iter().map(|row| row.split(" | ").next().unwrap());
    let named: BTreeSet<&str> = first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let unnamed: Vec<_> = declared.difference(&named).filter(|name| !["clock", "testing"].contains(name)).collect();
    assert!(unnamed.is_empty(), "missing on the map: {unnamed:?}");
    let imaginary: Vec<_> = named.difference(&declared).filter(|name| **name != "where").collect();
    assert!(imaginary.is_empty(), "on the map only: {imaginary:?}");
}

#[test]
fn every_module_says_what_it_is() {
    let says_nothing = |(path, text): &(PathBuf, String)| !is_test(path) && !text.starts_with("//!");
    let silent: Vec<_> = sources("src").into_iter().filter(says_nothing).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "without a line that says what it is: {silent:?}");
}

#[test]
fn nothing_in_the_tree_belongs_to_one_machine() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(repository()).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let here = repository();
    // A short path, as containers have them, is found in paths that are nobody's.
    let mine = |text: &str| here.components().count() > 3 && text.contains(&here.display().to_string());
    let home = |segment: &str| {
        let name = segment.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').next().unwrap();
        !["", "ann", "dana"].contains(&name)
    };
    let homes = |text: &str| {
        ["\"/root/", " /root/", "/Users/"].iter().any(|folder| text.contains(folder))
            || text.split("/home/").skip(1).any(home)
    };
    let mut wrong = Vec::new();
    for path in String::from_utf8(listed.stdout).unwrap().split('\0').filter(|path| !path.is_empty()) {
        let Ok(text) = std::fs::read_to_string(repository().join(path)) else { continue };
        // This file names what it looks for.
        if mine(&text) || (homes(&text) && !path.ends_with("tidy.rs")) {
            wrong.push(path.to_owned());
        }
    }
    assert!(wrong.is_empty(), "these hold a path of this machine: {wrong:?}");
}

#[test]
fn every_shipped_tool_is_declared_to_the_end() {
    let catalog = shipped();
    let names: Vec<&str> = catalog.names().collect();
    assert!(names.len() >= 300, "{} tools", names.len());
    let mut wrong = Vec::new();
    for name in names {
        let Some(Entry::Tool(tool)) = catalog.entry(name) else { continue };
        wrong.extend(gaps(tool).into_iter().map(|gap| format!("{name}: {gap}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_undo_names_a_tool_that_there_is() {
    let catalog = shipped();
    let mut wrong = Vec::new();
    for name in catalog.names() {
        let Some(Entry::Tool(tool)) = catalog.entry(name) else { continue };
        for way in &tool.undo {
            if let UndoHow::Recipe { tool: undo, .. } = &way.how
                && catalog.entry(undo).is_none()
            {
                wrong.push(format!("{name} is undone with `{undo}`, which there isn't"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What a tool that changes something must say of itself, and doesn't.
fn gaps(tool: &Tool) -> Vec<&'static str> {
    let mut gaps = Vec::new();
    let mut needs = |said: bool, what| {
        if !said {
            gaps.push(what);
        }
    };
    needs(!tool.summary.is_empty() && !tool.title.is_empty(), "has no title or summary");
    needs(!tool.toolset.is_empty(), "belongs to no toolset");
    needs(!tool.scopes.is_empty(), "has no scopes");
    if tool.effect.changes() {
        let said = |way: &UndoWay| match &way.how {
            UndoHow::Recipe { tool, .. } => !tool.is_empty(),
            UndoHow::None { reason } => !reason.is_empty(),
        };
        needs(!tool.undo.is_empty() && tool.undo.iter().all(said), "says neither how it is undone nor why not");
        needs(tool.targets.is_some(), "has no targets");
        needs(tool.targets.as_ref().is_some_and(|targets| targets.read.is_some()), "does not read its targets");
        needs(tool.limits.per_call.is_some() && tool.limits.per_hour.is_some(), "has no limits");
        needs(tool.scopes.iter().all(|scope| !scope.resources.is_empty()), "has a scope without resources");
    }
    if tool.effect >= Effect::Destructive {
        needs(tool.confirm.is_some(), "does not say what the person types");
    }
    gaps
}

fn shipped() -> Catalog {
    let (models, iam) = (Models::embedded().unwrap(), IamFacts::embedded().unwrap());
    Catalog::load(&ManifestsConfig::default(), &models, &iam)
        .unwrap_or_else(|problems| panic!("{}", problems.pretty(false)))
}

/// Rust files under a folder of the repository, by their path in it.
fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.file_name().unwrap();
            if path.is_dir() && name != "node_modules" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative: &Path = path.strip_prefix(repository()).unwrap();
                found.insert(relative.to_owned(), std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// Whether a file holds unit tests only.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| ["tests", "tests.rs"].iter().any(|name| part.as_os_str() == *name))
}

/// Whether a line of code uses a crate; comments may speak of it.
fn mentions(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap();
    let word = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"');
    let path = |end: usize| name.ends_with('_') || code[end..].starts_with("::") || code[end..].starts_with(';');
    code.match_indices(name).any(|(at, _)| word(at) && path(at + name.len()))
}
