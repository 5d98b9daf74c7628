//! `countersign doctor`: whether everything is as it should be, and what to do where it isn't.
//!
//! Looks and changes nothing: no database is made, no breaker opened, nothing recorded. What needs the network has a few
//! seconds and says so where it gets no answer.

mod clients;
mod cloud;
mod configured;
mod http;
mod keys;
mod store;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::Failure;
use super::aws_files::AwsHome;
use super::register::Surroundings;
use crate::clock::SystemClock;
use crate::config::Environment;
use crate::ports::Clock;

/// How long AWS, and a proof, may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// `countersign doctor`
#[derive(Debug, Default, Args)]
pub struct DoctorArgs {
    /// Prints the findings as JSON.
    #[arg(long)]
    json: bool,
    /// How long AWS, and the proof of the policies, may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE.as_secs(), value_parser = clap::value_parser!(u64).range(1..=600))]
    patience: u64,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What it is about.
    about: About,
    /// How it is.
    level: Level,
    /// What was found.
    says: String,
    /// What to do; `None` where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum About {
    /// The configuration and the manifests.
    Configuration,
    /// Policies and their proof.
    Policies,
    /// The server's own identity, the accounts' roles, the clock.
    Aws,
    /// What an agent with a shell could use instead of this server.
    Keys,
    /// Plans and the record.
    Store,
    /// Agents and people over HTTP.
    Http,
    /// MCP clients.
    Clients,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, and could be better or wasn't looked at.
    Warning,
    /// It doesn't work, or isn't safe.
    Problem,
}

impl Finding {
    fn ok(about: About, says: impl Into<String>) -> Self {
        Self { about, level: Level::Ok, says: says.into(), mend: None }
    }

    fn warning(about: About, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about, level: Level::Warning, says: says.into(), mend: Some(mend.into()) }
    }

    fn problem(about: About, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { about, level: Level::Problem, says: says.into(), mend: Some(mend.into()) }
    }
}

/// The world that is looked at. Tests make their own.
#[derive(Clone, Debug)]
pub(super) struct Patient {
    config: Option<PathBuf>,
    environment: Environment,
    around: Surroundings,
    aws: AwsHome,
    now: Timestamp,
    patience: Duration,
}

impl Patient {
    /// This process's. `config` is `--config`.
    fn of_process(config: Option<&Path>, patience: Duration) -> Result<Self, Failure> {
        Ok(Self {
            config: config.map(Path::to_owned),
            environment: Environment::of_process(),
            around: Surroundings::of_process()?,
            aws: AwsHome::of_process(),
            now: SystemClock.now(),
            patience,
        })
    }
}

/// Runs the command. `config` is `--config`.
pub async fn run(args: &DoctorArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let patient = Patient::of_process(config, Duration::from_secs(args.patience))?;
    let findings = examined(&patient).await;
    let shown = if args.json { as_json(&findings)? } else { for_people(&findings) };
    anstream::stdout().lock().write_all(shown.as_bytes())?;
    Ok(verdict(&findings))
}

/// As `run` with no flags: what `init` ends with.
pub(super) async fn after_init(config: &Path) -> Result<ExitCode, Failure> {
    let patience = PATIENCE.as_secs();
    run(&DoctorArgs { json: false, patience }, Some(config)).await
}

async fn examined(patient: &Patient) -> Vec<Finding> {
    let mut findings = Vec::new();
    let bench = configured::configuration(patient, &mut findings);
    if let Some(bench) = &bench {
        let (policies, aws) = tokio::join!(
            configured::policies(bench, patient.patience),
            cloud::aws(bench, patient.now, patient.patience)
        );
        findings.extend(policies);
        findings.extend(aws);
    }
    findings.extend(keys::keys(&patient.aws, bench.as_ref().map(|bench| &bench.config)));
    if let Some(bench) = &bench {
        findings.extend(store::store(&bench.config).await);
        findings.extend(http::http(&bench.config).await);
        findings.extend(clients::seen(&bench.config).await);
    }
    findings.extend(clients::registrations(&patient.around));
    findings
}

fn verdict(findings: &[Finding]) -> ExitCode {
    match findings.iter().any(|finding| finding.level == Level::Problem) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn for_people(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut last = None;
    for (at, Finding { about, level, says, mend }) in findings.iter().enumerate() {
        if last != Some(*about) {
            text.push_str(&format!("{}\n", title(*about)));
            last = Some(*about);
        }
        let (word, colour) = match level {
            Level::Ok => ("ok     ", AnsiColor::Green),
            Level::Warning => ("warning", AnsiColor::Yellow),
            Level::Problem => ("problem", AnsiColor::Red),
        };
        let style = Style::new().fg_color(Some(colour.into()));
        text.push_str(&format!("  {style}{word}{style:#} {}\n", indented(says)));
        // The same advice is given once, below all that it is for.
        let next = findings.get(at + 1).filter(|next| next.about == *about).and_then(|next| next.mend.as_ref());
        if let Some(mend) = mend.as_ref().filter(|mend| next != Some(*mend)) {
            text.push_str(&format!("          mend: {}\n", indented(mend)));
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    text.push_str(&format!("{}, {}\n", plural(problems, "problem"), plural(warnings, "warning")));
    text
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n          ")
}

fn as_json(findings: &[Finding]) -> serde_json::Result<String> {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let all = serde_json::json!({
        "problems": count(Level::Problem),
        "warnings": count(Level::Warning),
        "findings": findings,
    });
    serde_json::to_string_pretty(&all).map(|text| text + "\n")
}

fn title(about: About) -> &'static str {
    match about {
        About::Configuration => "configuration",
        About::Policies => "policies",
        About::Aws => "AWS",
        About::Keys => "ways around the server",
        About::Store => "store and record",
        About::Http => "HTTP and approvers",
        About::Clients => "clients",
    }
}
