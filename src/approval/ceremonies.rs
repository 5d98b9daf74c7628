//! What was begun with a browser and waits for its passkey, and which pages people have open. Kept in memory only: after a
//! restart they begin again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::{SignedDuration, Timestamp};

use super::not_done::NotDone;
use super::passkey::{Registration, TIMEOUT};
use super::people::{Proposal, Standing};
use super::statement::Statement;
use crate::digest::Digest;
use crate::names::{Human, PlanId};
use crate::ports::GrantKind;

/// Most of one person, or of one link, at the same time; the oldest goes.
const MOST_EACH: usize = 8;
/// Most of people who haven't signed in.
const MOST_UNKNOWN: usize = 1024;
/// Most open pages that are remembered.
const MOST_PAGES: usize = 10_000;
/// How long an open page is remembered: longer than any plan waits.
const PAGE_LIFE: SignedDuration = SignedDuration::from_hours(48);

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Of somebody who isn't signed in.
    Unknown,
    /// Of a person.
    Person(Human),
    /// Of whoever has the link, by its token's digest.
    Link(Digest),
}

/// What the passkey is asked for.
#[derive(Debug)]
pub(super) enum Asks {
    /// To sign a plan.
    Plan { statement: Statement, kind: GrantKind, plan: PlanId, digest: Digest },
    /// To sign a change of people.
    People { statement: Statement, proposal: Box<Proposal> },
    /// To be enrolled.
    Enrol { standing: Standing, registration: Box<Registration> },
    /// To say who is there.
    SignIn { statement: Statement },
}

/// What waits for passkeys. Each can be taken once, within five minutes.
#[derive(Debug)]
pub(super) struct Ceremonies {
    waiting: Mutex<HashMap<String, Waiting>>,
    salt: [u8; 32],
}

#[derive(Debug)]
struct Waiting {
    owner: Owner,
    asks: Asks,
    began_at: Timestamp,
}

impl Ceremonies {
    pub(super) fn new() -> Result<Self, NotDone> {
        Ok(Self { waiting: Mutex::default(), salt: random()? })
    }

    /// Begins one, and returns by what name it is finished.
    pub(super) fn begin(&self, owner: Owner, asks: Asks, now: Timestamp) -> Result<String, NotDone> {
        let id = BASE64.encode(random::<16>()?);
        let most = if owner == Owner::Unknown { MOST_UNKNOWN } else { MOST_EACH };
        let mut waiting = lock(&self.waiting);
        waiting.retain(|_, one| is_fresh(one.began_at, now));
        drop_oldest(&mut waiting, most, |one| one.owner == owner, |one| one.began_at);
        waiting.insert(id.clone(), Waiting { owner, asks, began_at: now });
        Ok(id)
    }

    /// Takes one that `owner` began; it is gone then, whatever comes of it.
    pub(super) fn take(&self, id: &str, owner: &Owner, now: Timestamp) -> Result<Asks, NotDone> {
        let mut waiting = lock(&self.waiting);
        match waiting.get(id) {
            Some(one) if one.owner == *owner => {}
            _ => return Err(NotDone::NotBegun),
        }
        let taken = waiting.remove(id).filter(|one| is_fresh(one.began_at, now));
        taken.map(|one| one.asks).ok_or(NotDone::NotBegun)
    }

    /// The id of a passkey there is none of, always the same for one name: so that asking for a name doesn't tell whether
    /// there is somebody of that name.
    pub(super) fn no_passkey(&self, name: &str) -> String {
        let text = [self.salt.as_slice(), name.to_lowercase().as_bytes()].concat();
        let id = Digest::of_bytes("countersign.nobody.v1", &text);
        BASE64.encode(id.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

/// When people first opened the page of a plan.
#[derive(Debug, Default)]
pub(super) struct Openings(Mutex<HashMap<(Human, PlanId, Digest), Timestamp>>);

impl Openings {
    /// How long ago somebody opened a plan's page; none where they open it now.
    pub(super) fn since(&self, who: &Human, plan: &PlanId, digest: Digest, now: Timestamp) -> Duration {
        let mut opened = lock(&self.0);
        let key = (who.clone(), plan.clone(), digest);
        if let Some(at) = opened.get(&key) {
            return Duration::try_from(now.duration_since(*at)).unwrap_or_default();
        }
        opened.retain(|_, at| now.duration_since(*at) < PAGE_LIFE);
        drop_oldest(&mut opened, MOST_PAGES, |_| true, |at| *at);
        opened.insert(key, now);
        Duration::ZERO
    }
}

/// Bytes nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NotDone> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NotDone::Failed(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

fn is_fresh(began_at: Timestamp, now: Timestamp) -> bool {
    SignedDuration::try_from(TIMEOUT).is_ok_and(|timeout| now.duration_since(began_at) < timeout)
}

/// Makes room for one more of those that `counts`.
fn drop_oldest<K: Clone + Eq + Hash, V>(
    all: &mut HashMap<K, V>,
    most: usize,
    counts: impl Fn(&V) -> bool,
    at: impl Fn(&V) -> Timestamp,
) {
    if all.values().filter(|one| counts(one)).count() < most {
        return;
    }
    let oldest = all.iter().filter(|(_, one)| counts(one)).min_by_key(|(_, one)| at(one));
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        all.remove(&key);
    }
}

/// Nothing panics while it holds the lock, so what is behind it is whole.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::statement::Saying;

    fn now() -> Timestamp {
        Timestamp::from_second(1_767_225_600).unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    fn asks() -> Asks {
        let (by, origin) = (Human::new("ann"), "https://guard.example.com".to_owned());
        Asks::SignIn { statement: Statement { saying: Saying::SignIn, by, origin, at: now(), nonce: String::new() } }
    }

    #[test]
    fn each_is_taken_once_in_time_by_whom_it_was_begun() {
        let ceremonies = Ceremonies::new().unwrap();
        let (ann, bob) = (Owner::Person(Human::new("ann")), Owner::Person(Human::new("bob")));
        let id = ceremonies.begin(ann.clone(), asks(), now()).unwrap();
        for other in [bob, Owner::Unknown, Owner::Link(Digest::of_bytes("t", b""))] {
            assert!(matches!(ceremonies.take(&id, &other, now()), Err(NotDone::NotBegun)));
        }
        ceremonies.take(&id, &ann, after(299)).unwrap();
        assert!(ceremonies.take(&id, &ann, after(299)).is_err());
        let late = ceremonies.begin(ann.clone(), asks(), now()).unwrap();
        assert!(ceremonies.take(&late, &ann, after(300)).is_err());
        assert!(ceremonies.take(&late, &ann, after(1)).is_err());
        assert!(ceremonies.take("unknown", &ann, now()).is_err());
    }

    #[test]
    fn nobody_crowds_out_others() {
        let ceremonies = Ceremonies::new().unwrap();
        let (ann, bob) = (Owner::Person(Human::new("ann")), Owner::Person(Human::new("bob")));
        let of_ann = ceremonies.begin(ann.clone(), asks(), now()).unwrap();
        let first = ceremonies.begin(bob.clone(), asks(), now()).unwrap();
        for second in 1..=8 {
            ceremonies.begin(bob.clone(), asks(), after(second)).unwrap();
        }
        (0..2000).for_each(|_| drop(ceremonies.begin(Owner::Unknown, asks(), now()).unwrap()));
        assert!(ceremonies.take(&first, &bob, after(9)).is_err());
        ceremonies.take(&of_ann, &ann, after(9)).unwrap();
        assert_eq!(lock(&ceremonies.waiting).len(), MOST_EACH + MOST_UNKNOWN);
    }

    #[test]
    fn pages_are_timed_from_when_they_were_first_opened() {
        let openings = Openings::default();
        let (ann, plan, digest) = (Human::new("ann"), PlanId::from_outside("plan-1"), Digest::of_bytes("t", b"1"));
        assert_eq!(openings.since(&ann, &plan, digest, now()), Duration::ZERO);
        assert_eq!(openings.since(&ann, &plan, digest, after(30)), Duration::from_secs(30));
        assert_eq!(openings.since(&ann, &plan, digest, after(-30)), Duration::ZERO);
        assert_eq!(openings.since(&Human::new("bob"), &plan, digest, after(30)), Duration::ZERO);
        assert_eq!(openings.since(&ann, &plan, Digest::of_bytes("t", b"2"), after(30)), Duration::ZERO);
    }

    #[test]
    fn unknown_names_look_like_known_ones() {
        let (one, other) = (Ceremonies::new().unwrap(), Ceremonies::new().unwrap());
        assert_eq!(one.no_passkey("eve"), one.no_passkey("Eve"));
        assert_ne!(one.no_passkey("eve"), one.no_passkey("ann"));
        assert_ne!(one.no_passkey("eve"), other.no_passkey("eve"));
    }
}
