//! Files of one kind, and folders of them. A file that is not of that kind is a problem: a misnamed one must not go
//! unnoticed.

use std::path::{Path, PathBuf};

use super::{Problems, Source};

/// Folders are looked into so deep.
const DEEPEST: usize = 4;

/// Which files are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What one is called, such as `manifest`.
    pub one: &'static str,
    /// What several are called.
    pub several: &'static str,
    /// Endings of their names, the usual one first.
    pub endings: &'static [&'static str],
    /// Endings of what may lie beside them and is left alone.
    pub beside: &'static [&'static str],
    /// True where what is left alone may also be named itself, and not only lie in a folder.
    pub beside_named: bool,
}

/// The files of a kind under a path, in the order of their names; what is wrong goes to `problems`.
pub fn files(path: &Path, kind: Kind, problems: &mut Problems) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(path, 0, kind, &mut found, problems);
    found
}

fn collect(path: &Path, depth: usize, kind: Kind, found: &mut Vec<PathBuf>, problems: &mut Problems) {
    let mut wrong = |what: String, mend: String| problems.push(Source::new(path, "").problem(0..0, what, mend));
    if !path.is_dir() {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if kind.endings.contains(&ending) {
            found.push(path.to_owned());
        } else if !kind.beside.contains(&ending) || (depth == 0 && !kind.beside_named) {
            let usual = kind.endings.first().copied().unwrap_or_default();
            wrong(format!("this is not a {}'s name", kind.one), format!("end it with `.{usual}`, or move it away"));
        }
        return;
    }
    if depth >= DEEPEST {
        return wrong("the folders are nested too deep".to_owned(), format!("put the {} further up", kind.several));
    }
    let entries = std::fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries: Vec<PathBuf> = match entries {
        Ok(entries) => entries,
        Err(error) => {
            return wrong(format!("the folder can't be read: {error}"), "check its permissions".to_owned());
        }
    };
    entries.sort();
    for entry in entries {
        collect(&entry, depth + 1, kind, found, problems);
    }
}
