//! `countersign policy`: what agents may do, looked at before it goes live.

mod asked;
mod cases;
mod check;
mod explain;
mod ground;
mod test;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Failure, problems};
use crate::document::Problems;

/// `countersign policy ...`
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Parses and validates policies; tells all that is wrong at once. Exits with 1 where something is.
    Check(check::CheckArgs),
    /// Runs cases: requests, and what policies shall say of them. Exits with 1 where one comes out otherwise.
    Test(test::TestArgs),
    /// Says whether policies permit a call, which of them decide, and what it takes.
    Explain(explain::ExplainArgs),
}

/// Which policies a command means.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Which {
    /// Files and folders of policies, taken for those of the configuration.
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// The shipped profile below them, or `none`; without it the configuration's.
    #[arg(long, value_name = "NAME", value_parser = ground::profile)]
    profile: Option<crate::config::Profile>,
}

/// Runs the command. `config` is `--config`; without any configuration the shipped words and a stand-in for each stage
/// are meant.
pub fn run(args: &PolicyArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    match &args.command {
        PolicyCommand::Check(args) => check::run(args, config),
        PolicyCommand::Test(args) => test::run(args, config),
        PolicyCommand::Explain(args) => explain::run(args, config),
    }
}

/// What is wrong, on standard error; the answer is bad news.
fn told(wrong: &Problems) -> Result<ExitCode, Failure> {
    write!(anstream::stderr().lock(), "{}", problems::shown(wrong, std::io::stderr().is_terminal()))?;
    Ok(ExitCode::FAILURE)
}
