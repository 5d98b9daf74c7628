//! What a call's credentials may do, said before there are any.

mod arn_format;
pub mod session_policy;
