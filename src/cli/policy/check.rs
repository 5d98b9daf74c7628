//! `countersign policy check`: whether policies parse and validate.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::ground::Ground;
use super::{Failure, Which, told};
use crate::document::Problems;
use crate::policy::set::Policies;
use crate::policy::shipped;

/// `countersign policy check [FILES..]`
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    which: Which,
}

/// Runs the command.
pub(super) fn run(args: &CheckArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    match check(&args.which, config)? {
        Ok(policies) => {
            write!(anstream::stdout().lock(), "{}", good(&policies))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => told(&wrong),
    }
}

fn check(which: &Which, config: Option<&Path>) -> Result<Result<Policies, Problems>, Failure> {
    Ok(match Ground::find(config)? {
        Ok(ground) => ground.policies(which, ground.people.clone()),
        Err(wrong) => Err(wrong),
    })
}

fn good(policies: &Policies) -> String {
    let files: String = policies.sources().iter().map(|source| format!("  {}\n", source.path().display())).collect();
    let (count, profile) = (policies.len(), shipped::word(policies.profile()));
    let plural = if count == 1 { "policy is" } else { "policies are" };
    format!("{count} {plural} good, profile {profile}, digest {}\n{files}", policies.digest().short())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;

    #[test]
    fn every_shipped_profile_is_good() {
        let ground = Ground::shipped().unwrap();
        for profile in shipped::PROFILES {
            let which = Which { profile: Some(profile), ..Which::default() };
            let policies = ground.policies(&which, ground.people.clone()).unwrap_or_else(|wrong| panic!("{wrong}"));
            let said = good(&policies);
            assert!(said.contains(shipped::word(profile)) && said.contains("policies/floor.cedar"), "{said}");
            assert_eq!(said.contains("policies/observe.cedar"), profile == Profile::Observe, "{said}");
        }
    }
}
