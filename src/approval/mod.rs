//! Consent: asking the person the agent acts for, and redeeming what was granted.

pub mod ask;
pub mod prompt;
pub mod redeem;
