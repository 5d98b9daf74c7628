//! Calling any operation of any service, on the SDK's own orchestrator.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use aws_smithy_runtime::client::defaults::{DefaultPluginParams, default_plugins};
use aws_smithy_runtime::client::orchestrator::{StopPoint, invoke, invoke_with_stop_point};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::interceptors::context::{Error, Input};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::{RuntimePlugins, StaticRuntimePlugin};
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use lru::LruCache;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::address::{Address, Addresses, tidy_ids};
use super::errors::{ServiceError, request_id};
use super::models::Models;
use super::operation::Auth;
use super::plugins::{Answer, Call, Retries};
use super::protocol::Wire;
use super::redact::{REDACTED, redact_typed, secret_texts};
use super::value::Notation;
use crate::config::{AwsConfig, LimitsConfig};
use crate::names::{OperationId, Region};
use crate::ports::{CloudError, CloudReply, Purpose, SignedRequest};

/// Schemas of operations are forgotten, least recently used first, once they and their services hold more bytes than this.
pub const OPERATIONS_BYTES: usize = 12 << 20;

/// At most so many are kept in any case.
const OPERATIONS_KEPT: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A connection that isn't there by then won't come.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// Stands in a signed, unsent request where a value is secret or differs each time.
pub const MARK: &str = "[...]";

/// Headers that are secret or differ each time.
const VOLATILE: [&str; 6] =
    ["amz-sdk-invocation-id", "amz-sdk-request", "authorization", "user-agent", "x-amz-date", "x-amz-security-token"];

/// Calls operations. One for the whole process: it shares connections, schemas and the limit of concurrent calls.
#[derive(Debug)]
pub struct Client {
    models: Models,
    addresses: Addresses,
    base: RuntimePlugins,
    http: SharedHttpClient,
    wires: Mutex<LruCache<OperationId, Arc<Wire>>>,
    permits: Semaphore,
}

/// One call to make.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    /// What to call.
    pub operation: &'r OperationId,
    /// The arguments, a JSON object in the model's member names; validated before.
    pub arguments: &'r Value,
    /// Where.
    pub region: &'r Region,
    /// With whose credentials; `None` only for operations that need none.
    pub credentials: Option<Credentials>,
    /// What it is for; decides when a failed attempt may be repeated.
    pub purpose: Purpose,
}

impl Client {
    /// Prepares a client. Does no IO.
    pub fn new(models: Models, aws: &AwsConfig, limits: &LimitsConfig) -> Self {
        let timeouts =
            TimeoutConfig::builder().operation_timeout(limits.call_timeout).connect_timeout(CONNECT_TIMEOUT).build();
        let mut layer = Layer::new("countersign");
        layer.store_put(timeouts);
        layer.store_put(RetryConfig::standard());
        let http = connections();
        let mut components = RuntimeComponentsBuilder::new("countersign");
        components.set_http_client(Some(http.clone()));
        let defaults = DefaultPluginParams::new()
            .with_retry_partition_name("countersign")
            .with_behavior_version(BehaviorVersion::latest())
            .with_is_aws_sdk(true);
        let base = RuntimePlugins::new().with_client_plugins(default_plugins(defaults)).with_client_plugin(
            StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components),
        );
        Self {
            addresses: Addresses::new(models.clone(), aws.clone()),
            models,
            base,
            http,
            wires: Mutex::new(LruCache::new(OPERATIONS_KEPT)),
            permits: Semaphore::new(limits.concurrent_calls.clamp(1, Semaphore::MAX_PERMITS)),
        }
    }

    /// The connections that everything shares.
    pub(crate) fn http(&self) -> SharedHttpClient {
        self.http.clone()
    }

    /// Makes a call and waits for the answer.
    pub async fn call(&self, request: Request<'_>) -> Result<CloudReply, CloudError> {
        let Answer { output, request_id, .. } = self.answer(request).await?;
        Ok(CloudReply { output, request_id })
    }

    /// As [`Self::call`], with what else the answer tells.
    pub(super) async fn answer(&self, request: Request<'_>) -> Result<Answer, CloudError> {
        let prepared = self.prepare(&request, request.arguments)?;
        let _permit = self.permits.acquire().await.map_err(|_| not_sent("the client is shutting down"))?;
        let in_doubt = Arc::new(AtomicBool::new(false));
        let retries = match request.purpose {
            Purpose::Read => Retries::Standard,
            // the same token goes with every attempt, so AWS acts once
            Purpose::Change if prepared.wire.operation().idempotency_token.is_some() => Retries::Standard,
            Purpose::Change => Retries::OnlyThrottled,
        };
        let (service, name) = (request.operation.service(), request.operation.name());
        let wire = prepared.wire.clone();
        let (plugins, input) = prepared.plugins(&self.base, request.credentials, retries, &in_doubt, fresh_token());
        let result = invoke(service, name, Input::erase(input), &plugins).await;
        self.trim();
        match result {
            Ok(output) => output.downcast().map_err(|_| CloudError::Unknown {
                reason: "the answer has an unexpected type".to_owned(),
                request_id: None,
            }),
            Err(error) => {
                let error = failure(&wire, error, in_doubt.load(Ordering::Relaxed));
                Err(without_secrets(error, &wire, request.arguments))
            }
        }
    }

    /// Builds and signs the request of a call and does not send it. Secrets in the arguments are left out before the body
    /// is built; what differs each time is replaced by [`MARK`], so equal calls give equal texts.
    pub async fn sign(&self, request: Request<'_>) -> Result<SignedRequest, CloudError> {
        let (service, operation) = self.models.operation(request.operation).map_err(not_sent)?;
        let arguments = match &operation.input {
            Some(input) => redact_typed(&service, &input.shape, request.arguments).map_err(not_sent)?,
            None => request.arguments.clone(),
        };
        let prepared = self.prepare(&request, &arguments)?;
        let in_doubt = Arc::new(AtomicBool::new(false));
        let token = "00000000-0000-4000-8000-000000000000".to_owned();
        let (plugins, input) =
            prepared.plugins(&self.base, request.credentials, Retries::OnlyThrottled, &in_doubt, token);
        let (service, name) = (request.operation.service(), request.operation.name());
        let signed =
            invoke_with_stop_point(service, name, Input::erase(input), &plugins, StopPoint::BeforeTransmit).await;
        self.trim();
        let mut context = signed.map_err(|error| not_sent(causes(&error)))?;
        context.take_request().map(|request| marked(&request)).ok_or_else(|| not_sent("there is no request"))
    }

    /// Where a call without arguments would go.
    pub fn endpoint(&self, operation: &OperationId, region: &Region) -> Result<String, CloudError> {
        let wire = self.wire(operation)?;
        let address = self.addresses.find(&wire, region.as_str(), &Map::new()).map_err(not_sent)?;
        Ok(address.url)
    }

    /// The region that a call with these arguments is signed for.
    pub fn signing_region(
        &self,
        operation: &OperationId,
        arguments: &Value,
        region: &Region,
    ) -> Result<String, CloudError> {
        let wire = self.wire(operation)?;
        let none = Map::new();
        let arguments = arguments.as_object().unwrap_or(&none);
        let address = self.addresses.find(&wire, region.as_str(), arguments).map_err(not_sent)?;
        Ok(address.signing_region)
    }

    /// Bytes that the schemas held at present need, with the services they belong to, estimated.
    pub fn weight(&self) -> usize {
        weight(&self.wires.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn prepare(&self, request: &Request<'_>, arguments: &Value) -> Result<Prepared, CloudError> {
        let wire = self.wire(request.operation)?;
        let operation = wire.operation();
        if operation.event_stream {
            let name = request.operation;
            return Err(not_sent(format!("`{name}` streams events, which this client does not do; use the AWS CLI")));
        }
        let mut input = match arguments {
            Value::Object(members) => members.clone(),
            Value::Null => Map::new(),
            _ => return Err(not_sent("the arguments are not a JSON object")),
        };
        tidy_ids(&wire, &mut input);
        let address = self.addresses.find(&wire, request.region.as_str(), &input).map_err(not_sent)?;
        match address.auth {
            Auth::SigV4 | Auth::SigV4UnsignedBody if request.credentials.is_none() => {
                return Err(not_sent("there are no credentials to sign with"));
            }
            Auth::SigV4 | Auth::SigV4UnsignedBody | Auth::None => {}
            Auth::Bearer => {
                return Err(not_sent(format!("`{}` wants a bearer token, which is not supported", request.operation)));
            }
        }
        Ok(Prepared { wire, address, input })
    }

    fn wire(&self, operation: &OperationId) -> Result<Arc<Wire>, CloudError> {
        let mut wires = self.wires.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = wires.get(operation) {
            return Ok(known.clone());
        }
        let (service, model) = self.models.operation(operation).map_err(not_sent)?;
        let wire = Arc::new(Wire::new(service, model).map_err(not_sent)?);
        wires.put(operation.clone(), wire.clone());
        Ok(wire)
    }

    fn trim(&self) {
        let mut wires = self.wires.lock().unwrap_or_else(PoisonError::into_inner);
        while wires.len() > 1 && weight(&wires) > OPERATIONS_BYTES {
            wires.pop_lru();
        }
    }
}

/// One pool of connections for the whole process. Proxies, as the environment names them, see encrypted traffic only:
/// plain HTTP is for this machine and for AWS's own credential endpoints, and holds secrets.
fn connections() -> SharedHttpClient {
    let (direct, proxied) = (pool(ProxyConfig::disabled()), pool(ProxyConfig::from_env()));
    http_client_fn(move |settings, components| {
        let direct = direct.http_connector(settings, components);
        SharedHttpConnector::new(ByScheme { direct, proxied: proxied.http_connector(settings, components) })
    })
}

/// Picks the way of a request by its scheme.
#[derive(Debug)]
struct ByScheme {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
}

impl HttpConnector for ByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let way = if request.uri().starts_with("https:") { &self.proxied } else { &self.direct };
        way.call(request)
    }
}

fn pool(proxy: ProxyConfig) -> SharedHttpClient {
    HttpBuilder::new().build_with_connector_fn(move |settings, components| {
        let mut connector =
            Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

fn weight(wires: &LruCache<OperationId, Arc<Wire>>) -> usize {
    let services: HashMap<_, _> =
        wires.iter().map(|(_, wire)| (Arc::as_ptr(wire.service()), wire.service().weight())).collect();
    services.values().sum::<usize>() + wires.iter().map(|(_, wire)| wire.weight()).sum::<usize>()
}

struct Prepared {
    wire: Arc<Wire>,
    address: Address,
    input: Map<String, Value>,
}

impl Prepared {
    fn plugins(
        self,
        base: &RuntimePlugins,
        credentials: Option<Credentials>,
        retries: Retries,
        in_doubt: &Arc<AtomicBool>,
        token: String,
    ) -> (RuntimePlugins, Map<String, Value>) {
        let notation = Notation { token: Some(token), ..Notation::default() };
        let in_doubt = in_doubt.clone();
        let Self { wire, address, input } = self;
        (Call { wire, address, credentials, notation, retries, in_doubt }.plugins(base), input)
    }
}

/// What a failed call means for whether AWS acted.
fn failure(wire: &Wire, error: SdkError<Error, HttpResponse>, in_doubt: bool) -> CloudError {
    let request_id = error.raw_response().and_then(request_id);
    let answer = error.as_service_error().and_then(Error::downcast_ref::<ServiceError>);
    match answer {
        Some(answer) if !in_doubt => CloudError::Refused {
            code: answer.code().to_owned(),
            message: answer.message().to_owned(),
            status: answer.status,
            request_id: answer.request_id.clone(),
        },
        Some(answer) => CloudError::Unknown { reason: format!("{wire:?}: AWS answered {answer}"), request_id },
        None if in_doubt => CloudError::Unknown { reason: format!("{wire:?}: {}", causes(&error)), request_id },
        None => CloudError::NotSent { reason: format!("{wire:?}: {}", causes(&error)) },
    }
}

/// An error that repeats nothing secret of the arguments.
fn without_secrets(error: CloudError, wire: &Wire, arguments: &Value) -> CloudError {
    let secrets = match &wire.operation().input {
        Some(input) => secret_texts(wire.service(), &input.shape, arguments),
        None => Vec::new(),
    };
    let clean = |text: String| secrets.iter().fold(text, |text, secret| text.replace(secret, REDACTED));
    match error {
        CloudError::NotSent { reason } => CloudError::NotSent { reason: clean(reason) },
        CloudError::Refused { code, message, status, request_id } => {
            CloudError::Refused { code, message: clean(message), status, request_id }
        }
        CloudError::Unknown { reason, request_id } => CloudError::Unknown { reason: clean(reason), request_id },
    }
}

pub(crate) fn not_sent(reason: impl ToString) -> CloudError {
    CloudError::NotSent { reason: reason.to_string() }
}

/// An error and what caused it, outermost first, without repetitions.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

fn marked(request: &HttpRequest) -> SignedRequest {
    let mut headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = if VOLATILE.contains(&name) { MARK } else { value };
            (name.to_owned(), value.to_owned())
        })
        .collect();
    headers.sort();
    let body = request.body().bytes().unwrap_or_default();
    SignedRequest {
        method: request.method().to_owned(),
        url: request.uri().to_owned(),
        headers,
        body: std::str::from_utf8(body).map_or_else(|_| BASE64.encode(body), str::to_owned),
    }
}

/// A random UUID, version 4.
fn fresh_token() -> String {
    let random = u128::from(ulid::Ulid::generate()).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        ^ u128::from(ulid::Ulid::generate());
    let mut bytes = random.to_be_bytes();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests;
