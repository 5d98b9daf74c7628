//! The AWS CLI's files, `~/.aws/config` and `~/.aws/credentials`, and its environment variables, read for hints only:
//! which accounts there are, and which keys lie about.
//!
//! The form: <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html>.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

/// Variables that hold credentials, or lead to some.
const VARIABLES: [&str; 9] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_SSO_ACCOUNT_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// Longer files are none that a person keeps.
const LONGEST: u64 = 1 << 20;

/// Where the AWS CLI would look.
#[derive(Clone, Debug, Default)]
pub(super) struct AwsHome {
    /// Those of its environment variables that are set.
    pub(super) variables: BTreeMap<&'static str, String>,
    /// The home folder.
    pub(super) home: Option<PathBuf>,
}

/// The settings of one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// Its name; `default` for the default one.
    pub(super) name: String,
    /// Its settings, of both files. Never shown as they are: secrets are among them.
    settings: BTreeMap<String, String>,
}

impl AwsHome {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let set = |name: &'static str| {
            let value = env::var_os(name)?.to_string_lossy().into_owned();
            (!value.is_empty()).then_some((name, value))
        };
        Self {
            variables: VARIABLES.into_iter().filter_map(set).collect(),
            home: env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from),
        }
    }

    /// The profiles of both files, by name. Files that can't be read have none.
    pub(super) fn profiles(&self) -> Vec<Profile> {
        let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut sessions: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for file in self.files() {
            for (section, settings) in sections(&file) {
                match section.split_once(' ') {
                    Some(("sso-session", name)) => sessions.entry(name.trim().to_owned()).or_default().extend(settings),
                    Some(("profile", name)) => all.entry(name.trim().to_owned()).or_default().extend(settings),
                    Some(_) => {}
                    None => all.entry(section).or_default().extend(settings),
                }
            }
        }
        let mut profiles: Vec<Profile> = all.into_iter().map(|(name, settings)| Profile { name, settings }).collect();
        for profile in &mut profiles {
            let session = profile.settings.get("sso_session").and_then(|name| sessions.get(name));
            for (key, value) in session.into_iter().flatten() {
                profile.settings.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        profiles
    }

    /// Both files: the configuration, and the credentials.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let file = |variable: &str, name: &str| match self.variables.get(variable) {
            Some(path) => Some(PathBuf::from(path)),
            None => self.home.as_ref().map(|home| home.join(".aws").join(name)),
        };
        [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl Profile {
    fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// The account it leads to, where the files say so.
    pub(super) fn account(&self) -> Option<&str> {
        let of_role = self.role().and_then(|arn| arn.split(':').nth(4));
        self.get("sso_account_id").or(of_role).filter(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The role it assumes.
    pub(super) fn role(&self) -> Option<&str> {
        self.get("role_arn")
    }

    /// The region it works in.
    pub(super) fn region(&self) -> Option<&str> {
        self.get("region")
    }

    /// The id of a key that stands in the files and has no end.
    pub(super) fn long_term_key(&self) -> Option<&str> {
        self.get("aws_access_key_id").filter(|_| self.get("aws_session_token").is_none())
    }

    /// What makes it an administrator, as far as names say.
    pub(super) fn administers(&self) -> Option<&str> {
        let role = self.role().map(|arn| arn.rsplit('/').next().unwrap_or(arn));
        [self.get("sso_role_name"), role].into_iter().flatten().find(|name| sounds_like_admin(name))
    }
}

/// Whether a role's name says that it may do nearly everything.
pub(super) fn sounds_like_admin(name: &str) -> bool {
    let name = name.to_lowercase();
    ["admin", "poweruser", "owner", "superuser", "root", "organizationaccountaccessrole"]
        .iter()
        .any(|word| name.contains(word))
}

/// A key's id as it may be shown: whose it is can be told from it, what it opens can't.
pub(super) fn shown(key: &str) -> String {
    let (start, end): (String, String) = (key.chars().take(4).collect(), key.chars().skip(4).collect());
    let last: String = end.chars().skip(end.chars().count().saturating_sub(4)).collect();
    format!("{start}...{last}")
}

fn sections(file: &Path) -> Vec<(String, BTreeMap<String, String>)> {
    let small = std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() <= LONGEST);
    let text = if small { std::fs::read_to_string(file).unwrap_or_default() } else { String::new() };
    let mut all: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            all.push((name.trim().to_owned(), BTreeMap::new()));
        } else if let (false, Some((key, value)), Some((_, settings))) =
            (line.starts_with([' ', '\t']), bare.split_once('='), all.last_mut())
        {
            let value = value.split(" #").next().unwrap_or_default().trim();
            settings.insert(key.trim().to_lowercase(), value.to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_of_both_files_are_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".aws")).unwrap();
        let config = "# mine\n[default]\nregion = eu-central-1\n\n[profile shop-prod]\nsso_session = shop\nsso_account_id=444455556666\n\
                      sso_role_name = AdministratorAccess\nregion = us-east-1 # here\n[profile ops]\nrole_arn = \
                      arn:aws:iam::111122223333:role/ops\nsource_profile = default\ns3 =\n  addressing_style = path\n\
                      [sso-session shop]\nsso_region = eu-west-1\n[services x]\n";
        std::fs::write(folder.path().join(".aws/config"), config).unwrap();
        let credentials = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n[short]\n\
                           aws_access_key_id = ASIA1\naws_session_token = t\n";
        std::fs::write(folder.path().join(".aws/credentials"), credentials).unwrap();
        let home = AwsHome { home: Some(folder.path().to_owned()), ..AwsHome::default() };
        let told: Vec<String> = home
            .profiles()
            .iter()
            .map(|p| {
                format!(
                    "{} {:?} {:?} {:?} {:?}",
                    p.name,
                    p.account(),
                    p.region(),
                    p.long_term_key().map(shown),
                    p.administers()
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                r#"default None Some("eu-central-1") Some("AKIA...MPLE") None"#,
                r#"ops Some("111122223333") None None None"#,
                r#"shop-prod Some("444455556666") Some("us-east-1") None Some("AdministratorAccess")"#,
                "short None None None None",
            ]
        );
    }
}
