//! A client's file: read, shown as a difference, written whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::document::Source;

/// The longest file that is read, in bytes. Claude Code keeps its history in the same file as its servers.
const LONGEST: u64 = 64 << 20;

/// Most backups beside one file.
const MOST_BACKUPS: u32 = 1000;

/// A client's file as it was read.
#[derive(Debug)]
pub(super) struct ClientFile {
    /// As the client knows it.
    pub(super) path: PathBuf,
    /// What it is: the target where the path is a link.
    target: PathBuf,
    /// Its text; `None` where there is no file.
    before: Option<String>,
    /// Whether only its user may read a new one.
    private: bool,
}

/// A client's file can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("`{}` {what}; {mend}", path.display())]
pub(super) struct FileError {
    path: PathBuf,
    what: String,
    mend: &'static str,
}

impl ClientFile {
    /// Reads a file, which may be missing. `private`: a new one is for its user alone.
    pub(super) fn read(path: &Path, private: bool) -> Result<Self, FileError> {
        let failed = |what: String, mend| FileError { path: path.to_owned(), what, mend };
        let unread = |error: io::Error| failed(format!("can't be read: {error}"), "check it and its rights");
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(path).is_ok() {
                    return Err(failed("is a link that leads nowhere".to_owned(), "mend the link, or delete it"));
                }
                path.to_owned()
            }
            Err(error) => return Err(unread(error)),
        };
        let before = match fs::metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unread(error)),
            Ok(found) if !found.is_file() => return Err(failed("is no file".to_owned(), "move it away")),
            Ok(found) if found.len() > LONGEST => {
                return Err(failed(format!("has {} bytes", found.len()), "look whether it is the right one"));
            }
            Ok(_) => Some(fs::read_to_string(&target).map_err(unread)?),
        };
        Ok(Self { path: path.to_owned(), target, before, private })
    }

    /// Whether there is a file.
    pub(super) fn is_there(&self) -> bool {
        self.before.is_some()
    }

    /// Its text with its name.
    pub(super) fn source(&self) -> Source {
        Source::new(self.path.as_path(), self.before.as_deref().unwrap_or_default())
    }

    /// How it would change, as a unified diff without its head.
    pub(super) fn difference(&self, after: &str) -> String {
        let diff = TextDiff::from_lines(self.before.as_deref().unwrap_or_default(), after);
        visible(&diff.unified_diff().context_radius(3).missing_newline_hint(false).to_string())
    }

    /// Writes a new text in the place of what was read, and keeps that beside it. Returns the backup.
    ///
    /// # Errors
    /// Where the file is another by now: clients write theirs while they run.
    pub(super) fn write(&self, after: &str) -> Result<Option<PathBuf>, FileError> {
        let failed = |what: String, mend| FileError { path: self.path.clone(), what, mend };
        let unwritten = |error: io::Error| failed(format!("can't be written: {error}"), "check its folder's rights");
        let folder = self.target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(unwritten)?;
        let mut fresh = tempfile::Builder::new().prefix(".countersign-").tempfile_in(folder).map_err(unwritten)?;
        fresh.write_all(after.as_bytes()).map_err(unwritten)?;
        let rights = match &self.before {
            Some(_) => fs::metadata(&self.target).map_err(unwritten)?.permissions(),
            None => new_rights(self.private, fresh.as_file()).map_err(unwritten)?,
        };
        fresh.as_file().set_permissions(rights.clone()).map_err(unwritten)?;
        fresh.as_file().sync_all().map_err(unwritten)?;
        let backup = match &self.before {
            Some(before) => Some(self.back_up(before, rights).map_err(unwritten)?),
            None => None,
        };
        let now = match fs::read_to_string(&self.target) {
            Ok(now) => Some(now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unwritten(error)),
        };
        if now != self.before {
            if let Some(backup) = &backup {
                let _ = fs::remove_file(backup);
            }
            return Err(failed("has changed in the meantime".to_owned(), "close the client, then register again"));
        }
        fresh.persist(&self.target).map_err(|error| unwritten(error.error))?;
        Ok(backup)
    }

    /// Beside the file, with its rights: it may hold what only its user may read.
    fn back_up(&self, before: &str, rights: fs::Permissions) -> io::Result<PathBuf> {
        let name = self.target.file_name().unwrap_or_default().to_string_lossy();
        for number in 1..=MOST_BACKUPS {
            let path = self.target.with_file_name(format!("{name}.countersign-backup-{number}"));
            match new_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(mut file) => {
                    file.write_all(before.as_bytes())?;
                    file.set_permissions(rights)?;
                    file.sync_all()?;
                    return Ok(path);
                }
            }
        }
        Err(io::Error::other(format!("there are {MOST_BACKUPS} backups beside it; delete some")))
    }
}

/// A file of a project may come from anybody, and a terminal acts on what it is shown.
fn visible(text: &str) -> String {
    let acts = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| if acts(c) { c.escape_unicode().to_string() } else { c.to_string() })
        .collect()
}

/// A file that wasn't there, at first for its user alone.
fn new_file(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn new_rights(private: bool, _: &fs::File) -> io::Result<fs::Permissions> {
    Ok(std::os::unix::fs::PermissionsExt::from_mode(if private { 0o600 } else { 0o644 }))
}

#[cfg(not(unix))]
fn new_rights(_: bool, file: &fs::File) -> io::Result<fs::Permissions> {
    Ok(file.metadata()?.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_would_act_on_a_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp.json");
        fs::write(&path, "{ // \u{1b}[2J\u{202e}\n}\n").unwrap();
        let file = ClientFile::read(&path, true).unwrap();
        assert_eq!(file.difference("{}\n"), "@@ -1,2 +1 @@\n-{ // \\u{1b}[2J\\u{202e}\n-}\n+{}\n");
    }
}
