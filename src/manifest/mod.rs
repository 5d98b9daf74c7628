//! Manifests: what a tool may do, as an admin declares it.

pub mod expression;
pub mod spec;
pub mod template;
