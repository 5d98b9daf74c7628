//! An installation of the server: a folder with its configuration, credentials and store, before one cloud.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use countersign::sandbox::Sandbox;
use tempfile::TempDir;
use toml_edit::{DocumentMut, value};

use super::record::Record;
use super::stub::Stub;

/// The binary under test: the one built with this test, or another that the environment names.
fn binary() -> PathBuf {
    std::env::var_os("COUNTERSIGN_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_countersign").into(), PathBuf::from)
}

/// The secret of the server's own key.
pub(crate) const OWN_SECRET: &str = "planted-own-secret";

/// An installation; its folder goes with it.
pub(crate) struct Installation {
    folder: TempDir,
}

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Installation {
    /// Before a stub (or moto): the accounts shop-dev and shop-prod with their roles, for ann.
    pub(crate) fn before(endpoint: &str) -> Self {
        let config = format!(
            r#"[caller]
human = "ann"
agent = "test-agent"

[accounts.shop-dev]
id = "210987654321"
stage = "dev"
regions = ["eu-central-1"]
read_role = "arn:aws:iam::210987654321:role/countersign-read"
change_role = "arn:aws:iam::210987654321:role/countersign-change"

[accounts.shop-prod]
id = "123456789012"
stage = "prod"
regions = ["eu-central-1"]
read_role = "arn:aws:iam::123456789012:role/countersign-read"
change_role = "arn:aws:iam::123456789012:role/countersign-change"

[store]
path = "countersign.db"

[aws]
endpoint_url = "{endpoint}"
credentials_file = "credentials"
profile = "server"
"#
        );
        let installation = Self::empty();
        let key = format!("[server]\naws_access_key_id = AKIASERVER\naws_secret_access_key = {OWN_SECRET}\n");
        installation.write("credentials", &key);
        installation.write("countersign.toml", &config);
        installation
    }

    /// Before a stub.
    pub(crate) fn before_stub(stub: &Stub) -> Self {
        Self::before(stub.endpoint())
    }

    /// Before a sandbox: as the sandbox has it, but with a store of its own.
    pub(crate) fn before_sandbox(sandbox: &Sandbox) -> Self {
        let installation = Self::empty();
        let text = std::fs::read_to_string(sandbox.config_path()).unwrap();
        let mut config: DocumentMut = text.parse().unwrap();
        let credentials = sandbox.folder().join(config["aws"]["credentials_file"].as_str().unwrap());
        config["aws"]["credentials_file"] = value(credentials.to_str().unwrap());
        let manifest = sandbox.folder().join(config["manifests"]["folders"][0].as_str().unwrap());
        config["manifests"]["folders"] = value(toml_edit::Array::from_iter([manifest.to_str().unwrap()]));
        config["store"]["path"] = value("countersign.db");
        installation.write("countersign.toml", &config.to_string());
        installation
    }

    /// A folder without any file.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Sets a key of the configuration, such as `limits.plan_ttl`.
    pub(crate) fn set(self, key: &str, to: impl Into<toml_edit::Value>) -> Self {
        let mut config: DocumentMut = std::fs::read_to_string(self.config()).unwrap().parse().unwrap();
        let (table, key) = key.rsplit_once('.').unwrap();
        let mut at = config.as_item_mut();
        for part in table.split('.') {
            at = at.as_table_like_mut().unwrap().entry(part).or_insert(toml_edit::table());
        }
        at[key] = value(to);
        std::fs::write(self.config(), config.to_string()).unwrap();
        self
    }

    /// Adds to the configuration, such as a rule for tags.
    pub(crate) fn with_config(self, text: &str) -> Self {
        let config = std::fs::read_to_string(self.config()).unwrap();
        self.write("countersign.toml", &format!("{config}\n{text}"));
        self
    }

    /// Puts a policy of its own in force besides the profile.
    pub(crate) fn with_policy(self, text: &str) -> Self {
        self.write("own.cedar", text);
        self.set("policy.files", toml_edit::Array::from_iter(["own.cedar"]))
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder().join("countersign.toml")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder().join("countersign.db")
    }

    /// The binary with nothing of this process's environment but `PATH`; the folder is its home and working folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder()).current_dir(self.folder());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(arguments).output().unwrap())
    }

    /// The record as it stands, after `countersign audit verify` has found it intact.
    pub(crate) fn record(&self) -> Record {
        let verified = self.run(&["audit", "verify"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        self.exported()
    }

    /// The record as it stands, where a server may be writing to it.
    pub(crate) fn exported(&self) -> Record {
        let exported = self.run(&["audit", "export"]);
        assert_eq!(exported.code, Some(0), "{exported:?}");
        Record::parse(&exported.out)
    }

    /// Waits until the record fulfils a condition.
    pub(crate) async fn until(&self, what: &str, met: impl Fn(&Record) -> bool) -> Record {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let record = self.exported();
            if met(&record) {
                return record;
            }
            assert!(Instant::now() < deadline, "the record never showed {what}: {record:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}
