//! What the SDK's orchestrator is told for one call.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::auth::sigv4::{self, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::retries::classifiers::{AwsErrorCodeClassifier, THROTTLING_ERRORS};
use aws_runtime::service_clock_skew::ServiceClockSkewInterceptor;
use aws_sigv4::http_request::SignableBody;
use aws_smithy_runtime::client::auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme};
use aws_smithy_runtime::client::http::connection_poisoning::ConnectionPoisoningInterceptor;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::identity::no_auth::NoAuthIdentityResolver;
use aws_smithy_runtime::client::orchestrator::AuthSchemeAndEndpointOrchestrationV2;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, ModeledAsRetryableClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::endpoint::{
    EndpointFuture, EndpointResolverParams, ResolveEndpoint, SharedEndpointResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef, Error,
    FinalizerInterceptorContextRef, Input, InterceptorContext, Output,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, SharedInterceptor, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::client::runtime_plugin::{RuntimePlugin, RuntimePlugins};
use aws_smithy_runtime_api::client::ser_de::{
    DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer, Layer};
use aws_smithy_types::endpoint::Endpoint;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};
use http_body_util::Limited;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::{Map, Value};

use super::address::Address;
use super::checksum;
use super::errors::{ServiceError, request_id};
use super::operation::Auth;
use super::protocol::Wire;
use super::value::Notation;

/// No answer may have a larger body, in bytes.
pub(crate) const LARGEST_ANSWER: usize = 64 << 20;

/// What this program calls itself towards AWS.
pub(crate) const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));

/// When a failed attempt may be followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retries {
    /// As the SDK does it: also after answers and silences that leave open whether AWS acted.
    Standard,
    /// Only where AWS says that it did not act because there were too many requests.
    OnlyThrottled,
}

/// One call, as the orchestrator sees it.
pub(crate) struct Call {
    pub(crate) wire: Arc<Wire>,
    pub(crate) address: Address,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) notation: Notation,
    pub(crate) retries: Retries,
    /// Set once an attempt has ended that AWS may have acted on although it gave no good answer.
    pub(crate) in_doubt: Arc<AtomicBool>,
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) output: Value,
    pub(crate) request_id: Option<String>,
    /// When AWS answered, by its own clock.
    pub(crate) date: Option<Timestamp>,
}

impl Call {
    /// `base` with everything that is particular to this call.
    pub(crate) fn plugins(self, base: &RuntimePlugins) -> RuntimePlugins {
        let plugin = CallPlugin { layer: self.layer().freeze(), components: self.components() };
        base.clone().with_operation_plugin(plugin)
    }

    fn layer(&self) -> Layer {
        let address = &self.address;
        let mut layer = self.wire.layer();
        let codec = WireCodec { wire: self.wire.clone(), notation: self.notation.clone() };
        layer.store_put(SharedRequestSerializer::new(codec.clone()));
        layer.store_put(SharedResponseDeserializer::new(codec));
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        layer.store_put(AuthSchemeAndEndpointOrchestrationV2);
        layer.store_put(Region::new(address.signing_region.clone()));
        let region = SigningRegion::from(Region::new(address.signing_region.clone()));
        layer.store_put(region.clone());
        let name = SigningName::from(address.signing_name.clone());
        layer.store_put(name.clone());
        // S3 and its kin sign the path as it is, and want the body's digest in a header
        let s3 = matches!(self.wire.service().name(), "s3" | "s3control" | "s3outposts" | "glacier");
        let unsigned = address.auth == Auth::SigV4UnsignedBody;
        let mut options = SigningOptions::default();
        options.double_uri_encode = address.double_encode;
        options.normalize_uri_path = address.double_encode;
        options.content_sha256_header = s3 || unsigned;
        options.payload_override = unsigned.then_some(SignableBody::UnsignedPayload);
        layer.store_put(SigV4OperationSigningConfig {
            region: Some(region),
            name: Some(name),
            signing_options: options,
            ..Default::default()
        });
        layer
    }

    fn components(self) -> RuntimeComponentsBuilder {
        let mut components = RuntimeComponentsBuilder::new("call");
        components.set_identity_cache(Some(IdentityCache::no_cache()));
        components.set_endpoint_resolver(Some(SharedEndpointResolver::new(AddressResolver(self.address.clone()))));
        let scheme = match (self.address.auth, self.credentials) {
            (Auth::None, _) | (_, None) => {
                components.push_auth_scheme(SharedAuthScheme::new(NoAuthScheme::new()));
                let nobody = SharedIdentityResolver::new(NoAuthIdentityResolver::new());
                components.set_identity_resolver(NO_AUTH_SCHEME_ID, nobody);
                NO_AUTH_SCHEME_ID
            }
            (_, Some(credentials)) => {
                components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
                components.set_identity_resolver(sigv4::SCHEME_ID, SharedCredentialsProvider::new(credentials));
                sigv4::SCHEME_ID
            }
        };
        let schemes = StaticAuthSchemeOptionResolver::new(vec![scheme]);
        components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(schemes)));
        match self.retries {
            Retries::Standard => {
                components.push_retry_classifier(HttpStatusCodeClassifier::default());
                components.push_retry_classifier(TransientErrorClassifier::<ServiceError>::new());
                components.push_retry_classifier(ModeledAsRetryableClassifier::<ServiceError>::new());
                components.push_retry_classifier(AwsErrorCodeClassifier::<ServiceError>::new());
            }
            Retries::OnlyThrottled => {
                components.push_retry_classifier(OnlyThrottled);
            }
        }
        components.push_interceptor(SharedInterceptor::permanent(ConnectionPoisoningInterceptor::new()));
        components.push_interceptor(SharedInterceptor::permanent(CallInterceptor::new(self.in_doubt)));
        components.push_interceptor(SharedInterceptor::permanent(ServiceClockSkewInterceptor::new()));
        components.push_interceptor(SharedInterceptor::permanent(RequestInfoInterceptor::new()));
        components.push_interceptor(SharedInterceptor::permanent(InvocationIdInterceptor::new()));
        components
    }
}

#[derive(Debug)]
struct CallPlugin {
    layer: FrozenLayer,
    components: RuntimeComponentsBuilder,
}

impl RuntimePlugin for CallPlugin {
    fn config(&self) -> Option<FrozenLayer> {
        Some(self.layer.clone())
    }

    fn runtime_components(&self, _current: &RuntimeComponentsBuilder) -> Cow<'_, RuntimeComponentsBuilder> {
        Cow::Borrowed(&self.components)
    }
}

#[derive(Clone, Debug)]
struct WireCodec {
    wire: Arc<Wire>,
    notation: Notation,
}

impl SerializeRequest for WireCodec {
    fn serialize_input(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let input: Map<String, Value> = input.downcast().map_err(|_| "the input is not a JSON object")?;
        let mut request = self.wire.request(&input, &self.notation, config)?;
        checksum::add(&mut request, &self.wire, &input)?;
        if let Some((name, value)) = customs(&self.wire) {
            request.headers_mut().insert(name, value);
        }
        request.headers_mut().insert("user-agent", USER_AGENT);
        Ok(request)
    }
}

/// Headers that AWS's own clients add for one service (botocore's `handlers.py`).
fn customs(wire: &Wire) -> Option<(&'static str, String)> {
    match wire.service().name() {
        "apigateway" => Some(("accept", "application/json".to_owned())),
        "glacier" => Some(("x-amz-glacier-version", wire.service().metadata().api_version.clone())),
        _ => None,
    }
}

impl DeserializeResponse for WireCodec {
    fn deserialize_streaming_with_config(
        &self,
        response: &mut HttpResponse,
        _config: &ConfigBag,
    ) -> Option<Result<Output, OrchestratorError<Error>>> {
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, LARGEST_ANSWER));
        None
    }

    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        config: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        if !response.status().is_success() || fails_inside(&self.wire, response) {
            let error = ServiceError::read(&self.wire, response, &self.notation, config);
            return Err(OrchestratorError::operation(Error::erase(error)));
        }
        let output = self.wire.result(response, &self.notation, config).map_err(OrchestratorError::response)?;
        let date = response.headers().get("date").and_then(|date| rfc2822::parse(date).ok());
        let date = date.map(|date| date.timestamp());
        Ok(Output::erase(Answer { output, request_id: request_id(response), date }))
    }
}

/// S3 says 200 before it copies or puts parts together, and tells a failure in the body.
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>; botocore's `_handle_200_error`.)
fn fails_inside(wire: &Wire, response: &HttpResponse) -> bool {
    let streamed = || wire.output().is_ok_and(|output| output.root_members().iter().any(|member| member.streaming));
    if wire.service().name() != "s3" || streamed() {
        return false;
    }
    let start: Vec<u8> = response.body().bytes().unwrap_or_default().iter().take(256).copied().collect();
    let text = String::from_utf8_lossy(&start);
    let root = text.trim_start().split_once("?>").map_or(text.trim_start(), |(_, root)| root.trim_start());
    root.starts_with("<Error>")
}

#[derive(Debug)]
struct AddressResolver(Address);

impl ResolveEndpoint for AddressResolver {
    fn resolve_endpoint<'a>(&'a self, _parameters: &'a EndpointResolverParams) -> EndpointFuture<'a> {
        let mut endpoint = Endpoint::builder().url(self.0.url.clone());
        for (name, values) in &self.0.headers {
            for value in values {
                endpoint = endpoint.header(name.clone(), value.clone());
            }
        }
        EndpointFuture::ready(Ok(endpoint.build()))
    }
}

#[derive(Debug)]
struct CallInterceptor {
    in_doubt: Arc<AtomicBool>,
    transmitting: AtomicBool,
}

impl CallInterceptor {
    fn new(in_doubt: Arc<AtomicBool>) -> Self {
        Self { in_doubt, transmitting: AtomicBool::new(false) }
    }
}

#[dyn_dispatch_hint]
impl Intercept for CallInterceptor {
    fn name(&self) -> &'static str {
        "countersign"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_, Input, Output, Error>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(EndpointResolverParams::new(()));
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.transmitting.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.transmitting.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let doubtful = match context.output_or_error() {
            Some(Ok(_)) => false,
            Some(Err(error)) => match error.as_operation_error().and_then(Error::downcast_ref::<ServiceError>) {
                Some(answer) => !says_no(answer),
                None => error.as_connector_error().is_none_or(|error| !never_connected(error)),
            },
            None => true,
        };
        if doubtful {
            self.in_doubt.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// True where an answer says that AWS did not act: a 3xx or 4xx, or that there were too many requests.
pub(crate) fn says_no(answer: &ServiceError) -> bool {
    (300..500).contains(&answer.status) || THROTTLING_ERRORS.contains(&answer.code())
}

/// True where no connection came about, so that not a byte has left.
pub(crate) fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(client) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return client.is_connect();
        }
        next = error.source();
    }
    false
}

/// Retries only what AWS refused because there were too many requests.
#[derive(Debug)]
struct OnlyThrottled;

impl ClassifyRetry for OnlyThrottled {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(|result| result.err());
        let answer = error.and_then(|error| error.as_operation_error()).and_then(Error::downcast_ref::<ServiceError>);
        match answer {
            Some(answer) if THROTTLING_ERRORS.contains(&answer.code()) => RetryAction::throttling_error(),
            _ => RetryAction::RetryForbidden,
        }
    }

    fn name(&self) -> &'static str {
        "only throttled"
    }
}
