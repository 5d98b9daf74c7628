//! From a tool request to a call whose targets are known.

pub mod arguments;
pub mod listing;
pub mod refused;
pub mod request;
pub mod resolve;
pub mod scope;
mod tags;
pub mod target;
pub mod validate;

#[cfg(test)]
mod tests;
