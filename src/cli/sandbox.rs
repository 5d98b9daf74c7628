//! `countersign sandbox`: a local cloud to try things on.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Failure;
use crate::sandbox::connect::Connection;
use crate::sandbox::{ACCOUNTS, DEFAULT_FOLDER, REGION, Sandbox, SandboxError, SandboxOptions};

/// `countersign sandbox ...`
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// The sandbox's folder: its configuration for the server, its log, its credentials.
    #[arg(long, global = true, value_name = "FOLDER", default_value = DEFAULT_FOLDER)]
    dir: PathBuf,
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Starts it, if it doesn't run, with two accounts seeded; it runs until `down`.
    Up(UpArgs),
    /// Forgets everything in it and seeds it again.
    Reset,
    /// Ends it.
    Down,
    /// Tells whether it runs, and where.
    Status,
}

#[derive(Debug, Args)]
struct UpArgs {
    /// The port at 127.0.0.1; a free one where it is left out.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The Python that has ministack; `.venv/bin/python` in this or a parent folder where it is left out.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_SANDBOX_PYTHON")]
    python: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(args: SandboxArgs) -> Result<(), Failure> {
    let SandboxArgs { dir, command } = args;
    match command {
        SandboxCommand::Up(UpArgs { port, python }) => {
            let sandbox = Sandbox::up(SandboxOptions { dir, port, python }).await?;
            describe(&sandbox);
            let connection = Connection { binary: std::env::current_exe()?, config: sandbox.config_path() };
            anstream::println!("\nConnect an agent to it:\n\n{connection}");
        }
        SandboxCommand::Reset => {
            let mut sandbox = Sandbox::running(&dir).await?;
            sandbox.reset().await?;
            describe(&sandbox);
            anstream::println!(
                "\nIt was seeded again. Servers that were connected must be started again: their key is gone."
            );
        }
        SandboxCommand::Down => {
            let ended = Sandbox::down(&dir).await?;
            anstream::println!("{}", if ended { "the sandbox has ended" } else { "no sandbox was running" });
        }
        SandboxCommand::Status => match Sandbox::running(&dir).await {
            Ok(sandbox) => describe(&sandbox),
            Err(SandboxError::NotRunning { .. }) => anstream::println!("no sandbox is running in `{}`", dir.display()),
            Err(error) => return Err(error.into()),
        },
    }
    Ok(())
}

fn describe(sandbox: &Sandbox) {
    let state = sandbox.state();
    anstream::println!("sandbox    {} (process {})", state.endpoint, state.pid);
    for account in &ACCOUNTS {
        anstream::println!("account    {} {} ({}, {REGION})", account.name, account.id, account.stage);
    }
    anstream::println!("config     {}", sandbox.config_path().display());
    anstream::println!("log        {}", sandbox.log_path().display());
}
