//! The approvals console: pages where people see what agents plan, and sign or reject it.

#![allow(dead_code, reason = "the handlers are not here yet")]

mod assets;
mod standing;
mod view;
