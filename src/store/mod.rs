//! Plans, grants, people, counters, breakers and the audit chain in one SQLite database.
//!
//! # Files
//! Beside the database lie `audit.head` (the chain's end, kept apart so that a cut-off end shows) and `instances/`
//! (one locked file for each living process), `checkpoint.key` (which signs checkpoints) and `sealing.key` (what open
//! questions are sealed with). All belong to the user alone: files 0600, new folders 0700. The folder
//! must be on a local disk, because locks and write-ahead logs don't work over a network.
//!
//! # Who writes
//! Several processes share a database: every MCP client starts its own server. In each, one writer (`writer.rs`) takes
//! what callers ask for; whatever arrives while a transaction is under way is committed together in the next one, and
//! each caller is answered only after its commit. A transaction begins with `BEGIN IMMEDIATE` and reads the chain's end
//! inside, so the processes' records form one chain.
//!
//! # What survives what
//! Everything that was answered survives `kill -9`. Consents, who may give them, claims with their intents, outcomes,
//! breakers and used marks also survive a loss of power: a batch with one of them is committed with `synchronous=FULL`,
//! which syncs the log with all that came before. Requests, reads, previews and refusals are committed with
//! `synchronous=NORMAL`: of these the last ones may be lost with the power, none of which allowed or did anything.
//! `audit verify` says so where the kept head was not lost with them. Medians of `benches/record.rs` in a debug build on a
//! virtual disk: a record takes 0.07 ms with NORMAL and 0.34 ms with FULL (several milliseconds while others write to
//! that disk), and 16 callers at once are all answered after 0.4 ms with NORMAL.
//!
//! # A crash in the middle
//! A plan that is being applied names the instance that does it. Where that instance's lock is free, its process is
//! gone: the plan becomes `unknown` and keeps holding its targets until it is reconciled to `applied` or `failed`, so
//! that nothing changes a target of which nobody knows the state.

mod breakers;
mod checkpointer;
mod checkpoints;
mod counters;
mod failure;
mod files;
mod grants;
mod head;
mod held;
mod instance;
mod key_files;
mod keys;
mod people;
mod plans;
mod reader;
mod records;
mod schema;
mod sqlite;
mod steps;
mod undo;
mod writer;

#[cfg(test)]
mod tests;

pub use checkpointer::{Checkpointer, NoCheckpoint, Rotation};
pub use keys::sealing_key;
pub use reader::Reader;
pub use sqlite::{Options, SqliteStore};
