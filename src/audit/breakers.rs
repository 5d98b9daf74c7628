//! Opens the breakers that what is on record calls for.

use super::event::{Event, What};
use crate::config::BreakersConfig;
use crate::policy::breaker::trips;
use crate::ports::{Breaker, Clock, Counted, Store, StoreError, Tally};

/// Reads what happened so far, opens the breakers whose threshold is reached, each durable together with its event, and
/// returns the counts with all that is open then.
///
/// Of several processes that come to the same finding one opens the breaker, and it is on record once.
pub async fn open_tripped(
    store: &dyn Store,
    clock: &dyn Clock,
    config: &BreakersConfig,
    who: &Counted,
) -> Result<Tally, StoreError> {
    let tally = store.tally(who, clock.now()).await?;
    let tripped = trips(&tally, config, who);
    if tripped.is_empty() {
        return Ok(tally);
    }
    for (scope, why) in tripped {
        let at = clock.now();
        let what = What::BreakerOpened { scope: scope.clone(), why: why.clone() };
        let breaker = Breaker { scope, opened_at: at, why };
        let shown = breaker.scope.to_string();
        if store.open_breaker(breaker, Event { at, call: None, caller: None, what }).await? {
            tracing::error!(breaker = shown, "a breaker opened: no change goes through until a person closes it");
        }
    }
    store.tally(who, clock.now()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::refused::Code;
    use crate::call::request::{Caller, ClientInfo};
    use crate::names::{Agent, Human, SessionId};
    use crate::ports::BreakerScope;
    use crate::store::SqliteStore;
    use crate::testing::{FailingStore, FixedClock};

    fn who() -> Counted {
        Counted { agent: Agent::new("kiro"), session: SessionId::new("s-1"), account: "210987654321".into() }
    }

    fn denial(clock: &FixedClock) -> Event {
        let caller = Caller {
            agent: who().agent,
            human: Human::new("ann"),
            session: who().session,
            client: ClientInfo::default(),
            source: None,
        };
        let what = What::Refused { code: Code::Forbidden, message: "no".into(), operator_detail: None, plan: None };
        Event { at: clock.now(), call: None, caller: Some(caller), what }
    }

    #[tokio::test]
    async fn the_breaker_opens_at_the_last_straw_and_is_on_record_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("countersign.db");
        let (store, other) = (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
        let clock = FixedClock::default();
        let config = BreakersConfig { agent_denials_per_hour: 3, ..BreakersConfig::default() };
        for denials in 1..3 {
            store.append(vec![denial(&clock)]).await.unwrap();
            let tally = open_tripped(&store, &clock, &config, &who()).await.unwrap();
            assert_eq!((tally.denials_in_hour, tally.open), (denials, Vec::new()));
        }
        store.append(vec![denial(&clock)]).await.unwrap();
        let who = who();
        let (one, two) =
            tokio::join!(open_tripped(&store, &clock, &config, &who), open_tripped(&other, &clock, &config, &who));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one, two);
        assert_eq!(one.open.len(), 1);
        assert_eq!(one.open[0].scope, BreakerScope::Agent(who.agent));
        let records = store.records(1, 100).await.unwrap();
        assert_eq!(records.iter().filter(|record| record.event.contains("breaker_opened")).count(), 1);
        assert_eq!(other.breakers().await.unwrap(), one.open);
    }

    #[tokio::test]
    async fn without_a_store_there_is_no_tally() {
        let clock = FixedClock::default();
        assert!(open_tripped(&FailingStore, &clock, &BreakersConfig::default(), &who()).await.is_err());
    }
}
