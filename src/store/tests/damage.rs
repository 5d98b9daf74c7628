//! Files that are damaged, tampered with, locked or out of reach.

use std::fs;
use std::time::Duration;

use super::*;
use crate::audit::chain::{Broken, BrokenKind};
use crate::ports::StoreError;
use crate::store::{Options, Reader, failure};

async fn broken(place: &Place) -> Broken {
    let reader = Reader::open(&place.path()).await.unwrap();
    let records = reader.records(1, u32::MAX).await.unwrap();
    chain::verify(&records, reader.kept_heads().unwrap()).unwrap_err()
}

async fn recorded(place: &Place, events: usize) {
    let store = place.open().await;
    store.append((0..events).map(requested).collect()).await.unwrap();
    store.close().await;
}

fn failed<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Failed(reason)) => reason,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it did not fail"),
    }
}

#[tokio::test]
async fn an_edited_record_is_found() {
    let place = Place::new();
    recorded(&place, 5).await;
    place.tamper("UPDATE records SET event = replace(event, 'aws_read', 'aws_raed') WHERE seq = 3").await;
    assert_eq!(broken(&place).await, Broken { seq: 3, kind: BrokenKind::Edited });
}

#[tokio::test]
async fn a_deleted_record_is_found() {
    let place = Place::new();
    recorded(&place, 5).await;
    place.tamper("DELETE FROM records WHERE seq = 2").await;
    assert_eq!(broken(&place).await, Broken { seq: 2, kind: BrokenKind::Missing { next: 3 } });
}

#[tokio::test]
async fn an_end_cut_off_while_a_store_is_open_stops_it() {
    let place = Place::new();
    let store = place.open().await;
    store.append((0..5).map(requested).collect()).await.unwrap();
    place.tamper("DELETE FROM records WHERE seq > 3").await;
    let reason = failed(store.append(vec![requested(6)]).await);
    assert!(reason.contains("ended with record 5 a moment ago and now ends with record 3"), "{reason}");
    assert_eq!(broken(&place).await, Broken { seq: 4, kind: BrokenKind::CutOff { last: 3, kept: 5 } });
}

#[tokio::test]
async fn an_end_cut_off_after_a_durable_commit_keeps_a_store_from_opening() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    store.close().await;
    place.tamper("DELETE FROM records WHERE seq = 2").await;
    let reason = failed(SqliteStore::open(&place.path()).await);
    assert!(reason.contains("was cut off or replaced"), "{reason}");
    fs::remove_file(place.path()).unwrap();
    assert!(failed(SqliteStore::open(&place.path()).await).contains("was cut off or replaced"));
}

#[tokio::test]
async fn records_lost_with_the_power_stay_known_until_somebody_has_looked() {
    let place = Place::new();
    recorded(&place, 5).await;
    place.tamper("DELETE FROM records WHERE seq > 3").await;
    recorded(&place, 4).await;
    assert_eq!(broken(&place).await, Broken { seq: 5, kind: BrokenKind::Rewritten });
    fs::remove_file(place.path().with_file_name("audit.head.lost")).unwrap();
    assert_eq!(intact(&place.open().await).await, 7);
}

#[tokio::test]
async fn a_plan_that_was_changed_is_neither_shown_nor_applied() {
    for change in [
        "UPDATE plans SET content = replace(content, 'i-1', 'i-9')",
        "UPDATE plans SET digest = x'00'",
        "UPDATE plans SET agent = 'another'",
        "UPDATE plans SET expires_at = expires_at + 3600000000",
        "UPDATE plans SET state = 'approved'",
    ] {
        let place = Place::new();
        let store = place.open().await;
        let plan = file(&store, &["i-1"]).await;
        place.tamper(change).await;
        let reason = failed(store.plan(&plan.content.id, now()).await);
        assert!(reason.contains(plan.content.id.as_str()) && reason.contains("can't be read"), "{reason}");
        let before = store.reader().head().await.unwrap();
        failed(store.claim(claim(&plan, &[]), intent(&plan)).await);
        assert_eq!(store.reader().head().await.unwrap(), before, "{change}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_the_mend() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    fs::write(place.path(), "this is not a database, but long enough to be looked at ".repeat(20)).unwrap();
    let reason = failed(SqliteStore::open(&place.path()).await);
    assert!(reason.contains("countersign.db` is damaged or not a database"), "{reason}");
    assert!(reason.contains("put back a backup"), "{reason}");
}

#[tokio::test]
async fn a_damaged_page_is_an_error() {
    let place = Place::new();
    recorded(&place, 400).await;
    let mut bytes = fs::read(place.path()).unwrap();
    // Past the pages of the tables that are empty.
    let at = bytes.len() * 3 / 4;
    bytes[at..at + 8192].fill(0x5a);
    fs::write(place.path(), bytes).unwrap();
    let reader = Reader::open(&place.path()).await.unwrap();
    let result = reader.records(1, u32::MAX).await;
    let found = result.map(|records| chain::verify(&records, reader.kept_heads().unwrap()).is_err());
    assert!(found.unwrap_or(true));
}

#[tokio::test]
async fn a_place_that_is_out_of_reach_is_named() {
    let place = Place::new();
    fs::write(place.folder.path().join("state"), "a file where a folder should be").unwrap();
    let reason = failed(SqliteStore::open(&place.path()).await);
    assert!(reason.contains("/state`") && reason.contains("`store` in the configuration"), "{reason}");
}

#[tokio::test]
async fn a_database_that_is_locked_for_too_long_is_an_error_and_works_again_later() {
    let place = Place::new();
    let impatient = Options { busy_timeout: Duration::from_millis(20) };
    let store = SqliteStore::open_with(&place.path(), impatient).await.unwrap();
    let mut other = place.raw().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let reason = failed(store.append(vec![requested(1)]).await);
    assert!(reason.contains("is locked by another program"), "{reason}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(store.append(vec![requested(2)]).await.unwrap().seq, 1);
}

#[tokio::test]
async fn a_full_disk_is_named() {
    let place = Place::new();
    recorded(&place, 1).await;
    let mut full = place.raw().await;
    sqlx::raw_sql("PRAGMA max_page_count = 1").execute(&mut full).await.unwrap();
    let error = sqlx::raw_sql("CREATE TABLE more (x); INSERT INTO more VALUES (zeroblob(100000))")
        .execute(&mut full)
        .await
        .unwrap_err();
    let reason = failed::<()>(Err(failure::database(&place.path(), &error)));
    assert!(reason.starts_with("the disk that holds") && reason.contains("free some space"), "{reason}");
}

#[tokio::test]
async fn a_newer_programs_tables_are_left_alone() {
    let place = Place::new();
    recorded(&place, 1).await;
    place.tamper("PRAGMA user_version = 99").await;
    assert!(failed(SqliteStore::open(&place.path()).await).contains("update countersign"));
    assert!(failed(Reader::open(&place.path()).await).contains("update countersign"));
}

#[tokio::test]
async fn reading_makes_no_database() {
    let place = Place::new();
    assert!(failed(Reader::open(&place.path()).await).contains("there is no record at"));
    assert!(!place.path().exists());
}
