//! The manifests as they are written: what people read in them.

use std::path::{Path, PathBuf};

use countersign::document::{self, Language, Source};
use serde_json::Value;

use super::ground::own_manifests;
use crate::support::repository;

/// A tool's manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    /// The folder it lies in.
    pub(super) service: String,
    /// The file's name without its ending.
    pub(super) file: String,
    /// Its text as a value.
    pub(super) is: Value,
}

impl Manifest {
    pub(super) fn text(&self, key: &str) -> &str {
        self.is[key].as_str().unwrap_or_default()
    }

    pub(super) fn tool(&self) -> &str {
        self.text("tool")
    }

    /// The operation without its service.
    pub(super) fn operation(&self) -> &str {
        self.text("operation").split_once(':').map_or("", |(_, name)| name)
    }

    pub(super) fn changes(&self) -> bool {
        !["read", "secret"].contains(&self.text("effect"))
    }

    /// The ways it is undone, in order; each a mapping with `tool` or `none`.
    pub(super) fn undos(&self) -> Vec<&Value> {
        match &self.is["undo"] {
            Value::Null => Vec::new(),
            Value::Array(several) => several.iter().collect(),
            one => vec![one],
        }
    }
}

/// All manifests of tools, by service and name: the repository's, or those of `COUNTERSIGN_CASE_MANIFESTS`.
pub(super) fn all() -> Vec<Manifest> {
    let root = own_manifests().unwrap_or_else(|| repository().join("tool-manifests"));
    let mut manifests = Vec::new();
    for folder in sorted(&root).into_iter().filter(|path| path.is_dir() && !path.ends_with("_families")) {
        for file in sorted(&folder) {
            let source = Source::load(&file).unwrap_or_else(|problem| panic!("{problem}"));
            let document = document::read(source, Language::Yaml).unwrap_or_else(|problems| panic!("{problems}"));
            manifests.push(Manifest {
                service: folder.file_name().unwrap().to_str().unwrap().to_owned(),
                file: file.file_stem().unwrap().to_str().unwrap().to_owned(),
                is: document.value().clone(),
            });
        }
    }
    manifests
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}
