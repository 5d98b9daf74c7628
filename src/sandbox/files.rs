//! The files a sandbox leaves in its folder for the server: `credentials` and `countersign.toml`.

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use super::seed::identity::{CHANGE_ROLE, EXTERNAL_ID, READ_ROLE, role_arn};
use super::seed::{ACCOUNTS, REGION, TOOLS_ACCOUNT};
use super::{SandboxAccount, SandboxError};

/// The configuration's name in the sandbox's folder.
pub(super) const CONFIG_FILE: &str = "countersign.toml";

/// Keys that the emulator takes for an account's root, whatever their secret.
pub(super) const ROOT_CREDENTIALS_FILE: &str = "root-credentials";

/// The folder of what the server of a sandbox loads instead of shipped manifests.
pub(crate) const MANIFESTS: &str = "manifests";

static DELETE_STACK: &str = include_str!("../../tool-manifests/cloudformation/cloudformation_delete_stack.yaml");
static UPDATE_STACK: &str = include_str!("../../tool-manifests/cloudformation/cloudformation_update_stack.yaml");

const CREDENTIALS_FILE: &str = "credentials";

/// The profile of the server's own identity.
const PROFILE: &str = "countersign-sandbox";

/// An access key of an IAM user of the emulator.
pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) secret: String,
}

/// Makes a folder that only its owner can look into, and ignores it in Git.
pub(super) fn private_folder(folder: &Path) -> Result<(), SandboxError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.and_then(|()| std::fs::write(folder.join(".gitignore"), "*\n"))
        .map_err(SandboxError::io(format!("make the folder `{}`", folder.display())))
}

/// Writes the server's key, readable for its owner only.
pub(super) fn write_credentials(folder: &Path, key: &AccessKey) -> Result<(), SandboxError> {
    let AccessKey { id, secret } = key;
    let text = format!("[{PROFILE}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    write_whole(folder, CREDENTIALS_FILE, &text, 0o600)
}

/// Writes the root keys of all accounts. Who can reach the emulator doesn't need them to be root.
pub(super) fn write_root_credentials(folder: &Path) -> Result<(), SandboxError> {
    let ids = ACCOUNTS.iter().map(|account| account.id).chain([TOOLS_ACCOUNT]);
    let profile = |id| format!("[{}]\naws_access_key_id = {id}\naws_secret_access_key = any\n", root_profile(id));
    write_whole(folder, ROOT_CREDENTIALS_FILE, &ids.map(profile).collect::<String>(), 0o600)
}

/// The profile of an account's root key.
pub(super) fn root_profile(account: &str) -> String {
    format!("root-{account}")
}

/// The key written before, where there is one.
pub(super) fn read_credentials(folder: &Path) -> Option<AccessKey> {
    let text = std::fs::read_to_string(folder.join(CREDENTIALS_FILE)).ok()?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))?;
        Some(line.trim().to_owned())
    };
    Some(AccessKey { id: value("aws_access_key_id")?, secret: value("aws_secret_access_key")? })
}

/// Writes the configuration of a server for this sandbox.
pub(super) fn write_config(folder: &Path, endpoint: &str) -> Result<(), SandboxError> {
    write_whole(folder, CONFIG_FILE, &config(endpoint), 0o644)
}

/// Writes the manifests of the tools that the emulator needs others of: it forgets the service roles of stacks, without
/// which the shipped tools refuse to delete and update them.
pub(super) fn write_manifests(folder: &Path) -> Result<(), SandboxError> {
    let manifests = folder.join(MANIFESTS);
    std::fs::create_dir_all(&manifests).map_err(SandboxError::io(format!("make `{}`", manifests.display())))?;
    write_whole(&manifests, "cloudformation_delete_stack.yaml", &without_refusal(DELETE_STACK), 0o644)?;
    write_whole(&manifests, "cloudformation_update_stack.yaml", &without_refusal(UPDATE_STACK), 0o644)
}

/// A manifest without its section `refuse`.
fn without_refusal(text: &str) -> String {
    let mut within = false;
    let kept = text.lines().filter(|line| {
        within = if line.starts_with(' ') { within } else { line.starts_with("refuse:") };
        !within
    });
    let note = "# Written by `countersign sandbox`: as shipped, without `refuse`, because the emulator forgets service roles.\n";
    kept.fold(note.to_owned(), |text, line| text + line + "\n")
}

fn config(endpoint: &str) -> String {
    let accounts: String = ACCOUNTS.iter().map(account).collect();
    let names = ACCOUNTS.map(|account| format!("\"{}\"", account.name)).join(", ");
    format!(
        r#"# Written by `countersign sandbox`; the next start overwrites it.

[caller]
human = "ann"
agent = "demo-agent"
{accounts}
[agents.demo-agent]
roles = ["operator"]
accounts = [{names}]

# What is tagged as production is production, wherever it lies.
[[tags]]
tag = "env"
value = "prod*"
stage = "prod"

[[tags]]
tag = "owner"
owner = true

# Some tools are not the shipped ones: the files say why.
[manifests]
folders = ["{MANIFESTS}"]

[store]
path = "countersign.db"

[aws]
endpoint_url = "{endpoint}"
credentials_file = "{CREDENTIALS_FILE}"
profile = "{PROFILE}"
"#
    )
}

fn account(account: &SandboxAccount) -> String {
    let SandboxAccount { name, id, stage } = account;
    let (read, change) = (role_arn(id, READ_ROLE), role_arn(id, CHANGE_ROLE));
    format!(
        r#"
[accounts.{name}]
id = "{id}"
stage = "{stage}"
regions = ["{REGION}"]
read_role = "{read}"
change_role = "{change}"
external_id = "{EXTERNAL_ID}"
"#
    )
}

/// Replaces a file as a whole: a reader sees the old text or the new one, never half of it.
pub(super) fn write_whole(folder: &Path, name: &str, text: &str, mode: u32) -> Result<(), SandboxError> {
    let write = || -> io::Result<()> {
        // Made readable for its owner only, and so from the first byte on.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.persist(folder.join(name)).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(SandboxError::io(format!("write `{}`", folder.join(name).display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_back_as_written_and_only_the_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let key = AccessKey { id: "AKIA1".to_owned(), secret: "s/+=x".to_owned() };
        write_credentials(folder.path(), &key).unwrap();
        let back = read_credentials(folder.path()).unwrap();
        assert_eq!((back.id, back.secret), (key.id, key.secret));
        let mode = std::fs::metadata(folder.path().join(CREDENTIALS_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_manifests_are_the_shipped_ones_without_their_refusals() {
        for (shipped, lines) in [(DELETE_STACK, 10), (UPDATE_STACK, 10)] {
            let own = without_refusal(shipped);
            let without: Vec<&str> = own.lines().skip(1).collect();
            let left: Vec<&str> = shipped.lines().filter(|line| !without.contains(line)).collect();
            assert_eq!(left.len(), lines, "{left:?}");
            assert!(left[0] == "refuse:" && left[1..].iter().all(|line| line.starts_with("  ")), "{left:?}");
        }
    }

    #[test]
    fn without_a_complete_key_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_credentials(folder.path()).is_none());
        std::fs::write(folder.path().join(CREDENTIALS_FILE), "[x]\naws_access_key_id = A\n").unwrap();
        assert!(read_credentials(folder.path()).is_none());
    }

    #[test]
    fn the_configuration_is_one_that_a_server_takes() {
        let folder = tempfile::tempdir().unwrap();
        write_manifests(folder.path()).unwrap();
        write_config(folder.path(), "http://127.0.0.1:4566").unwrap();
        let path = folder.path().join(CONFIG_FILE);
        let models = crate::aws::Models::embedded().unwrap();
        let environment = crate::config::Environment::of_process();
        let config = crate::config::load(&path, &models, &environment).unwrap();
        assert_eq!(config.store, folder.path().join("countersign.db"));
        assert_eq!(config.aws.credentials_file, Some(folder.path().join(CREDENTIALS_FILE)));
        let accounts: Vec<_> = config.accounts.iter().map(|account| (account.name.as_str(), account.stage)).collect();
        assert_eq!(accounts, ACCOUNTS.map(|account| (account.name, account.stage)));
        insta::assert_snapshot!(std::fs::read_to_string(path).unwrap());
    }
}
