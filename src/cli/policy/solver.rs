//! The solver: cvc5, a program of its own, which proofs about policies are sent to.

use std::path::PathBuf;
use std::time::Duration;

use cedar_policy_symcc::solver::LocalSolver;
use tokio::process::Command;

use crate::document::{Problems, Source};
use crate::policy::prove::Prover;
use crate::policy::prove::invariants::Invariants;
use crate::policy::set::Policies;
use crate::policy::shipped;

/// What is given to cvc5 for one question where nothing else is asked for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// There is no solver, or it can't be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "the solver `{}` can't be started: {reason}\n\
     proofs need cvc5, and nothing else does. Get it with\n  \
     apt-get install cvc5               (Debian, Ubuntu)\n  \
     brew install cvc5/cvc5/cvc5        (macOS)\n\
     or from https://github.com/cvc5/cvc5/releases; where it is not on the PATH, say where: CVC5=/path/to/cvc5",
    path.display()
)]
pub(in crate::cli) struct NoSolver {
    path: PathBuf,
    reason: String,
}

/// Starts a solver that gives up on a question after `patience`. It ends with what is returned.
pub(in crate::cli) fn start(patience: Duration) -> Result<Prover<LocalSolver>, NoSolver> {
    let path = std::env::var_os("CVC5").filter(|path| !path.is_empty()).map_or(PathBuf::from("cvc5"), PathBuf::from);
    start_at(path, patience)
}

fn start_at(path: PathBuf, patience: Duration) -> Result<Prover<LocalSolver>, NoSolver> {
    // `--tlimit` would be for all questions together.
    let limit = format!("--tlimit-per={}", patience.as_millis());
    let mut command = Command::new(&path);
    command.args(["--lang", "smt", limit.as_str()]).kill_on_drop(true);
    let started = LocalSolver::from_command(&mut command).map_err(|error| match error {
        cedar_policy_symcc::solver::SolverError::Io(error) => error.to_string(),
        error => error.to_string(),
    });
    started.and_then(Prover::new).map_err(|reason| NoSolver { path, reason })
}

/// What is known of policies that are about to be in force.
#[derive(Debug)]
pub(in crate::cli) enum AtLoad {
    /// No policy can fail, and every shipped invariant of the profile is proved.
    Proved,
    /// This does not hold, or was not proved in time.
    Told(Vec<String>),
    /// Nothing was proved.
    NoSolver(NoSolver),
}

/// Proves what the shipped invariants, and the admin's `own`, say of policies, as far as that can be done within `limit`.
///
/// # Errors
/// Where the invariants themselves don't compile with the configuration's words.
pub(in crate::cli) async fn at_load(
    policies: &Policies,
    own: Vec<Source>,
    limit: Duration,
) -> Result<AtLoad, Problems> {
    let (vocabulary, people) = (policies.vocabulary().clone(), policies.people().clone());
    let sources = shipped::invariants().into_iter().chain(own).collect();
    let invariants = Invariants::compile(sources, vocabulary, people, policies.profile())?;
    let mut prover = match start(limit.min(PATIENCE)) {
        Ok(prover) => prover,
        Err(missing) => return Ok(AtLoad::NoSolver(missing)),
    };
    let told = prover.at_load(policies, &invariants, limit).await;
    Ok(if told.is_empty() { AtLoad::Proved } else { AtLoad::Told(told) })
}

/// Whether tests can have a solver. Where there is none they are skipped, loudly; `COUNTERSIGN_REQUIRE_SOLVER=1` makes
/// that a failure.
#[cfg(test)]
pub(super) fn there_is_one() -> bool {
    let runtime = tokio::runtime::Handle::try_current();
    assert!(runtime.is_ok(), "a solver is started within a runtime");
    match start(PATIENCE) {
        Ok(_) => true,
        Err(missing) => {
            assert!(std::env::var_os("COUNTERSIGN_REQUIRE_SOLVER").is_none(), "required here, but {missing}");
            println!("SKIPPED, NOTHING IS PROVED HERE: {missing}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::policy::Which;
    use crate::cli::policy::ground::Ground;
    use crate::config::Profile;

    fn standard() -> Policies {
        let which = Which { profile: Some(Profile::Standard), ..Which::default() };
        let ground = Ground::shipped().unwrap();
        ground.policies(&which, ground.people.clone()).unwrap()
    }

    #[tokio::test]
    async fn what_is_shipped_is_proved_at_load() {
        if there_is_one() {
            let known = at_load(&standard(), Vec::new(), Duration::from_secs(120)).await.unwrap();
            assert!(matches!(known, AtLoad::Proved), "{known:?}");
        }
    }

    #[tokio::test]
    async fn what_takes_too_long_is_not_proved() {
        if there_is_one() {
            let known = at_load(&standard(), Vec::new(), Duration::from_millis(1)).await.unwrap();
            assert!(matches!(&known, AtLoad::Told(told) if told[0].contains("could not be proved")), "{known:?}");
        }
    }

    #[tokio::test]
    async fn a_program_that_is_no_solver_proves_nothing() {
        let invariants = |policies: &Policies| {
            let (vocabulary, people) = (policies.vocabulary().clone(), policies.people().clone());
            let own = r#"@id("own") @says("nobody reads") permit (principal, action in Action::"read", resource);"#;
            Invariants::compile(vec![Source::new("own.cedar", own)], vocabulary, people, Profile::Standard).unwrap()
        };
        let policies = standard();
        for program in ["true", "false", "cat"] {
            let Ok(mut prover) = start_at(PathBuf::from(program), PATIENCE) else { continue };
            let report = prover.prove(&policies, &invariants(&policies)).await;
            assert!(!report.holds(), "{program}: {report}");
        }
    }

    #[tokio::test]
    async fn without_a_solver_it_is_said_how_to_get_one() {
        let missing = start_at(PathBuf::from("/nowhere/cvc5"), PATIENCE).unwrap_err();
        insta::assert_snapshot!(missing);
    }

    #[test]
    fn proofs_can_be_made_by_a_task_of_the_server() {
        fn is_send<T: Send>(_: impl FnOnce(&'static Policies) -> T) {}
        is_send(|policies| at_load(policies, Vec::new(), PATIENCE));
    }
}
