//! A role as it is deployed: policy documents as IAM gives them back.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::condition::Condition;

/// A deployed role.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// Its ARN, as IAM gives it back.
    pub arn: String,
    /// Who may assume it.
    pub trust: Policy,
    /// What it can do: attached and inline policies, AWS's own left out.
    pub policies: Vec<Policy>,
    /// Names of AWS's managed policies that are attached.
    pub managed: Vec<String>,
    /// The most it can do; `None` where it has no boundary.
    pub boundary: Option<Bounds>,
}

/// A deployed permission boundary.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The name of AWS's managed policy that it is; `None` where it is the account's own.
    pub of_aws: Option<String>,
    /// What it allows.
    pub policy: Policy,
}

/// A policy document.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Its name, for people.
    pub name: String,
    /// Its statements.
    pub statements: Vec<Statement>,
}

/// A statement of a policy.
#[derive(Clone, Debug)]
pub struct Statement {
    /// True where it allows, false where it denies.
    pub allows: bool,
    /// Which actions.
    pub actions: Matcher,
    /// Which resources; of a trust policy none.
    pub resources: Matcher,
    /// To whom, in a trust policy.
    pub principals: Principals,
    /// Operator, key and values.
    pub conditions: BTreeSet<Condition>,
}

/// `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principals {
    /// There is no such element.
    None,
    /// Those that are named, by kind and name, such as `AWS` and an ARN; anybody is `*` and `*`.
    Some(Vec<(String, String)>),
    /// All but those that are named: nobody can say who that is.
    NoneOf,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// What one of the patterns matches.
    Any(Vec<String>),
    /// What none of them matches.
    NoneOf(Vec<String>),
}

/// A document that can't be understood, so that nobody knows what it allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy `{name}` can't be understood: {what}")]
pub struct NotUnderstood {
    name: String,
    what: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawDocument {
    #[serde(rename = "Version")]
    _version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawStatement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: String,
    #[serde(default)]
    principal: Value,
    #[serde(default)]
    not_principal: Value,
    action: Option<Value>,
    not_action: Option<Value>,
    resource: Option<Value>,
    not_resource: Option<Value>,
    #[serde(default)]
    condition: Map<String, Value>,
}

impl Policy {
    /// Reads a document: JSON, percent-encoded as IAM gives it back, or plain.
    ///
    /// # Errors
    /// Where it is not a policy.
    pub fn parse(name: &str, text: &str) -> Result<Self, NotUnderstood> {
        let wrong = |what: String| NotUnderstood { name: name.to_owned(), what };
        let plain = if text.trim_start().starts_with('{') { text.to_owned() } else { decoded(text) };
        let raw: RawDocument = serde_json::from_str(&plain).map_err(|error| wrong(error.to_string()))?;
        let written = match raw.statement {
            Value::Array(items) => items,
            one => vec![one],
        };
        let statements = written.into_iter().map(|value| Statement::of(value).map_err(&wrong));
        Ok(Self { name: name.to_owned(), statements: statements.collect::<Result<_, _>>()? })
    }
}

impl Statement {
    fn of(value: Value) -> Result<Self, String> {
        let raw: RawStatement = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let allows = match raw.effect.as_str() {
            "Allow" => true,
            "Deny" => false,
            other => return Err(format!("`{other}` is no effect")),
        };
        let mut conditions = BTreeSet::new();
        for (operator, keys) in &raw.condition {
            let keys = keys.as_object().ok_or("a condition has no keys")?;
            for (key, values) in keys {
                conditions.insert((operator.clone(), key.clone(), texts(values)?));
            }
        }
        Ok(Self {
            allows,
            actions: matcher(raw.action, raw.not_action)?.ok_or("it names no actions")?,
            resources: matcher(raw.resource, raw.not_resource)?.unwrap_or(Matcher::Any(Vec::new())),
            principals: principals(&raw.principal, &raw.not_principal)?,
            conditions,
        })
    }
}

fn principals(any: &Value, none_of: &Value) -> Result<Principals, String> {
    if !none_of.is_null() {
        return Ok(Principals::NoneOf);
    }
    Ok(match any {
        Value::Null => Principals::None,
        Value::String(name) if name == "*" => Principals::Some(vec![("*".to_owned(), "*".to_owned())]),
        Value::Object(kinds) => {
            let mut named = Vec::new();
            for (kind, names) in kinds {
                named.extend(texts(names)?.into_iter().map(|name| (kind.clone(), name)));
            }
            Principals::Some(named)
        }
        other => return Err(format!("`{other}` is no principal")),
    })
}

fn matcher(any: Option<Value>, none_of: Option<Value>) -> Result<Option<Matcher>, String> {
    Ok(match (any, none_of) {
        (Some(_), Some(_)) => return Err("it names both what it takes and what it doesn't".to_owned()),
        (Some(any), None) => Some(Matcher::Any(texts(&any)?)),
        (None, Some(none_of)) => Some(Matcher::NoneOf(texts(&none_of)?)),
        (None, None) => None,
    })
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(format!("`{value}` is no text")),
    };
    match value {
        Value::Array(items) => items.iter().map(one).collect(),
        single => one(single).map(|text| vec![text]),
    }
}

/// RFC 3986's percent-encoding undone.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documents_are_read_as_iam_writes_them() {
        let text = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A\
                    %22ec2%3A%2A%22%2C%22Resource%22%3A%5B%22*%22%5D%7D%7D";
        let policy = Policy::parse("p", text).unwrap();
        let statement = policy.statements.first().unwrap();
        assert!(statement.allows);
        assert_eq!(statement.actions, Matcher::Any(vec!["ec2:*".to_owned()]));
        let wrong = |text: &str| Policy::parse("p", text).unwrap_err().to_string();
        let none_of = r#"{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "*"}, "Action": "*"}}"#;
        assert_eq!(Policy::parse("p", none_of).unwrap().statements[0].principals, Principals::NoneOf);
        assert!(
            wrong(r#"{"Statement": {"Effect": "Allow", "Principal": "me", "Action": "*"}}"#).contains("no principal")
        );
        assert!(wrong("{}").contains("Statement"));
        assert!(wrong(r#"{"Statement": {"Effect": "Maybe", "Action": "*"}}"#).contains("`Maybe` is no effect"));
        assert!(wrong(r#"{"Statement": {"Effect": "Allow", "Acton": "*"}}"#).contains("Acton"));
        assert!(wrong(r#"{"Statement": {"Effect": "Allow", "Resource": "*"}}"#).contains("names no actions"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = Policy::parse("p", &text);
            let _ = decoded(&text);
        }
    }
}
