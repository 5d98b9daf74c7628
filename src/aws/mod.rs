//! AWS by model: everything that knows AWS's wire, and nothing that knows why a call is made.
//!
//! ```text
//! data/models.pack -> pack -> models -> service -> shape, operation      what AWS offers (facts, no IO)
//! shape, operation -> schema -> value, ec2_query, protocol, errors       its wire, by the SDK's codecs (no IO)
//! protocol + endpoint, address, checksum, plugins -> client              one call, by the SDK's orchestrator
//! own_identity -> credentials                                            whose call it is: the server's own identity, roles
//! client + credentials -> cloud                                          the ports `Cloud` and `CloudSession`
//! ```
//!
//! Invariants: no argument reaches credentials, endpoint or signing; once a byte may have left, only AWS's own no is a
//! refusal, everything else is `Unknown`; nothing is leaked, and memory stays flat however many operations are called.
//!
//! Other modules may read the models; only this folder may use the SDK's crates.

pub mod address;
mod checksum;
pub mod client;
pub mod cloud;
pub mod credentials;
pub mod ec2_query;
pub mod endpoint;
pub mod errors;
pub mod find;
pub mod iam;
pub mod input_schema;
pub mod models;
pub mod operation;
mod own_identity;
pub mod pack;
mod plugins;
pub mod protocol;
pub mod redact;
pub mod schema;
pub mod service;
pub mod shape;
#[cfg(test)]
mod stub;
pub mod validate;
pub mod value;

pub use cloud::AwsCloud;
pub use models::{ModelError, Models};
pub use operation::{Auth, OperationModel};
pub use service::ServiceModel;
pub use shape::{Member, ShapeKind, ShapeModel, ShapeRef};
