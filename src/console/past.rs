//! Looks up what the record says of a plan, and of what its agent did before.
//!
//! The record is a chain without an index but time: its events come in order. So the place of a plan is found by halving,
//! and a bounded stretch around it is read. What lies further off is said to be missing, never made up.

use jiff::{SignedDuration, Timestamp};

use super::view::story::Story;
use crate::audit::event::{Event, StoredRecord, What};
use crate::names::{GrantId, SessionId};
use crate::plan::filed::FiledPlan;
use crate::ports::{GrantKind, GrantRecord, Store, StoreError};

/// Records read at once.
const PAGE: u32 = 500;
/// Records before a plan that are looked through for what its agent did.
const BEFORE: u64 = 5_000;
/// Records after a plan that are looked through for what became of it.
const AFTER: u64 = 20_000;
/// Events of the session that are shown.
const SHOWN: usize = 25;
/// Clocks of several servers may differ by so much.
const SKEW: SignedDuration = SignedDuration::from_secs(120);

/// What is on record of a plan.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// What its agent did before, in the session that planned it.
    pub(crate) before: Story,
    /// What became of it.
    pub(crate) story: Story,
}

/// Looks it up.
pub(crate) async fn of(plan: &FiledPlan, store: &dyn Store) -> Result<Past, StoreError> {
    let id = plan.content.id.as_str();
    let head = store.head().await?.seq;
    let made = first_at(store, head, plan.content.created_at - SKEW).await?;
    let mut story = Story::default();
    let mut from = made;
    while from <= head {
        if from - made >= AFTER {
            story.cut = true;
            break;
        }
        let records = store.records(from, PAGE).await?;
        let Some(last) = records.last().map(|record| record.seq) else { break };
        story.events.extend(records.iter().filter(|record| record.event.contains(id)).filter_map(parsed));
        story.events.retain(|(_, event)| is_of(&event.what, id));
        if ended_long_ago(plan, &story, &records) {
            break;
        }
        from = last.saturating_add(1);
    }
    let Some((at, session)) = story.events.iter().find_map(previewed) else {
        story.cut = true;
        return Ok(Past { before: Story { events: Vec::new(), cut: true }, story });
    };
    let before = before(store, at, &session).await?;
    Ok(Past { before, story })
}

/// The consents to a plan that is over, as the record has them: they were used up.
pub(crate) fn consents(plan: &FiledPlan, story: &Story) -> Vec<GrantRecord> {
    story.events.iter().filter_map(|(_, event)| consent(plan, event)).collect()
}

fn consent(plan: &FiledPlan, event: &Event) -> Option<GrantRecord> {
    let (id, digest, by, answered_after_ms, kind, signed) = match &event.what {
        What::Signed { digest, kind, grant, by, answered_after_ms, signed, .. } => {
            (grant.clone(), digest, by.clone(), answered_after_ms, *kind, Some(signed.clone()))
        }
        What::Confirmed { digest, answered_after_ms, .. } => {
            let by = event.caller.as_ref()?.human.clone();
            (GrantId::fresh(), digest, by, answered_after_ms, GrantKind::Confirmation, None)
        }
        _ => return None,
    };
    Some(GrantRecord {
        id,
        plan: plan.content.id.clone(),
        digest: *digest,
        by,
        at: event.at,
        expires_at: plan.content.expires_at,
        answered_after_ms: *answered_after_ms,
        kind,
        signed,
    })
}

/// What happened in a session before a record.
async fn before(store: &dyn Store, at: u64, session: &SessionId) -> Result<Story, StoreError> {
    let mut before = Story::default();
    let mut end = at;
    let needle = serde_json::to_string(session.as_str()).unwrap_or_default();
    while end > 1 && before.events.len() < SHOWN {
        if at - end >= BEFORE {
            before.cut = true;
            break;
        }
        let start = end.saturating_sub(u64::from(PAGE)).max(1);
        let records = store.records(start, u32::try_from(end - start).unwrap_or(PAGE)).await?;
        let earlier = records.iter().filter(|record| record.seq < end && record.event.contains(&needle));
        let of_session = |(_, event): &(u64, Event)| {
            let session_is = event.caller.as_ref().is_some_and(|caller| caller.session == *session);
            // What a request led to says more than that it came.
            session_is && !matches!(event.what, What::Requested { .. } | What::Asked { .. } | What::Intent { .. })
        };
        let mut found: Vec<_> = earlier.filter_map(parsed).filter(of_session).collect();
        found.append(&mut before.events);
        before.events = found;
        end = start;
    }
    let too_many = before.events.len().saturating_sub(SHOWN);
    before.cut |= too_many > 0;
    before.events.drain(..too_many);
    Ok(before)
}

/// The first record that isn't older than `at`, by halving.
async fn first_at(store: &dyn Store, head: u64, at: Timestamp) -> Result<u64, StoreError> {
    let (mut low, mut high) = (1_u64, head.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let record = store.records(middle, 1).await?.into_iter().next();
        match record.as_ref().and_then(parsed) {
            Some((_, event)) if event.at < at => low = middle.saturating_add(1),
            // What can't be read is not older: looking begins before it.
            _ => high = middle,
        }
    }
    Ok(low)
}

fn parsed(record: &StoredRecord) -> Option<(u64, Event)> {
    Some((record.seq, serde_json::from_str(&record.event).ok()?))
}

fn previewed((seq, event): &(u64, Event)) -> Option<(u64, SessionId)> {
    let session = event.caller.as_ref()?.session.clone();
    matches!(event.what, What::Previewed { .. }).then_some((*seq, session))
}

/// A plan that is over leaves no records but what settles it; a day later nothing is expected.
fn ended_long_ago(plan: &FiledPlan, story: &Story, records: &[StoredRecord]) -> bool {
    let over = story.events.last().map_or(plan.content.expires_at, |(_, event)| event.at.max(plan.content.expires_at));
    let until = over + SignedDuration::from_hours(24);
    records.last().and_then(parsed).is_some_and(|(_, event)| event.at > until)
}

/// True where an event is about a plan.
fn is_of(what: &What, id: &str) -> bool {
    match what {
        What::Previewed { plan, .. }
        | What::Asked { plan, .. }
        | What::Confirmed { plan, .. }
        | What::Parked { plan, .. }
        | What::Signed { plan, .. }
        | What::Rejected { plan, .. }
        | What::Intent { plan, .. }
        | What::Outcome { plan, .. }
        | What::RecoveryPoint { plan, .. }
        | What::Undo { plan, .. }
        | What::Waited { plan, .. }
        | What::Probing { plan, .. }
        | What::Probed { plan, .. }
        | What::Reconciled { plan, .. } => plan.as_str() == id,
        What::Refused { plan, .. } | What::NotSigned { plan, .. } => {
            plan.as_ref().is_some_and(|plan| plan.as_str() == id)
        }
        _ => false,
    }
}
