//! Limits how often somebody who isn't signed in may try.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

/// Tries in a minute from one address.
const OF_ONE: u32 = 30;
/// Tries in a minute altogether.
const OF_ALL: u32 = 3000;
/// Addresses that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Counts tries.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    each: LruCache<String, Count>,
    all: Count,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Timestamp,
    tries: u32,
}

impl Throttle {
    /// Nobody has tried yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Counts { each: LruCache::new(REMEMBERED), all: Count::default() }))
    }

    /// Counts a try. False where it is one too many.
    pub(crate) fn allows(&self, from: &str, now: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = counts.each.get_or_insert_mut(network(from), Count::default).more(OF_ONE, now);
        one && counts.all.more(OF_ALL, now)
    }
}

/// Who has one IPv6 address has a whole /64 of them.
fn network(from: &str) -> String {
    match from.parse() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => from.to_owned(),
    }
}

impl Count {
    fn more(&mut self, most: u32, now: Timestamp) -> bool {
        if now.duration_since(self.since).abs() >= SignedDuration::from_mins(1) {
            *self = Self { since: now, tries: 0 };
        }
        self.tries = self.tries.saturating_add(1);
        self.tries <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_nothing_from_another_until_all_is_used_up() {
        let throttle = Throttle::new();
        let now = Timestamp::from_second(1_000_000).unwrap();
        let tries = |from: &str, now| (0..40).filter(|_| throttle.allows(from, now)).count();
        assert_eq!((tries("a", now), tries("b", now)), (30, 30));
        // All of one network's addresses are one.
        assert_eq!((tries("2001:db8::1", now), tries("2001:db8::2", now), tries("2001:db8:0:1::1", now)), (30, 0, 30));
        let rest: usize = (0..120).map(|other| tries(&format!("other-{other}"), now)).sum();
        assert_eq!(rest, 3000 - 120);
        assert_eq!(tries("a", now + SignedDuration::from_mins(1)), 30);
    }
}
