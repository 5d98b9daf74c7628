//! The Model Context Protocol: the only place that knows `rmcp`.
//!
//! Serves the versions 2025-06-18, 2025-11-25 and 2026-07-28. What differs between them is how the person is asked: the
//! older two let the server ask during a call ([`elicit`]), the newest makes the question the call's result and its
//! answer a second call, tied together by a sealed state ([`sealed`]). Everything a tool call comes to, refusals
//! included, is a result that was recorded first ([`present`]); protocol errors are left for malformed messages.

pub mod desk;
pub mod elicit;
pub mod http;
pub mod present;
mod prompts;
mod resources;
pub mod sealed;
pub mod server;
mod sessions;
pub mod stdio;

#[cfg(test)]
mod tests;
