//! `countersign notify`: whether notifications arrive.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::notify::message;
use crate::notify::post::Poster;
use crate::ports::Clock;

/// `countersign notify ...`
#[derive(Debug, Args)]
pub struct NotifyArgs {
    #[command(subcommand)]
    command: NotifyCommand,
}

#[derive(Debug, Subcommand)]
enum NotifyCommand {
    /// Send a test to the configured receiver, once. Exits with 1 where it is not taken.
    Test,
}

/// Runs the command. `configured` reads the configuration.
pub async fn run(args: NotifyArgs, configured: impl Fn() -> Result<Config, Failure>) -> Result<ExitCode, Failure> {
    let NotifyCommand::Test = args.command;
    let config = configured()?.notify.ok_or("nobody is told anything: add `[notify]` to the configuration")?;
    let poster = Poster::new(&config)?;
    let now = SystemClock.now();
    let test = message::test(now, config.format)?;
    let out = &mut anstream::stdout().lock();
    match poster.post(&test, now).await {
        Ok(()) => {
            writeln!(out, "{} took the test", poster.receiver())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(reason) => {
            writeln!(out, "{} did not take the test: {reason}", poster.receiver())?;
            Ok(ExitCode::FAILURE)
        }
    }
}
