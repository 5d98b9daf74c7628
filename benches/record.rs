//! What recording costs a call: `cargo bench --bench record`.

use std::sync::Arc;

use countersign::audit::chain::{canonical_event, empty, next};
use countersign::audit::checkpoint::Follower;
use countersign::audit::event::{Event, Head, ResultWord, StoredRecord, What};
use countersign::audit::merkle::{self, Tree};
use countersign::audit::note::SigningKey;
use countersign::config::BudgetsConfig;
use countersign::digest::Digest;
use countersign::names::PlanId;
use countersign::plan::filed::{FiledPlan, PlanState};
use countersign::ports::{Claim, Store, StoreError};
use countersign::store::SqliteStore;
use countersign::testing::{counted, open_plan};
use divan::Bencher;
use jiff::Timestamp;
use serde_json::json;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A store in a temporary folder, and what runs it.
struct Bench {
    runtime: Runtime,
    store: Arc<SqliteStore>,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        // Not under /tmp, which may be in memory, where syncing costs nothing.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let store = runtime.block_on(SqliteStore::open(&folder.path().join("countersign.db")))?;
        Ok(Self { runtime, store: Arc::new(store), folder })
    }

    #[expect(clippy::expect_used, reason = "the same database was just opened")]
    fn again(&self) -> SqliteStore {
        self.runtime.block_on(SqliteStore::open(&self.folder.path().join("countersign.db"))).expect("a store")
    }

    /// Runs `work` as a task of the runtime, as a server's calls are run.
    fn run<F>(&self, work: F)
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let ended = self.runtime.block_on(self.runtime.spawn(work));
        assert!(matches!(ended, Ok(Ok(()))), "{ended:?}");
    }
}

#[expect(clippy::expect_used, reason = "without a store there is nothing to measure")]
fn with_bench(bencher: Bencher<'_, '_>, measure: impl FnOnce(Bencher<'_, '_>, &Bench)) {
    measure(bencher, &Bench::new().expect("a store"));
}

/// A request's record, not synced to disk.
#[divan::bench(sample_count = 2000)]
fn append_one(bencher: Bencher<'_, '_>) {
    with_bench(bencher, |bencher, bench| {
        bencher.bench_local(|| {
            let store = Arc::clone(&bench.store);
            bench.run(async move { store.append(vec![requested()]).await.map(drop) });
        });
    });
}

/// Sixteen requests at the same time; how long until the last of them is recorded.
#[divan::bench(sample_count = 1000)]
fn append_sixteen_in_parallel(bencher: Bencher<'_, '_>) {
    with_bench(bencher, |bencher, bench| {
        bencher.bench_local(|| {
            let store = Arc::clone(&bench.store);
            bench.run(async move {
                let mut calls = tokio::task::JoinSet::new();
                for _ in 0..16 {
                    let store = Arc::clone(&store);
                    calls.spawn(async move { store.append(vec![requested()]).await.map(drop) });
                }
                calls.join_all().await.into_iter().collect()
            });
        });
    });
}

/// The same, from two stores on one database, as two processes have it.
#[divan::bench(sample_count = 1000)]
fn append_sixteen_in_parallel_from_two_stores(bencher: Bencher<'_, '_>) {
    with_bench(bencher, |bencher, bench| {
        let second = Arc::new(bench.again());
        bencher.bench_local(|| {
            let stores = [Arc::clone(&bench.store), Arc::clone(&second)];
            bench.run(async move {
                let mut calls = tokio::task::JoinSet::new();
                for store in stores.iter().cycle().take(16) {
                    let store = Arc::clone(store);
                    calls.spawn(async move { store.append(vec![requested()]).await.map(drop) });
                }
                calls.join_all().await.into_iter().collect()
            });
        });
    });
}

/// A consent's record, synced to disk.
#[divan::bench(sample_count = 300)]
fn append_one_durable(bencher: Bencher<'_, '_>) {
    with_bench(bencher, |bencher, bench| {
        bencher.bench_local(|| {
            let store = Arc::clone(&bench.store);
            bench.run(async move { store.append(vec![confirmed()]).await.map(drop) });
        });
    });
}

/// A plan claimed with its intent and settled with its outcome: two synced commits.
#[divan::bench(sample_count = 200)]
fn claim_and_settle(bencher: Bencher<'_, '_>) {
    with_bench(bencher, |bencher, bench| {
        bencher.with_inputs(|| file(bench)).bench_local_values(|plan| {
            let store = Arc::clone(&bench.store);
            bench.run(async move {
                let claim = Claim {
                    plan: plan.content.id.clone(),
                    digest: plan.digest,
                    grants: Vec::new(),
                    targets: plan.content.targets.iter().map(|target| target.arn.clone()).collect(),
                    now: start(),
                    steps_since: start(),
                    per_hour: None,
                    who: counted(&plan),
                    resources: 1,
                    budgets: BudgetsConfig { changes_per_session: u32::MAX, changes_per_hour: u32::MAX },
                };
                store.claim(claim, outcome(&plan)).await?;
                store.settle(&plan.content.id, PlanState::Applied, outcome(&plan)).await
            });
        });
    });
}

/// Opening a database that is in use and up to date, as every start of a server does.
#[divan::bench(sample_count = 200)]
fn open_again(bencher: Bencher<'_, '_>) {
    with_bench(bencher, |bencher, bench| {
        bencher.bench_local(|| {
            let path = bench.folder.path().join("countersign.db");
            bench.run(async move { SqliteStore::open(&path).await.map(drop) });
        });
    });
}

/// Records of a large record.
const MANY: u64 = 100_000;

/// A chain of many records.
fn many() -> Result<Vec<StoredRecord>, Failure> {
    let text = canonical_event(&requested())?;
    let mut head = empty();
    let mut records = Vec::new();
    for _ in 0..MANY {
        let record = next(&head, text.clone());
        head = Head { seq: record.seq, hash: record.hash };
        records.push(record);
    }
    Ok(records)
}

/// Following a large record from its first entry to its end: chain, tree and keys; what a server's first checkpoint costs.
#[divan::bench(sample_count = 20)]
fn follow_100_000_records(bencher: Bencher<'_, '_>) {
    #[expect(clippy::expect_used, reason = "a constant event has a canonical form")]
    let records = many().expect("records");
    bencher.bench_local(|| {
        let mut follower = Follower::new(Vec::new(), Vec::new());
        records.iter().try_for_each(|record| follower.take(record)).map(|()| follower.root())
    });
}

/// Signing a checkpoint of a record that was followed.
#[divan::bench(sample_count = 200)]
fn sign_a_checkpoint(bencher: Bencher<'_, '_>) {
    #[expect(clippy::expect_used, reason = "without a key there is nothing to measure")]
    let key = SigningKey::generate("countersign.bench").expect("a key");
    let follower = Follower::new(Vec::new(), Vec::new());
    bencher.bench_local(|| follower.checkpoint(&key));
}

/// The proof of one place in a large record.
#[divan::bench(sample_count = 500)]
fn prove_one_of_100_000(bencher: Bencher<'_, '_>) {
    let tree = large_tree();
    bencher.bench_local(|| tree.inclusion(MANY / 3, MANY));
}

/// Checking such a proof.
#[divan::bench(sample_count = 500)]
fn check_one_of_100_000(bencher: Bencher<'_, '_>) {
    let tree = large_tree();
    let (proof, root) = (tree.inclusion(MANY / 3, MANY).unwrap_or_default(), tree.root(MANY).unwrap_or_default());
    let own = merkle::leaf(&(MANY / 3).to_be_bytes());
    assert!(merkle::includes(own, MANY / 3, MANY, &proof, &root));
    bencher.bench_local(|| merkle::includes(own, MANY / 3, MANY, &proof, &root));
}

fn large_tree() -> Tree {
    let mut tree = Tree::default();
    (0..MANY).for_each(|number| tree.push(merkle::leaf(&number.to_be_bytes())));
    tree
}

fn file(bench: &Bench) -> FiledPlan {
    #[expect(clippy::expect_used, reason = "a plan of constants has a digest")]
    let plan = open_plan(&["i-0123456789abcdef0"], start()).expect("a plan");
    let (store, filed) = (Arc::clone(&bench.store), plan.clone());
    bench.run(async move { store.file_plan(filed, requested()).await });
    plan
}

fn start() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap_or_default()
}

fn event(what: What) -> Event {
    Event { at: start(), call: None, caller: None, what }
}

fn requested() -> Event {
    event(What::Requested {
        tool: "aws_read".to_owned(),
        arguments: json!({ "operation": "ec2:DescribeInstances", "account": "shop-dev", "reason": "looking around" }),
    })
}

fn confirmed() -> Event {
    event(What::Confirmed {
        plan: PlanId::from_outside("plan-1"),
        digest: Digest::of_bytes("bench", b""),
        answered_after_ms: 9_000,
        faster_than_reading: false,
    })
}

fn outcome(plan: &FiledPlan) -> Event {
    event(What::Outcome { plan: plan.content.id.clone(), result: ResultWord::Applied, request_id: None, detail: None })
}
