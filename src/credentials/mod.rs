//! What a call's credentials may do, said before there are any.

pub mod session_policy;

/// The keys of the tags on a session: through which agent, for which plan and under which ticket it acts.
pub const SESSION_TAGS: [&str; 3] = ["agent", "plan", "ticket"];
