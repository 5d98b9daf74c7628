//! `countersign policy diff`: what one set of policies permits and another doesn't.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::ground::{self, Ground};
use super::{Failure, solver, told};
use crate::cli::policy_files;
use crate::config::Profile;
use crate::document::Problems;
use crate::policy::set::Policies;

/// `countersign policy diff OLD NEW`
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The set that is: a profile (`standard`), a file, a folder, or several of these joined with `+`
    /// (`standard+team.cedar`). The floor is part of every set.
    #[arg(value_name = "OLD")]
    old: String,
    /// The set that would be.
    #[arg(value_name = "NEW")]
    new: String,
}

/// Runs the command.
pub(super) async fn run(args: &DiffArgs, config: Option<&Path>) -> Result<ExitCode, Failure> {
    let ground = match Ground::find(config)? {
        Ok(ground) => ground,
        Err(wrong) => return told(&wrong),
    };
    let sets = compile(&ground, &args.old).and_then(|old| Ok((old, compile(&ground, &args.new)?)));
    let (old, new) = match sets {
        Ok(sets) => sets,
        Err(wrong) => return told(&wrong),
    };
    let found = solver::start(solver::PATIENCE)?.difference(&old, &new).await;
    write!(anstream::stdout().lock(), "{found}")?;
    Ok(match found.more.is_empty() && found.unknown.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A set as it is named on the command line. What names a profile is one, what doesn't is a path.
fn compile(ground: &Ground, named: &str) -> Result<Policies, Problems> {
    let (mut profile, mut files) = (Profile::None, Vec::new());
    for part in named.split('+') {
        match ground::profile(part) {
            Ok(one) => profile = one,
            Err(_) => files.push(PathBuf::from(part)),
        }
    }
    ground.compile(policy_files::read(&files)?, profile, ground.people.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn diff(old: &str, new: &str) -> Option<String> {
        let ground = Ground::shipped().unwrap();
        let (old, new) = (compile(&ground, old).unwrap(), compile(&ground, new).unwrap());
        match solver::there_is_one() {
            true => Some(solver::start(solver::PATIENCE).unwrap().difference(&old, &new).await.to_string()),
            false => None,
        }
    }

    #[tokio::test]
    async fn the_same_set_is_the_same_however_it_is_named() {
        if let Some(told) = diff("standard", "policies/standard.cedar").await {
            assert_eq!(told, "both permit exactly the same\n");
        }
    }

    #[tokio::test]
    async fn profiles_are_ordered_by_what_they_permit() {
        let Some(told) = diff("standard", "regulated").await else { return };
        // How many tools are shipped is no matter here.
        let filters = [(r"and \d+ more", "and [count] more")];
        insta::with_settings!({ filters => filters }, { insta::assert_snapshot!("standard_to_regulated", told) });
        let told = diff("observe", "standard").await.unwrap();
        assert!(told.ends_with("the new set permits all that the old one does, and more\n"), "{told}");
    }

    #[tokio::test]
    async fn a_permit_of_ones_own_shows_where_it_opens_something() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.cedar");
        let own = r#"@id("readers-start") permit (principal, action in Action::"toolset:ec2", resource)
            when { resource has owner && resource.owner == Team::"web" && action in Action::"write" };"#;
        std::fs::write(&path, own).unwrap();
        let new = format!("standard+{}", path.display());
        if let Some(told) = diff("standard", &new).await {
            insta::assert_snapshot!("a_permit_besides_standard", told);
        }
    }

    #[test]
    fn what_is_neither_profile_nor_file_is_told() {
        let ground = Ground::shipped().unwrap();
        let wrong = compile(&ground, "standrad").unwrap_err();
        assert!(wrong.to_string().contains("standrad"), "{wrong}");
    }
}
