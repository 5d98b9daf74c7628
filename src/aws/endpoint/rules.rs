//! The compiled form of a rule set, and how its expressions are evaluated.

use serde_json::Value as Json;

use super::functions::Function;
use super::template::Template;
use super::value::{Path, Value};
use super::{EndpointError, Scope};

/// One rule: conditions, then what follows where all hold.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: Action,
}

/// A call that must give something other than nothing and `false`; its result can be kept under a name.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) call: Expression,
    pub(super) assign: Option<usize>,
}

/// What a rule does.
#[derive(Debug)]
pub(super) enum Action {
    /// Goes on with these rules, and with these only.
    Tree(Vec<Rule>),
    /// Refuses.
    Refuse(Template),
    /// Answers.
    Endpoint { url: Url, properties: Vec<(String, Property)>, headers: Vec<(String, Vec<Expression>)> },
}

/// A rule's address.
#[derive(Debug)]
pub(super) enum Url {
    Template(Template),
    Call(Expression),
}

/// A part of an endpoint's properties: JSON whose texts are templates.
#[derive(Debug)]
pub(super) enum Property {
    Text(Template),
    List(Vec<Property>),
    Object(Vec<(String, Property)>),
    Plain(Json),
}

impl Property {
    pub(super) fn render(&self, scope: &Scope<'_>) -> Result<Json, EndpointError> {
        Ok(match self {
            Self::Text(template) => Json::String(template.render(scope)?),
            Self::List(items) => Json::Array(items.iter().map(|item| item.render(scope)).collect::<Result<_, _>>()?),
            Self::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(key, member)| Ok((key.clone(), member.render(scope)?)))
                    .collect::<Result<_, EndpointError>>()?,
            ),
            Self::Plain(json) => json.clone(),
        })
    }
}

/// Something that has a value.
#[derive(Debug)]
pub(super) enum Expression {
    Constant(Constant),
    Template(Template),
    Reference(usize),
    Attribute { of: Box<Expression>, path: Path },
    Call { function: Function, arguments: Vec<Expression> },
}

/// A literal value.
#[derive(Debug)]
pub(super) enum Constant {
    Text(String),
    Bool(bool),
    Integer(i64),
}

impl Expression {
    pub(super) fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Result<Value<'a>, EndpointError> {
        Ok(match self {
            Self::Constant(Constant::Text(text)) => Value::text(text),
            Self::Constant(Constant::Bool(flag)) => Value::Bool(*flag),
            Self::Constant(Constant::Integer(number)) => Value::Integer(*number),
            Self::Template(template) => Value::owned(template.render(scope)?),
            Self::Reference(slot) => scope.get(*slot),
            Self::Attribute { of, path } => of.evaluate(scope)?.at(path),
            Self::Call { function, arguments } => function.call(arguments, scope)?,
        })
    }

    /// The value where it must be a text.
    pub(super) fn text(&self, scope: &Scope<'_>) -> Result<String, EndpointError> {
        match self.evaluate(scope)? {
            Value::Text(text) => Ok(text.into_owned()),
            other => Err(EndpointError::NoAnswer(format!("a text was expected, not {}", other.kind()))),
        }
    }
}
