//! Finds the Python interpreter that has an emulator's package.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::SandboxError;

/// The interpreter to run `module` with: the named one, or `.venv/bin/python` in this or a parent folder.
///
/// An interpreter that was named and does not do is an error; nothing else is tried then. The system's own Python is
/// never tried: which packages it has is nobody's promise.
pub(crate) async fn interpreter(named: Option<&Path>, module: &'static str) -> Result<PathBuf, SandboxError> {
    let python = match named {
        Some(path) => path.to_owned(),
        None => environment_near(&std::env::current_dir().unwrap_or_default())
            .ok_or(SandboxError::NoEnvironment { package: module })?,
    };
    let finds_module = format!("import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)");
    let check = Command::new(&python)
        .args(["-I", "-c", &finds_module])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    match check {
        Ok(status) if status.success() => Ok(python),
        Ok(_) => Err(SandboxError::NoPackage { python, package: module }),
        Err(error) => Err(SandboxError::NoPython { python, reason: error.to_string() }),
    }
}

fn environment_near(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|at| at.join(".venv/bin/python")).find(|python| python.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_named_interpreter_that_is_missing_is_not_replaced_by_another() {
        let error = interpreter(Some(Path::new("/nonexistent/python")), "ministack").await.unwrap_err();
        insta::assert_snapshot!(error, @"`/nonexistent/python` can't be run (No such file or directory (os error 2)): name a Python that has the sandbox's packages, or run `make venv` and leave the choice to countersign");
    }

    #[tokio::test]
    async fn a_missing_package_is_told_with_the_one_command_that_helps() {
        let python = environment_near(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("run `make venv` first");
        let error = interpreter(Some(&python), "nonexistent_package").await.unwrap_err().to_string();
        assert!(error.contains("`nonexistent_package`") && error.contains("run `make venv`"), "{error}");
    }

    #[test]
    fn the_environment_of_a_parent_folder_counts() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir_all(root.path().join(".venv/bin")).unwrap();
        let python = root.path().join(".venv/bin/python");
        std::fs::write(&python, "").unwrap();
        assert_eq!(environment_near(&deep), Some(python));
    }
}
