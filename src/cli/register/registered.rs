//! Where the server is registered already.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::approvals::{self, Found};
use super::clients::{CLIENTS, Client};
use super::places::Surroundings;
use crate::document::Source;

/// The server in a client's file.
#[derive(Debug)]
pub(in crate::cli) struct Registered {
    /// The client.
    pub(in crate::cli) client: &'static Client,
    /// What it is called there.
    pub(in crate::cli) name: String,
    /// The file.
    pub(in crate::cli) file: PathBuf,
    /// The program that is started; `None` over HTTP.
    pub(in crate::cli) program: Option<PathBuf>,
    /// What lets the client run its tools without asking.
    pub(in crate::cli) approved: Vec<Found>,
}

/// All entries of this server in all files of all clients: the user's, and those of the project in the working directory.
/// Files that can't be read have none.
pub(in crate::cli) fn registered(around: &Surroundings) -> Vec<Registered> {
    let mut all = Vec::new();
    for client in CLIENTS {
        let project = client.project.map(|path| around.working.join(path));
        let mut files: Vec<PathBuf> = client.user.find(around).into_iter().chain(project).collect();
        files.dedup();
        for file in files {
            for (name, program) in entries(client, &file) {
                let approved = approvals::found(client, &name, &file, around);
                all.push(Registered { client, name, file: file.clone(), program, approved });
            }
        }
    }
    all
}

fn entries(client: &Client, file: &Path) -> Vec<(String, Option<PathBuf>)> {
    let Ok(text) = std::fs::read_to_string(file) else { return Vec::new() };
    let Ok(value) = client.format.read(&Source::new(file, text)) else { return Vec::new() };
    let servers = value.get(client.servers).and_then(Value::as_object);
    let ours = |(name, entry): (&String, &Value)| {
        let program = ["command", "cmd"].iter().find_map(|key| entry.get(key)?.as_str()).map(PathBuf::from);
        let called = program.as_deref().and_then(Path::file_stem).is_some_and(|stem| stem == "countersign");
        (called || name == "countersign").then(|| (name.clone(), program))
    };
    servers.into_iter().flatten().filter_map(ours).collect()
}
