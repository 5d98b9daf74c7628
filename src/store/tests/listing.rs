//! Finding plans: those before people, by text, page by page.

use std::time::{Duration, Instant};

use super::*;
use crate::names::{Agent, PlanId};
use crate::plan::filed::PlanState;
use crate::ports::{PlanFilter, StoreError};

fn parked(plan: &FiledPlan, at: Timestamp) -> Event {
    let (plan, digest) = (plan.content.id.clone(), plan.digest);
    Event { at, ..event(What::Parked { plan, digest, needs: vec!["somebody of `senior`".into()] }) }
}

async fn ids(store: &SqliteStore, filter: PlanFilter) -> Vec<PlanId> {
    let plans = store.plans(filter, after(60)).await.unwrap();
    plans.into_iter().map(|plan| plan.content.id).collect()
}

#[tokio::test]
async fn a_plan_is_put_before_people_once_and_while_it_is_open() {
    let place = Place::new();
    let store = place.open().await;
    let (plan, other) = (file(&store, &["i-1"]).await, file(&store, &["i-2"]).await);
    let id = &plan.content.id;
    assert!(store.park(id, parked(&plan, after(9))).await.unwrap());
    assert!(!store.park(id, parked(&plan, after(10))).await.unwrap());
    assert_eq!(store.plan(id, now()).await.unwrap().unwrap().parked_at, Some(after(9)));
    assert_eq!(count(&store, "parked").await, 1);
    let filter = PlanFilter { parked: true, limit: 10, ..PlanFilter::default() };
    assert_eq!(ids(&store, filter).await, std::slice::from_ref(id));

    let late = store.park(&other.content.id, parked(&other, other.content.expires_at)).await;
    assert!(matches!(late, Err(StoreError::NotOpen { state: PlanState::Expired, .. })));
    store.claim(claim(&other, &[]), intent(&other)).await.unwrap();
    let claimed = store.park(&other.content.id, parked(&other, after(61))).await;
    assert!(matches!(claimed, Err(StoreError::NotOpen { state: PlanState::Applying, .. })));
}

#[tokio::test]
async fn the_input_is_kept_with_the_plan() {
    let place = Place::new();
    let store = place.open().await;
    let mut plan = open_plan(&["i-1"], now()).unwrap();
    plan.input = Some(json!({ "InstanceIds": ["i-1"], "reason": "it's \"night\"" }));
    store.file_plan(plan.clone(), previewed(&plan)).await.unwrap();
    assert_eq!(store.plan(&plan.content.id, now()).await.unwrap(), Some(plan));
}

#[tokio::test]
async fn plans_are_found_by_any_part_of_their_text() {
    let place = Place::new();
    let store = place.open().await;
    let mut plan = open_plan(&["i-0aaa"], now()).unwrap();
    plan.content.reason = "100% of Müller's_wish\\".into();
    plan.content.agent = Agent::new("Night-Agent");
    plan.digest = plan.content.digest().unwrap();
    store.file_plan(plan.clone(), previewed(&plan)).await.unwrap();
    file(&store, &["i-0bbb"]).await;

    let id = plan.content.id.as_str().to_uppercase();
    for text in ["0AAA", "100% of", "MÜLLER", "r's_w", "wish\\", "night-agent", id.as_str()] {
        let filter = PlanFilter { text: Some(text.into()), limit: 10, ..PlanFilter::default() };
        assert_eq!(ids(&store, filter).await, [plan.content.id.clone()], "{text}");
    }
    for (text, found) in [("stop ec2", 2), ("shop-dev", 2), ("111122223333", 2), ("DANA", 2), ("%", 1), ("i-0a_a", 0)] {
        let filter = PlanFilter { text: Some(text.into()), limit: 10, ..PlanFilter::default() };
        assert_eq!(ids(&store, filter).await.len(), found, "{text}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let place = Place::new();
    let store = place.open().await;
    for number in 0..7 {
        let plan = open_plan(&[&format!("i-{number}")], after(number / 3)).unwrap();
        store.file_plan(plan.clone(), previewed(&plan)).await.unwrap();
    }
    let all = ids(&store, PlanFilter { limit: 10, ..PlanFilter::default() }).await;
    let mut paged = Vec::new();
    loop {
        let page = ids(&store, PlanFilter { limit: 2, before: paged.last().cloned(), ..PlanFilter::default() }).await;
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let nowhere = PlanFilter { limit: 2, before: Some(PlanId::from_outside("plan-none")), ..PlanFilter::default() };
    assert!(ids(&store, nowhere).await.is_empty());
}

#[tokio::test]
async fn ten_thousand_plans_are_searched_at_once() {
    let place = Place::new();
    let store = place.open().await;
    let plan = file(&store, &["i-needle"]).await;
    let mut connection = place.raw().await;
    // Copies whose content is as large as that of a real plan with some targets.
    let copies = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000) \
                  INSERT INTO plans (id, digest, content, agent, created_at, expires_at, state) \
                  SELECT 'plan-copy-' || n, digest, hex(zeroblob(8000)), agent, created_at + n, expires_at, state \
                  FROM plans, n; \
                  INSERT INTO plan_texts SELECT id, replace(text, 'needle', 'straw' || random()) \
                  FROM plans JOIN plan_texts ON plan != id WHERE id LIKE 'plan-copy-%'";
    sqlx::raw_sql(copies).execute(&mut connection).await.unwrap();
    let filter = |text: &str| PlanFilter {
        text: Some(text.into()),
        states: vec![PlanState::Open],
        limit: 50,
        ..PlanFilter::default()
    };
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        assert_eq!(ids(&store, filter("NEEDLE")).await, std::slice::from_ref(&plan.content.id));
        fastest = fastest.min(began.elapsed());
    }
    println!("one of 10,001 plans by its text: {fastest:?}");
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}
