//! [moto](https://pypi.org/project/moto/)'s server, for tests of EC2's `DryRun`: it honours it, which ministack doesn't.
//!
//! It enforces no permissions and accepts every key; there is nothing to seed. CloudFormation doesn't work, because
//! its many packages are left out of `requirements-dev.txt`.

use std::path::PathBuf;

use super::emulator::{Emulator, Launch};
use super::{SandboxError, files, python};

/// A running moto server; it ends with this value.
#[derive(Debug)]
pub struct Moto {
    emulator: Emulator,
}

impl Moto {
    /// Starts a server on a free port. `folder` takes its log; `python`: as for a sandbox.
    pub async fn start(folder: PathBuf, python: Option<PathBuf>) -> Result<Self, SandboxError> {
        let python = python::interpreter(python.as_deref(), "moto").await?;
        files::private_folder(&folder)?;
        let emulator = Emulator::start(Launch {
            python: &python,
            module: "moto.server",
            arguments: |port| {
                ["-H", "127.0.0.1", "-p"].map(str::to_owned).into_iter().chain([port.to_string()]).collect()
            },
            environment: &|_| Vec::new(),
            folder: &folder,
            log: &folder.join("moto.log"),
            health: "/moto-api/data.json",
            port: None,
            tied: true,
        })
        .await?;
        Ok(Self { emulator })
    }

    /// Where AWS is, such as `http://127.0.0.1:45123`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.emulator.port)
    }
}
