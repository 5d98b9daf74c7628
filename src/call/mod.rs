//! From a tool request to a call whose targets are known.

pub mod listing;
pub mod refused;
pub mod request;
