//! What an undo needs of a call, and how its targets are once it was undone.
//!
//! Nothing here changes anything at AWS. What can't be read is told as that, and never taken for a good sign.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reconcile::{Witness, present};
use super::run::{Ending, Outcome};
use crate::approval::ask::Asker;
use crate::audit::event::{Event, What};
use crate::plan::compare::differences;
use crate::plan::filed::{FiledPlan, PlanState};
use crate::plan::kept::{Kept, UndoState, Undone};
use crate::plan::undo::later;
use crate::ports::{Store, StoreError};
use crate::text::escape::quoted;

/// Differences that are told.
const SHOWN: usize = 20;

/// Characters of one value in a difference.
const LONGEST_VALUE: usize = 120;

/// The longest that targets which are still on their way are looked at again.
const LONGEST: Duration = Duration::from_secs(60);

/// The first pause between two looks; they double.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Keeps what an undo needs of the answer. Where that fails, the call can't be undone by itself; it is done all the same.
pub async fn keep(outcome: &Outcome, store: &Arc<dyn Store>) {
    let (Ending::Succeeded(reply), Some(sheet)) = (outcome.ending(), outcome.approved().plan().sheet()) else {
        return;
    };
    let call = outcome.approved().plan().call().call();
    let kept = Kept {
        points: outcome.points().to_vec(),
        later: later(call, &sheet.content, &reply.output, outcome.points()),
        after: None,
    };
    if kept == Kept::default() {
        return;
    }
    if let Err(error) = store.keep(&sheet.content.id, kept, Vec::new()).await {
        tracing::error!(plan = %sheet.content.id, %error, "what an undo of the plan needs can't be kept");
    }
}

/// Keeps what the targets are right after a call, so that an undo can tell what was done to them since.
pub async fn keep_after(filed: &FiledPlan, with: &Witness<'_>) {
    let Ok(after) = present(filed, with).await else { return };
    let kept = Kept { after: Some(after), ..filed.kept.as_deref().cloned().unwrap_or_default() };
    if let Err(error) = with.store.keep(&filed.content.id, kept, Vec::new()).await {
        tracing::error!(plan = %filed.content.id, %error, "what the targets are after the call can't be kept");
    }
}

/// What was done to a plan's targets since it was applied: by later plans, and by whatever else changed them.
///
/// # Errors
/// Where the store can't be read.
pub async fn since(filed: &FiledPlan, with: &Witness<'_>) -> Result<Vec<String>, StoreError> {
    let mut told = with.later_plans(filed).await?;
    let after = filed.kept.as_deref().and_then(|kept| kept.after.as_deref());
    match (present(filed, with).await, after) {
        (Err(why), _) => told.push(format!("what its targets are now can't be told: {why}")),
        (Ok(_), None) => told.push("what its targets were right after the call was not kept".to_owned()),
        (Ok(now), Some(after)) => {
            let targets = filed.content.targets.iter().zip(after).zip(&now);
            told.extend(targets.flat_map(|((before, after), now)| {
                let changed = moved(&before.fingerprint, after, now);
                changed.into_iter().map(|change| format!("{}: {change}", quoted(&before.id, 80)))
            }));
        }
    }
    told.truncate(SHOWN);
    Ok(told)
}

/// What is another value now than right after the call. What was on its way then has only arrived, unless it is back at
/// what it was before.
fn moved(before: &Value, after: &Value, now: &Value) -> Vec<String> {
    let back = differences(before, now);
    let arrived = |path: &str, after: &Value| on_its_way(after) && back.iter().any(|found| found.path == path);
    differences(after, now)
        .into_iter()
        .filter(|found| !arrived(&found.path, &found.before))
        .map(|found| {
            let (was, is) = (brief(&found.before), brief(&found.now));
            format!("{} was {was} right after the call and is {is}", place(&found.path))
        })
        .collect()
}

/// Compares the targets of a plan that was undone with what they were before it, once what the undo began has come to rest;
/// `None` while it hasn't, and where there is nothing to compare.
///
/// `patience`: as long as it may be waited for.
///
/// # Errors
/// Where the store fails.
pub async fn compare(
    original: &FiledPlan,
    with: &Witness<'_>,
    patience: Duration,
    asker: &dyn Asker,
    cancel: &CancellationToken,
) -> Result<Option<Undone>, StoreError> {
    let Some(Undone { state: UndoState::Undoing, by, .. }) = original.undone.as_deref() else { return Ok(None) };
    let undoing = with.store.plan(by, with.clock.now()).await?;
    if undoing.is_none_or(|plan| plan.state != PlanState::Applied) {
        return Ok(None);
    }
    let give_up = Instant::now() + patience.min(LONGEST);
    let mut pause = FIRST_PAUSE;
    let details = loop {
        let now = match present(original, with).await {
            Ok(now) => now,
            Err(why) => break vec![format!("what the targets are now can't be told: {why}")],
        };
        let pairs = || original.content.targets.iter().zip(&now);
        if pairs().all(|(before, now)| before.fingerprint == *now) {
            break Vec::new();
        }
        if !pairs().any(|(_, now)| any_on_its_way(now)) {
            let told = |(before, now): (&crate::plan::filed::PlannedTarget, &Value)| {
                let name = quoted(&before.id, 80);
                let found = differences(&before.fingerprint, now);
                found.into_iter().map(move |found| {
                    format!("{name}: {} was {} and is {}", place(&found.path), brief(&found.before), brief(&found.now))
                })
            };
            break pairs().flat_map(told).collect();
        }
        if cancel.is_cancelled() || Instant::now() + pause > give_up {
            return Ok(None);
        }
        asker.progress("the undo was accepted; looking whether everything is as it was before").await;
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2);
    };
    let undone = judged(by.clone(), details);
    let what = What::Undo {
        plan: original.content.id.clone(),
        by: by.clone(),
        state: undone.state,
        details: undone.details.clone(),
        by_hand: None,
    };
    let event = Event { at: with.clock.now(), call: None, caller: None, what };
    let recorded = with.store.returned(&original.content.id, undone.clone(), event).await?;
    Ok(recorded.then_some(undone))
}

fn judged(by: crate::names::PlanId, mut details: Vec<String>) -> Undone {
    let state = if details.is_empty() { UndoState::Undone } else { UndoState::Different };
    let more = details.len().saturating_sub(SHOWN);
    details.truncate(SHOWN);
    if more > 0 {
        details.push(format!("and {more} more differences"));
    }
    Undone { state, by, details }
}

/// Words of AWS's for what isn't at rest: `stopping`, `pending`, `CREATING`, `UPDATE_IN_PROGRESS`.
fn on_its_way(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        let text = text.to_ascii_lowercase();
        let resting = ["running", "existing", "missing", "warning"].contains(&text.as_str());
        !resting && (text.ends_with("ing") || text.ends_with("in_progress") || text.ends_with("in-progress"))
    })
}

fn any_on_its_way(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(any_on_its_way),
        Value::Object(members) => members.values().any(any_on_its_way),
        other => on_its_way(other),
    }
}

fn place(path: &str) -> String {
    if path.is_empty() { "it".to_owned() } else { quoted(path, 120) }
}

/// A value of a fingerprint. The whole of it is null where a target is gone.
fn brief(value: &Value) -> String {
    if value.is_null() { "not there".to_owned() } else { quoted(&value.to_string(), LONGEST_VALUE) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_on_its_way_has_only_arrived() {
        let before = json!({ "state": "running", "type": "t3.micro", "tags": [] });
        let after = json!({ "state": "stopping", "type": "t3.micro", "tags": [] });
        let stopped = json!({ "state": "stopped", "type": "t3.micro", "tags": [] });
        assert_eq!(moved(&before, &after, &after), [""; 0]);
        assert_eq!(moved(&before, &after, &stopped), [""; 0]);
        let told = [moved(&before, &after, &before), moved(&before, &stopped, &Value::Null)];
        insta::assert_snapshot!(told.map(|told| told.join("\n")).join("\n"), @r#"
        `state` was `"stopping"` right after the call and is `"running"`
        it was `{"state":"stopped","type":"t3.micro","tags":[]}` right after the call and is not there
        "#);
    }

    #[test]
    fn words_of_rest_and_of_movement() {
        for word in ["stopping", "pending", "CREATING", "UPDATE_ROLLBACK_IN_PROGRESS", "shutting-down-in-progress"] {
            assert!(on_its_way(&json!(word)), "{word}");
        }
        for word in ["running", "stopped", "ACTIVE", "available", "UPDATE_COMPLETE", ""] {
            assert!(!on_its_way(&json!(word)), "{word}");
        }
        assert!(any_on_its_way(&json!({ "a": [{ "State": "pending" }] })));
    }

    #[test]
    fn many_differences_are_cut_and_it_is_said() {
        let by = crate::names::PlanId::from_outside("plan-2");
        assert_eq!(judged(by.clone(), Vec::new()).state, UndoState::Undone);
        let many = judged(by, (0..25).map(|n| n.to_string()).collect());
        assert_eq!((many.state, many.details.len()), (UndoState::Different, SHOWN + 1));
        assert_eq!(many.details.last().unwrap(), "and 5 more differences");
    }
}
