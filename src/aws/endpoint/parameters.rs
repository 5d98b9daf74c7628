//! What a rule set is resolved with.

use std::borrow::Cow;

use super::EndpointError;
use super::value::Value;

/// Parameters of one resolution, by the names the rule set declares. Others are ignored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(Vec<(String, ParameterValue)>);

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A list of texts.
    Texts(Vec<String>),
}

/// The caller's settings that rule sets ask for by a fixed name. What is `None` or empty is not set.
#[derive(Clone, Debug, Default)]
pub struct BuiltIns {
    /// `AWS::Region`.
    pub region: Option<String>,
    /// `AWS::UseFIPS`.
    pub use_fips: bool,
    /// `AWS::UseDualStack`.
    pub use_dual_stack: bool,
    /// `SDK::Endpoint`: an address that replaces AWS's.
    pub endpoint: Option<String>,
    /// `AWS::Auth::AccountId`: twelve digits.
    pub account_id: Option<String>,
    /// `AWS::S3::ForcePathStyle`.
    pub force_path_style: bool,
}

impl Parameters {
    /// The built-ins under the names `rules` gives them; context parameters of the operation are [`set`](Self::set) after.
    pub fn of(rules: &super::EndpointRules, settings: &BuiltIns) -> Self {
        let mut parameters = Self::default();
        let text = |text: &Option<String>| text.clone().map(ParameterValue::Text);
        for (name, built_in) in rules.declared() {
            let value = match built_in {
                Some("AWS::Region") => text(&settings.region),
                Some("AWS::UseFIPS") => Some(ParameterValue::Bool(settings.use_fips)),
                Some("AWS::UseDualStack") => Some(ParameterValue::Bool(settings.use_dual_stack)),
                Some("SDK::Endpoint") => text(&settings.endpoint),
                Some("AWS::Auth::AccountId") => text(&settings.account_id),
                Some("AWS::S3::ForcePathStyle") => Some(ParameterValue::Bool(settings.force_path_style)),
                // The global endpoints are outdated, and regional ones keep a call in the region it was approved for.
                Some("AWS::S3::UseGlobalEndpoint" | "AWS::STS::UseGlobalEndpoint") => Some(ParameterValue::Bool(false)),
                // An ARN from an argument must not move a call to another region than the approved one.
                Some("AWS::S3::UseArnRegion" | "AWS::S3Control::UseArnRegion") => Some(ParameterValue::Bool(false)),
                _ => None,
            };
            if let Some(value) = value {
                parameters.set(name, value);
            }
        }
        parameters
    }

    /// Sets a parameter, in place of an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: ParameterValue) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(place) => place.1 = value,
            None => self.0.push((name, value)),
        }
    }

    fn get(&self, name: &str) -> Option<&ParameterValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// A parameter as the rule set declares it.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) built_in: Option<String>,
    pub(super) required: bool,
    pub(super) default: Option<ParameterValue>,
}

/// A parameter's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    Texts,
}

impl Declared {
    /// The value given, else the default, else nothing.
    pub(super) fn value<'a>(&'a self, given: &'a Parameters) -> Result<Value<'a>, EndpointError> {
        let wrong = |expected| EndpointError::WrongType { name: self.name.clone(), expected };
        match (given.get(&self.name).or(self.default.as_ref()), self.kind) {
            (None, _) if self.required => Err(EndpointError::MissingParameter(self.name.clone())),
            (None, _) => Ok(Value::Absent),
            (Some(ParameterValue::Text(text)), Kind::Text) => Ok(Value::text(text)),
            (Some(ParameterValue::Bool(flag)), Kind::Bool) => Ok(Value::Bool(*flag)),
            (Some(ParameterValue::Texts(texts)), Kind::Texts) => {
                Ok(Value::Texts(texts.iter().map(|text| Cow::Borrowed(text.as_str())).collect()))
            }
            (Some(_), Kind::Text) => Err(wrong("text")),
            (Some(_), Kind::Bool) => Err(wrong("boolean")),
            (Some(_), Kind::Texts) => Err(wrong("list of texts")),
        }
    }
}
