//! How much is taken on, and for how long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::names::{Agent, Human};

/// Headers of one request, in number.
pub const HEADERS: usize = 64;

/// Headers of one request, in bytes: a token fits, with room.
pub const HEADER_BYTES: usize = 32 * 1024;

/// For a request's headers to arrive, counted from when the connection is free for it. It is also how long a connection
/// is kept without a request (HTTP/1.1).
pub const HEADER_TIME: Duration = Duration::from_secs(30);

/// For the TLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long a connection is kept without a request (HTTP/2).
pub const IDLE_TIME: Duration = Duration::from_secs(120);

/// How long the other end may refuse to take what is written.
pub const STALL_TIME: Duration = Duration::from_secs(60);

/// For a message to the agents' endpoint to arrive whole.
pub const BODY_TIME: Duration = Duration::from_secs(30);

/// Of a message to the agents' endpoint, in bytes.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Of any other request, in bytes.
pub const FORM_BYTES: usize = 64 * 1024;

/// For an answer to begin, everywhere but at the agents' endpoint.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Requests under way on one connection (HTTP/2).
pub const STREAMS: u32 = 128;

/// Counts what is under way for each caller.
#[derive(Clone, Debug)]
pub struct Callers {
    most: usize,
    under_way: Arc<Mutex<HashMap<(Agent, Human), usize>>>,
}

/// A caller's place; dropped, it is free.
#[derive(Debug)]
pub struct Place {
    callers: Callers,
    who: (Agent, Human),
}

impl Callers {
    /// Each may have so many under way.
    pub fn new(most: usize) -> Self {
        Self { most, under_way: Arc::default() }
    }

    /// A place for one more; `None` where the caller has as many as may be.
    pub fn enter(&self, agent: &Agent, human: &Human) -> Option<Place> {
        let who = (agent.clone(), human.clone());
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(who.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Place { callers: self.clone(), who })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.callers.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                under_way.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_takes_no_place_of_another_s() {
        let callers = Callers::new(2);
        let (kiro, codex, ann, bob) = (Agent::new("kiro"), Agent::new("codex"), Human::new("ann"), Human::new("bob"));
        let first = callers.enter(&kiro, &ann);
        let second = callers.enter(&kiro, &ann);
        assert!(first.is_some() && second.is_some() && callers.enter(&kiro, &ann).is_none());
        assert!(callers.enter(&kiro, &bob).is_some() && callers.enter(&codex, &ann).is_some());
        drop(second);
        assert!(callers.enter(&kiro, &ann).is_some());
        drop(first);
        assert!(callers.under_way.lock().unwrap().is_empty());
    }
}
