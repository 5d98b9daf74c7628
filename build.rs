//! Lists the manifests of `tool-manifests/`, so that each becomes part of the binary.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const FOLDER: &str = "tool-manifests";
const FAMILIES: &str = "_families";

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
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FOLDER}");
    Ok(())
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
