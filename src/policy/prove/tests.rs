//! Proofs with a real solver. Where there is none they are skipped, loudly; `COUNTERSIGN_REQUIRE_SOLVER=1` makes that a
//! failure.

#![expect(clippy::string_slice, reason = "clippy.toml allows this in test functions only, not in what they share")]

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_symcc::solver::LocalSolver;

use super::example::Replay;
use super::invariants::Invariants;
use super::{Outcome, Prover, Report};
use crate::config::{Account, AgentConfig, Profile};
use crate::document::Source;
use crate::names::{Agent, Effect, Region, Stage};
use crate::policy::set::{People, Policies};
use crate::policy::shipped;
use crate::policy::vocabulary::{ToolWord, Vocabulary};

/// A solver; `None`, and a word about it, where there is none.
fn prover() -> Option<Prover<LocalSolver>> {
    let solver = LocalSolver::cvc5_with_args(["--tlimit-per=20000"]);
    match solver {
        Ok(solver) => Some(Prover::new(solver).unwrap()),
        Err(error) => {
            let required = std::env::var_os("COUNTERSIGN_REQUIRE_SOLVER").is_some();
            assert!(!required, "cvc5 is required here, and can't be started: {error}");
            println!("SKIPPED, NOTHING IS PROVED HERE: cvc5 can't be started ({error}); apt-get install cvc5");
            None
        }
    }
}

fn vocabulary() -> Vocabulary {
    let tool =
        |name: &str, toolset: &str, effect| ToolWord { name: name.to_owned(), toolset: toolset.to_owned(), effect };
    let tools = vec![
        tool("ec2_describe_instances", "ec2", Effect::Read),
        tool("secretsmanager_get_secret_value", "secretsmanager", Effect::Secret),
        tool("ec2_start_instances", "ec2", Effect::Write),
        tool("rds_delete_db_instance", "rds", Effect::Destructive),
        tool("ec2_terminate_instances", "ec2", Effect::Irreversible),
        tool("aws_change", "aws", Effect::Destructive),
    ];
    Vocabulary::new(tools, &[], &[]).unwrap()
}

fn people() -> People {
    let account = |name: &str, id: &str, stage| Account {
        name: name.to_owned(),
        id: id.to_owned(),
        stage,
        regions: vec![Region::new("eu-central-1")],
        read_role: None,
        change_role: None,
        external_id: None,
    };
    let accounts =
        vec![account("shop-prod", "111122223333", Stage::Prod), account("shop-dev", "444455556666", Stage::Dev)];
    let agent = |roles: &[&str]| AgentConfig {
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        accounts: accounts.iter().map(|account| account.name.clone()).collect(),
        max_resources: 20,
        expires: None,
    };
    let agents = BTreeMap::from([
        (Agent::new("deployer"), agent(&["operator"])),
        (Agent::new("vault"), agent(&["secrets"])),
        (Agent::new("watcher"), agent(&["reader"])),
    ]);
    People { agents, accounts, ..People::default() }
}

fn policies(profile: Profile, sources: Vec<Source>) -> Policies {
    Policies::compile(sources, vocabulary(), people(), profile)
        .unwrap_or_else(|problems| panic!("{}", problems.plain()))
}

fn invariants(profile: Profile) -> Invariants {
    let all = Invariants::compile(shipped::invariants(), vocabulary(), people(), profile);
    all.unwrap_or_else(|problems| panic!("{}", problems.plain()))
}

async fn proved(profile: Profile, sources: Vec<Source>) -> Option<Report> {
    Some(prover()?.prove(&policies(profile, sources), &invariants(profile)).await)
}

#[tokio::test]
async fn the_shipped_invariants_hold_for_the_profiles_they_name() {
    for profile in shipped::PROFILES {
        let Some(report) = proved(profile, shipped::sources(profile)).await else { return };
        assert!(report.holds(), "{profile:?}\n{report}");
        assert!(report.review.unknown.is_empty(), "{report}");
        insta::assert_snapshot!(format!("proved_{}", shipped::word(profile)), report);
    }
}

/// Each shipped policy that demands something, and the invariants that fall where it is weakened.
const COVERED: [(&str, &[&str]); 30] = [
    ("floor-own-accounts", &["other-accounts"]),
    ("floor-expired", &["expired-agent"]),
    ("floor-breaker", &["breaker-open"]),
    ("floor-resources", &["too-many-resources", "too-many-secrets"]),
    ("floor-dependents", &["too-many-dependents"]),
    ("floor-previewed", &["destruction-unpreviewed", "secrets-unpreviewed"]),
    ("floor-confirmed", &["destruction-unconfirmed"]),
    ("observe-no-change", &["observe-anything-but-reading"]),
    ("observe-no-secret", &["observe-anything-but-reading"]),
    ("standard-secret", &["secrets-of-others"]),
    ("standard-change", &["only-operators-change"]),
    ("standard-secret-role", &["secrets-by-changes"]),
    ("standard-reader", &["reader-changes"]),
    ("standard-scoped-credentials", &["unscoped-credentials"]),
    ("standard-protected", &["protected-destroyed"]),
    ("standard-secret-confirmed", &["secrets-unconfirmed"]),
    ("standard-write-confirmed", &["unconfirmed-outside-dev"]),
    ("standard-prod-readable", &["confirmed-unread"]),
    ("standard-secret-prod", &["secrets-of-production"]),
    ("standard-destructive-prod", &["incident"]),
    ("standard-irreversible-prod", &["irreversible-in-production"]),
    ("standard-unknown-dependents-prod", &["unknown-blast-radius"]),
    ("standard-whole-account", &["whole-account-destroyed"]),
    ("suggest-applied-by-person", &["suggest-applied-by-an-agent"]),
    ("regulated-ticket", &["change-without-ticket"]),
    ("regulated-window", &["change-outside-window"]),
    ("regulated-managed-client", &["unmanaged-client"]),
    ("regulated-destructive-prod", &["destruction-with-one-approval"]),
    // They permit reading to everybody; nothing narrower could be lost.
    ("observe-read", &[]),
    ("standard-read", &[]),
];

/// What would be permitted besides, were it not for the floor and the profile.
const ANYTHING: &str = r#"@id("anything") permit (principal, action, resource);"#;

#[tokio::test]
async fn every_demand_that_is_weakened_breaks_an_invariant_with_an_example_that_replays() {
    let Some(mut prover) = prover() else { return };
    let mut told = String::new();
    let mut met: BTreeSet<String> = BTreeSet::new();
    for profile in [Profile::Observe, Profile::Standard, Profile::Suggest, Profile::Regulated] {
        // What a profile adds; `standard` is looked at under its own name.
        for source in own_sources(profile) {
            for (id, text) in split(source.text()) {
                let (_, invariants) =
                    COVERED.iter().find(|(covered, _)| *covered == id).unwrap_or_else(|| panic!("{id}"));
                met.insert(id.to_owned());
                for (how, mutant) in weakened(id, text) {
                    let mut sources = vec![Source::new("weakened.cedar", source.text().replacen(text, &mutant, 1))];
                    let others = shipped::sources(profile);
                    sources.extend(others.into_iter().filter(|other| other.path() != source.path()));
                    if profile == Profile::Observe {
                        sources.push(Source::new("anything.cedar", ANYTHING));
                    }
                    let policies = policies(profile, sources);
                    // One in full for each policy: for the others it is enough that there is an example.
                    prover.ordinary = !how.contains(' ') || text.contains("permit (");
                    let (proofs, _) = prover.invariants(&policies, &self::invariants(profile).only(invariants)).await;
                    assert!(!proofs.is_empty(), "{id}: {invariants:?} is about another profile");
                    let broken = proofs.iter().find_map(|proof| match &proof.outcome {
                        Outcome::Fails(_, example) => Some((&proof.invariant, example)),
                        _ => None,
                    });
                    let (invariant, example) = broken.unwrap_or_else(|| panic!("{id}, {how}: nothing breaks"));
                    assert!(matches!(example.replay(), Replay::Permitted(_)), "{id}, {how}: {example}");
                    match prover.ordinary {
                        true => told.push_str(&format!("{id}, {how}: {invariant}\n{example}\n")),
                        false => told.push_str(&format!("{id}, {how}: {invariant}\n\n")),
                    }
                }
            }
        }
    }
    assert_eq!(met, COVERED.iter().map(|(id, _)| (*id).to_owned()).collect());
    insta::assert_snapshot!("weakened", told);
}

/// The files a profile doesn't share with `standard`; of `standard` the floor, too.
fn own_sources(profile: Profile) -> Vec<Source> {
    let all = shipped::sources(profile);
    match profile {
        Profile::Standard => all,
        _ => all.into_iter().rev().take(1).collect(),
    }
}

/// The policies of a file, by their names.
fn split(text: &str) -> Vec<(&str, &str)> {
    let starts: Vec<usize> = text.match_indices("@id(").map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let whole = starts.iter().zip(ends).map(|(start, end)| &text[*start..end]);
    whole.map(|policy| (policy.split('"').nth(1).unwrap(), &policy[..policy.rfind(';').unwrap() + 1])).collect()
}

/// All the ways in which a policy can demand less.
fn weakened(id: &str, text: &str) -> Vec<(String, String)> {
    let nothing = || format!("@id(\"{id}\") permit (principal, action == Action::\"any:read\", resource);");
    let mut all = Vec::new();
    let mut less = |how: &str, mutant: String| {
        if mutant != text {
            all.push((how.to_owned(), mutant));
        }
    };
    if text.contains("forbid (") {
        less("dropped", nothing());
        less("only the resource's own stage", text.replace(r#" || resource.account.stage == Stage::"prod""#, ""));
        less("only the account's stage", text.replace(r#"resource.stage == Stage::"prod" || "#, ""));
        less("dev by the resource's own stage", text.replace(r#" || resource.account.stage != Stage::"dev""#, ""));
        less("dev by the account's stage", text.replace(r#"resource.stage != Stage::"dev" || "#, ""));
        less(
            "one approval less",
            text.replace("approvals >= 1", "approvals >= 0").replace("approvals >= 2", "approvals >= 1"),
        );
        less("not for secrets", text.replace(r#"[Action::"change", Action::"secret"]"#, r#"Action::"change""#));
        less("only for secrets", text.replace(r#"[Action::"change", Action::"secret"]"#, r#"Action::"secret""#));
    } else {
        less(
            "for every role",
            text.replace(r#"principal in Role::"operator""#, "principal")
                .replace(r#"principal in Role::"secrets""#, "principal"),
        );
    }
    all
}

#[tokio::test]
async fn a_policy_that_can_fail_one_that_never_matches_and_one_too_many_are_told() {
    let own = r#"
        @id("never") permit (principal, action in Action::"read", resource)
        when { context.resources > 5 && context.resources < 3 };
        @id("too-many") forbid (principal, action in Action::"destructive", resource)
        when { resource.protected && resource.region == "eu-central-1" };
        @id("useful") permit (principal, action in Action::"write", resource)
        when { resource has owner && resource.owner == Team::"web" };"#;
    let sources = shipped::sources(Profile::Standard).into_iter().chain([Source::new("own.cedar", own)]).collect();
    let Some(report) = proved(Profile::Standard, sources).await else { return };
    assert_eq!(report.review.dead, ["never"]);
    assert_eq!(report.review.redundant, ["too-many"]);
    assert!(report.review.can_fail.is_empty() && report.review.unknown.is_empty(), "{report}");
    // It opens writes to agents without the role.
    assert!(!report.holds());
    insta::assert_snapshot!("a_permit_too_many", report);
}

#[tokio::test]
async fn an_invariant_that_describes_nothing_is_not_proved() {
    let own = r#"@id("empty") @says("nothing") permit (principal, action, resource)
        when { context.approvals > 2 && context.approvals < 1 };"#;
    let sources = vec![Source::new("own.cedar", own)];
    let invariants = Invariants::compile(sources, vocabulary(), people(), Profile::Standard).unwrap();
    let Some(mut prover) = prover() else { return };
    let policies = policies(Profile::Standard, shipped::sources(Profile::Standard));
    let report = prover.prove(&policies, &invariants).await;
    assert!(!report.holds());
    assert!(matches!(&report.proofs[0].outcome, Outcome::Unknown(why) if why.contains("describes")), "{report}");
}

#[tokio::test]
async fn a_request_the_server_would_never_ask_is_told_as_such() {
    let own = r#"@id("impossible") @says("x") permit (principal, action in Action::"read", resource)
        when { context.approvals < 0 };"#;
    let sources = vec![Source::new("own.cedar", own)];
    let invariants = Invariants::compile(sources, vocabulary(), people(), Profile::Standard).unwrap();
    let Some(mut prover) = prover() else { return };
    let policies = policies(Profile::Standard, shipped::sources(Profile::Standard));
    let report = prover.prove(&policies, &invariants).await;
    let Outcome::Fails(_, example) = &report.proofs[0].outcome else { panic!("{report}") };
    assert!(!example.possible());
    assert!(example.to_string().contains("contradict"), "{example}");
}

#[tokio::test]
async fn what_looks_at_the_action_in_its_conditions_is_proved_for_every_action() {
    let own = r#"@id("one-tool") permit (principal, action, resource)
        when { action == Action::"rds_delete_db_instance:destructive" };"#;
    let sources = vec![shipped::sources(Profile::None).remove(0), Source::new("own.cedar", own)];
    let invariants = r#"@id("no-destruction") @says("nothing is destroyed")
        permit (principal, action in Action::"destructive", resource);"#;
    let invariants = vec![Source::new("invariants.cedar", invariants)];
    let invariants = Invariants::compile(invariants, vocabulary(), people(), Profile::None).unwrap();
    let Some(mut prover) = prover() else { return };
    let report = prover.prove(&policies(Profile::None, sources), &invariants).await;
    let Outcome::Fails(asked, example) = &report.proofs[0].outcome else { panic!("{report}") };
    assert_eq!((asked.len(), asked[0].tool.as_str()), (1, "rds_delete_db_instance"));
    assert!(matches!(example.replay(), Replay::Permitted(_)), "{example}");
}
