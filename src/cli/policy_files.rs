//! Finds and reads the files of policies that the configuration names.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::document::{Problem, Problems, Source};
use crate::manifest::catalog::Catalog;
use crate::policy::set::Policies;
use crate::policy::shipped;
use crate::policy::vocabulary::Vocabulary;

/// Folders of policies are looked into so deep.
const DEEPEST: usize = 4;

/// Compiles the policies of a configuration: the floor, the profile, and the admin's own files.
pub(super) fn load(config: &Config, catalog: &Catalog) -> Result<Policies, Problems> {
    let mut sources = shipped::sources(config.policy.profile);
    sources.extend(read(&config.policy.files)?);
    let vocabulary = Vocabulary::of_catalog(catalog, &config.policy.roles, &config.policy.groups)
        .map_err(|error| Source::new(&config.path, "").problem(0..0, error.to_string(), "rename it"))?;
    Policies::compile(sources, vocabulary, config.people(), config.policy.profile)
}

/// Reads files, and folders of files, of policies.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Problems> {
    let mut problems = Problems::new();
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        collect(path, 0, &mut files, &mut problems);
        // At the start and in every reload alike: policies that are gone forbid nothing any more.
        if path.is_dir() && files.len() == before {
            let problem = Source::new(path, "").problem(
                0..0,
                "there is no policy in this folder",
                "write one, or take it out of the configuration",
            );
            problems.push(problem);
        }
    }
    let mut sources = Vec::new();
    for file in files {
        match Source::load(&file) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    problems.or(sources)
}

/// A file whose name is not one of a policy is a problem: a misnamed one must not go unnoticed.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>, problems: &mut Problems) {
    let wrong = |what: String, mend: &str| -> Problem { Source::new(path, "").problem(0..0, what, mend) };
    if !path.is_dir() {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("cedar") => files.push(path.to_owned()),
            // what lies beside policies: texts, and cases for `countersign policy test`
            Some("md" | "yaml" | "cedarschema") if depth > 0 => {}
            _ => {
                problems.push(wrong("this is not a policy's name".to_owned(), "end it with `.cedar`, or move it away"))
            }
        }
        return;
    }
    if depth >= DEEPEST {
        return problems.push(wrong("the folders are nested too deep".to_owned(), "put the policies further up"));
    }
    let entries = std::fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries: Vec<PathBuf> = match entries {
        Ok(entries) => entries,
        Err(error) => {
            return problems.push(wrong(format!("the folder can't be read: {error}"), "check its permissions"));
        }
    };
    entries.sort();
    for entry in entries {
        collect(&entry, depth + 1, files, problems);
    }
}
