//! Integration tests, in one binary. They need `make venv`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in test functions only, not in what they share"
)]

mod demo;
mod readme;
mod sandbox;
