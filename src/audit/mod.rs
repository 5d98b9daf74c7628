//! The record: a hash chain of events. Every request leaves a trace in it, refusals included; secrets never do.

pub mod breakers;
pub mod chain;
pub mod checkpoint;
pub mod event;
pub mod export;
pub mod merkle;
pub mod note;
pub mod receipt;
pub mod record;
pub mod redact;
pub(crate) mod settle;
