//! Who may do what, and what a call still needs: Cedar policies over a typed vocabulary. Never does IO.
//!
//! [`vocabulary`] makes the schema, [`set`] compiles and asks, [`question`] is what is asked, [`obligations`] finds what is
//! still needed by asking, [`reasons`] says why not, [`decide`] is the stage of the chain. [`prove`] asks a solver what
//! holds of a whole set.

pub mod breaker;
pub mod circumstances;
pub mod decide;
mod entities;
#[cfg(test)]
mod fixtures;
pub mod in_force;
mod literals;
mod missing;
pub mod obligations;
pub mod prove;
pub mod question;
pub mod reasons;
mod residual;
pub mod set;
pub mod shipped;
#[cfg(test)]
mod slips;
pub mod tags;
pub mod visible;
pub mod vocabulary;
pub mod windows;
