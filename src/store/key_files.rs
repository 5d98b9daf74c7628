//! `checkpoint.key`: the private key that checkpoints are signed with, in the store's folder, for the user alone.
//!
//! A new key is written beside it (`checkpoint.key.next`), put on record, and only then takes its place. Which of the two
//! counts is what the record says; so a crash in between does no harm.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{failure, files};
use crate::audit::note::{SigningKey, VerifierKey};
use crate::ports::StoreError;

/// Where the keys of one store are.
#[derive(Clone, Debug)]
pub(super) struct KeyFiles {
    current: PathBuf,
    next: PathBuf,
    lock: PathBuf,
}

impl KeyFiles {
    /// Those of the database at `database`.
    pub(super) fn beside(database: &Path) -> Self {
        let named = |name| database.with_file_name(name);
        Self {
            current: named("checkpoint.key"),
            next: named("checkpoint.key.next"),
            lock: named("checkpoint.key.lock"),
        }
    }

    /// Where the key is.
    pub(super) fn path(&self) -> &Path {
        &self.current
    }

    /// True where there is a key.
    pub(super) fn is_there(&self) -> Result<bool, StoreError> {
        self.current.try_exists().map_err(|error| failure::file(&self.current, &error))
    }

    /// The private half of a key; `None` where it is in neither file.
    pub(super) fn find(&self, key: &VerifierKey) -> Result<Option<SigningKey>, StoreError> {
        // The new key may take the old one's place while this looks.
        for path in [&self.current, &self.next, &self.current] {
            let found = read(path)?.filter(|found| found.verifier() == key);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first key: the one that is there, or else a new one for an installation of this name.
    pub(super) fn first(&self, origin: &str) -> Result<SigningKey, StoreError> {
        if !self.is_there()? {
            // Of several processes that start at once, the first one's key is everybody's.
            match write(&generate(origin)?, &self.current, false) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failure::file(&self.current, &error));
                }
                _ => {}
            }
        }
        read(&self.current)?.ok_or_else(|| unreadable(&self.current))
    }

    /// Writes a new key down beside the one in use.
    pub(super) fn prepare(&self, origin: &str) -> Result<SigningKey, StoreError> {
        let key = generate(origin)?;
        write(&key, &self.next, true).map_err(|error| failure::file(&self.next, &error))?;
        Ok(key)
    }

    /// Lets the new key take the place of the old one, which is gone then.
    pub(super) fn advance(&self) -> Result<(), StoreError> {
        fs::rename(&self.next, &self.current).map_err(|error| failure::file(&self.next, &error))
    }

    /// True where a new key of an earlier attempt lies there.
    pub(super) fn has_next(&self, key: &VerifierKey) -> Result<bool, StoreError> {
        Ok(read(&self.next)?.is_some_and(|next| next.verifier() == key))
    }

    /// Held while a key is replaced; only one process does that at a time.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let file = files::private_file(&self.lock).map_err(|error| failure::file(&self.lock, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::Failed("another process is replacing the key: wait until it has ended".to_owned()))
            }
            Err(TryLockError::Error(error)) => Err(failure::file(&self.lock, &error)),
        }
    }
}

fn generate(origin: &str) -> Result<SigningKey, StoreError> {
    SigningKey::generate(origin).map_err(|error| StoreError::Failed(format!("no checkpoint key: {error}")))
}

fn read(path: &Path) -> Result<Option<SigningKey>, StoreError> {
    let text = files::read_private(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => unreadable(path),
        _ => failure::file(path, &error),
    })?;
    let key = |text: String| SigningKey::from_secret(text.trim_end()).map_err(|_| unreadable(path));
    text.map(key).transpose()
}

fn write(key: &SigningKey, path: &Path, replace: bool) -> io::Result<()> {
    files::write_private(path, replace, |file| writeln!(file, "{}", key.secret()))
}

fn unreadable(path: &Path) -> StoreError {
    StoreError::Failed(format!(
        "`{}` does not hold a checkpoint key: put back a backup of it; without one, move it away and begin with a new \
         key by `countersign audit rotate-key --lost`",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &tempfile::TempDir) -> KeyFiles {
        KeyFiles::beside(&folder.path().join("countersign.db"))
    }

    #[test]
    fn the_first_key_is_made_once_and_is_the_user_s_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        assert!(!files.is_there().unwrap());
        let key = files.first("countersign.test").unwrap();
        assert_eq!(files.first("countersign.other").unwrap().verifier(), key.verifier());
        assert_eq!(files.find(key.verifier()).unwrap().unwrap().verifier(), key.verifier());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = || fs::metadata(files.path()).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(), 0o600);
            fs::set_permissions(files.path(), fs::Permissions::from_mode(0o644)).unwrap();
            files.find(key.verifier()).unwrap();
            assert_eq!(mode(), 0o600, "others' rights are taken away");
        }
    }

    #[test]
    fn a_new_key_takes_the_place_of_the_old_one_in_two_steps() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        let old = files.first("countersign.test").unwrap();
        let new = files.prepare("countersign.test").unwrap();
        assert!(files.has_next(new.verifier()).unwrap() && !files.has_next(old.verifier()).unwrap());
        assert!(files.find(old.verifier()).unwrap().is_some() && files.find(new.verifier()).unwrap().is_some());
        files.advance().unwrap();
        assert!(files.find(old.verifier()).unwrap().is_none() && files.find(new.verifier()).unwrap().is_some());
        let held = files.lock().unwrap();
        assert!(files.lock().unwrap_err().to_string().contains("another process"));
        drop(held);
        files.lock().unwrap();
    }

    #[test]
    fn a_file_that_holds_no_key_is_told_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder);
        fs::write(files.path(), "PRIVATE+KEY+secret\n").unwrap();
        let error = files.first("countersign.test").unwrap_err().to_string();
        assert!(error.contains("does not hold a checkpoint key") && !error.contains("secret"), "{error}");
        fs::write(files.path(), [0xff]).unwrap();
        assert!(files.first("countersign.test").is_err());
    }
}
