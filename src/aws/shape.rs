//! Shapes: the types of AWS's model, with their constraints and how they look on the wire.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A named type of a service's model.
#[derive(Clone, Debug)]
pub struct ShapeModel {
    /// Its name, such as `RunInstancesRequest`.
    pub name: String,
    /// What it is.
    pub kind: ShapeKind,
    /// Its values are secret and must not be shown or recorded.
    pub sensitive: bool,
    /// An error shape's facts; `None` for shapes that aren't errors.
    pub error: Option<ErrorFacts>,
    /// AWS has retired it.
    pub deprecated: bool,
    /// How it looks on the wire, where a member's own traits don't say otherwise.
    pub wire: Wire,
    /// The weight of the model text it was made from, in bytes.
    pub(crate) weight: usize,
}

/// What a shape is.
#[derive(Clone, Debug)]
pub enum ShapeKind {
    /// An object with named members.
    Structure {
        /// The members, in the model's order.
        members: Vec<Member>,
        /// Exactly one member must be set.
        union: bool,
        /// The one member that is the whole body (`payload` trait).
        payload: Option<String>,
    },
    /// Any JSON value at all.
    Document,
    /// A list.
    List {
        /// What its elements are.
        member: ShapeRef,
        /// Number of elements.
        bounds: Bounds,
    },
    /// A map with text keys.
    Map {
        /// What its keys are; always a string shape.
        key: ShapeRef,
        /// What its values are.
        value: ShapeRef,
        /// Number of entries.
        bounds: Bounds,
    },
    /// Text.
    String {
        /// The values AWS knows at the time of the model; empty where any text goes.
        enum_values: Vec<String>,
        /// A regular expression in Java's syntax.
        pattern: Option<String>,
        /// Number of characters.
        bounds: Bounds,
    },
    /// A 32-bit integer.
    Integer(Bounds),
    /// A 64-bit integer.
    Long(Bounds),
    /// A 32-bit floating-point number.
    Float(Bounds),
    /// A 64-bit floating-point number.
    Double(Bounds),
    /// True or false.
    Boolean,
    /// Bytes; base64 in JSON.
    Blob(Bounds),
    /// A moment; RFC 3339 text or epoch seconds in JSON.
    Timestamp,
}

/// The least and the most of something, both inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The least.
    pub min: Option<f64>,
    /// The most.
    pub max: Option<f64>,
}

/// A reference to a shape, with traits of its own.
#[derive(Clone, Debug, Default)]
pub struct ShapeRef {
    /// The shape's name.
    pub shape: String,
    /// How this use of it looks on the wire.
    pub wire: Wire,
}

/// A member of a structure.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name, which is also the JSON key.
    pub name: String,
    /// The shape's name.
    pub shape: String,
    /// A call without it is refused.
    pub required: bool,
    /// It makes a repeated call harmless; filled in by the client where the caller gives none.
    pub idempotency_token: bool,
    /// AWS has retired it.
    pub deprecated: bool,
    /// It becomes a part of the host name and must be a valid host label.
    pub host_label: bool,
    /// The endpoint rules' parameter that it sets (`contextParam`).
    pub context_param: Option<String>,
    /// How it looks on the wire.
    pub wire: Wire,
}

/// Where a member goes in an HTTP message, when not into the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// A header.
    Header,
    /// All headers with a prefix.
    Headers,
    /// A part of the path.
    Uri,
    /// A query parameter, or all of them for a map.
    Querystring,
    /// The response's status.
    #[serde(rename = "statusCode")]
    StatusCode,
}

/// Traits of the wire. Every one may stand on a shape or on a reference to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wire {
    /// Outside of the body.
    pub location: Option<Location>,
    /// The name on the wire, where it isn't the member's.
    pub location_name: Option<String>,
    /// The name in ec2's queries.
    pub query_name: Option<String>,
    /// A list or map without an element around it.
    pub flattened: bool,
    /// A blob that AWS streams.
    pub streaming: bool,
    /// The length must be known before streaming.
    pub requires_length: bool,
    /// An XML attribute.
    pub xml_attribute: bool,
    /// Its XML namespace.
    pub xml_namespace: Option<XmlNamespace>,
    /// How a timestamp is written.
    pub timestamp_format: Option<TimestampFormat>,
    /// JSON inside of a text.
    pub jsonvalue: bool,
    /// A stream of events.
    pub eventstream: bool,
    /// The element around a query protocol's result.
    pub result_wrapper: Option<String>,
}

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TimestampFormat {
    /// RFC 3339.
    #[serde(rename = "iso8601")]
    DateTime,
    /// Seconds since 1970.
    #[serde(rename = "unixTimestamp")]
    EpochSeconds,
    /// As in HTTP's `Date` header.
    #[serde(rename = "rfc822")]
    HttpDate,
}

/// An XML namespace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "RawNamespace")]
pub struct XmlNamespace {
    /// Its URI.
    pub uri: String,
    /// Its prefix.
    pub prefix: Option<String>,
}

/// What the model says about an error shape.
#[derive(Clone, Debug, Default)]
pub struct ErrorFacts {
    /// The code on the wire, where it isn't the shape's name.
    pub code: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The call may be sent again as it is.
    pub retryable: bool,
    /// AWS did not carry the call out because there were too many.
    pub throttling: bool,
}

impl ShapeModel {
    /// The members of a structure; empty for every other shape.
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            ShapeKind::Structure { members, .. } => members,
            _ => &[],
        }
    }

    /// A structure's member by its name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.name == name)
    }

    /// Reads a shape of botocore's model.
    pub(crate) fn parse(name: &str, json: &str) -> Result<Self, serde_json::Error> {
        let raw: RawShape = serde_json::from_str(json)?;
        let bounds = Bounds { min: raw.min, max: raw.max };
        let kind = match raw.kind.as_str() {
            "structure" if raw.document => ShapeKind::Document,
            "structure" => ShapeKind::Structure {
                members: members(raw.members, &raw.required)?,
                union: raw.union,
                payload: raw.payload,
            },
            "list" => ShapeKind::List { member: raw.member.into(), bounds },
            "map" => ShapeKind::Map { key: raw.key.into(), value: raw.value.into(), bounds },
            "integer" => ShapeKind::Integer(bounds),
            "long" => ShapeKind::Long(bounds),
            "float" => ShapeKind::Float(bounds),
            "double" => ShapeKind::Double(bounds),
            "boolean" => ShapeKind::Boolean,
            "blob" => ShapeKind::Blob(bounds),
            "timestamp" => ShapeKind::Timestamp,
            "string" | "character" => ShapeKind::String { enum_values: raw.enum_values, pattern: raw.pattern, bounds },
            other => return Err(serde::de::Error::custom(format!("unknown type `{other}`"))),
        };
        let error = (raw.exception || raw.error.is_some()).then(|| {
            let facts = raw.error.unwrap_or_default();
            ErrorFacts {
                code: facts.code,
                status: facts.http_status_code,
                retryable: raw.retryable.is_some(),
                throttling: raw.retryable.is_some_and(|retryable| retryable.throttling),
            }
        });
        let (sensitive, deprecated) = (raw.sensitive, raw.deprecated);
        Ok(Self {
            name: name.to_owned(),
            kind,
            sensitive,
            error,
            deprecated,
            wire: raw.wire,
            weight: name.len() + json.len(),
        })
    }
}

fn members(raw: Map<String, Value>, required: &[String]) -> Result<Vec<Member>, serde_json::Error> {
    let required: HashSet<&str> = required.iter().map(String::as_str).collect();
    raw.into_iter()
        .map(|(name, facts)| {
            let facts: RawRef = serde_json::from_value(facts)?;
            Ok(Member {
                required: required.contains(name.as_str()),
                name,
                shape: facts.shape,
                idempotency_token: facts.idempotency_token,
                deprecated: facts.deprecated,
                host_label: facts.host_label,
                context_param: facts.context_param.map(|param| param.name),
                wire: facts.wire,
            })
        })
        .collect()
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawShape {
    #[serde(rename = "type")]
    kind: String,
    members: Map<String, Value>,
    required: Vec<String>,
    member: RawRef,
    key: RawRef,
    value: RawRef,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<String>,
    #[serde(rename = "enum")]
    enum_values: Vec<String>,
    sensitive: bool,
    union: bool,
    document: bool,
    payload: Option<String>,
    exception: bool,
    error: Option<RawError>,
    retryable: Option<RawRetryable>,
    deprecated: bool,
    #[serde(flatten)]
    wire: Wire,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RawRef {
    pub(crate) shape: String,
    idempotency_token: bool,
    deprecated: bool,
    host_label: bool,
    context_param: Option<RawContextParam>,
    #[serde(flatten)]
    wire: Wire,
}

impl From<RawRef> for ShapeRef {
    fn from(raw: RawRef) -> Self {
        Self { shape: raw.shape, wire: raw.wire }
    }
}

#[derive(Deserialize)]
struct RawContextParam {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawError {
    code: Option<String>,
    http_status_code: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRetryable {
    throttling: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawNamespace {
    Uri(String),
    Full { uri: String, prefix: Option<String> },
}

impl From<RawNamespace> for XmlNamespace {
    fn from(raw: RawNamespace) -> Self {
        match raw {
            RawNamespace::Uri(uri) => Self { uri, prefix: None },
            RawNamespace::Full { uri, prefix } => Self { uri, prefix },
        }
    }
}
