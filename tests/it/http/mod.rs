//! The real server over HTTP.

mod conformance;
mod ending;
mod generated;
mod starting;
mod stories;
mod tls;
