//! Integration tests, in one binary: the real server over stdio and HTTP, before real clouds and one that misbehaves. They need
//! `make venv node`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "clippy.toml allows these in test functions only, not in what they share"
)]

mod approvers;
mod auth;
mod catalogue;
mod change_sets;
mod cli;
mod clients;
mod console;
mod demo;
mod doctor;
mod handbook;
mod http;
mod inspector;
mod notify;
mod policies;
mod readme;
mod receipts;
mod register;
mod resources;
mod roles;
mod sandbox;
mod scopes;
mod second_person;
mod support;
mod tags;
mod threats;
mod tidy;
mod undo;
mod waits;
