//! Secret keys in files of their own beside the database, for all processes that share it.

use std::io::{ErrorKind, Write};
use std::path::Path;

use super::{failure, files};
use crate::ports::StoreError;

/// The key that open questions are sealed with; made where there is none. Without the file questions that are open now
/// are void, and nothing else.
pub fn sealing_key(database: &Path) -> Result<[u8; 32], StoreError> {
    key(&database.with_file_name("sealing.key"))
}

fn key(path: &Path) -> Result<[u8; 32], StoreError> {
    let failed = |error: &std::io::Error| failure::file(path, error);
    if !path.try_exists().map_err(|error| failed(&error))? {
        make(path).map_err(|error| failed(&error))?;
    }
    // Takes others' rights away where there are any.
    files::private_file(path).map_err(|error| failed(&error))?;
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let mut key = [0_u8; 32];
    hex::decode_to_slice(text.trim(), &mut key).map_err(|_| {
        let file = path.display();
        StoreError::Failed(format!("`{file}` does not hold a key: remove it, and a new one is made"))
    })?;
    Ok(key)
}

/// Another process may be making it too: the first one counts. It is there whole or not at all.
fn make(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut key = [0_u8; 32];
    getrandom::fill(&mut key).map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", hex::encode(key))?;
    file.as_file().sync_all()?;
    match file.into_temp_path().persist_noclobber(path) {
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_belongs_to_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("countersign.db");
        let key = sealing_key(&database).unwrap();
        assert_eq!(sealing_key(&database).unwrap(), key);
        assert_ne!(sealing_key(&tempfile::tempdir().unwrap().path().join("countersign.db")).unwrap(), key);
        let file = folder.path().join("sealing.key");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(sealing_key(&database).unwrap(), key);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_told_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("countersign.db");
        for text in ["", "00", "not a key"] {
            std::fs::write(folder.path().join("sealing.key"), text).unwrap();
            assert!(sealing_key(&database).unwrap_err().to_string().contains("does not hold a key"), "{text}");
        }
    }
}
