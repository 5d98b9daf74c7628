//! Lists the manifests of `tool-manifests/`, so that each becomes part of the binary, and makes the version's text.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const FOLDER: &str = "tool-manifests";
const FAMILIES: &str = "_families";

/// Whoever builds a release says here which commit it is.
const COMMIT: &str = "COUNTERSIGN_COMMIT";

#[expect(clippy::disallowed_methods, reason = "this is how Cargo tells a build script where it is")]
fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let (mut families, mut tools) = (Vec::new(), Vec::new());
    for folder in sorted(&root.join(FOLDER))? {
        let of_families = folder.ends_with(FAMILIES);
        for file in sorted(&folder)? {
            let path = file.strip_prefix(&root)?.to_str().ok_or("a manifest's path is not UTF-8")?.replace('\\', "/");
            if of_families { families.push(path) } else { tools.push(path) }
        }
    }
    let mut list = String::new();
    write_list(&mut list, "Path and text of each tool.", "TOOLS", &tools)?;
    write_list(&mut list, "Path and text of each family.", "FAMILIES", &families)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("shipped.rs"), list)?;
    println!("cargo::rustc-env=COUNTERSIGN_VERSION={}", version(&root)?);
    println!("cargo::rerun-if-env-changed={COMMIT}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FOLDER}");
    Ok(())
}

/// The version with the commit, where that is known: from [`COMMIT`], or from what Cargo writes into a published package.
/// Never from the work tree, so that the same sources give the same binary.
#[expect(clippy::disallowed_methods, reason = "this is how Cargo tells a build script what it builds")]
fn version(root: &Path) -> Result<String, Box<dyn Error>> {
    let version = env::var("CARGO_PKG_VERSION")?;
    let packaged = fs::read_to_string(root.join(".cargo_vcs_info.json")).unwrap_or_default();
    let packaged = packaged.split("\"sha1\": \"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let commit = env::var(COMMIT).ok().or(packaged).unwrap_or_default();
    let short: String = commit.chars().take_while(char::is_ascii_hexdigit).take(12).collect();
    Ok(if short.is_empty() { version } else { format!("{version} (commit {short})") })
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    found.sort();
    Ok(found)
}

fn write_list(list: &mut String, about: &str, name: &str, paths: &[String]) -> Result<(), std::fmt::Error> {
    writeln!(list, "/// {about}\npub(super) const {name}: &[(&str, &str)] = &[")?;
    for path in paths {
        writeln!(
            list,
            "    ({path:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))),",
            format!("/{path}")
        )?;
    }
    writeln!(list, "];")
}
