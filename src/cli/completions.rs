//! `countersign completions`: what a shell completes.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::Failure;

/// `countersign completions SHELL`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Runs the command. `whole` is the command line it belongs to.
pub fn run(args: &CompletionsArgs, mut whole: Command) -> Result<ExitCode, Failure> {
    let name = whole.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole, name, &mut script);
    anstream::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
