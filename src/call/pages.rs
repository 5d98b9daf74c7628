//! How an operation's answer goes on, by the paginators of AWS's models.

use serde_json::{Map, Value};

use crate::aws::models::{ModelError, Models};
use crate::manifest::expression::{BadExpression, Expression, NotEvaluated};
use crate::names::OperationId;

/// Parts of names, in lower case, of what says that an answer is not all of it.
const CUT: [&str; 4] = ["token", "marker", "truncated", "hasmore"];

/// Why the next page can't be had.
#[derive(Debug, thiserror::Error)]
pub enum NotFollowed {
    /// There is more, and nothing says how to get it.
    #[error("AWS gives only a part of them")]
    Cut,
    /// The model's expression fails over the answer.
    #[error(transparent)]
    NotEvaluated(#[from] NotEvaluated),
    /// The model can't be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model's paginator is odd.
    #[error("AWS's paginator can't be followed: {0}")]
    Paginator(#[from] BadExpression),
}

/// How an operation's answer goes on.
#[derive(Debug)]
pub struct Pages(Kind);

#[derive(Debug)]
enum Kind {
    /// In botocore's words: members of the input by what is put into them, and what says that there is more.
    Known { tokens: Vec<(String, Expression)>, more: Option<Expression>, limit: Option<String> },
    /// There is no paginator.
    Unknown,
}

impl Pages {
    /// How the answers of an operation go on, by its service's model.
    ///
    /// # Errors
    /// Where the model can't be read.
    pub fn of(operation: &OperationId, models: &Models) -> Result<Self, NotFollowed> {
        let (service, _) = models.operation(operation)?;
        let Some(paginator) = service.paginator(operation.name())? else { return Ok(Self(Kind::Unknown)) };
        let texts = |key: &str| match paginator.get(key) {
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(text)) => vec![text.clone()],
            _ => Vec::new(),
        };
        let (inputs, outputs) = (texts("input_token"), texts("output_token"));
        let tokens = inputs.into_iter().zip(&outputs).map(|(input, output)| Ok((input, Expression::compile(output)?)));
        let tokens = tokens.collect::<Result<_, BadExpression>>()?;
        let more = texts("more_results").first().map(|text| Expression::compile(text)).transpose()?;
        let limit = texts("limit_key").into_iter().next();
        Ok(Self(Kind::Known { tokens, more, limit }))
    }

    /// The member of the input that says how long a page is.
    pub fn limit(&self) -> Option<&str> {
        match &self.0 {
            Kind::Known { limit, .. } => limit.as_deref(),
            Kind::Unknown => None,
        }
    }

    /// What is put into the input for the next page; `None` after the last one.
    ///
    /// # Errors
    /// Where there is more, and no way to it.
    pub fn next(&self, output: &Value) -> Result<Option<Map<String, Value>>, NotFollowed> {
        let there = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && value != "";
        let Kind::Known { tokens, more, .. } = &self.0 else {
            let says_cut = |name: &str| CUT.iter().any(|part| name.to_lowercase().contains(part));
            let mut members = output.as_object().into_iter().flatten();
            let cut = members.any(|(name, value)| says_cut(name) && there(value));
            return if cut { Err(NotFollowed::Cut) } else { Ok(None) };
        };
        if let Some(more) = more
            && !there(&more.search(output)?)
        {
            return Ok(None);
        }
        let mut next = Map::new();
        for (member, token) in tokens {
            let token = token.search(output)?;
            if there(&token) {
                next.insert(member.clone(), token);
            }
        }
        match (next.is_empty(), more) {
            (false, _) => Ok(Some(next)),
            (true, None) => Ok(None),
            (true, Some(_)) => Err(NotFollowed::Cut),
        }
    }
}
