//! `sandbox.json`: what a sandbox's folder knows of the process that serves it, and of what was seeded. No secrets.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{SandboxError, http};

/// The file's name in the sandbox's folder.
pub const STATE_FILE: &str = "sandbox.json";

/// What a sandbox's folder knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Where AWS is, such as `http://127.0.0.1:45123`.
    pub endpoint: String,
    /// The port in it.
    pub port: u16,
    /// The emulator's process.
    pub pid: u32,
    /// A text that the health page of this process, and of no other, holds.
    pub mark: String,
    /// The accounts, by name.
    pub accounts: BTreeMap<String, SeededAccount>,
}

/// What was seeded in one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeededAccount {
    /// Its twelve digits.
    pub id: String,
    /// EC2 instances, by their `Name` tag.
    pub instances: BTreeMap<String, String>,
}

impl State {
    /// Reads a folder's state; `None` where there is none.
    pub fn read(folder: &Path) -> Result<Option<Self>, SandboxError> {
        let path = path(folder);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| SandboxError::State { path, reason: error.to_string() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SandboxError::State { path, reason: error.to_string() }),
        }
    }

    /// Writes it.
    pub(super) fn write(&self, folder: &Path) -> Result<(), SandboxError> {
        let path = path(folder);
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other);
        text.and_then(|text| std::fs::write(&path, text + "\n"))
            .map_err(|error| SandboxError::State { path, reason: error.to_string() })
    }

    /// Removes a folder's state.
    pub(super) fn remove(folder: &Path) -> Result<(), SandboxError> {
        match std::fs::remove_file(path(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SandboxError::io("remove the state")(error)),
            _ => Ok(()),
        }
    }

    /// Whether the process that wrote this still serves it.
    ///
    /// The mark answers for the pid, too: as long as that very process answers, its id can't be anyone else's.
    pub async fn is_alive(&self) -> bool {
        http::exchange("GET", self.port, super::HEALTH, Duration::from_secs(10))
            .await
            .is_ok_and(|body| body.contains(&self.mark))
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(STATE_FILE)
}
