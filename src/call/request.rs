//! `ToolRequest`: what arrived, and from whom.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::names::{Agent, CallId, Human, SessionId};

/// What the approvals console calls itself in records; no client of an agent may.
pub const CONSOLE: &str = "countersign console";

/// One request for a tool, as the transport delivered it. Nothing in `arguments` has been looked at.
#[derive(Debug)]
pub struct ToolRequest {
    /// Names this request and everything that follows from it.
    pub call: CallId,
    /// The tool's name as the client wrote it.
    pub tool: String,
    /// The arguments as the client sent them.
    pub arguments: Map<String, Value>,
    /// Who asks; from configuration and the connection, never from arguments.
    pub caller: Caller,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The agent.
    pub agent: Agent,
    /// The human it acts for.
    pub human: Human,
    /// The MCP session.
    pub session: SessionId,
    /// What the client says of itself; recorded, never trusted.
    pub client: ClientInfo,
    /// The address of the connection's other end; `None` over stdio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// What an MCP client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The MCP version in use, such as `2025-11-25`.
    pub protocol: String,
}
