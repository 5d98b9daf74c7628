//! Which processes are alive: each holds the lock of a file of its own as long as it lives, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{failure, files};
use crate::ports::StoreError;

/// This store's sign of life. Dropping it says that its process is gone.
#[derive(Debug)]
pub(super) struct Instance {
    id: String,
    path: PathBuf,
    _locked: File,
}

impl Instance {
    /// Makes and locks a file beside the database at `database`.
    pub(super) fn start(database: &Path) -> Result<Self, StoreError> {
        let folder = folder_beside(database);
        let id = ulid::Ulid::generate().to_string().to_lowercase();
        let path = lock_path(&folder, &id);
        let start = || {
            files::private_folder(&folder)?;
            // Under its name only once it is locked: nobody may find it free in between.
            let unfinished = path.with_extension("new");
            let file = files::private_file(&unfinished)?;
            file.lock()?;
            fs::rename(&unfinished, &path)?;
            Ok(file)
        };
        let locked = start().map_err(|error| failure::file(&folder, &error))?;
        Ok(Self { id, path, _locked: locked })
    }

    /// Its name; goes into the plans it applies.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A file that stays behind is free, and so means the same as none.
        let _ = files::remove(&self.path);
    }
}

/// True where the process of instance `id` still lives. What can't be found out counts as living.
pub(super) fn is_alive(database: &Path, id: &str) -> Result<bool, StoreError> {
    let path = lock_path(&folder_beside(database), id);
    let probe = || match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    probe().map_err(|error| failure::file(&path, &error))
}

/// Removes the files of processes that are gone.
pub(super) fn sweep(database: &Path) -> Result<(), StoreError> {
    let folder = folder_beside(database);
    let entries = fs::read_dir(&folder).map_err(|error| failure::file(&folder, &error))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let id = path.file_stem().and_then(|id| id.to_str()).unwrap_or_default();
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        if is_lock && !is_alive(database, id)? {
            files::remove(&path).map_err(|error| failure::file(&path, &error))?;
        }
    }
    Ok(())
}

fn folder_beside(database: &Path) -> PathBuf {
    database.with_file_name("instances")
}

fn lock_path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_lives_until_its_lock_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("countersign.db");
        let (one, other) = (Instance::start(&database).unwrap(), Instance::start(&database).unwrap());
        assert!(is_alive(&database, one.id()).unwrap());
        let id = one.id().to_owned();
        drop(one);
        assert!(!is_alive(&database, &id).unwrap());
        assert!(is_alive(&database, other.id()).unwrap());
    }

    #[test]
    fn sweeping_removes_only_the_files_of_the_dead() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("countersign.db");
        let alive = Instance::start(&database).unwrap();
        let killed = folder.path().join("instances/killed.lock");
        fs::write(&killed, "").unwrap();
        sweep(&database).unwrap();
        assert!(!killed.exists());
        assert!(alive.path.exists());
    }
}
