//! From arguments to an HTTP request and from an HTTP response to a result, in the service's own protocol.
//!
//! The SDK's codecs do the wire format. What is here is what its generated clients do around them.

use std::sync::{Arc, OnceLock};

use aws_smithy_cbor::protocol::RpcV2CborProtocol;
use aws_smithy_json::protocol::aws_json_rpc::AwsJsonRpcProtocol;
use aws_smithy_json::protocol::aws_rest_json_1::AwsRestJsonProtocol;
use aws_smithy_query::protocol::AwsQueryProtocol;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata as OperationName};
use aws_smithy_schema::codec::Codec;
use aws_smithy_schema::protocol::{ServiceShapeName, ServiceVersion, SharedClientProtocol};
use aws_smithy_schema::serde::SerdeError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Layer};
use aws_smithy_types::date_time::Format;
use aws_smithy_xml::codec::{XmlCodec, XmlCodecSettings};
use aws_smithy_xml::protocol::aws_rest_xml::AwsRestXmlProtocol;
use serde_json::{Map, Value};

use super::ec2_query;
use super::models::ModelError;
use super::operation::OperationModel;
use super::schema::{Graph, MemberNode, NodeKind};
use super::service::{Protocol, ServiceModel};
use super::value::{self, InputValue, Notation, blob, blob_text};

/// An operation with everything needed to speak it.
pub struct Wire {
    service: Arc<ServiceModel>,
    operation: Arc<OperationModel>,
    protocol: Protocol,
    codec: SharedClientProtocol,
    input: OnceLock<Result<Graph, ModelError>>,
    output: OnceLock<Result<Graph, ModelError>>,
}

impl Wire {
    /// Prepares an operation; its schemas are built when they are first needed.
    pub fn new(service: Arc<ServiceModel>, operation: Arc<OperationModel>) -> Result<Self, ModelError> {
        let protocol = service.metadata().protocol().ok_or_else(|| ModelError::Misread {
            service: service.name().to_owned(),
            item: "protocol".to_owned(),
            reason: "none of its protocols is known".to_owned(),
        })?;
        let codec = codec(&service, protocol);
        Ok(Self { service, operation, protocol, codec, input: OnceLock::new(), output: OnceLock::new() })
    }

    /// The operation.
    pub fn operation(&self) -> &OperationModel {
        &self.operation
    }

    /// Its service.
    pub fn service(&self) -> &Arc<ServiceModel> {
        &self.service
    }

    /// Its protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Bytes of memory that it holds at present, estimated.
    pub fn weight(&self) -> usize {
        let graphs = [self.input.get(), self.output.get()];
        1024 + graphs.into_iter().flatten().flatten().map(Graph::weight).sum::<usize>()
    }

    /// The schemas of the input.
    pub fn input(&self) -> Result<&Graph, ModelError> {
        let built = self.input.get_or_init(|| Graph::of_input(&self.service, &self.operation));
        built.as_ref().map_err(ModelError::clone)
    }

    /// The schemas of the output.
    pub fn output(&self) -> Result<&Graph, ModelError> {
        let built = self.output.get_or_init(|| Graph::of_output(&self.service, &self.operation));
        built.as_ref().map_err(ModelError::clone)
    }

    /// The SDK's codec.
    pub(crate) fn codec(&self) -> &SharedClientProtocol {
        &self.codec
    }

    /// What the codecs look up beside the schemas.
    pub fn layer(&self) -> Layer {
        let metadata = self.service.metadata();
        let mut layer = Layer::new("operation");
        layer.store_put(OperationName::new(self.operation.name.clone(), metadata.service_id.clone()));
        layer.store_put(ServiceShapeName::new(metadata.target_prefix.clone().unwrap_or_default()));
        layer.store_put(ServiceVersion::new(metadata.api_version.clone()));
        layer
    }

    /// Writes a request. It has no host yet.
    pub fn request(
        &self,
        input: &Map<String, Value>,
        notation: &Notation,
        config: &ConfigBag,
    ) -> Result<HttpRequest, BoxError> {
        let graph = self.input()?;
        let metadata = self.service.metadata();
        if self.protocol == Protocol::Ec2 {
            let body = ec2_query::body(graph, &self.operation.name, &metadata.api_version, input, notation)?;
            return form_request(body);
        }
        let schema = graph.root_schema().ok_or_else(value::broken)?;
        let mut request =
            self.codec.serialize_request(&InputValue::new(graph, input, notation)?, schema, "", config)?;
        if let Some(payload) = graph.root_members().iter().find(|member| member.payload) {
            self.finish_payload(&mut request, graph, payload, input, notation);
        }
        let rpc = matches!(self.protocol, Protocol::Json | Protocol::Cbor);
        if metadata.query_compatible() && rpc {
            request.headers_mut().insert("x-amzn-query-mode", "true");
        }
        if self.protocol == Protocol::Cbor && self.operation.input.is_none() {
            *request.body_mut() = SdkBody::empty();
            request.headers_mut().remove("content-type");
            request.headers_mut().remove("content-length");
        }
        Ok(request)
    }

    /// The SDK's REST codecs leave a streamed body, and the content type of a bare one, to the caller.
    fn finish_payload(
        &self,
        request: &mut HttpRequest,
        graph: &Graph,
        payload: &MemberNode,
        input: &Map<String, Value>,
        notation: &Notation,
    ) {
        let given = input.get(&payload.name).filter(|value| !value.is_null());
        if let (true, Some(bytes)) = (payload.streaming, given.and_then(|value| blob(value, notation))) {
            set_body(request, bytes);
        }
        let content_type = match (graph.node(payload.node).map(|node| &node.kind), given) {
            (Some(NodeKind::String), Some(_)) => "text/plain",
            (Some(NodeKind::Blob), Some(_)) => "application/octet-stream",
            (Some(NodeKind::Structure(_)), None) if self.protocol == Protocol::RestJson && !payload.streaming => {
                set_body(request, b"{}".to_vec());
                request.headers_mut().insert("content-type", "application/json");
                return;
            }
            _ => return,
        };
        if request.headers().get("content-type").is_none() {
            request.headers_mut().insert("content-type", content_type);
        }
    }

    /// Reads the result of an answer with a good status.
    pub fn result(&self, response: &HttpResponse, notation: &Notation, config: &ConfigBag) -> Result<Value, BoxError> {
        if self.operation.output.is_none() {
            return Ok(Value::Object(Map::new()));
        }
        let graph = self.output()?;
        let schema = graph.root_schema().ok_or_else(value::broken)?;
        let body = response.body().bytes().unwrap_or_default();
        let nothing = || Value::Object(Map::new());
        let mut result = match self.protocol {
            Protocol::Ec2 if body.is_empty() => nothing(),
            Protocol::Ec2 => value::read(graph, &mut xml_codec().create_deserializer(body), notation)?,
            Protocol::Query if graph.root_members().is_empty() => nothing(),
            _ => {
                let mut from = self.codec.deserialize_response(response, schema, config)?;
                value::read(graph, &mut *from, notation)?
            }
        };
        let streamed = graph.root_members().iter().find(|member| member.payload && member.streaming);
        if let (Some(member), Value::Object(members)) = (streamed, &mut result) {
            members.insert(member.name.clone(), Value::from(blob_text(body, notation)));
        }
        Ok(result)
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.service.name(), self.operation.name)
    }
}

fn codec(service: &ServiceModel, protocol: Protocol) -> SharedClientProtocol {
    let metadata = service.metadata();
    match protocol {
        Protocol::Json => {
            let json = match metadata.json_version.as_deref() {
                Some("1.0") => AwsJsonRpcProtocol::aws_json_1_0(),
                _ => AwsJsonRpcProtocol::aws_json_1_1(),
            };
            SharedClientProtocol::new(json.with_target_prefix(metadata.target_prefix.clone().unwrap_or_default()))
        }
        Protocol::RestJson => SharedClientProtocol::new(AwsRestJsonProtocol::new()),
        Protocol::RestXml => {
            // s3's errors have no <ErrorResponse> around them (Smithy's noErrorWrapping; botocore's handlers know it)
            let bare = metadata.endpoint_prefix == "s3";
            SharedClientProtocol::new(AwsRestXmlProtocol::new().with_no_error_wrapping(bare))
        }
        Protocol::Query | Protocol::Ec2 => {
            SharedClientProtocol::new(AwsQueryProtocol::new().with_service_version(metadata.api_version.clone()))
        }
        Protocol::Cbor => SharedClientProtocol::new(RpcV2CborProtocol::new()),
    }
}

pub(crate) fn xml_codec() -> XmlCodec {
    XmlCodec::new(XmlCodecSettings::builder().default_timestamp_format(Format::DateTime).build())
}

fn form_request(body: String) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded");
    set_body(&mut request, body.into_bytes());
    Ok(request)
}

pub(crate) fn set_body(request: &mut HttpRequest, bytes: Vec<u8>) {
    request.headers_mut().insert("content-length", bytes.len().to_string());
    *request.body_mut() = SdkBody::from(bytes);
}

impl From<ModelError> for SerdeError {
    fn from(error: ModelError) -> Self {
        Self::custom(error.to_string())
    }
}
