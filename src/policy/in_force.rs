//! The set of policies in force. It can be replaced while the server runs; a call keeps the set it began with.

use std::sync::{Arc, PoisonError, RwLock};

use super::set::Policies;

/// Holds the set in force.
#[derive(Debug)]
pub struct InForce(RwLock<Arc<Policies>>);

impl InForce {
    /// Puts a set in force.
    pub fn new(policies: Policies) -> Self {
        Self(RwLock::new(Arc::new(policies)))
    }

    /// The set in force now. Take it once for a call.
    pub fn now(&self) -> Arc<Policies> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another set in force, whole, and gives the one before.
    pub fn replace(&self, policies: Policies) -> Arc<Policies> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, Arc::new(policies))
    }
}
