//! countersign

#![warn(missing_docs)]

pub mod approval;
pub mod audit;
pub mod aws;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod digest;
pub mod document;
pub mod manifest;
pub mod mcp;
pub mod names;
pub mod plan;
pub mod ports;
pub mod sandbox;
pub mod store;
#[doc(hidden)]
pub mod testing;
pub mod text;
