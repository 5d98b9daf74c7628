//! `countersign demo`: the incident this exists for, replayed on the sandbox and stopped.
//!
//! A scripted agent talks MCP to a real server (this very binary, as a child process) that works on a real local
//! cloud. Nothing is staged: after every refusal the cloud is looked at past the server, with its root key, and
//! whatever goes otherwise than told fails the demonstration.

mod client;
mod play;
mod record;
mod stage;
mod story;
mod witness;

use std::io::Write;
use std::path::PathBuf;

use crate::sandbox::connect::Connection;
use crate::sandbox::python::interpreter;
use crate::sandbox::{DEFAULT_FOLDER, Sandbox, SandboxError, SandboxOptions};

use play::Play;
use stage::Stage;

/// How a demonstration runs.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// The server's binary.
    pub binary: PathBuf,
    /// The Python that has ministack; `None`: as for a sandbox.
    pub python: Option<PathBuf>,
    /// Leave the sandbox running, in this folder.
    pub keep: Option<PathBuf>,
}

/// Why a demonstration has failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is no sandbox to play on.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Something broke.
    #[error("the demonstration broke off: {0}")]
    Broke(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something went otherwise than it had to.
    #[error("{failed} of {checks} expectations did not hold; they are marked above")]
    NotSo {
        /// How many.
        failed: u32,
        /// Of how many.
        checks: u32,
    },
}

/// Plays the story and writes it to `out`.
pub async fn run(options: DemoOptions, out: &mut (dyn Write + Send)) -> Result<(), DemoError> {
    let broke = |error: Box<dyn std::error::Error + Send + Sync>| DemoError::Broke(error);
    let scratch = tempfile::tempdir().map_err(|error| broke(error.into()))?;
    let sandbox = open_sandbox(&options, scratch.path().join("sandbox")).await?;
    let python = interpreter(options.python.as_deref(), "sqlite3").await?;
    let mut play = Play::begin(Stage::new(out), sandbox, options.binary.clone(), python).await.map_err(broke)?;
    story::tell(&mut play).await.map_err(broke)?;
    let kept = options.keep.is_some();
    let (checks, failed) = play.end(|stage, sandbox| ending(stage, sandbox, &options.binary, kept)).map_err(broke)?;
    if failed > 0 { Err(DemoError::NotSo { failed, checks }) } else { Ok(()) }
}

async fn open_sandbox(options: &DemoOptions, scratch: PathBuf) -> Result<Sandbox, SandboxError> {
    let python = options.python.clone();
    match &options.keep {
        None => Sandbox::start(SandboxOptions { dir: scratch, port: None, python }).await,
        Some(dir) => {
            let ran_before = Sandbox::running(dir).await.is_ok();
            let mut sandbox = Sandbox::up(SandboxOptions { dir: dir.clone(), port: None, python }).await?;
            if ran_before {
                sandbox.reset().await?;
            }
            Ok(sandbox)
        }
    }
}

fn ending(stage: &mut Stage<'_>, sandbox: &Sandbox, binary: &std::path::Path, kept: bool) -> std::io::Result<()> {
    let (checks, failed) = stage.score();
    stage.verbatim("\n")?;
    stage.expect(failed == 0, &format!("{} of {checks} expectations held", checks.saturating_sub(failed)))?;
    stage.scene("Your own agent")?;
    let config = if kept {
        stage.tell("The sandbox goes on running. To connect your own agent to it:")?;
        sandbox.config_path()
    } else {
        stage.tell("The sandbox of this demonstration is gone. To start one and connect your own agent to it:")?;
        stage.verbatim(&format!("Sandbox\n  {} sandbox up\n\n", binary.display()))?;
        std::path::absolute(DEFAULT_FOLDER)?.join("countersign.toml")
    };
    let connection = Connection { binary: binary.to_owned(), config };
    stage.verbatim(&connection.to_string())
}
