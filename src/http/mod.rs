//! The listener that agents and people share: TLS, limits, guards, health, and its end.
//!
//! # A request's way
//! A connection gets one of a bounded number of places, and TLS where it is configured ([`listener`], [`tls`]). Its
//! headers are bounded in size, number and time. Then, before anything else looks at it: the host it names must be one
//! of ours, and the page it comes from, if it names one, too ([`guard`]); it gets one of a bounded number of places among
//! the requests under way ([`limits`]). Health is told to anybody ([`health`]); whoever wants the agents' endpoint must
//! be let in first ([`admit`]). Where it came from is the connection's other end, unless a trusted proxy says
//! otherwise ([`source`]).
//!
//! # What is logged
//! The method, the first part of the path, the status and the time taken: never a header, never a query, never more of a
//! path, which may hold a one-time link.

pub mod admit;
pub mod exposure;
pub mod guard;
pub mod health;
mod held;
pub mod limits;
pub mod listener;
mod patience;
pub mod site;
pub mod source;
pub mod tls;

pub use source::Source;
