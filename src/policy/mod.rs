//! Who may do what, and what a call still needs. Never does IO.

pub mod decide;
mod entities;
mod literals;
pub mod question;
pub mod rule;
pub mod set;
pub mod shipped;
pub mod vocabulary;
pub mod windows;
