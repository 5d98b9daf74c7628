//! From a tool request to a call whose targets are known.

pub mod also;
pub mod arguments;
pub mod cursor;
pub mod listing;
pub mod pages;
pub mod refused;
pub mod request;
pub mod reserved;
pub mod resolve;
pub mod scope;
mod tags;
pub mod target;
pub mod validate;

#[cfg(test)]
mod tests;
