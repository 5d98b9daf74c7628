//! Tells people that a plan waits for them, and what became of it: one signed webhook.
//!
//! The record is followed with a cursor in the store, so nothing is missed across restarts, and nothing is told that is not
//! on record. A message is sent until it is taken, with growing pauses, for a day; its id comes from the record's hash, so
//! that receivers know one they had before (it is told at least once). Links lead to the console; nothing in a message
//! approves anything, and no secret is in it. Text that comes from agents, AWS or people is escaped and cut.

pub mod address;
pub mod follow;
pub mod message;
pub mod post;
pub mod sign;
mod slack;

#[cfg(test)]
mod tests;
