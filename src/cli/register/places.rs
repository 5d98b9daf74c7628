//! Where clients keep their files, and what of this process's environment decides it.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

/// Variables that move clients' files.
const VARIABLES: [&str; 5] = ["APPDATA", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_CONFIG_HOME"];

/// What of the process's environment decides where files are. Tests make their own.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Surroundings {
    /// `HOME`.
    pub(in crate::cli) home: Option<PathBuf>,
    /// The variables that move files, where they are set.
    pub(in crate::cli) moved: BTreeMap<&'static str, PathBuf>,
    /// The folders of `PATH`.
    pub(in crate::cli) path: Vec<PathBuf>,
    /// The working directory.
    pub(in crate::cli) working: PathBuf,
    /// True on macOS.
    pub(in crate::cli) mac: bool,
    /// This program, absolute.
    pub(in crate::cli) program: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub(in crate::cli) fn of_process() -> std::io::Result<Self> {
        let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Ok(Self {
            home: path("HOME"),
            moved: VARIABLES.into_iter().filter_map(|name| Some((name, path(name)?))).collect(),
            path: env::var_os("PATH").map(|all| env::split_paths(&all).collect()).unwrap_or_default(),
            working: env::current_dir()?,
            mac: cfg!(target_os = "macos"),
            program: env::current_exe()?,
        })
    }

    /// Whether a program of this name is on the `PATH`.
    pub(super) fn has_program(&self, name: &str) -> bool {
        self.path.iter().any(|folder| folder.join(name).is_file())
    }
}

/// A place in a user's home.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    home: Option<&'static str>,
    settings: Option<&'static str>,
    mac: Option<&'static str>,
    moved: Option<(&'static str, &'static str)>,
}

impl Place {
    /// In the home folder itself.
    pub(super) const fn home(path: &'static str) -> Self {
        Self { home: Some(path), settings: None, mac: None, moved: None }
    }

    /// In the folder for settings: `XDG_CONFIG_HOME` or `~/.config`; `APPDATA` where that is set.
    pub(super) const fn settings(path: &'static str) -> Self {
        Self { home: None, settings: Some(path), mac: None, moved: None }
    }

    /// Elsewhere in the home folder on macOS.
    pub(super) const fn on_mac(self, path: &'static str) -> Self {
        Self { mac: Some(path), ..self }
    }

    /// In the folder that a variable names, where it is set.
    pub(super) const fn moved(self, variable: &'static str, path: &'static str) -> Self {
        Self { moved: Some((variable, path)), ..self }
    }

    /// The path; `None` where there is no home.
    pub(super) fn find(&self, around: &Surroundings) -> Option<PathBuf> {
        let variable = |name: &str| around.moved.get(name).map(PathBuf::as_path);
        let home = around.home.as_deref();
        if let Some((name, path)) = self.moved
            && let Some(folder) = variable(name)
        {
            return Some(joined(folder, path));
        }
        if let (true, Some(path)) = (around.mac, self.mac) {
            return Some(home?.join(path));
        }
        if let Some(path) = self.settings {
            let folder = variable("APPDATA").or(variable("XDG_CONFIG_HOME")).map(Path::to_path_buf);
            return Some(folder.or_else(|| Some(home?.join(".config")))?.join(path));
        }
        Some(home?.join(self.home?))
    }
}

/// `Path::join` would end the path of a folder itself with a slash.
fn joined(folder: &Path, path: &str) -> PathBuf {
    if path.is_empty() { folder.to_owned() } else { folder.join(path) }
}

#[cfg(test)]
mod tests {
    use super::super::clients::CLIENTS;
    use super::*;

    #[test]
    fn every_client_s_files_are_where_it_looks_for_them() {
        let linux = Surroundings { home: Some("/home/ann".into()), ..Surroundings::default() };
        let mac = Surroundings { mac: true, ..linux.clone() };
        let folders = VARIABLES.map(|name| (name, PathBuf::from(format!("/{}", name.to_lowercase()))));
        let moved = Surroundings { moved: folders.into_iter().collect(), ..linux.clone() };
        let mut told = String::new();
        for client in CLIENTS {
            told.push_str(&format!("{}\n", client.name));
            for (word, around) in [("linux", &linux), ("mac  ", &mac), ("moved", &moved)] {
                told.push_str(&format!("  {word} {}\n", client.user.find(around).unwrap().display()));
            }
        }
        insta::assert_snapshot!(told);
        assert!(CLIENTS.iter().all(|client| client.user.find(&Surroundings::default()).is_none()));
    }
}
