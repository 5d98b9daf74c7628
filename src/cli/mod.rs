//! The commands of the program, one file each.

pub mod audit;
mod audit_line;
pub mod plans;
pub mod sandbox;
