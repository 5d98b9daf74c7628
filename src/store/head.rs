//! `audit.head`: the end of the chain, kept apart from the chain.
//!
//! The chain itself can't show that its last records were cut off. So after each commit its end is written here, twice:
//! `latest`, and `durable` after commits that also survive a loss of power. Two lines of fixed length, overwritten in
//! place, under a lock so that of several processes the one that is further wins.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{failure, files};
use crate::audit::event::Head;
use crate::digest::Digest;
use crate::ports::StoreError;

/// What `audit.head` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// After the last commit.
    pub(super) latest: Option<Head>,
    /// After the last commit that survives a loss of power.
    pub(super) durable: Option<Head>,
}

impl Kept {
    /// Reads the file beside the database at `database`; nothing is kept where there is none.
    pub(super) fn beside(database: &Path) -> Result<Self, StoreError> {
        Self::read(&path_beside(database))
    }

    /// What was put aside because its records were lost.
    pub(super) fn aside(database: &Path) -> Result<Self, StoreError> {
        Self::read(&path_aside(database))
    }

    fn read(path: &Path) -> Result<Self, StoreError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).ok_or_else(|| unreadable(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(unreadable(path)),
            Err(error) => Err(failure::file(path, &error)),
        }
    }

    /// Every head in it.
    pub(super) fn heads(self) -> Vec<Head> {
        self.latest.into_iter().chain(self.durable).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut kept = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (name, seq, hash) = (words.next()?, words.next()?, words.next()?);
            let head = Head { seq: seq.parse().ok()?, hash: Digest::try_from(hash.to_owned()).ok()? };
            match name {
                "latest" => kept.latest = Some(head),
                "durable" => kept.durable = Some(head),
                _ => return None,
            }
        }
        Some(kept)
    }

    fn text(&self) -> String {
        let line = |name: &str, head: &Option<Head>| match head {
            Some(head) => format!("{name} {:020} {}\n", head.seq, head.hash),
            None => String::new(),
        };
        line("latest", &self.latest) + &line("durable", &self.durable)
    }

    fn advance(&mut self, head: &Head, durable: bool) {
        let further = |old: &Option<Head>| old.as_ref().is_none_or(|old| old.seq < head.seq);
        if further(&self.latest) {
            self.latest = Some(head.clone());
        }
        if durable && further(&self.durable) {
            self.durable = Some(head.clone());
        }
    }
}

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct HeadFile {
    path: PathBuf,
    file: File,
}

impl HeadFile {
    /// Opens or makes the file beside the database at `database`.
    pub(super) fn open(database: &Path) -> Result<Self, StoreError> {
        let path = path_beside(database);
        let file = files::private_file(&path).map_err(|error| failure::file(&path, &error))?;
        Ok(Self { path, file })
    }

    /// Writes `head` down, unless another process was further already.
    pub(super) fn advance(&mut self, head: &Head, durable: bool) -> Result<(), StoreError> {
        self.locked(|file| {
            let mut text = String::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_string(&mut text)?;
            let mut kept = Kept::parse(&text).ok_or(io::ErrorKind::InvalidData)?;
            kept.advance(head, durable);
            file.seek(SeekFrom::Start(0))?;
            file.write_all(kept.text().as_bytes())
        })
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => unreadable(&self.path),
            _ => failure::file(&self.path, &error),
        })
    }

    fn locked(&mut self, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        self.file.lock()?;
        let written = write(&mut self.file);
        self.file.unlock()?;
        written
    }
}

/// Where the head of the database at `database` is kept.
pub(super) fn path_beside(database: &Path) -> PathBuf {
    database.with_file_name("audit.head")
}

fn path_aside(database: &Path) -> PathBuf {
    database.with_file_name("audit.head.lost")
}

/// Moves the kept heads aside, because the chain lost records they speak of. What lies aside already stays: it tells
/// of the first loss.
pub(super) fn put_aside(database: &Path) -> Result<PathBuf, StoreError> {
    let (from, to) = (path_beside(database), path_aside(database));
    if to.exists() {
        files::remove(&from).map_err(|error| failure::file(&from, &error))?;
    } else {
        fs::rename(&from, &to).map_err(|error| failure::file(&to, &error))?;
    }
    Ok(to)
}

fn unreadable(path: &Path) -> StoreError {
    StoreError::Failed(format!(
        "`{}` can't be read: it was changed by another program; put back a backup, or, knowing that a cut-off end of \
         the record would go unnoticed, move it away",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: u64) -> Head {
        Head { seq, hash: Digest::of_bytes("t", &seq.to_be_bytes()) }
    }

    #[test]
    fn the_furthest_head_stays() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("countersign.db");
        assert_eq!(Kept::beside(&database).unwrap(), Kept::default());
        let (mut one, mut other) = (HeadFile::open(&database).unwrap(), HeadFile::open(&database).unwrap());
        one.advance(&head(1), true).unwrap();
        other.advance(&head(3), false).unwrap();
        one.advance(&head(2), true).unwrap();
        let kept = Kept::beside(&database).unwrap();
        assert_eq!(kept, Kept { latest: Some(head(3)), durable: Some(head(2)) });
    }

    #[test]
    fn a_changed_file_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("countersign.db");
        fs::write(path_beside(&database), "latest twelve\n").unwrap();
        assert!(Kept::beside(&database).unwrap_err().to_string().contains("changed by another program"));
        assert!(HeadFile::open(&database).unwrap().advance(&head(1), true).is_err());
        assert_eq!(fs::read_to_string(path_beside(&database)).unwrap(), "latest twelve\n");
    }
}
