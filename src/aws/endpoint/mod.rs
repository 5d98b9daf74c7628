//! Endpoint rules: which address a call goes to, and how it is signed.
//!
//! An interpreter for the rule sets ("endpoints 2.0") that AWS publishes with each service model. A rule set is compiled
//! once ([`EndpointRules::compile`]) and resolved for each call in a few microseconds. The language is described at
//! <https://smithy.io/2.0/additional-specs/rules-engine/specification.html>.

mod compile;
mod functions;
pub mod host_prefix;
pub mod parameters;
pub mod partitions;
mod rules;
pub mod suite;
mod template;
mod value;

use serde_json::{Map, Value as Json};

pub use compile::RuleSetError;
pub use parameters::{BuiltIns, ParameterValue, Parameters};
pub use partitions::Partitions;

pub(crate) use functions::is_host_label;
use rules::{Action, Rule, Url};
use value::Value;

/// A service's compiled rule set.
#[derive(Debug)]
pub struct EndpointRules {
    parameters: Vec<parameters::Declared>,
    rules: Vec<Rule>,
    slots: usize,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address, with scheme and perhaps a path, without a trailing slash of its own.
    pub url: String,
    /// What the rule says beside the address, as a JSON object; [`Endpoint::auth_schemes`] reads the part that matters.
    pub properties: Map<String, Json>,
    /// Headers to add to the request: name and values.
    pub headers: Vec<(String, Vec<String>)>,
}

/// How a request to an endpoint is signed, where that differs from the service's own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthScheme {
    /// `sigv4`, `sigv4a` or `sigv4-s3express`.
    pub name: String,
    /// The service name in the signature.
    pub signing_name: Option<String>,
    /// The region in the signature (`sigv4`).
    pub signing_region: Option<String>,
    /// The regions in the signature (`sigv4a`).
    pub signing_region_set: Vec<String>,
    /// True where the path is encoded once only (S3).
    pub disable_double_encoding: bool,
}

/// Why there is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The rules refuse this combination of parameters, in AWS's own words.
    #[error("{0}")]
    Refused(String),
    /// A parameter the rule set requires has no value.
    #[error("the endpoint rules need a value for `{0}`")]
    MissingParameter(String),
    /// A parameter has a value of another type than the rule set declares.
    #[error("the endpoint rules take a {expected} for `{name}`")]
    WrongType {
        /// The parameter.
        name: String,
        /// The declared type.
        expected: &'static str,
    },
    /// No rule applies, or one refers to something without a value. A fault of the rule set.
    #[error("the endpoint rules give no answer: {0}")]
    NoAnswer(String),
}

impl EndpointRules {
    /// Finds the endpoint for one call.
    ///
    /// # Errors
    /// Where the rules refuse the parameters, or a required one is missing.
    pub fn resolve(&self, parameters: &Parameters, partitions: &Partitions) -> Result<Endpoint, EndpointError> {
        let mut scope = Scope { slots: vec![Value::Absent; self.slots], partitions };
        for (slot, declared) in self.parameters.iter().enumerate() {
            let value = declared.value(parameters)?;
            scope.set(slot, value);
        }
        match follow(&self.rules, &mut scope)? {
            Some(endpoint) => Ok(endpoint),
            None => Err(EndpointError::NoAnswer("no rule applies".into())),
        }
    }

    /// The parameters the rule set declares: name and, where the caller's settings fill it, the built-in's name.
    pub fn declared(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.parameters.iter().map(|p| (p.name.as_str(), p.built_in.as_deref()))
    }
}

impl Endpoint {
    /// The ways to sign, in the rule set's order of preference; empty where the service's own way holds.
    pub fn auth_schemes(&self) -> Vec<AuthScheme> {
        let text = |scheme: &Json, key: &str| scheme.get(key).and_then(Json::as_str).map(str::to_owned);
        let schemes = self.properties.get("authSchemes").and_then(Json::as_array);
        schemes
            .into_iter()
            .flatten()
            .filter_map(|scheme| {
                let regions = scheme.get("signingRegionSet").and_then(Json::as_array);
                Some(AuthScheme {
                    name: text(scheme, "name")?,
                    signing_name: text(scheme, "signingName"),
                    signing_region: text(scheme, "signingRegion"),
                    signing_region_set: regions
                        .into_iter()
                        .flatten()
                        .filter_map(|region| region.as_str().map(str::to_owned))
                        .collect(),
                    disable_double_encoding: scheme.get("disableDoubleEncoding") == Some(&Json::Bool(true)),
                })
            })
            .collect()
    }
}

/// The values of one resolution. Slots are given out by lexical scope at compile time, so none needs clearing.
struct Scope<'a> {
    slots: Vec<Value<'a>>,
    partitions: &'a Partitions,
}

impl<'a> Scope<'a> {
    fn get(&self, slot: usize) -> Value<'a> {
        self.slots.get(slot).cloned().unwrap_or(Value::Absent)
    }

    fn set(&mut self, slot: usize, value: Value<'a>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = value;
        }
    }
}

/// The answer of the first rule whose conditions hold; `None` where none does.
fn follow<'a>(rules: &'a [Rule], scope: &mut Scope<'a>) -> Result<Option<Endpoint>, EndpointError> {
    for rule in rules {
        if !holds(rule, scope)? {
            continue;
        }
        return match &rule.action {
            // Once a tree's conditions hold, one of its rules must: rules after it are not tried.
            Action::Tree(inner) => match follow(inner, scope)? {
                Some(endpoint) => Ok(Some(endpoint)),
                None => Err(EndpointError::NoAnswer("no rule of a branch applies".into())),
            },
            Action::Refuse(message) => Err(EndpointError::Refused(message.render(scope)?)),
            Action::Endpoint { url, properties, headers } => Ok(Some(Endpoint {
                url: match url {
                    Url::Template(template) => template.render(scope)?,
                    Url::Call(expression) => expression.text(scope)?,
                },
                properties: properties
                    .iter()
                    .map(|(key, property)| Ok((key.clone(), property.render(scope)?)))
                    .collect::<Result<_, EndpointError>>()?,
                headers: headers
                    .iter()
                    .map(|(name, values)| {
                        let values = values.iter().map(|value| value.text(scope)).collect::<Result<_, _>>()?;
                        Ok((name.clone(), values))
                    })
                    .collect::<Result<_, EndpointError>>()?,
            })),
        };
    }
    Ok(None)
}

fn holds<'a>(rule: &'a Rule, scope: &mut Scope<'a>) -> Result<bool, EndpointError> {
    for condition in &rule.conditions {
        let value = condition.call.evaluate(scope)?;
        if matches!(value, Value::Absent | Value::Bool(false)) {
            return Ok(false);
        }
        if let Some(slot) = condition.assign {
            scope.set(slot, value);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
