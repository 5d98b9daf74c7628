//! Who may do what, and what a call still needs. Never does IO.

pub mod decide;
pub mod rule;
