//! MCP resources: manifests, plans, and the record of the session, for reading. Each read is a request like any other, and
//! on record.

use rmcp::model::{ErrorData, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::Value;

use crate::audit::record::{Answered, Recorded};
use crate::own_tools::read_resource::{self, Readable};

/// What can be read by a fixed name.
pub(super) fn list() -> Vec<Resource> {
    fixed()
        .map(|readable| {
            Resource::new(readable.uri, readable.name)
                .with_title(readable.title)
                .with_description(readable.description)
                .with_mime_type(readable.mime_type)
        })
        .collect()
}

/// What can be read by a name with a place in it.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    read_resource::ALL
        .iter()
        .filter(|readable| readable.uri.contains('{'))
        .map(|readable| {
            ResourceTemplate::new(readable.uri, readable.name)
                .with_title(readable.title)
                .with_description(readable.description)
                .with_mime_type(readable.mime_type)
        })
        .collect()
}

fn fixed() -> impl Iterator<Item = &'static Readable> {
    read_resource::ALL.iter().filter(|readable| !readable.uri.contains('{'))
}

/// What a recorded read gives the client.
pub(super) fn contents(uri: String, recorded: &Recorded) -> Result<ReadResourceResult, ErrorData> {
    match recorded.answer() {
        Answered::Result { structured, text } => {
            let mime_type = structured.get("mime_type").and_then(Value::as_str).unwrap_or("text/plain");
            Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(mime_type)]))
        }
        Answered::Refused(refused) => {
            Err(ErrorData::resource_not_found(format!("{}; {}", refused.message, refused.hint), None))
        }
        Answered::Suspended(_) => Err(ErrorData::internal_error("a resource can't ask back", None)),
    }
}
