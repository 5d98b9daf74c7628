//! Every shipped tool, tried for real: `tests/catalogue/<service>.yaml` says how, local clouds answer.
//!
//! Each case runs the real server before ministack or moto, in an account with roles and session policies as narrow as the
//! manifest says. What is given is made as an administrator; then the agent previews, which must change nothing, the person
//! types what the form asks for, the call is applied once, and what must hold after is looked up, past the server. Then it is
//! undone. One failing case hides no other: all are told at the end.
//!
//! For one service or a few tools, with manifests and cases that are still being written:
//!
//! ```text
//! COUNTERSIGN_CASES=sqs,sns_delete_topic cargo test --test it catalogue::every_case -- --nocapture
//! COUNTERSIGN_CASES=sqs COUNTERSIGN_CASE_MANIFESTS=/there/tool-manifests COUNTERSIGN_CASE_FOLDER=/there/tests/catalogue \
//!     COUNTERSIGN_BINARY=target/debug/countersign target/debug/deps/it-0123456789abcdef catalogue::every_case --nocapture
//! ```
//!
//! The second is for a test binary that was built before; it needs `.venv` in the present folder. Manifests of that folder
//! replace the shipped ones of their name.

mod case;
mod declared;
mod ground;
mod manifests;
mod names;
mod run;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;

use case::{Case, CloudName};
use ground::Ground;
use run::Done;
use table::Tried;

/// So many cases at a time: the clouds are one Python process each.
const AT_ONCE: usize = 6;

/// A case that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(150);

/// How a case ended.
struct Ended {
    service: String,
    case: Case,
    done: Done,
    failure: Option<String>,
    took: Duration,
}

#[tokio::test]
async fn every_case_runs() {
    let begun = Instant::now();
    let services = case::load(&case::folder()).unwrap_or_else(|problems| panic!("{problems}"));
    let wanted = std::env::var_os("COUNTERSIGN_CASES").map(|names| names.into_string().unwrap());
    let chosen = |service: &str, tool: &str| {
        let names = wanted.iter().flat_map(|names| names.split(',')).map(str::trim);
        wanted.is_none() || names.into_iter().any(|name| name == service || name == tool)
    };
    let grounds = Arc::new(Grounds::default());
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let (mut running, mut ended, mut number) = (JoinSet::new(), Vec::new(), 0);
    for service in services {
        for case in service.cases.into_iter().filter(|case| chosen(&service.name, &case.tool)) {
            number += 1;
            // A letter first, and short: some names have 20 characters at most.
            let unique = format!("t{number:03}{:05x}", std::process::id() & 0xf_ffff);
            let (grounds, turns, service) = (Arc::clone(&grounds), Arc::clone(&turns), service.name.clone());
            running.spawn(async move {
                let _turn = turns.acquire_owned().await.unwrap();
                tried(&grounds, service, case, &unique).await
            });
        }
    }
    while let Some(one) = running.join_next().await {
        ended.push(one.unwrap());
    }
    ended.sort_by(|a: &Ended, b| {
        (&a.service, &a.case.tool, &a.case.about).cmp(&(&b.service, &b.case.tool, &b.case.about))
    });
    println!("{}", told(&ended, begun.elapsed()));
    let totals = totals(&ended);
    println!("{totals}");
    let grounds = Arc::into_inner(grounds).unwrap();
    let mut failures: Vec<String> = ended.iter().filter_map(failure).collect();
    failures.extend(grounds.close(&ended).await);
    if wanted.is_none() && ground::own_manifests().is_none() && failures.is_empty() {
        let file = std::fs::read_to_string(crate::support::repository().join(table::FILE)).unwrap();
        assert!(file.contains(&format!("\n{totals}.\n")), "{} has other totals: {}", table::FILE, table::MEND);
    }
    assert!(!ended.is_empty(), "no case is called so: {wanted:?}");
    assert!(failures.is_empty(), "{} of {} cases failed\n\n{}", failures.len(), ended.len(), failures.join("\n\n"));
}

async fn tried(grounds: &Grounds, service: String, case: Case, unique: &str) -> Ended {
    let begun = Instant::now();
    let mut done = Done::default();
    let failure = match (case.slips().join("; "), &case.not_run, case.cloud) {
        (slips, ..) if !slips.is_empty() => Some(slips),
        (_, None, Some(cloud)) => {
            let ground = grounds.of(cloud).await;
            let run = run::run(ground, &case, unique, &mut done);
            tokio::time::timeout(LONGEST, run).await.unwrap_or_else(|_| Err("it took too long".to_owned())).err()
        }
        _ => None,
    };
    Ended { service, case, done, failure, took: begun.elapsed() }
}

/// The servers and clouds, each started when a case first needs it.
#[derive(Default)]
struct Grounds {
    ministack: OnceCell<Ground>,
    moto: OnceCell<Ground>,
}

impl Grounds {
    async fn of(&self, cloud: CloudName) -> &Ground {
        let cell = match cloud {
            CloudName::Ministack => &self.ministack,
            CloudName::Moto => &self.moto,
        };
        cell.get_or_init(|| Ground::of(cloud)).await
    }

    /// Ends the servers, whose records must verify, with each plan applied once. Gives what is wrong.
    async fn close(self, ended: &[Ended]) -> Vec<String> {
        let mut wrong = Vec::new();
        for ground in [self.ministack, self.moto].into_iter().filter_map(OnceCell::into_inner) {
            let (code, log) = ground.session.end().await;
            if code != Some(0) {
                wrong.push(format!("the server ended with {code:?}:\n{log}"));
            }
            let record = ground.installation.record();
            let mut intents: BTreeMap<&str, usize> = BTreeMap::new();
            for intent in record.of_kind("intent") {
                *intents.entry(intent["plan"].as_str().unwrap_or_default()).or_default() += 1;
            }
            let twice = intents.iter().filter(|(_, times)| **times != 1);
            wrong.extend(twice.map(|(plan, times)| format!("plan {plan} was applied {times} times")));
            let applied = ended.iter().filter_map(|one| one.done.plan.as_deref());
            let known = applied.filter(|plan| intents.contains_key(plan)).count();
            if known > record.count("outcome") {
                wrong.push(format!("{known} plans were applied, {} outcomes are on record", record.count("outcome")));
            }
        }
        wrong
    }
}

/// How many of all tools ran, by what was really done.
fn totals(ended: &[Ended]) -> table::Totals {
    let mut done: BTreeMap<&str, Tried> = BTreeMap::new();
    for one in ended.iter().filter(|one| one.failure.is_none()) {
        let Done { read, previewed, applied, undone, .. } = one.done;
        let tried = Tried { cloud: one.case.cloud, run: read || applied, previewed, undone };
        let before = done.get(one.case.tool.as_str()).copied();
        done.insert(&one.case.tool, table::furthest([tried].into_iter().chain(before)));
    }
    let manifests = manifests::all();
    let tools = manifests.iter().map(|manifest| (manifest.service.as_str(), done.get(manifest.tool()).copied()));
    table::totals(tools.map(|(service, tried)| (service, tried.unwrap_or_default())))
}

fn failure(ended: &Ended) -> Option<String> {
    let failure = ended.failure.as_ref()?;
    let cloud = ended.case.cloud.map_or("nowhere", CloudName::word);
    // Long answers are cut in the middle: what matters stands at the ends.
    let shown = match failure.char_indices().nth(4000) {
        Some(_) => {
            let all: Vec<char> = failure.chars().collect();
            let text = |part: &[char]| part.iter().collect::<String>();
            format!("{}\n  [...]\n{}", text(&all[..3000]), text(&all[all.len() - 900..]))
        }
        None => failure.clone(),
    };
    Some(format!("=== {}/{} on {cloud}\n{shown}", ended.service, ended.case.title()))
}

/// The table of a run, and its totals.
fn told(ended: &[Ended], took: Duration) -> String {
    let mut lines = Vec::new();
    for one in ended {
        let case = &one.case;
        let mark = |done: bool, what| if done { what } else { "" };
        let how = [
            mark(one.done.read, "read"),
            mark(one.done.previewed, "previewed"),
            mark(one.done.applied, "applied"),
            mark(one.done.undone, "undone"),
        ];
        let why = [&case.not_run, &case.not_applied, &case.not_undone].into_iter().flatten().next();
        lines.push(format!(
            "{:<42} {:<9} {:<4} {:<9} {:<7} {:<6} {:>5.1}s {}{}",
            case.title(),
            case.cloud.map_or("", CloudName::word),
            how[0],
            how[1],
            how[2],
            how[3],
            one.took.as_secs_f32(),
            if one.failure.is_some() { "FAILED " } else { "" },
            why.map_or("", String::as_str),
        ));
    }
    let count = |is: fn(&Ended) -> bool| ended.iter().filter(|one| is(one)).count();
    lines.push(format!(
        "{} cases in {:.0}s: {} reads, {} previewed, {} applied, {} undone, {} failed, {} not runnable here",
        ended.len(),
        took.as_secs_f32(),
        count(|one| one.done.read),
        count(|one| one.done.previewed),
        count(|one| one.done.applied),
        count(|one| one.done.undone),
        count(|one| one.failure.is_some()),
        count(|one| one.case.not_run.is_some()),
    ));
    lines.join("\n")
}
