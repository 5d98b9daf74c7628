//! `ToolListing`: how a tool is made known to clients.

use serde_json::{Map, Value};

use crate::names::Effect;

/// One tool as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolListing {
    /// `^[a-z0-9_]{1,40}$`.
    pub name: String,
    /// For people, such as `Terminate EC2 instances`.
    pub title: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments; an object.
    pub input_schema: Map<String, Value>,
    /// JSON Schema of a successful structured result; an object.
    pub output_schema: Map<String, Value>,
    /// The least harm it does.
    pub effect: Effect,
    /// True where calling it twice with the same arguments has no more effect than calling it once.
    pub idempotent: bool,
}
