//! Operations: what AWS can be asked to do, and how a request for it is made.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::shape::{RawRef, ShapeModel, ShapeRef};

/// One operation of a service.
#[derive(Clone, Debug)]
pub struct OperationModel {
    /// Its name, such as `TerminateInstances`.
    pub name: String,
    /// The HTTP request line.
    pub http: Http,
    /// The shape of its arguments; `None` where it takes none.
    pub input: Option<ShapeRef>,
    /// The shape of its result; `None` where it gives none.
    pub output: Option<ShapeRef>,
    /// Names of the error shapes it can answer with.
    pub errors: Vec<String>,
    /// Goes before the endpoint's host name; may hold `{Member}` labels.
    pub host_prefix: Option<String>,
    /// How a request is authenticated.
    pub auth: Auth,
    /// Whether and how a request carries a checksum of its body.
    pub checksum: Option<Checksum>,
    /// The input's member that makes a repeated call harmless.
    pub idempotency_token: Option<String>,
    /// It streams events in or out: this client can't call it.
    pub event_stream: bool,
    /// The model marks it as changing nothing. Most reading operations lack the mark.
    pub read_only: bool,
    /// The model marks it as harmless to repeat.
    pub idempotent: bool,
    /// AWS has retired it.
    pub deprecated: bool,
    /// Endpoint rules' parameters with the values this operation always gives them.
    pub static_context_params: BTreeMap<String, Value>,
    /// Endpoint rules' parameters and the JMESPath expression over the input that gives their values.
    pub operation_context_params: BTreeMap<String, String>,
}

/// The HTTP request line of an operation.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Http {
    /// The method.
    pub method: String,
    /// The path with its `{label}`s, and fixed query parameters after a question mark.
    pub request_uri: String,
    /// The status of a good answer.
    pub response_code: Option<u16>,
}

impl Default for Http {
    fn default() -> Self {
        Self { method: "POST".to_owned(), request_uri: "/".to_owned(), response_code: None }
    }
}

/// How a request is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Signature version 4 over the whole request.
    SigV4,
    /// Signature version 4; the body's digest is left out.
    SigV4UnsignedBody,
    /// A bearer token.
    Bearer,
    /// Nothing: the request carries its own secret or needs none.
    None,
}

/// Whether and how a request carries a checksum of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// AWS refuses a request without one.
    pub required: bool,
    /// The input's member that names the algorithm; `None` for the older kind, which is always MD5.
    pub algorithm_member: Option<String>,
}

impl OperationModel {
    /// Reads an operation of botocore's model. `shape` finds the service's shapes.
    pub(crate) fn parse<E: From<serde_json::Error>>(
        name: &str,
        json: &str,
        service: &ServiceAuth<'_>,
        shape: impl Fn(&str) -> Result<std::sync::Arc<ShapeModel>, E>,
    ) -> Result<Self, E> {
        let raw: RawOperation = serde_json::from_str(json)?;
        let (mut idempotency_token, mut event_stream) = (None, false);
        for (reference, is_input) in [(&raw.input, true), (&raw.output, false)] {
            let Some(reference) = reference else { continue };
            for member in shape(&reference.shape)?.members() {
                if is_input && member.idempotency_token {
                    idempotency_token.get_or_insert_with(|| member.name.clone());
                }
                event_stream |= member.wire.eventstream || shape(&member.shape)?.wire.eventstream;
            }
        }
        let checksum = match raw.http_checksum {
            Some(trait_) if trait_.request_algorithm_member.is_some() || trait_.request_checksum_required => {
                Some(Checksum {
                    required: trait_.request_checksum_required,
                    algorithm_member: trait_.request_algorithm_member,
                })
            }
            _ => raw.http_checksum_required.then_some(Checksum { required: true, algorithm_member: None }),
        };
        Ok(Self {
            name: raw.name.unwrap_or_else(|| name.to_owned()),
            auth: auth(service, raw.authtype.as_deref(), raw.auth.as_deref(), raw.unsigned_payload),
            http: raw.http,
            input: raw.input.map(ShapeRef::from),
            output: raw.output.map(ShapeRef::from),
            errors: raw.errors.into_iter().map(RawErrorRef::name).collect(),
            host_prefix: raw.endpoint.and_then(|endpoint| endpoint.host_prefix),
            checksum,
            idempotency_token,
            event_stream,
            read_only: raw.readonly,
            idempotent: raw.idempotent,
            deprecated: raw.deprecated,
            static_context_params: raw.static_context_params.into_iter().map(|(k, p)| (k, p.value)).collect(),
            operation_context_params: raw.operation_context_params.into_iter().map(|(k, p)| (k, p.path)).collect(),
        })
    }
}

/// What the service's metadata says about authentication.
pub(crate) struct ServiceAuth<'a> {
    pub(crate) signature_version: &'a str,
    pub(crate) auth: &'a [String],
}

/// The operation's own word first, then the service's; of several ways the first that this client knows.
fn auth(service: &ServiceAuth<'_>, authtype: Option<&str>, auth: Option<&[String]>, unsigned: bool) -> Auth {
    let known = |names: &[String]| {
        names.iter().find_map(|name| match name.as_str() {
            "aws.auth#sigv4" | "aws.auth#sigv4s3express" => Some(Auth::SigV4),
            "smithy.api#noAuth" => Some(Auth::None),
            "smithy.api#httpBearerAuth" => Some(Auth::Bearer),
            _ => None,
        })
    };
    match authtype {
        Some("none") => return Auth::None,
        Some("bearer") => return Auth::Bearer,
        Some("v4-unsigned-body") => return Auth::SigV4UnsignedBody,
        _ => {}
    }
    let found = auth.and_then(known).or_else(|| known(service.auth)).unwrap_or(match service.signature_version {
        "bearer" => Auth::Bearer,
        _ => Auth::SigV4,
    });
    if unsigned && found == Auth::SigV4 { Auth::SigV4UnsignedBody } else { found }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawOperation {
    name: Option<String>,
    http: Http,
    input: Option<RawRef>,
    output: Option<RawRef>,
    errors: Vec<RawErrorRef>,
    endpoint: Option<RawEndpoint>,
    authtype: Option<String>,
    auth: Option<Vec<String>>,
    unsigned_payload: bool,
    http_checksum: Option<RawChecksum>,
    http_checksum_required: bool,
    idempotent: bool,
    readonly: bool,
    deprecated: bool,
    static_context_params: BTreeMap<String, RawStaticParam>,
    operation_context_params: BTreeMap<String, RawOperationParam>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawErrorRef {
    Name(String),
    Reference { shape: String },
}

impl RawErrorRef {
    fn name(self) -> String {
        match self {
            Self::Name(name) | Self::Reference { shape: name } => name,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEndpoint {
    host_prefix: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawChecksum {
    request_algorithm_member: Option<String>,
    request_checksum_required: bool,
}

#[derive(Deserialize)]
struct RawStaticParam {
    value: Value,
}

#[derive(Deserialize)]
struct RawOperationParam {
    path: String,
}
