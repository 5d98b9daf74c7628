//! `countersign policy`: what agents may do, looked at before it goes live.

mod asked;
mod cases;
mod check;
mod diff;
mod explain;
mod ground;
mod prove;
pub(super) mod solver;
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
#[expect(clippy::large_enum_variant, reason = "there is one of it in a process")]
enum PolicyCommand {
    /// Parses and validates policies; tells all that is wrong at once. Exits with 1 where something is.
    Check(check::CheckArgs),
    /// Runs cases: requests, and what policies shall say of them. Exits with 1 where one comes out otherwise.
    Test(test::TestArgs),
    /// Says whether policies permit a call, which of them decide, and what it takes.
    Explain(explain::ExplainArgs),
    /// Proves that what must never be permitted isn't, for every tool, agent and resource. Exits with 1 where something
    /// is not proved, with 2 where there is no solver.
    Prove(prove::ProveArgs),
    /// Tells what one set of policies permits and another doesn't. Exits with 1 where the new one permits more.
    Diff(diff::DiffArgs),
    /// Prints every word that policies can use.
    Schema,
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
pub async fn run(args: &PolicyArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    match &args.command {
        PolicyCommand::Check(args) => check::run(args, config),
        PolicyCommand::Test(args) => test::run(args, config),
        PolicyCommand::Explain(args) => explain::run(args, config),
        PolicyCommand::Prove(args) => prove::run(args, config).await,
        PolicyCommand::Diff(args) => diff::run(args, config).await,
        PolicyCommand::Schema => schema(config),
    }
}

fn schema(config: Option<&Path>) -> Result<ExitCode, Failure> {
    match ground::Ground::find(config)? {
        Ok(ground) => {
            write!(anstream::stdout().lock(), "{}", ground.vocabulary.text())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => told(&wrong),
    }
}

/// What is wrong, on standard error; the answer is bad news.
fn told(wrong: &Problems) -> Result<ExitCode, Failure> {
    write!(anstream::stderr().lock(), "{}", problems::shown(wrong, std::io::stderr().is_terminal()))?;
    Ok(ExitCode::FAILURE)
}
