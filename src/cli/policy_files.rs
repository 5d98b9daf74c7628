//! Finds and reads the files of policies that the configuration names.

use std::path::PathBuf;

use crate::config::Config;
use crate::document::folder::{self, Kind};
use crate::document::{Problems, Source};
use crate::manifest::catalog::Catalog;
use crate::policy::set::Policies;
use crate::policy::shipped;
use crate::policy::vocabulary::Vocabulary;

/// Files of policies. Beside them lie texts, and cases for `countersign policy test`.
const POLICIES: Kind = Kind {
    one: "policy",
    several: "policies",
    endings: &["cedar"],
    beside: &["md", "yaml", "cedarschema"],
    beside_named: false,
};

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
        let found = folder::files(path, POLICIES, &mut problems);
        // At the start and in every reload alike: policies that are gone forbid nothing any more.
        if path.is_dir() && found.is_empty() {
            let problem = Source::new(path, "").problem(
                0..0,
                "there is no policy in this folder",
                "write one, or take it out of the configuration",
            );
            problems.push(problem);
        }
        files.extend(found);
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
