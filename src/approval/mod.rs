//! Consent: asking the person the agent acts for, other people's signatures, and redeeming what was granted.

pub mod approve;
pub mod ask;
mod ceremonies;
pub mod not_done;
pub mod passkey;
pub mod people;
pub mod prompt;
pub mod redeem;
pub mod signatures;
pub mod staff;
pub mod statement;
pub mod waiting;

#[cfg(test)]
pub(crate) mod tests;
