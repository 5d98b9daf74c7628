//! The set of policies in force. It can be replaced while the server runs; a call keeps the set it began with.

use std::sync::Arc;

use tokio::sync::watch;

use super::set::Policies;

/// Holds the set in force.
#[derive(Debug)]
pub struct InForce(watch::Sender<Arc<Policies>>);

impl InForce {
    /// Puts a set in force.
    pub fn new(policies: Policies) -> Self {
        Self(watch::Sender::new(Arc::new(policies)))
    }

    /// The set in force now. Take it once for a call.
    pub fn now(&self) -> Arc<Policies> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another set in force, whole, and gives the one before.
    pub fn replace(&self, policies: Policies) -> Arc<Policies> {
        self.0.send_replace(Arc::new(policies))
    }

    /// Tells whenever another set is in force.
    pub fn changes(&self) -> watch::Receiver<Arc<Policies>> {
        self.0.subscribe()
    }
}
