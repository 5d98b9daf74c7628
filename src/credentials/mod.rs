//! What a call's credentials may do, said before there are any.

pub mod session_policy;
