//! `countersign demo`: the incident this exists for, replayed on the sandbox and stopped.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::demo::{self, DemoError, DemoOptions};
use crate::sandbox::DEFAULT_FOLDER;

/// `countersign demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave the sandbox running afterwards, to connect one's own agent to it.
    #[arg(long)]
    keep: bool,
    /// The folder of a sandbox that is kept. One that runs there already is reset.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_FOLDER)]
    dir: PathBuf,
    /// The Python that has ministack; `.venv/bin/python` in this or a parent folder where it is left out.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_SANDBOX_PYTHON")]
    python: Option<PathBuf>,
}

/// Runs the command. An expectation that did not hold is bad news (1); what broke it off is an error (2).
pub async fn run(args: DemoArgs) -> Result<ExitCode, Failure> {
    let DemoArgs { keep, dir, python } = args;
    let options = DemoOptions { binary: std::env::current_exe()?, python, keep: keep.then_some(dir) };
    match demo::run(options, &mut anstream::stdout()).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error @ DemoError::NotSo { .. }) => {
            anstream::eprintln!("countersign: {error}");
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}
