//! The manifests inside this binary: all of `tool-manifests/`, listed by the build script.

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_file_of_the_folder_is_shipped() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        for folder in std::fs::read_dir(root.join("tool-manifests")).unwrap() {
            for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
        found.sort();
        let mut listed: Vec<&str> = TOOLS.iter().chain(FAMILIES).map(|(path, _)| *path).collect();
        listed.sort();
        assert_eq!(listed, found);
    }
}
