//! Processes that end in the middle.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::counters::{denial, tally};
use super::*;
use crate::plan::filed::PlanState;

/// Names the database for the child; set only by [`a_killed_process_leaves_an_intact_chain_and_an_unknown_plan`].
const CHILD_DATABASE: &str = "COUNTERSIGN_TEST_CRASH_DATABASE";

#[tokio::test]
async fn only_plans_of_processes_that_are_gone_become_unknown() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    let (a, b) = (file(&one, &["i-1"]).await, file(&other, &["i-2"]).await);
    one.claim(claim(&a, &[]), intent(&a)).await.unwrap();
    other.claim(claim(&b, &[]), intent(&b)).await.unwrap();
    assert!(other.orphans(&gone).await.unwrap().is_empty());

    one.close().await;
    let unknown = other.orphans(&gone).await.unwrap();
    assert_eq!(unknown.iter().map(|plan| &plan.content.id).collect::<Vec<_>>(), [&a.content.id]);
    assert_eq!(other.orphans(&gone).await.unwrap().len(), 1);
    assert_eq!(count(&other, "outcome").await, 1, "recorded once");
    let alive = other.plan(&b.content.id, now()).await.unwrap().unwrap();
    assert_eq!(alive.state, PlanState::Applying);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_an_intact_chain_and_an_unknown_plan() {
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::crash::child_applies_until_it_is_killed", "--nocapture"])
        .env(CHILD_DATABASE, place.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answered = lines
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("answered ").and_then(|(_, seq)| seq.parse::<u64>().ok()))
        .find(|seq| *seq > 300)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let store = place.open().await;
    assert!(intact(&store).await >= answered);
    let unknown = store.orphans(&gone).await.unwrap();
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0].state, PlanState::Unknown);
    assert_eq!(count(&store, "outcome").await, 1);
    let counted = tally(&store, &unknown[0], after(60)).await;
    assert_eq!(u64::from(counted.denials_in_hour), count(&store, "refused").await, "what is on record is counted");
    assert!(counted.denials_in_hour > 100);
    assert_eq!((counted.changed_in_session, counted.errors_in_hour, counted.account_errors_in_hour), (1, 1, 1));
    let again = store.claim(claim(&unknown[0], &[]), intent(&unknown[0])).await.unwrap_err();
    assert!(again.to_string().ends_with("is unknown"), "{again}");
    intact(&store).await;
}

/// Does nothing, unless it is started as the child of the test above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_applies_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_DATABASE) else { return };
    let store = SqliteStore::open(&PathBuf::from(path)).await.unwrap();
    let plan = file(&store, &["i-1"]).await;
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    for number in 0.. {
        let (head, _) = tokio::join!(store.append(vec![requested(number)]), store.append(vec![denial(now())]));
        println!("\nanswered {}", head.unwrap().seq);
    }
}
