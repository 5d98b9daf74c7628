//! What happens while recovery points are taken, which can last for hours after the consent.

use super::undo::{TABLE, backup, delete, find, refusal, tables};
use super::*;
use crate::audit::event::{Event, What};
use crate::ports::{Breaker, BreakerScope};

/// Previews and applies a delete; `meanwhile` happens when its backup was begun and is not usable yet. Gives the plan and
/// the answer.
async fn deleted_while(
    desk: Desk,
    cancel: CancellationToken,
    meanwhile: impl AsyncFnOnce(&Desk),
) -> (Arc<Desk>, Value, Answered) {
    desk.cloud.change("dynamodb:DescribeBackup", backup("CREATING"));
    let plan = desk.preview("dynamodb_delete_table", delete()).await;
    let request = request("ann", "dynamodb_delete_table", apply(delete(), &plan));
    let desk = Arc::new(desk);
    let under_way = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.pipeline.handle(request, &Person::types(TABLE), cancel).await.unwrap().answer().clone() }
    });
    while desk.cloud.changes().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    meanwhile(&desk).await;
    desk.cloud.change("dynamodb:DescribeBackup", backup("AVAILABLE"));
    let answer = under_way.await.unwrap();
    (desk, plan, answer)
}

fn sent(desk: &Desk) -> Vec<String> {
    desk.cloud.changes().iter().map(|call| call.operation.to_string()).collect()
}

/// Nothing but the backup was made; the plan has failed, and it is told what stays.
async fn stopped(desk: &Desk, plan: &Value, answer: Answered) -> String {
    let told = refusal(answer);
    assert_eq!(sent(desk), ["dynamodb:CreateBackup"], "{told}");
    assert!(told.contains("what was begun stays at AWS: backup of the table"), "{told}");
    let filed = find(desk, plan).await;
    assert_eq!(filed.state, PlanState::Failed);
    assert!(filed.outcome.unwrap().contains("nothing was sent"));
    told
}

#[tokio::test]
async fn what_changes_nothing_that_counts_stops_nothing() {
    let own = r#"@id("first") forbid (principal, action in Action::"change", resource)
        when { context.changedInSession > 0 || context.changedInHour > 0 };"#;
    let desk = desk_with(tables(), None).await;
    desk.put_in_force(Profile::Standard, vec![Source::new("own.cedar", own)]);
    let late = async |desk: &Desk| desk.clock.advance(SignedDuration::from_mins(20));
    let (desk, _, answer) = deleted_while(desk, CancellationToken::new(), late).await;
    assert_eq!(succeeded(answer)["status"], "applied");
    assert_eq!(sent(&desk), ["dynamodb:CreateBackup", "dynamodb:DeleteTable"]);
}

#[tokio::test]
async fn a_window_that_closes_while_a_backup_is_taken_is_closed() {
    let text = "[windows]\ntime_zone = \"UTC\"\nallowed = [\"Mon 09:00-16:00\"]\n";
    let own =
        r#"@id("window") forbid (principal, action in Action::"change", resource) unless { context.windowOpen };"#;
    let desk = desk_of(tables(), None, text).await;
    desk.put_in_force(Profile::Standard, vec![Source::new("own.cedar", own)]);
    desk.clock.set("2026-11-23T15:59:00Z".parse().unwrap());
    let closing = async |desk: &Desk| desk.clock.set("2026-11-23T16:01:00Z".parse().unwrap());
    let (desk, plan, answer) = deleted_while(desk, CancellationToken::new(), closing).await;
    let told = stopped(&desk, &plan, answer).await;
    assert!(told.starts_with("window_closed"), "{told}");
}

#[tokio::test]
async fn a_breaker_that_opens_while_a_backup_is_taken_stops_the_call() {
    let opening = async |desk: &Desk| {
        let World { store, clock, .. } = desk.pipeline.world();
        let breaker = Breaker {
            scope: BreakerScope::Agent(Agent::new("agent")),
            opened_at: clock.now(),
            why: "too much goes wrong".into(),
        };
        let what = What::BreakerOpened { scope: breaker.scope.clone(), why: breaker.why.clone() };
        let event = Event { at: clock.now(), call: None, caller: None, what };
        assert!(store.open_breaker(breaker, event).await.unwrap());
    };
    let desk = desk_with(tables(), None).await;
    let (desk, plan, answer) = deleted_while(desk, CancellationToken::new(), opening).await;
    let told = stopped(&desk, &plan, answer).await;
    assert!(told.starts_with("forbidden") && told.contains("breaker"), "{told}");
}

#[tokio::test]
async fn policies_that_come_into_force_while_a_backup_is_taken_stop_the_call() {
    let own = r#"@id("never") forbid (principal, action in Action::"irreversible", resource);"#;
    let changing = async |desk: &Desk| desk.put_in_force(Profile::Standard, vec![Source::new("own.cedar", own)]);
    let desk = desk_with(tables(), None).await;
    let (desk, plan, answer) = deleted_while(desk, CancellationToken::new(), changing).await;
    let told = stopped(&desk, &plan, answer).await;
    assert!(told.starts_with("plan_mismatch"), "{told}");
}

#[tokio::test]
async fn a_plan_that_expired_long_ago_is_not_carried_out() {
    let later = async |desk: &Desk| desk.clock.advance(SignedDuration::from_hours(3));
    let desk = desk_with(tables(), None).await;
    let (desk, plan, answer) = deleted_while(desk, CancellationToken::new(), later).await;
    let told = stopped(&desk, &plan, answer).await;
    assert!(told.starts_with("plan_not_usable") && told.contains("longer than they may"), "{told}");
}

#[tokio::test]
async fn what_is_cancelled_while_a_backup_is_taken_is_not_sent() {
    let cancel = CancellationToken::new();
    let desk = desk_with(tables(), None).await;
    let token = cancel.clone();
    let (desk, plan, answer) = deleted_while(desk, cancel, async move |_: &Desk| token.cancel()).await;
    let told = stopped(&desk, &plan, answer).await;
    assert!(told.starts_with("not_confirmed") && told.contains("the request was cancelled"), "{told}");
}
