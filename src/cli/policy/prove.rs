//! `countersign policy prove`: that what must never be permitted isn't.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::ground::Ground;
use super::{Failure, Which, solver, told};
use crate::cli::policy_files;
use crate::document::Problems;
use crate::policy::prove::invariants::Invariants;
use crate::policy::set::Policies;
use crate::policy::shipped;

/// `countersign policy prove [FILES..]`
#[derive(Debug, Args)]
pub(super) struct ProveArgs {
    #[command(flatten)]
    which: Which,
    /// Files and folders of invariants of your own, proved besides the shipped ones.
    #[arg(long, value_name = "FILES", num_args = 1..)]
    invariants: Vec<PathBuf>,
    /// How long the solver may think about one question, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = solver::PATIENCE.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
}

/// Runs the command.
pub(super) async fn run(args: &ProveArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let (policies, invariants) = match compiled(args, config)? {
        Ok(both) => both,
        Err(wrong) => return told(&wrong),
    };
    let mut prover = solver::start(Duration::from_secs(args.patience))?;
    let started = Instant::now();
    let report = prover.prove(&policies, &invariants).await;
    let took = started.elapsed().as_secs_f32();
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "profile {}, {} policies, digest {}; {} tools\n",
        shipped::word(policies.profile()),
        policies.len(),
        policies.digest().short(),
        policies.vocabulary().tools().len(),
    )?;
    writeln!(out, "{report}")?;
    writeln!(
        out,
        "{} invariants about {} actions: {} proofs, {} of them different, in {took:.1} s",
        report.proofs.len(),
        report.actions,
        report.obligations,
        report.distinct,
    )?;
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compiled(args: &ProveArgs, config: Option<&Path>) -> Result<Result<(Policies, Invariants), Problems>, Failure> {
    let ground = match Ground::find(config)? {
        Ok(ground) => ground,
        Err(wrong) => return Ok(Err(wrong)),
    };
    Ok(both(args, &ground))
}

fn both(args: &ProveArgs, ground: &Ground) -> Result<(Policies, Invariants), Problems> {
    let policies = ground.policies(&args.which, ground.people.clone())?;
    let mut sources = shipped::invariants();
    for own in policy_files::read(&args.invariants)?.into_iter().chain(policy_files::read(&ground.invariants)?) {
        if !sources.iter().any(|known| known.text() == own.text()) {
            sources.push(own);
        }
    }
    let (vocabulary, people) = (ground.vocabulary.clone(), ground.people.clone());
    let invariants = Invariants::compile(sources, vocabulary, people, policies.profile())?;
    Ok((policies, invariants))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;

    #[tokio::test]
    async fn the_shipped_profiles_hold_with_the_shipped_tools() {
        if !solver::there_is_one() {
            return;
        }
        let ground = Ground::shipped().unwrap();
        for profile in shipped::PROFILES {
            let which = Which { profile: Some(profile), ..Which::default() };
            let args = ProveArgs { which, invariants: vec![PathBuf::from("policies/invariants")], patience: 20 };
            let (policies, invariants) = both(&args, &ground).unwrap_or_else(|wrong| panic!("{wrong}"));
            let report = solver::start(solver::PATIENCE).unwrap().prove(&policies, &invariants).await;
            assert!(report.holds(), "{profile:?}: {report}");
            assert!(report.distinct * 3 < report.obligations, "{} of {}", report.distinct, report.obligations);
        }
    }

    #[tokio::test]
    async fn an_invariant_of_ones_own_is_proved_too() {
        if !solver::there_is_one() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.cedar");
        let own = r#"@id("own") @says("nobody changes ec2 in dev")
            permit (principal, action in Action::"toolset:ec2", resource)
            when { resource.stage == Stage::"dev" && action in Action::"change" };"#;
        std::fs::write(&path, own).unwrap();
        let which = Which { profile: Some(Profile::Standard), ..Which::default() };
        let args = ProveArgs { which, invariants: vec![path], patience: 20 };
        let (policies, invariants) = both(&args, &Ground::shipped().unwrap()).unwrap();
        let report = solver::start(solver::PATIENCE).unwrap().prove(&policies, &invariants.only(&["own"])).await;
        assert!(!report.holds());
        insta::assert_snapshot!(report);
    }
}
