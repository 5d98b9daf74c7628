//! The call itself: intent on record, then sent, then its outcome on record.

pub mod arm;
pub mod back;
pub mod pages;
pub mod points;
pub mod reconcile;
pub mod result;
pub mod run;
pub mod wait;
pub mod waiter;
