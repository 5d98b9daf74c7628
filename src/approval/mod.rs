//! Consent: asking the person the agent acts for, other people's signatures, and redeeming what was granted.

pub mod ask;
pub mod people;
pub mod prompt;
pub mod redeem;
pub mod signatures;
pub mod statement;
pub mod waiting;
