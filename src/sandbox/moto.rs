//! [moto](https://pypi.org/project/moto/)'s server, for tests of EC2's `DryRun`: it honours it, which ministack doesn't.
//!
//! It enforces no permissions and accepts every key, so its one account has no roles; there is nothing to seed.
//! CloudFormation doesn't work, because the many packages it needs are left out of `requirements-dev.txt`.

use std::path::{Path, PathBuf};

use super::emulator::{Emulator, Launch};
use super::{REGION, SandboxError, files, python};

/// moto's account for every key it doesn't know.
const ACCOUNT: &str = "123456789012";

/// A running moto server; it ends with this value.
#[derive(Debug)]
pub struct Moto {
    emulator: Emulator,
    folder: PathBuf,
}

impl Moto {
    /// Starts a server on a free port. `folder` takes its log and a `countersign.toml`; `python`: as for a sandbox.
    pub async fn start(folder: &Path, python: Option<&Path>) -> Result<Self, SandboxError> {
        let python = python::interpreter(python, "moto").await?;
        files::private_folder(folder)?;
        let folder = super::absolute(folder)?;
        let emulator = Emulator::start(Launch {
            python: &python,
            module: "moto.server",
            arguments: |port| vec!["-H".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port.to_string()],
            environment: &|_| Vec::new(),
            folder: &folder,
            log: &folder.join("moto.log"),
            health: "/moto-api/data.json",
            port: None,
            tied: true,
        })
        .await?;
        let moto = Self { emulator, folder };
        let credentials = "[moto]\naws_access_key_id = any\naws_secret_access_key = any\n";
        files::write_whole(&moto.folder, "credentials", credentials, 0o600)?;
        files::write_whole(&moto.folder, files::CONFIG_FILE, &moto.config(), 0o644)?;
        Ok(moto)
    }

    fn config(&self) -> String {
        let endpoint = self.endpoint();
        format!(
            r#"[caller]
human = "ann"
agent = "demo-agent"

[accounts.shop-dev]
id = "{ACCOUNT}"
stage = "dev"
regions = ["{REGION}"]

[store]
path = "countersign.db"

[aws]
endpoint_url = "{endpoint}"
credentials_file = "credentials"
profile = "moto"
"#
        )
    }

    /// Where AWS is, such as `http://127.0.0.1:45123`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.emulator.port)
    }

    /// The `countersign.toml` of a server for it: one account, `shop-dev`, without roles.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join(files::CONFIG_FILE)
    }
}
