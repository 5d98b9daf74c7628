//! From a permitted call to a plan that a person can judge: what would happen, to what, and how it could be undone.

pub mod blast;
pub mod build;
pub mod canary;
pub mod chain;
pub mod change_set;
pub mod changes;
pub mod compare;
pub mod dry_run;
pub mod effects;
pub mod filed;
pub mod identity;
pub mod kept;
pub mod points;
pub mod text;
pub mod undo;
