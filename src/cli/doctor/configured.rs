//! The configuration, the manifests, the policies and their proof.

use std::sync::Arc;
use std::time::Duration;

use super::{About, Finding, Patient};
use crate::aws::cloud::AwsCloud;
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::cli::iam::Bench;
use crate::cli::policy::solver::{self, AtLoad};
use crate::cli::policy_files;
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::document::Problems;
use crate::manifest::catalog::Catalog;
use crate::policy::shipped;

/// What the rest stands on; `None` where that is broken.
pub(super) fn configuration(patient: &Patient, findings: &mut Vec<Finding>) -> Option<Bench> {
    match loaded(patient, findings) {
        Ok(bench) => bench,
        Err(error) => {
            findings.push(Finding::problem(About::Configuration, error, "install countersign anew"));
            None
        }
    }
}

/// The error is one of this program's own data.
fn loaded(patient: &Patient, findings: &mut Vec<Finding>) -> Result<Option<Bench>, String> {
    let path = match config::find(patient.config.as_deref(), &patient.environment) {
        Ok(path) => path,
        Err(error) => {
            let mend = "`countersign init` writes one for AWS, `countersign sandbox up` one for a trial without AWS";
            let says = error.to_string();
            let says: Vec<&str> = says.lines().filter(|line| !line.starts_with("for a trial")).collect();
            findings.push(Finding::problem(About::Configuration, says.join("\n"), mend));
            return Ok(None);
        }
    };
    let models = Models::embedded().map_err(|error| error.to_string())?;
    let iam = IamFacts::embedded().map_err(|error| error.to_string())?;
    let mut config = match config::load(&path, &models, &patient.environment) {
        Ok(config) => config,
        Err(wrong) => {
            findings.extend(told(About::Configuration, &wrong));
            return Ok(None);
        }
    };
    let (accounts, digest) = (config.accounts.len(), config.digest.short());
    let plural = if accounts == 1 { "account" } else { "accounts" };
    findings.push(Finding::ok(
        About::Configuration,
        format!("{}: {accounts} {plural}, digest {digest}", config.path.display()),
    ));
    let catalog = match Catalog::load(&config.manifests, &models, &iam) {
        Ok(catalog) => catalog,
        Err(wrong) => {
            findings.extend(told(About::Configuration, &wrong));
            return Ok(None);
        }
    };
    findings.push(tools(&config, catalog.names().count()));
    // Nobody waits for a doctor as long as for a change.
    config.limits.call_timeout = config.limits.call_timeout.min(patient.patience);
    let cloud = Arc::new(AwsCloud::new(&config, models.clone(), Arc::new(SystemClock)));
    Ok(Some(Bench { config, models, iam, catalog, cloud }))
}

/// Clients cut lists that are longer than about thirty tools.
fn tools(config: &Config, count: usize) -> Finding {
    let says = format!("{count} tools");
    match count > 30 {
        false => Finding::ok(About::Configuration, says),
        true => {
            let mend = match config.manifests.toolsets.is_empty() {
                true => "name the toolsets that are needed with `toolsets` under [manifests]",
                false => "name fewer toolsets, or write what isn't needed into `disabled`, under [manifests]",
            };
            Finding::warning(
                About::Configuration,
                format!("{says}: some clients show about 30 and drop the rest"),
                mend,
            )
        }
    }
}

/// Whether the policies are good, and proved as far as `patience` goes.
pub(super) async fn policies(bench: &Bench, patience: Duration) -> Vec<Finding> {
    let config = &bench.config;
    let policies = match policy_files::load(config, &bench.catalog) {
        Ok(policies) => policies,
        Err(wrong) => return told(About::Policies, &wrong),
    };
    let profile = shipped::word(policies.profile());
    let says = format!("{} policies, profile {profile}, digest {}", policies.len(), policies.digest().short());
    let mut findings = vec![Finding::ok(About::Policies, says)];
    let own = match policy_files::read(&config.policy.invariants) {
        Ok(own) => own,
        Err(wrong) => {
            findings.extend(told(About::Policies, &wrong));
            return findings;
        }
    };
    // On a thread of its own: working a proof out would hold up what waits for AWS.
    let proving = tokio::spawn(async move { solver::at_load(&policies, own, patience).await });
    findings.push(match proving.await {
        Ok(Ok(AtLoad::Proved)) => Finding::ok(About::Policies, "every invariant is proved over all tools"),
        Ok(Ok(AtLoad::Told(told))) => {
            let mend =
                "`countersign policy prove` takes its time, and shows a call where one is permitted that must not be";
            let broken = told.iter().any(|line| !line.contains("could not be proved within"));
            match broken || config.policy.require_proof {
                true => Finding::problem(About::Policies, told.join("\n"), mend),
                false => Finding::warning(About::Policies, told.join("\n"), mend),
            }
        }
        Ok(Ok(AtLoad::NoSolver(missing))) => {
            let says = "nothing is proved of the policies: there is no solver";
            match config.policy.require_proof {
                true => Finding::problem(
                    About::Policies,
                    format!("{says}, and with `require_proof` the server does not start"),
                    missing.to_string(),
                ),
                false => Finding::warning(
                    About::Policies,
                    says,
                    "install cvc5 (`apt install cvc5`); the server runs without it",
                ),
            }
        }
        Ok(Err(wrong)) => {
            findings.extend(told(About::Policies, &wrong));
            return findings;
        }
        Err(error) => Finding::problem(About::Policies, format!("the proof broke off: {error}"), "report it"),
    });
    findings
}

fn told(about: About, wrong: &Problems) -> Vec<Finding> {
    wrong
        .iter()
        .map(|problem| {
            let (file, line, column) = (problem.file().display(), problem.line(), problem.column());
            Finding::problem(about, format!("{file}:{line}:{column}: {}", problem.message()), problem.mend())
        })
        .collect()
}
