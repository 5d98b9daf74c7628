//! Files and folders that belong to the user alone.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::path::Path;

/// Makes a folder (0700) with those above it; leaves one that exists as it is.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes an empty database file (0600) where there is none; takes others' rights away where there is one.
///
/// The file at `path` is never opened here: closing it again would free the locks that SQLite holds on it elsewhere in
/// this process (<https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_>).
pub(super) fn private_database(path: &Path) -> io::Result<()> {
    if !path.try_exists()? {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let empty = tempfile::NamedTempFile::new_in(folder)?.into_temp_path();
        match empty.persist_noclobber(path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => return Err(error.error),
            _ => {}
        }
    }
    keep_private(&fs::metadata(path)?.permissions(), |private| fs::set_permissions(path, private))
}

/// Opens a file for reading and writing, made (0600) where there is none; takes others' rights away where there is one.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    keep_private(&file.metadata()?.permissions(), |private| file.set_permissions(private))?;
    Ok(file)
}

/// Reads a text file and takes others' rights to it away; `None` where there is none.
pub(super) fn read_private(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => keep_private(&found?.permissions(), |private| fs::set_permissions(path, private))?,
    }
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Writes a file (0600) that is there as a whole or not at all. Fails where there is one, unless it is to be replaced.
pub(super) fn write_private(
    path: &Path,
    replace: bool,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    let kept = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    kept.map_err(|error| error.error)?;
    Ok(())
}

#[cfg(unix)]
fn keep_private(now: &Permissions, set: impl FnOnce(Permissions) -> io::Result<()>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    if now.mode() & 0o077 == 0 { Ok(()) } else { set(Permissions::from_mode(0o600)) }
}

#[cfg(not(unix))]
fn keep_private(_: &Permissions, _: impl FnOnce(Permissions) -> io::Result<()>) -> io::Result<()> {
    Ok(())
}

/// Removes a file; one that isn't there is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
