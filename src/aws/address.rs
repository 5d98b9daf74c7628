//! Where a call goes and under which name and region it is signed.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lru::LruCache;
use serde_json::{Map, Value};

use super::endpoint::{BuiltIns, EndpointRules, ParameterValue, Parameters, Partitions, host_prefix};
use super::models::Models;
use super::operation::Auth;
use super::protocol::Wire;
use super::service::ServiceModel;
use crate::config::AwsConfig;

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Scheme, host and perhaps a path.
    pub url: String,
    /// Headers that the endpoint asks for.
    pub headers: Vec<(String, Vec<String>)>,
    /// The service's name in the signature.
    pub signing_name: String,
    /// The region in the signature.
    pub signing_region: String,
    /// Whether and how the request is signed.
    pub auth: Auth,
    /// The path is encoded a second time before it is signed; everywhere but at S3.
    pub double_encode: bool,
}

/// Finds addresses by AWS's endpoint rules and the configuration. Environment and profiles have no say in it.
#[derive(Debug)]
pub struct Addresses {
    models: Models,
    settings: AwsConfig,
    partitions: OnceLock<Result<Partitions, String>>,
    rules: Mutex<LruCache<String, Arc<EndpointRules>>>,
}

const RULES_KEPT: NonZeroUsize = NonZeroUsize::new(32).unwrap();

impl Addresses {
    /// Takes the configuration's settings.
    pub fn new(models: Models, settings: AwsConfig) -> Self {
        Self { models, settings, partitions: OnceLock::new(), rules: Mutex::new(LruCache::new(RULES_KEPT)) }
    }

    /// The address for a call with these arguments. The error says what stands in the way.
    pub fn find(&self, wire: &Wire, region: &str, input: &Map<String, Value>) -> Result<Address, String> {
        let service = wire.service();
        let operation = wire.operation();
        let custom = self.custom(service.name());
        let rules = self.rules(service)?;
        let parameters = self.parameters(wire, &rules, region, input, custom)?;
        let endpoint = rules.resolve(&parameters, self.partitions()?).map_err(|error| {
            format!("there is no endpoint for `{}:{}` in `{region}`: {error}", service.name(), operation.name)
        })?;
        let mut url = endpoint.url.clone();
        // s3control's rules put the account into the host already (botocore: `remove_accid_host_prefix_from_model`)
        let prefix = operation.host_prefix.as_ref().filter(|_| service.name() != "s3control");
        if let Some(template) = prefix {
            let text = |name: &str| Some(input.get(name)?.as_str()?.to_owned());
            let prefix = host_prefix::expand(template, text).map_err(|error| error.to_string())?;
            // a local cloud has one host name for everything
            if !custom.is_some_and(is_local) {
                url = host_prefix::prepend(&url, &prefix).unwrap_or(url);
            }
        }
        let metadata = service.metadata();
        let mut address = Address {
            url,
            headers: endpoint.headers.clone(),
            signing_name: metadata.signing_name().to_owned(),
            signing_region: region.to_owned(),
            auth: operation.auth,
            double_encode: service.name() != "s3",
        };
        let schemes = endpoint.auth_schemes();
        match schemes.iter().find(|scheme| scheme.name == "sigv4") {
            Some(scheme) => {
                address.signing_name = scheme.signing_name.clone().unwrap_or(address.signing_name);
                address.signing_region = scheme.signing_region.clone().unwrap_or(address.signing_region);
                address.double_encode &= !scheme.disable_double_encoding;
            }
            None if schemes.is_empty() || address.auth == Auth::None => {}
            None => {
                let name = schemes.first().map(|scheme| scheme.name.as_str()).unwrap_or_default();
                return Err(format!("`{}` wants requests signed with `{name}`, which is not supported", address.url));
            }
        }
        Ok(address)
    }

    /// The configured address for a service, in place of AWS's own.
    pub fn custom(&self, service: &str) -> Option<&str> {
        self.settings.endpoint_urls.get(service).or(self.settings.endpoint_url.as_ref()).map(String::as_str)
    }

    fn parameters(
        &self,
        wire: &Wire,
        rules: &EndpointRules,
        region: &str,
        input: &Map<String, Value>,
        custom: Option<&str>,
    ) -> Result<Parameters, String> {
        let settings = BuiltIns {
            region: Some(region.to_owned()),
            use_fips: self.settings.use_fips,
            use_dual_stack: self.settings.use_dual_stack,
            endpoint: custom.map(str::to_owned),
            account_id: None,
            force_path_style: custom.is_some(),
        };
        let mut parameters = Parameters::of(rules, &settings);
        // directory buckets are signed with the caller's own credentials, not with a session's
        parameters.set("DisableS3ExpressSessionAuth", ParameterValue::Bool(true));
        let operation = wire.operation();
        for (name, value) in &operation.static_context_params {
            if let Some(value) = parameter(value) {
                parameters.set(name.as_str(), value);
            }
        }
        for (name, expression) in &operation.operation_context_params {
            if let Some(value) = texts(expression, input)? {
                parameters.set(name.as_str(), value);
            }
        }
        if let Some(reference) = &operation.input {
            let shape = wire.service().shape(&reference.shape).map_err(|error| error.to_string())?;
            for member in shape.members() {
                let Some(name) = &member.context_param else { continue };
                if let Some(value) = input.get(&member.name).and_then(parameter) {
                    parameters.set(name.as_str(), value);
                }
            }
        }
        Ok(parameters)
    }

    fn rules(&self, service: &ServiceModel) -> Result<Arc<EndpointRules>, String> {
        let locked = || self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = locked().get(service.name()) {
            return Ok(known.clone());
        }
        let rules = service.endpoint_rules().map_err(|error| error.to_string())?;
        let rules = rules.ok_or_else(|| format!("`{}` has no endpoint rules", service.name()))?;
        let rules = Arc::new(EndpointRules::compile(&rules).map_err(|error| error.to_string())?);
        locked().put(service.name().to_owned(), rules.clone());
        Ok(rules)
    }

    fn partitions(&self) -> Result<&Partitions, String> {
        let read = || {
            let json = self.models.partitions().map_err(|error| error.to_string())?;
            Partitions::from_json(json.to_string().as_bytes()).map_err(|error| error.to_string())
        };
        self.partitions.get_or_init(read).as_ref().map_err(String::clone)
    }
}

fn parameter(value: &Value) -> Option<ParameterValue> {
    match value {
        Value::String(text) => Some(ParameterValue::Text(text.clone())),
        Value::Bool(truth) => Some(ParameterValue::Bool(*truth)),
        Value::Array(items) => {
            Some(ParameterValue::Texts(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()))
        }
        _ => None,
    }
}

/// The texts that a JMESPath expression of the model finds in the arguments.
fn texts(expression: &str, input: &Map<String, Value>) -> Result<Option<ParameterValue>, String> {
    let bad = |error: jmespath::JmespathError| format!("`{expression}`: {error}");
    let expression_compiled = jmespath::compile(expression).map_err(bad)?;
    let found = expression_compiled.search(input).map_err(bad)?;
    Ok(serde_json::to_value(&*found).ok().as_ref().and_then(parameter))
}

fn is_local(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    host == "localhost" || host.ends_with(".localhost")
}

/// What route53 answers as ids, such as `/hostedzone/Z1`, it takes back without the path. (botocore's `fix_route53_ids`.)
pub(crate) fn tidy_ids(wire: &Wire, input: &mut Map<String, Value>) {
    if wire.service().name() != "route53" {
        return;
    }
    let Some(reference) = &wire.operation().input else { return };
    let Ok(shape) = wire.service().shape(&reference.shape) else { return };
    for member in shape.members() {
        if !matches!(member.shape.as_str(), "ResourceId" | "DelegationSetId" | "ChangeId") {
            continue;
        }
        if let Some(Value::String(id)) = input.get_mut(&member.name)
            && let Some((_, last)) = id.rsplit_once('/')
        {
            *id = last.to_owned();
        }
    }
}
