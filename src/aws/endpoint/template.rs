//! Texts with references in braces, such as `https://ec2.{Region}.{PartitionResult#dnsSuffix}`.

use super::rules::Expression;
use super::value::Value;
use super::{EndpointError, Scope};

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Of(Box<Expression>),
}

impl Template {
    /// Compiles a text; `reference` resolves what stands between braces (name, and path after `#`).
    pub(super) fn compile<E>(
        text: &str,
        mut reference: impl FnMut(&str, Option<&str>) -> Result<Expression, E>,
        unbalanced: impl Fn() -> E,
    ) -> Result<Self, E> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.next_if_eq(&c).is_some() => literal.push(c),
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(c) => name.push(c),
                            None => return Err(unbalanced()),
                        }
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    let (name, path) = name.split_once('#').map_or((name.as_str(), None), |(n, p)| (n, Some(p)));
                    parts.push(Part::Of(Box::new(reference(name, path)?)));
                }
                '}' => return Err(unbalanced()),
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The text, where nothing is to be filled in.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn render(&self, scope: &Scope<'_>) -> Result<String, EndpointError> {
        let mut text = String::with_capacity(64);
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Of(expression) => match expression.evaluate(scope)? {
                    Value::Text(value) => text.push_str(&value),
                    other => {
                        let message = format!("a template needs a text and finds {}", other.kind());
                        return Err(EndpointError::NoAnswer(message));
                    }
                },
            }
        }
        Ok(text)
    }
}
