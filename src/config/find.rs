//! Where the configuration is looked for.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

/// The file's name in every place but the explicit ones.
const NAME: &str = "countersign.toml";

/// What of the process's environment matters for configuration.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `COUNTERSIGN_CONFIG`.
    pub config: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// The working directory.
    pub working: PathBuf,
}

impl Environment {
    /// That of this process. Empty variables count as unset.
    pub fn of_process() -> Self {
        let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            config: path("COUNTERSIGN_CONFIG"),
            config_home: path("XDG_CONFIG_HOME"),
            state_home: path("XDG_STATE_HOME"),
            home: path("HOME"),
            working: env::current_dir().unwrap_or_default(),
        }
    }

    /// `XDG_CONFIG_HOME`, or `~/.config`.
    fn config_folder(&self) -> Option<PathBuf> {
        self.config_home.clone().or_else(|| self.home.as_ref().map(|home| home.join(".config")))
    }

    /// Where the store lies if the configuration names no place.
    pub(super) fn default_store(&self) -> Option<PathBuf> {
        let state = self.state_home.clone().or_else(|| self.home.as_ref().map(|home| home.join(".local/state")));
        state.map(|state| state.join("countersign/countersign.db"))
    }
}

/// No configuration anywhere.
#[derive(Debug)]
pub struct NotFound {
    /// Where it was looked for, in order.
    pub looked: Vec<PathBuf>,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "there is no configuration; neither --config nor COUNTERSIGN_CONFIG names one, and there is no")?;
        for path in &self.looked {
            writeln!(f, "  {}", path.display())?;
        }
        write!(f, "for a trial on this machine, without AWS, `countersign sandbox up` writes one")
    }
}

impl std::error::Error for NotFound {}

/// The configuration file: `explicit` (`--config`), `COUNTERSIGN_CONFIG`, `./countersign.toml`, then
/// `$XDG_CONFIG_HOME/countersign/countersign.toml`. What is named explicitly is taken whether it exists or not.
pub fn find(explicit: Option<&Path>, environment: &Environment) -> Result<PathBuf, NotFound> {
    if let Some(named) = explicit.or(environment.config.as_deref()) {
        return Ok(environment.working.join(named));
    }
    let usual = environment.config_folder().map(|folder| folder.join("countersign").join(NAME));
    let looked: Vec<PathBuf> = std::iter::once(environment.working.join(NAME)).chain(usual).collect();
    looked.iter().find(|path| path.exists()).cloned().ok_or(NotFound { looked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_places() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment {
            home: Some(folder.path().join("home")),
            working: folder.path().join("here"),
            ..Environment::default()
        };
        let error = find(None, &environment).unwrap_err().to_string().replace(&folder.path().display().to_string(), "");
        insta::assert_snapshot!(error, @r#"
there is no configuration; neither --config nor COUNTERSIGN_CONFIG names one, and there is no
  /here/countersign.toml
  /home/.config/countersign/countersign.toml
for a trial on this machine, without AWS, `countersign sandbox up` writes one
"#);
        let usual = folder.path().join("home/.config/countersign/countersign.toml");
        std::fs::create_dir_all(usual.parent().unwrap()).unwrap();
        std::fs::write(&usual, "").unwrap();
        assert_eq!(find(None, &environment).unwrap(), usual);
        let here = folder.path().join("here/countersign.toml");
        std::fs::create_dir_all(here.parent().unwrap()).unwrap();
        std::fs::write(&here, "").unwrap();
        assert_eq!(find(None, &environment).unwrap(), here);
        environment.config = Some("/etc/countersign.toml".into());
        assert_eq!(find(None, &environment).unwrap(), Path::new("/etc/countersign.toml"));
        assert_eq!(find(Some(Path::new("x.toml")), &environment).unwrap(), folder.path().join("here/x.toml"));
    }
}
