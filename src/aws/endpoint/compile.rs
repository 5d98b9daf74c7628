//! From the JSON of a rule set to [`EndpointRules`]: names become slots, paths and templates are parsed, and whatever
//! can be wrong is found here rather than at a call.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::EndpointRules;
use super::functions::Function;
use super::parameters::{Declared, Kind, ParameterValue};
use super::rules::{Action, Condition, Constant, Expression, Property, Rule, Url};
use super::template::Template;
use super::value::Path;

/// A rule set (or the partitions) that can't be used, with the place.
#[derive(Debug, thiserror::Error)]
#[error("endpoint rules, at `{at}`: {what}")]
pub struct RuleSetError {
    at: String,
    what: String,
}

impl RuleSetError {
    pub(super) fn new(at: impl Into<String>, what: impl ToString) -> Self {
        Self { at: at.into(), what: what.to_string() }
    }
}

/// Rules nest at most so deep; the deepest of AWS's has 20.
const DEEPEST: usize = 64;

#[derive(Deserialize)]
struct RawRuleSet {
    parameters: Map<String, Json>,
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawParameter {
    #[serde(rename = "type")]
    kind: String,
    built_in: Option<String>,
    #[serde(default)]
    required: bool,
    default: Option<Json>,
}

#[derive(Deserialize)]
struct RawRule {
    #[serde(default)]
    conditions: Vec<RawCall>,
    #[serde(rename = "type")]
    kind: String,
    rules: Option<Vec<RawRule>>,
    error: Option<Json>,
    endpoint: Option<RawEndpoint>,
}

#[derive(Deserialize)]
struct RawCall {
    #[serde(rename = "fn")]
    function: String,
    #[serde(default)]
    argv: Vec<Json>,
    assign: Option<String>,
}

#[derive(Deserialize)]
struct RawEndpoint {
    url: Json,
    #[serde(default)]
    properties: Map<String, Json>,
    #[serde(default)]
    headers: Map<String, Json>,
}

impl EndpointRules {
    /// Compiles the JSON of an `endpoint-rule-set-1.json`.
    ///
    /// # Errors
    /// Where it is not of that form, or refers to names or functions that don't exist.
    pub fn compile(rule_set: &Json) -> Result<Self, RuleSetError> {
        let raw = RawRuleSet::deserialize(rule_set).map_err(|e| RuleSetError::new("/", e))?;
        let parameters = raw
            .parameters
            .iter()
            .map(|(name, declared)| parameter(name, declared))
            .collect::<Result<Vec<_>, RuleSetError>>()?;
        let mut compiler = Compiler { names: Vec::new(), slots: 0, at: Vec::new() };
        for parameter in &parameters {
            compiler.declare(&parameter.name);
        }
        let rules = compiler.rules(&raw.rules)?;
        Ok(Self { parameters, rules, slots: compiler.slots })
    }
}

fn parameter(name: &str, declared: &Json) -> Result<Declared, RuleSetError> {
    let at = || format!("/parameters/{name}");
    let raw = RawParameter::deserialize(declared).map_err(|e| RuleSetError::new(at(), e))?;
    let kind = match raw.kind.to_ascii_lowercase().as_str() {
        "string" => Kind::Text,
        "boolean" => Kind::Bool,
        "stringarray" => Kind::Texts,
        _ => return Err(RuleSetError::new(at(), format!("unknown type `{}`", raw.kind))),
    };
    let default = match (kind, raw.default) {
        (_, None) => None,
        (Kind::Text, Some(Json::String(text))) => Some(ParameterValue::Text(text)),
        (Kind::Bool, Some(Json::Bool(flag))) => Some(ParameterValue::Bool(flag)),
        (Kind::Texts, Some(list @ Json::Array(_))) => {
            Some(ParameterValue::Texts(serde_json::from_value(list).map_err(|e| RuleSetError::new(at(), e))?))
        }
        _ => return Err(RuleSetError::new(at(), "the default is of another type")),
    };
    Ok(Declared { name: name.to_owned(), kind, built_in: raw.built_in, required: raw.required, default })
}

/// Where the compiler stands: the names in scope with their slots, and the path to the rule.
struct Compiler {
    names: Vec<(String, usize)>,
    slots: usize,
    at: Vec<usize>,
}

impl Compiler {
    fn declare(&mut self, name: &str) -> usize {
        // A sibling's slot is used again: whatever it held can't be named here before it is set here.
        let slot = self.names.len();
        self.names.push((name.to_owned(), slot));
        self.slots = self.slots.max(self.names.len());
        slot
    }

    fn error(&self, what: impl ToString) -> RuleSetError {
        let at: String = self.at.iter().map(|index| format!("/rules/{index}")).collect();
        RuleSetError::new(at, what)
    }

    fn rules(&mut self, raw: &[RawRule]) -> Result<Vec<Rule>, RuleSetError> {
        if self.at.len() >= DEEPEST {
            return Err(self.error("rules nest too deep"));
        }
        let mut rules = Vec::with_capacity(raw.len());
        for (index, rule) in raw.iter().enumerate() {
            let names_outside = self.names.len();
            self.at.push(index);
            rules.push(self.rule(rule)?);
            self.at.pop();
            self.names.truncate(names_outside);
        }
        Ok(rules)
    }

    fn rule(&mut self, raw: &RawRule) -> Result<Rule, RuleSetError> {
        let mut conditions = Vec::with_capacity(raw.conditions.len());
        for condition in &raw.conditions {
            let call = self.call(&condition.function, &condition.argv, 0)?;
            let assign = condition.assign.as_deref().map(|name| self.declare(name));
            conditions.push(Condition { call, assign });
        }
        let action = match (raw.kind.as_str(), &raw.rules, &raw.error, &raw.endpoint) {
            ("tree", Some(rules), ..) => Action::Tree(self.rules(rules)?),
            ("error", _, Some(Json::String(message)), _) => Action::Refuse(self.template(message)?),
            ("endpoint", _, _, Some(endpoint)) => self.endpoint(endpoint)?,
            (kind, ..) => return Err(self.error(format!("a rule of type `{kind}` lacks its part"))),
        };
        Ok(Rule { conditions, action })
    }

    fn endpoint(&mut self, raw: &RawEndpoint) -> Result<Action, RuleSetError> {
        let url = match &raw.url {
            Json::String(text) => Url::Template(self.template(text)?),
            other => Url::Call(self.expression(other, 0)?),
        };
        let properties = self.members(&raw.properties, 0)?;
        let mut headers = Vec::with_capacity(raw.headers.len());
        for (name, values) in &raw.headers {
            let values = values.as_array().ok_or_else(|| self.error(format!("header `{name}` is not a list")))?;
            let values = values.iter().map(|value| self.expression(value, 0)).collect::<Result<_, _>>()?;
            headers.push((name.clone(), values));
        }
        Ok(Action::Endpoint { url, properties, headers })
    }

    fn members(&self, raw: &Map<String, Json>, depth: usize) -> Result<Vec<(String, Property)>, RuleSetError> {
        raw.iter().map(|(key, member)| Ok((key.clone(), self.property(member, depth + 1)?))).collect()
    }

    fn property(&self, raw: &Json, depth: usize) -> Result<Property, RuleSetError> {
        if depth > DEEPEST {
            return Err(self.error("properties nest too deep"));
        }
        Ok(match raw {
            Json::String(text) => Property::Text(self.template(text)?),
            Json::Array(items) => {
                Property::List(items.iter().map(|item| self.property(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Json::Object(members) => Property::Object(self.members(members, depth)?),
            plain => Property::Plain(plain.clone()),
        })
    }

    fn expression(&self, raw: &Json, depth: usize) -> Result<Expression, RuleSetError> {
        if depth > DEEPEST {
            return Err(self.error("expressions nest too deep"));
        }
        match raw {
            Json::String(text) => {
                let template = self.template(text)?;
                Ok(match template.constant() {
                    Some(text) => Expression::Constant(Constant::Text(text.to_owned())),
                    None => Expression::Template(template),
                })
            }
            Json::Bool(flag) => Ok(Expression::Constant(Constant::Bool(*flag))),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Ok(Expression::Constant(Constant::Integer(number))),
                None => Err(self.error(format!("`{number}` is not an integer"))),
            },
            Json::Object(members) => match members.get("ref").and_then(Json::as_str) {
                Some(name) => self.reference(name),
                None => {
                    let call = RawCall::deserialize(raw).map_err(|e| self.error(e))?;
                    self.call(&call.function, &call.argv, depth + 1)
                }
            },
            _ => Err(self.error("an argument is neither a text, a number, a boolean, a reference nor a call")),
        }
    }

    fn call(&self, name: &str, argv: &[Json], depth: usize) -> Result<Expression, RuleSetError> {
        if let ("getAttr", [of, Json::String(path)]) = (name, argv) {
            let of = Box::new(self.expression(of, depth + 1)?);
            return Ok(Expression::Attribute { of, path: self.path(path)? });
        }
        let function = Function::named(name).ok_or_else(|| self.error(format!("unknown function `{name}`")))?;
        if argv.len() != function.arity() {
            return Err(self.error(format!("`{name}` takes {} arguments, not {}", function.arity(), argv.len())));
        }
        let arguments = argv.iter().map(|argument| self.expression(argument, depth + 1)).collect::<Result<_, _>>()?;
        Ok(Expression::Call { function, arguments })
    }

    fn reference(&self, name: &str) -> Result<Expression, RuleSetError> {
        let known = self.names.iter().rev().find(|(known, _)| known == name);
        known.map(|(_, slot)| Expression::Reference(*slot)).ok_or_else(|| self.error(format!("unknown name `{name}`")))
    }

    fn path(&self, text: &str) -> Result<Path, RuleSetError> {
        Path::parse(text).ok_or_else(|| self.error(format!("`{text}` is not a path")))
    }

    fn template(&self, text: &str) -> Result<Template, RuleSetError> {
        let reference = |name: &str, path: Option<&str>| {
            let reference = self.reference(name)?;
            Ok(match path {
                Some(path) => Expression::Attribute { of: Box::new(reference), path: self.path(path)? },
                None => reference,
            })
        };
        Template::compile(text, reference, || self.error(format!("unbalanced braces in `{text}`")))
    }
}
