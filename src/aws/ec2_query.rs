//! ec2's own query requests, which the SDK's query codec does not write.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>: names are capitalized, lists are always flat.

use aws_smithy_schema::Schema;
use aws_smithy_schema::serde::SerdeError;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::schema::{Graph, NodeIndex, NodeKind};
use super::shape::TimestampFormat;
use super::value::{Notation, blob, broken, mismatch, timestamp};

/// The form-encoded body of a request.
pub fn body(
    graph: &Graph,
    operation: &str,
    version: &str,
    input: &Map<String, Value>,
    notation: &Notation,
) -> Result<String, SerdeError> {
    let mut query = Query { graph, notation, text: format!("Action={operation}&Version={version}") };
    query.members(graph.root_index(), "", input)?;
    Ok(query.text)
}

struct Query<'q> {
    graph: &'q Graph,
    notation: &'q Notation,
    text: String,
}

impl Query<'_> {
    fn members(&mut self, node: NodeIndex, path: &str, input: &Map<String, Value>) -> Result<(), SerdeError> {
        let node = self.graph.node(node).ok_or_else(broken)?;
        let NodeKind::Structure(members) = &node.kind else { return Err(broken()) };
        for member in members {
            let name = if path.is_empty() { member.ec2_name.clone() } else { format!("{path}.{}", member.ec2_name) };
            match input.get(&member.name) {
                Some(Value::Null) => {}
                Some(value) => {
                    let schema = self.graph.schema(member.schema).ok_or_else(broken)?;
                    self.value(member.node, schema, &name, value)?;
                }
                None => {
                    if let (true, true, Some(token)) = (member.idempotency_token, path.is_empty(), &self.notation.token)
                    {
                        self.put(&name, token);
                    }
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, index: NodeIndex, schema: &Schema<'_>, path: &str, value: &Value) -> Result<(), SerdeError> {
        let node = self.graph.node(index).ok_or_else(broken)?;
        let bad = || mismatch(schema, node);
        match &node.kind {
            NodeKind::Structure(_) => self.members(index, path, value.as_object().ok_or_else(bad)?)?,
            NodeKind::List(element) => {
                let schema = self.graph.schema(element.schema).ok_or_else(broken)?;
                for (at, item) in value.as_array().ok_or_else(bad)?.iter().enumerate() {
                    self.value(element.node, schema, &format!("{path}.{}", at + 1), item)?;
                }
            }
            NodeKind::Timestamp => {
                let own = schema.timestamp_format().map(|format| format.format());
                let format = match own.or(node.timestamp_format.map(TimestampFormat::into)) {
                    Some(aws_smithy_schema::traits::TimestampFormat::EpochSeconds) => Format::EpochSeconds,
                    Some(aws_smithy_schema::traits::TimestampFormat::HttpDate) => Format::HttpDate,
                    _ => Format::DateTime,
                };
                let text = timestamp(value).and_then(|moment| moment.fmt(format).ok());
                self.put(path, &text.ok_or_else(bad)?);
            }
            NodeKind::Blob => {
                let bytes = blob(value, self.notation).ok_or_else(bad)?;
                self.put(path, &BASE64.encode(bytes));
            }
            NodeKind::String => self.put(path, value.as_str().ok_or_else(bad)?),
            NodeKind::Boolean => self.put(path, if value.as_bool().ok_or_else(bad)? { "true" } else { "false" }),
            NodeKind::Integer | NodeKind::Long if value.is_i64() => self.put(path, &value.to_string()),
            NodeKind::Float | NodeKind::Double => match value {
                Value::Number(number) => self.put(path, &number.to_string()),
                Value::String(odd) => self.put(path, odd),
                _ => return Err(bad()),
            },
            NodeKind::Integer | NodeKind::Long | NodeKind::Map(_) | NodeKind::Document => return Err(bad()),
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: &str) {
        self.text.push('&');
        self.text.push_str(name);
        self.text.push('=');
        self.text.push_str(&encoded(value));
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}
