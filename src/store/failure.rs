//! What SQLite and the file system complain about, in words that name the file and the mend.

use std::io;
use std::path::Path;

use crate::ports::StoreError;

/// SQLite's primary result codes (<https://sqlite.org/rescode.html>) that have a mend of their own.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READONLY: u32 = 8;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const NOTADB: u32 = 26;

/// A failed statement, or a failed opening, of the database at `path`.
pub(super) fn database(path: &Path, error: &sqlx::Error) -> StoreError {
    let file = path.display();
    StoreError::Failed(match code(error) {
        Some(BUSY | LOCKED) => return locked(path),
        Some(READONLY) => {
            format!("`{file}` can't be written: make the file and its folder writable for the user who runs the server")
        }
        Some(CORRUPT | NOTADB) => format!(
            "`{file}` is damaged or not a database ({error}): move it away together with its `-wal` and `-shm` files \
             and with `audit.head`, then put back a backup, or start with an empty record"
        ),
        Some(FULL) => format!("the disk that holds `{file}` is full: free some space, then try again"),
        Some(CANTOPEN) => {
            format!("`{file}` can't be opened: check that it is a file, and that it and its folder are writable")
        }
        _ => format!("`{file}`: {error}"),
    })
}

/// Another program holds the database at `path` for too long.
pub(super) fn locked(path: &Path) -> StoreError {
    StoreError::Failed(format!(
        "`{}` is locked by another program: end whatever holds it (an SQLite shell, a backup), then try again",
        path.display()
    ))
}

/// A failed operation on the file or folder at `path`.
pub(super) fn file(path: &Path, error: &io::Error) -> StoreError {
    let file = path.display();
    StoreError::Failed(match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
            "`{file}` can't be written: make it writable for the user who runs the server, or name another place \
             under `store` in the configuration"
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("the disk that holds `{file}` is full: free some space, then try again")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
            format!("`{file}`: {error}; `store` in the configuration must name a file in a folder")
        }
        _ => format!("`{file}`: {error}"),
    })
}

/// A row that does not hold what was written into it.
pub(super) fn unreadable(path: &Path, what: &str, why: &str) -> StoreError {
    StoreError::Failed(format!(
        "`{}`: {what} can't be read: {why}; it was damaged or changed by another program: run `countersign audit \
         verify`, and put back a backup",
        path.display()
    ))
}

/// True where another process holds the database for the moment.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(code(error), Some(BUSY | LOCKED))
}

/// The primary result code; SQLite puts it into the lowest byte of the extended ones.
fn code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_names_the_file_and_the_mend() {
        use io::ErrorKind::{NotADirectory, Other, PermissionDenied, ReadOnlyFilesystem, StorageFull};

        let path = Path::new("/srv/countersign.db");
        let kinds = [PermissionDenied, ReadOnlyFilesystem, StorageFull, NotADirectory, Other];
        let files = kinds.map(|kind| file(path, &io::Error::from(kind)).to_string());
        let others = [locked(path), unreadable(path, "plan plan-1", "it has no known state")].map(|e| e.to_string());
        insta::assert_snapshot!(files.into_iter().chain(others).collect::<Vec<_>>().join("\n"));
    }
}
