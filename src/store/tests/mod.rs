//! The whole store, on real files.

mod claims;
mod counters;
mod crash;
mod damage;
mod listing;
mod people;
mod record;
mod settle;
mod steps;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::SqliteStore;
use crate::audit::chain;
use crate::audit::event::{Event, ResultWord, What};
use crate::config::BudgetsConfig;
use crate::digest::Digest;
use crate::names::{GrantId, Human};
use crate::plan::filed::FiledPlan;
use crate::ports::{Claim, GrantKind, GrantRecord, Store};
use crate::testing::{counted, open_plan};

/// A database in a folder that goes away with it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state/countersign.db")
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).await.unwrap()
    }

    /// Changes the database behind the store's back.
    async fn tamper(&self, sql: &'static str) {
        let mut connection = self.raw().await;
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        sqlx::Connection::close(connection).await.unwrap();
    }

    async fn raw(&self) -> sqlx::SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path());
        sqlx::ConnectOptions::connect(&options).await.unwrap()
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn event(what: What) -> Event {
    Event { at: now(), call: None, caller: None, what }
}

fn requested(number: usize) -> Event {
    event(What::Requested { tool: "aws_read".into(), arguments: json!({ "number": number }) })
}

fn previewed(plan: &FiledPlan) -> Event {
    event(What::Previewed {
        plan: plan.content.id.clone(),
        digest: plan.digest,
        operation: plan.content.operation.clone(),
        effect: plan.content.effect,
        targets: arns(plan),
    })
}

fn intent(plan: &FiledPlan) -> Event {
    event(What::Intent {
        plan: plan.content.id.clone(),
        digest: plan.digest,
        operation: plan.content.operation.clone(),
        targets: arns(plan),
        role: None,
        session_policy: None,
    })
}

fn outcome(plan: &FiledPlan, result: ResultWord) -> Event {
    event(What::Outcome { plan: plan.content.id.clone(), result, request_id: Some("req-1".into()), detail: None })
}

fn gone(plan: &FiledPlan) -> Event {
    outcome(plan, ResultWord::Unknown)
}

fn confirmed(plan: &FiledPlan) -> Event {
    event(What::Confirmed {
        plan: plan.content.id.clone(),
        digest: plan.digest,
        answered_after_ms: 9_000,
        faster_than_reading: false,
    })
}

fn arns(plan: &FiledPlan) -> Vec<String> {
    plan.content.targets.iter().map(|target| target.arn.clone()).collect()
}

fn claim(plan: &FiledPlan, grants: &[&GrantRecord]) -> Claim {
    Claim {
        plan: plan.content.id.clone(),
        digest: plan.digest,
        grants: grants.iter().map(|grant| grant.id.clone()).collect(),
        targets: arns(plan),
        now: after(60),
        per_hour: None,
        who: counted(plan),
        resources: 1,
        budgets: BudgetsConfig::default(),
        steps_since: Timestamp::MIN,
    }
}

async fn file(store: &SqliteStore, instances: &[&str]) -> FiledPlan {
    let plan = open_plan(instances, now()).unwrap();
    store.file_plan(plan.clone(), previewed(&plan)).await.unwrap();
    plan
}

async fn grant(store: &SqliteStore, plan: &FiledPlan) -> GrantRecord {
    let grant = GrantRecord {
        id: GrantId::fresh(),
        plan: plan.content.id.clone(),
        digest: plan.digest,
        by: Human::new("dana"),
        at: after(30),
        expires_at: after(330),
        answered_after_ms: 9_000,
        kind: GrantKind::Confirmation,
        signed: None,
    };
    store.grant(grant.clone(), confirmed(plan)).await.unwrap();
    grant
}

/// Checks the whole chain and returns how many records there are.
async fn intact(store: &SqliteStore) -> u64 {
    let records = store.records(1, u32::MAX).await.unwrap();
    let verified = chain::verify(&records, store.reader().kept_heads().unwrap()).unwrap();
    assert_eq!(verified.head, store.reader().head().await.unwrap());
    verified.head.seq
}

/// The record's events of one kind.
async fn count(store: &SqliteStore, kind: &str) -> u64 {
    let records = store.records(1, u32::MAX).await.unwrap();
    chain::verify(&records, vec![]).unwrap().counts.get(kind).copied().unwrap_or_default()
}

#[test]
fn digests_of_test_plans_are_true() {
    let plan = open_plan(&["i-1"], now()).unwrap();
    assert_eq!(plan.digest, plan.content.digest().unwrap());
    assert_ne!(plan.digest, Digest::of_bytes("t", b""));
}
