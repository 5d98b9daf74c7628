//! The chain, with one writer and with several.

use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::*;
use crate::plan::filed::PlanState;

#[tokio::test]
async fn records_come_back_in_the_order_they_were_appended() {
    let place = Place::new();
    let store = place.open().await;
    let events: Vec<_> = (0..40).map(requested).collect();
    let head = store.append(events.clone()).await.unwrap();
    assert_eq!(head.seq, 40);
    let records = store.records(1, 100).await.unwrap();
    let stored: Vec<Event> = records.iter().map(|record| serde_json::from_str(&record.event).unwrap()).collect();
    assert_eq!(stored, events);
    assert_eq!(store.records(39, 1).await.unwrap().first().unwrap().seq, 39);
    assert_eq!(intact(&store).await, 40);
}

#[tokio::test]
async fn what_was_answered_is_there_after_opening_again() {
    let place = Place::new();
    let store = place.open().await;
    let head = store.append(vec![requested(1), requested(2)]).await.unwrap();
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.reader().head().await.unwrap(), head);
    assert_eq!(store.append(vec![requested(3)]).await.unwrap().seq, 3);
    assert_eq!(intact(&store).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_stores_and_many_tasks_write_one_chain() {
    let place = Place::new();
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await), Arc::new(place.open().await)];
    let tasks: Vec<_> = (0..150)
        .map(|number| {
            let store = Arc::clone(&stores[number % stores.len()]);
            tokio::spawn(async move { store.append(vec![requested(number), requested(number)]).await.unwrap().seq })
        })
        .collect();
    let mut ends = std::collections::BTreeSet::new();
    for task in tasks {
        ends.insert(task.await.unwrap());
    }
    assert_eq!(ends.len(), 150);
    assert_eq!(intact(&stores[0]).await, 300);
}

#[tokio::test]
async fn one_job_that_fails_does_not_take_the_others_of_its_batch_along() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    let (first, again, last) = tokio::join!(
        store.append(vec![requested(1)]),
        store.file_plan(plan.clone(), previewed(&plan)),
        store.append(vec![requested(2)]),
    );
    assert!(matches!(again, Err(crate::ports::StoreError::Failed(_))));
    assert!(first.is_ok() && last.is_ok());
    assert_eq!(intact(&store).await, 3);
}

#[tokio::test]
async fn callers_that_go_away_leave_their_records_but_claim_nothing() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    hand_over_and_leave(store.append(vec![requested(1)])).await;
    hand_over_and_leave(store.claim(claim(&plan, &[]), intent(&plan))).await;
    store.append(vec![requested(2)]).await.unwrap();
    assert_eq!(store.plan(&plan.content.id, after(60)).await.unwrap().unwrap().state, PlanState::Open);
    assert_eq!((count(&store, "requested").await, count(&store, "intent").await), (2, 0));
}

/// Polls once, which is enough to give the writer its job, and not enough for the writer to run.
async fn hand_over_and_leave<T>(mut write: Pin<Box<dyn Future<Output = T> + Send + '_>>) {
    std::future::poll_fn(|cx| {
        assert!(write.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn marks_are_forgotten_after_their_time_only() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-1"]).await;
    assert!(store.use_once("old", after(59)).await.unwrap());
    assert!(store.use_once("new", after(61)).await.unwrap());
    store.claim(claim(&plan, &[]), intent(&plan)).await.unwrap();
    assert!(!store.use_once("new", after(61)).await.unwrap());
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM marks").fetch_one(&mut place.raw().await).await.unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_mark_can_be_used_once_however_many_try() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    let (a, b) = tokio::join!(one.use_once("nonce", after(60)), other.use_once("nonce", after(60)));
    assert_ne!(a.unwrap(), b.unwrap());
    assert!(!one.use_once("nonce", after(600)).await.unwrap());
    assert!(one.use_once("another", after(60)).await.unwrap());
}

#[tokio::test]
async fn the_files_belong_to_the_user_alone() {
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![requested(1)]).await.unwrap();
    let folder = place.path().parent().unwrap().to_owned();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        let expected = if entry.path().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&entry.path()), expected, "{}", entry.path().display());
        files += 1;
    }
    assert_eq!(files, 5, "database, log, shared memory, head, instances");
}

#[tokio::test]
async fn a_database_that_others_could_read_is_closed_to_them() {
    let place = Place::new();
    place.open().await.close().await;
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    place.open().await.close().await;
    assert_eq!(std::fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_may_make_the_database_at_the_same_time() {
    let place = Arc::new(Place::new());
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let place = Arc::clone(&place);
            tokio::spawn(async move {
                let store = place.open().await;
                store.append(vec![requested(number)]).await.unwrap();
                store.close().await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(intact(&place.open().await).await, 8);
}
