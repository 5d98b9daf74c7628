//! Manifests: what a tool may do, as an admin declares it.

pub mod spec;
