//! Manifests: what a tool may do, as an admin declares it.
//!
//! ```text
//! YAML -> document -> raw -> compile (structure, facts, partners) -> spec -> catalog -> tool_schema
//! ```

pub mod asked;
pub mod catalog;
pub mod compile;
pub mod draft;
pub mod expression;
pub mod family;
mod functions;
pub mod handed_on;
pub mod raw;
pub mod route;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod shapes;
pub mod shelf;
mod shipped;
pub mod siblings;
pub mod spec;
pub mod template;
#[cfg(test)]
mod tests;
pub mod tool_schema;
