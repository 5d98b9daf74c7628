//! What the tests share: clouds, installations of the server, clients with a scripted person, the record.

pub(crate) mod approver;
pub(crate) mod clouds;
pub(crate) mod installation;
pub(crate) mod record;
pub(crate) mod serving;
pub(crate) mod session;
pub(crate) mod stub;
pub(crate) mod web;

pub(crate) use self::clouds::{moto, sandbox};
pub(crate) use self::installation::{Installation, Ran};
pub(crate) use self::session::{Act, Answer, NEWEST, OLDER, Session, VERSIONS};
pub(crate) use self::stub::{Instance, Misbehaviour, Stub};
pub(crate) use self::web::WebServer;

use serde_json::Value;

/// `arguments` with some added or replaced.
pub(crate) fn with(arguments: &Value, more: Value) -> Value {
    let mut all = arguments.as_object().unwrap().clone();
    all.extend(more.as_object().unwrap().clone());
    Value::Object(all)
}

/// The repository's folder.
pub(crate) fn repository() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}
