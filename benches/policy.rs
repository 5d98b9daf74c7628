//! What deciding and proving cost: `cargo bench --bench policy`. Proving needs cvc5.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cedar_policy_symcc::solver::LocalSolver;
use countersign::config::{Account, AgentConfig, Profile, Trust};
use countersign::document::Source;
use countersign::names::{Agent, Effect, Human, OperationId, Region, Stage};
use countersign::policy::prove::Prover;
use countersign::policy::prove::invariants::Invariants;
use countersign::policy::question::{Circumstances, Confirmation, Evidence, Question, Resource};
use countersign::policy::set::{People, Policies, Verdict};
use countersign::policy::shipped;
use countersign::policy::vocabulary::{ToolWord, Vocabulary};
use divan::Bencher;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// Tools of every effect, by turns.
#[expect(clippy::expect_used, reason = "without words there is nothing to measure")]
fn vocabulary(tools: usize) -> Vocabulary {
    const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Write, Effect::Destructive, Effect::Irreversible];
    let tool = |(number, effect)| ToolWord { name: format!("tool_{number}"), toolset: "ec2".to_owned(), effect };
    let tools = EFFECTS.into_iter().cycle().enumerate().take(tools).map(tool).collect();
    Vocabulary::new(tools, &[], &[]).expect("a vocabulary")
}

fn account() -> Account {
    Account {
        name: "shop-prod".to_owned(),
        id: "111122223333".to_owned(),
        stage: Stage::Prod,
        regions: vec![Region::new("eu-central-1")],
        read_role: None,
        change_role: None,
        external_id: None,
    }
}

fn people() -> People {
    let config = AgentConfig {
        roles: vec!["operator".to_owned()],
        accounts: vec![account().name],
        max_resources: 20,
        expires: None,
    };
    People {
        agents: BTreeMap::from([(Agent::new("deployer"), config)]),
        accounts: vec![account()],
        ..People::default()
    }
}

/// `standard` with the floor, and so many policies of an admin's as there are to be altogether; fewer, where that are less
/// than are shipped.
#[expect(clippy::expect_used, reason = "without policies there is nothing to measure")]
fn policies(count: usize, tools: usize, own: fn(usize) -> String) -> Policies {
    let mut sources = shipped::sources(Profile::Standard);
    let mut text: String = sources.iter().map(Source::text).collect();
    let shipped: Vec<usize> = text.match_indices("@id(").map(|(at, _)| at).collect();
    if let Some(end) = shipped.get(count) {
        text.truncate(*end);
        sources = vec![Source::new("shipped.cedar", text)];
    } else if count > shipped.len() {
        sources.push(Source::new("own.cedar", (shipped.len()..count).map(own).collect::<String>()));
    }
    Policies::compile(sources, vocabulary(tools), people(), Profile::Standard).expect("policies")
}

/// Of a team, which is what most own policies are about.
fn for_a_team(number: usize) -> String {
    format!(
        "@id(\"own-{number}\") forbid (principal, action in Action::\"destructive\", resource)\n\
         when {{ resource has owner && resource.owner == Team::\"team-{number}\" && context.approvals < 2 }};\n"
    )
}

/// By a pattern with two wildcards: the dearest condition there is.
fn by_pattern(number: usize) -> String {
    format!(
        "@id(\"own-{number}\") forbid (principal, action in Action::\"destructive\", resource)\n\
         when {{ resource.arn like \"arn:aws:*:instance/i-{number:05}*\" && context.approvals < 2 }};\n"
    )
}

#[expect(clippy::expect_used, reason = "both are written here")]
fn question() -> (Question, Evidence) {
    let arn = "arn:aws:ec2:eu-central-1:111122223333:instance/i-0a1b2c3d4e5f60718";
    let question = Question {
        agent: Agent::new("deployer"),
        human: Human::new("ann"),
        tool: "tool_2".to_owned(),
        effect: Effect::Destructive,
        operation: "ec2:StopInstances".parse::<OperationId>().expect("an operation"),
        account: account(),
        region: Region::new("eu-central-1"),
        resource: Resource {
            arn: arn.to_owned(),
            kind: "ec2:instance".to_owned(),
            stage: Stage::Prod,
            protected: false,
            owner: Some("web".to_owned()),
            tags: BTreeMap::from([("env".to_owned(), "prod".to_owned()), ("team".to_owned(), "web".to_owned())]),
        },
        circumstances: Circumstances {
            now: "2026-12-01T10:00:00Z".parse().expect("a time"),
            ticket: Some("CHG-1".to_owned()),
            window_open: true,
            resources: 1,
            dependents: Some(2),
            changed_in_session: 0,
            changed_in_hour: 0,
            errors_in_hour: 0,
            denials_in_hour: 0,
            breaker_open: false,
            reveals_secret: false,
            scoped_credentials: true,
            client: "claude-code".to_owned(),
            client_trust: Trust::Known,
            source_ip: None,
        },
    };
    let evidence = Evidence {
        previewed: true,
        confirmation: Some(Confirmation { after: Duration::from_secs(20), readable: true }),
        approvals: BTreeMap::from([(Human::new("bob"), BTreeSet::from(["approvers".to_owned()]))]),
        applied_by_person: false,
    };
    (question, evidence)
}

/// One decision, entities built: whether a destructive call in production is permitted that has all it takes. Every own
/// policy concerns it.
#[divan::bench(args = [14, 100, 1000], sample_count = 1000)]
fn ask(bencher: Bencher<'_, '_>, count: usize) {
    measure(bencher, count, for_a_team);
}

/// The same with the dearest conditions.
#[divan::bench(args = [100, 1000], sample_count = 1000)]
fn ask_by_patterns(bencher: Bencher<'_, '_>, count: usize) {
    measure(bencher, count, by_pattern);
}

fn measure(bencher: Bencher<'_, '_>, count: usize, own: fn(usize) -> String) {
    let policies = policies(count, 20, own);
    assert_eq!(policies.len(), count);
    let (question, evidence) = question();
    if count > 14 {
        assert!(matches!(policies.ask(&question, &evidence), Verdict::Permitted { .. }));
    }
    bencher.bench_local(|| policies.ask(&question, &evidence));
}

/// All invariants of `standard` over so many tools, the review included; the solver's start, too.
#[divan::bench(args = [20, 200], sample_count = 3, sample_size = 1)]
#[expect(clippy::expect_used, reason = "without a solver there is nothing to measure")]
fn prove(bencher: Bencher<'_, '_>, tools: usize) {
    let runtime = Runtime::new().expect("a runtime");
    let policies = policies(shipped_count(), tools, for_a_team);
    let invariants =
        Invariants::compile(shipped::invariants(), vocabulary(tools), people(), Profile::Standard).expect("invariants");
    bencher.bench_local(|| {
        runtime.block_on(async {
            let solver = LocalSolver::cvc5_with_args(["--tlimit-per=20000"]).expect("cvc5");
            let report = Prover::new(solver).expect("a prover").prove(&policies, &invariants).await;
            assert!(report.holds(), "{report}");
        });
    });
}

fn shipped_count() -> usize {
    shipped::sources(Profile::Standard).iter().map(|source| source.text().matches("@id(").count()).sum()
}
