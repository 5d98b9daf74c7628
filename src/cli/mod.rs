//! The command line: flags, wiring, exit codes. One file a command.

pub mod approver;
pub mod audit;
mod audit_line;
mod audit_verify;
mod aws_files;
pub mod breaker;
mod checkpoint;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod iam;
pub mod init;
pub mod man;
pub mod manifest;
pub mod notify;
pub mod plans;
pub mod policy;
mod policy_files;
mod problems;
pub mod receipt;
pub mod register;
mod reload;
pub mod sandbox;
mod serve;
mod serve_http;
pub mod token;
mod wiring;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// What every command may fail with: an error that says what is wrong, where, and what to do.
pub type Failure = Box<dyn std::error::Error>;

/// Agents operate AWS, and never alone: an MCP server with previews, confirmations and a verifiable record.
#[derive(Debug, Parser)]
#[command(name = "countersign", version = env!("COUNTERSIGN_VERSION"), propagate_version = true)]
struct Cli {
    /// The configuration; without it `./countersign.toml`, then `countersign/countersign.toml` in the user's
    /// configuration folder.
    #[arg(long, global = true, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is logged to standard error, such as `debug` or `countersign=debug`. Libraries log no more than `info`.
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_LOG",
        value_name = "FILTER",
        default_value = "countersign=info,rmcp=warn"
    )]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP, over standard input and output or over HTTP.
    Serve(serve::ServeArgs),
    /// Write a first configuration: asks on a terminal, or takes flags.
    Init(init::InitArgs),
    /// Look whether everything is as it should be, and say what to do where it isn't.
    ///
    /// Exits with 1 where something is wrong.
    Doctor(doctor::DoctorArgs),
    /// Register the server with an MCP client.
    Register(register::RegisterArgs),
    /// Check, list and show manifests.
    Manifest(manifest::ManifestArgs),
    /// Check the configuration.
    Config(config::ConfigArgs),
    /// Check what agents may do.
    Policy(policy::PolicyArgs),
    /// Make, look into and check the roles at AWS.
    Iam(iam::IamArgs),
    /// Verify, follow and export the record.
    Audit(audit::AuditArgs),
    /// Export what the record says of one plan, signed, and verify such a file anywhere.
    Receipt(receipt::ReceiptArgs),
    /// List plans.
    Plans(plans::PlansArgs),
    /// Show one plan.
    Plan(plans::PlanArgs),
    /// Invite, list and revoke the people who sign plans.
    Approver(approver::ApproverArgs),
    /// Make static tokens for agents that call over HTTP.
    Token(token::TokenArgs),
    /// Test notifications.
    Notify(notify::NotifyArgs),
    /// List and close breakers.
    Breaker(breaker::BreakerArgs),
    /// Start, reset and stop a local cloud to try things on.
    Sandbox(sandbox::SandboxArgs),
    /// Replay the incident this exists for, on a local cloud.
    Demo(demo::DemoArgs),
    /// Print the completions of a shell.
    Completions(completions::CompletionsArgs),
    /// Write the manual: one page a command.
    Man(man::ManArgs),
}

/// Runs the command line. Exit codes: 0 done, 1 the answer is bad news (a broken record, a failed check), 2 it could not
/// be done.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = log(&cli.log) {
        return fail(&*error);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(code) => code,
        Err(error) => fail(&*error),
    }
}

/// The command line as it is, for its manual, its completions, and for tests of what is written about it.
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// One call is hardly work for a processor: more threads than processors only hand it around.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |processors| processors.get().clamp(2, 4))
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let config = cli.config.as_deref();
    let store = || wiring::configuration(config).map(|config| config.store);
    match cli.command {
        Command::Serve(args) => serve::run(&args, config).await.map(|()| ExitCode::SUCCESS),
        Command::Init(args) => init::run(args, config).await,
        Command::Doctor(args) => doctor::run(&args, config).await,
        Command::Register(args) => register::run(&args, config),
        Command::Manifest(args) => manifest::run(&args, config),
        Command::Config(args) => config::run(&args, config),
        Command::Policy(args) => policy::run(&args, config).await,
        Command::Iam(args) => iam::run(args, config).await,
        Command::Audit(args) => audit::run(args, store).await,
        Command::Receipt(args) => receipt::run(args, store).await,
        Command::Plans(args) => plans::list(args, || wiring::configuration(config)).await,
        Command::Plan(args) => plans::run(args, || wiring::configuration(config)).await,
        Command::Approver(args) => approver::run(args, || wiring::configuration(config)).await,
        Command::Token(args) => token::run(args, || wiring::configuration(config)),
        Command::Notify(args) => notify::run(args, || wiring::configuration(config)).await,
        Command::Breaker(args) => breaker::run(args, || wiring::configuration(config)).await,
        Command::Sandbox(args) => sandbox::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::run(args).await,
        Command::Completions(args) => completions::run(&args, command_line()),
        Command::Man(args) => man::run(&args, command_line()),
    }
}

/// Structured logs go to standard error: for a person on a terminal, as JSON lines everywhere else.
fn log(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("`--log {filter}` is not a filter: {error}"))?;
    let logs = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.with(lines.with_filter(tells_no_secret())).init()
    } else {
        logs.with(lines.json().with_filter(tells_no_secret())).init()
    }
    Ok(())
}

/// Below `info` the libraries write requests and answers down as they pass, arguments and credentials included.
fn tells_no_secret() -> FilterFn {
    FilterFn::new(|told| *told.level() <= tracing::Level::INFO || told.target().starts_with("countersign"))
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    anstream::eprintln!("countersign: {error}");
    ExitCode::from(2)
}
