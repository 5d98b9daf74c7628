//! AWS's error answers.

use std::borrow::Cow;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_schema::codec::Codec;
use aws_smithy_schema::error_envelope::sanitize_error_code;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::{Builder, ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::retry::{ErrorKind, ProvideErrorKind};
use aws_smithy_xml::decode::{Document, try_data};
use serde_json::{Map, Value};

use super::protocol::{Wire, xml_codec};
use super::schema::Graph;
use super::service::Protocol;
use super::shape::ShapeModel;
use super::value::{self, Notation};

/// An answer in which AWS says what is wrong.
#[derive(Clone, Debug)]
pub struct ServiceError {
    /// Code and message.
    pub metadata: ErrorMetadata,
    /// The HTTP status.
    pub status: u16,
    /// AWS's request id.
    pub request_id: Option<String>,
    /// The members of the error's shape; empty where the model doesn't know the error.
    pub fields: Map<String, Value>,
    retry: Option<ErrorKind>,
}

impl ServiceError {
    /// Reads an answer with a bad status. Never fails: what can't be read is left out.
    pub fn read(wire: &Wire, response: &HttpResponse, notation: &Notation, config: &ConfigBag) -> Self {
        let body = response.body().bytes().unwrap_or_default();
        let status = response.status().as_u16();
        let query = matches!(wire.protocol(), Protocol::Query | Protocol::Ec2);
        let mut known = if query {
            let (code, message) = query_error(body);
            builder(code, message)
        } else {
            wire.codec().parse_error_metadata(response, config).unwrap_or_default()
        };
        let request_id = request_id(response);
        if let Some(id) = &request_id {
            known = known.custom("aws_request_id", id.clone());
        }
        let mut metadata = known.build();
        let code = metadata.code().map(|code| sanitize_error_code(code).to_owned());
        let shape = code.as_deref().and_then(|code| error_shape(wire, code));
        let fields = shape.as_deref().and_then(|shape| fields(wire, shape, response, notation, config));
        if metadata.code().is_none() {
            metadata = builder(Some(unnamed(status).to_owned()), metadata.message().map(str::to_owned)).build();
        }
        let retry = shape.as_deref().and_then(|shape| shape.error.as_ref()).and_then(|facts| {
            let kind = if facts.throttling { ErrorKind::ThrottlingError } else { ErrorKind::ServerError };
            (facts.retryable || facts.throttling).then_some(kind)
        });
        Self { metadata, status, request_id, fields: fields.unwrap_or_default(), retry }
    }

    /// The code without the namespace that some services put before it.
    pub fn code(&self) -> &str {
        self.metadata.code().map(sanitize_error_code).unwrap_or_default()
    }

    /// AWS's message, or a saying of ours where there is none.
    pub fn message(&self) -> &str {
        let modelled = || self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("message"));
        let message = self.metadata.message().or_else(|| modelled().and_then(|(_, message)| message.as_str()));
        message.unwrap_or("AWS gave no message")
    }
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.code(), self.status, self.message())
    }
}

impl std::error::Error for ServiceError {}

impl ProvideErrorMetadata for ServiceError {
    fn meta(&self) -> &ErrorMetadata {
        &self.metadata
    }
}

impl ProvideErrorKind for ServiceError {
    fn code(&self) -> Option<&str> {
        self.metadata.code().map(sanitize_error_code)
    }

    fn retryable_error_kind(&self) -> Option<ErrorKind> {
        self.retry
    }
}

/// AWS's id of a request, for its support and for CloudTrail.
pub(crate) fn request_id(response: &HttpResponse) -> Option<String> {
    let headers = ["x-amzn-requestid", "x-amz-request-id", "x-amz-requestid"];
    let in_header = headers.into_iter().find_map(|name| response.headers().get(name));
    let in_body = || {
        let text = std::str::from_utf8(response.body().bytes()?).ok()?;
        element(text, "RequestId").or_else(|| element(text, "RequestID")).or_else(|| element(text, "requestId"))
    };
    in_header.map(str::to_owned).or_else(in_body)
}

fn query_error(body: &[u8]) -> (Option<String>, Option<String>) {
    let text = String::from_utf8_lossy(body);
    let message = element(&text, "Message").or_else(|| element(&text, "message"));
    (element(&text, "Code"), message)
}

/// The text of the first element of a name, with XML's escapes resolved.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    let text = format!("<x>{inside}</x>");
    let mut document = Document::new(&text);
    let mut root = document.root_element().ok()?;
    try_data(&mut root).ok().map(Cow::into_owned)
}

fn error_shape(wire: &Wire, code: &str) -> Option<std::sync::Arc<ShapeModel>> {
    let service = wire.service();
    let names = &wire.operation().errors;
    let by_name = names.iter().find(|name| *name == code).and_then(|name| service.shape(name).ok());
    let has_code = |shape: &ShapeModel| shape.error.as_ref().and_then(|facts| facts.code.as_deref()) == Some(code);
    by_name.or_else(|| names.iter().filter_map(|name| service.shape(name).ok()).find(|shape| has_code(shape)))
}

fn fields(
    wire: &Wire,
    shape: &ShapeModel,
    response: &HttpResponse,
    notation: &Notation,
    config: &ConfigBag,
) -> Option<Map<String, Value>> {
    let graph = Graph::of_shape(wire.service(), &shape.name).ok()?;
    let value = if matches!(wire.protocol(), Protocol::Query | Protocol::Ec2) {
        let body = response.body().bytes()?;
        let error = aws_smithy_xml::codec::find_depth2_element_slice_by(body, |name| name == "Error")?;
        value::read(&graph, &mut xml_codec().create_deserializer(error), notation).ok()?
    } else {
        value::read(&graph, &mut *wire.codec().deserialize_error_response(response, config).ok()?, notation).ok()?
    };
    match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn builder(code: Option<String>, message: Option<String>) -> Builder {
    let builder = ErrorMetadata::builder();
    let builder = code.into_iter().fold(builder, Builder::code);
    message.into_iter().fold(builder, Builder::message)
}

/// Answers to HEAD requests have no body, and so no code.
fn unnamed(status: u16) -> &'static str {
    match status {
        301 | 307 | 308 => "Redirect",
        400 => "BadRequest",
        403 => "Forbidden",
        404 => "NotFound",
        412 => "PreconditionFailed",
        429 => "TooManyRequests",
        500..=599 => "InternalError",
        _ => "Unknown",
    }
}
