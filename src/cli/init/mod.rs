//! `countersign init`: a first configuration, by questions on a terminal or by flags.

mod accounts;
mod ask;
mod write;

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::aws_files::AwsHome;
use super::{Failure, doctor, problems};
use crate::aws::models::Models;
use crate::config::{self, Environment, Profile};
use accounts::{NewAccount, guessed, parse};
use ask::Asker;
use write::Answers;

/// The file's name where none is given.
const NAME: &str = "countersign.toml";

/// `countersign init`
#[derive(Debug, Default, Args)]
pub struct InitArgs {
    /// The human whose agents are served over standard input and output: named in every plan, every record, and CloudTrail.
    #[arg(long, value_name = "NAME")]
    human: Option<String>,
    /// The agent.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// An account: its name, its id, its stage (dev, staging, prod) and its regions. Once for each.
    #[arg(long = "account", value_name = "NAME=ID,STAGE,REGION[,REGION..]", value_parser = parse)]
    accounts: Vec<NewAccount>,
    /// Takes the accounts of the profiles in ~/.aws/config; stages follow their names, and are `prod` where they say nothing.
    #[arg(long)]
    accounts_from_aws: bool,
    /// The accounts have no roles for this server: it uses its own identity, and AWS narrows nothing.
    #[arg(long)]
    no_roles: bool,
    /// The external id that the accounts' roles ask for.
    #[arg(long, value_name = "TEXT", conflicts_with = "no_roles")]
    external_id: Option<String>,
    /// The profile of policies: observe, suggest, standard or regulated.
    #[arg(long, value_name = "PROFILE", value_parser = profile)]
    profile: Option<Profile>,
    /// The profile of the AWS CLI's files that is the server's own identity; without it what the environment has.
    #[arg(long, value_name = "NAME")]
    aws_profile: Option<String>,
    /// Where plans and the record are kept, instead of the usual place.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The address at which approvers reach the server, such as `https://countersign.example.com`: second persons need it.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Replaces a configuration that is there.
    #[arg(long)]
    replace: bool,
    /// Asks nothing, even on a terminal.
    #[arg(long)]
    no_questions: bool,
    /// Does not look at the outcome with `doctor`.
    #[arg(long)]
    no_doctor: bool,
}

/// Runs the command. `config` is `--config`: the file to write.
pub async fn run(args: InitArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let environment = Environment::of_process();
    let path = std::path::absolute(config.unwrap_or(Path::new(NAME)))?;
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let mut asker = Asker::new(terminal && !args.no_questions);
    if path.exists() && !args.replace && !asker.replaces(&path)? {
        return Err(format!("`{}` is there already: `--replace` replaces it", path.display()).into());
    }
    let (skip, aws) = (args.no_doctor, AwsHome::of_process());
    let answers = asker.answers(args, guessed(&aws.profiles()))?;
    let text = write::text(&answers)?;
    written(&path, &text, &environment)?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "wrote {}", path.display())?;
    for line in next(&answers) {
        writeln!(out, "  {line}")?;
    }
    if skip {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "\ncountersign doctor:")?;
    drop(out);
    doctor::after_init(&path).await
}

/// Writes a configuration that is good, whole or not at all; another one keeps its rights.
fn written(path: &Path, text: &str, environment: &Environment) -> Result<(), Failure> {
    // A link stays one.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut fresh = tempfile::Builder::new().prefix(".countersign-").suffix(".toml").tempfile_in(folder)?;
    fresh.write_all(text.as_bytes())?;
    fresh.as_file().sync_all()?;
    if let Err(wrong) = config::load(fresh.path(), &Models::embedded()?, environment) {
        let told = problems::shown(&wrong, false).replace(&fresh.path().display().to_string(), "the new configuration");
        return Err(format!("nothing was written, what was answered is not good:\n{told}").into());
    }
    if let Ok(before) = fs::metadata(&target) {
        fresh.as_file().set_permissions(before.permissions())?;
    }
    fresh.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

/// What comes next, for people.
fn next(answers: &Answers) -> Vec<String> {
    let mut lines = Vec::new();
    if answers.roles {
        let name = answers.accounts.first().map_or("NAME", |account| account.name.as_str());
        lines.push(format!(
            "the accounts' roles: countersign iam template --account {name} --trust ARN-OF-THIS-SERVER'S-IDENTITY"
        ));
    }
    lines.push("an agent: countersign register CLIENT (`--detect` lists those that are here)".to_owned());
    lines
}

fn profile(text: &str) -> Result<Profile, String> {
    match text {
        "observe" => Ok(Profile::Observe),
        "suggest" => Ok(Profile::Suggest),
        "standard" => Ok(Profile::Standard),
        "regulated" => Ok(Profile::Regulated),
        _ => Err("write observe, suggest, standard or regulated".to_owned()),
    }
}
