//! JSON values to and from the SDK's codecs, led by a schema graph.

use aws_smithy_schema::serde::{SerdeError, SerializableStruct, ShapeDeserializer, ShapeSerializer};
use aws_smithy_schema::{Schema, prelude};
use aws_smithy_types::date_time::Format;
use aws_smithy_types::{Blob, DateTime, Document, Number};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::schema::{Element, Graph, MemberNode, Node, NodeIndex, NodeKind};

/// How JSON holds what it has no type for, and what stands in for a missing idempotency token.
#[derive(Clone, Debug)]
pub struct Notation {
    /// Blobs are base64; otherwise plain text.
    pub base64_blobs: bool,
    /// Moments are RFC 3339 text; otherwise epoch seconds.
    pub text_timestamps: bool,
    /// Fills a top-level idempotency token that the caller left out; `None` leaves it out.
    pub token: Option<String>,
}

impl Default for Notation {
    fn default() -> Self {
        Self { base64_blobs: true, text_timestamps: true, token: None }
    }
}

/// A JSON object as an operation's input, to be written by a codec.
pub struct InputValue<'v> {
    graph: &'v Graph,
    schema: &'v Schema<'v>,
    members: &'v [MemberNode],
    value: &'v Map<String, Value>,
    notation: &'v Notation,
    top: bool,
}

impl<'v> InputValue<'v> {
    /// Takes `value` as the input that `graph` was built for.
    pub fn new(graph: &'v Graph, value: &'v Map<String, Value>, notation: &'v Notation) -> Result<Self, SerdeError> {
        let schema = graph.root_schema().ok_or_else(broken)?;
        Ok(Self { graph, schema, members: graph.root_members(), value, notation, top: true })
    }
}

impl SerializableStruct for InputValue<'_> {
    fn schema(&self) -> &Schema<'_> {
        self.schema
    }

    fn serialize_members(&self, serializer: &mut dyn ShapeSerializer) -> Result<(), SerdeError> {
        let writer = Writer { graph: self.graph, notation: self.notation };
        for member in self.members {
            match self.value.get(&member.name) {
                Some(Value::Null) => {}
                Some(value) => writer.member(member, value, serializer)?,
                None => {
                    if let (true, true, Some(token)) = (member.idempotency_token, self.top, &self.notation.token) {
                        serializer.write_string(self.graph.schema(member.schema).ok_or_else(broken)?, token)?;
                    }
                }
            }
        }
        Ok(())
    }
}

struct Writer<'v> {
    graph: &'v Graph,
    notation: &'v Notation,
}

impl<'v> Writer<'v> {
    fn member(&self, member: &MemberNode, value: &Value, to: &mut dyn ShapeSerializer) -> Result<(), SerdeError> {
        let schema = self.graph.schema(member.payload_schema.unwrap_or(member.schema)).ok_or_else(broken)?;
        if member.jsonvalue {
            return match value {
                Value::String(text) => to.write_string(schema, text),
                other => to.write_string(schema, &other.to_string()),
            };
        }
        self.write(member.node, schema, value, to)
    }

    /// `schema` is the member's for members; for elements of lists and maps it is the shape's own, without a name.
    fn write(
        &self,
        node: NodeIndex,
        schema: &Schema<'_>,
        value: &Value,
        to: &mut dyn ShapeSerializer,
    ) -> Result<(), SerdeError> {
        let node = self.graph.node(node).ok_or_else(broken)?;
        let bad = || mismatch(schema, node);
        match &node.kind {
            NodeKind::Structure(members) => {
                let structure = InputValue {
                    graph: self.graph,
                    schema: self.graph.schema(node.schema).ok_or_else(broken)?,
                    members,
                    value: value.as_object().ok_or_else(bad)?,
                    notation: self.notation,
                    top: false,
                };
                to.write_struct(schema, &structure)
            }
            NodeKind::Document => to.write_document(schema, &document(value)),
            NodeKind::List(element) => {
                let items = value.as_array().ok_or_else(bad)?;
                to.write_list_with_length(schema, items.len(), &|to| {
                    items.iter().try_for_each(|item| self.element(*element, item, to))
                })
            }
            NodeKind::Map(element) => {
                let entries = value.as_object().ok_or_else(bad)?;
                to.write_map_with_length(schema, entries.len(), &|to| {
                    entries.iter().try_for_each(|(key, item)| {
                        to.write_string(&prelude::STRING, key)?;
                        self.element(*element, item, to)
                    })
                })
            }
            NodeKind::Boolean => to.write_boolean(schema, value.as_bool().ok_or_else(bad)?),
            NodeKind::Integer => {
                let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
                to.write_integer(schema, number.ok_or_else(bad)?)
            }
            NodeKind::Long => to.write_long(schema, value.as_i64().ok_or_else(bad)?),
            #[expect(clippy::cast_possible_truncation, reason = "the shape holds 32 bits")]
            NodeKind::Float => to.write_float(schema, float(value).ok_or_else(bad)? as f32),
            NodeKind::Double => to.write_double(schema, float(value).ok_or_else(bad)?),
            NodeKind::String => to.write_string(schema, value.as_str().ok_or_else(bad)?),
            NodeKind::Blob => to.write_blob(schema, Blob::new(blob(value, self.notation).ok_or_else(bad)?)),
            NodeKind::Timestamp => to.write_timestamp(schema, &timestamp(value).ok_or_else(bad)?),
        }
    }

    fn element(&self, element: Element, item: &Value, to: &mut dyn ShapeSerializer) -> Result<(), SerdeError> {
        let node = self.graph.node(element.node).ok_or_else(broken)?;
        let schema = self.graph.schema(node.schema).ok_or_else(broken)?;
        if item.is_null() { to.write_null(schema) } else { self.write(element.node, schema, item, to) }
    }
}

/// Reads the value that `graph` was built for.
pub fn read(graph: &Graph, from: &mut dyn ShapeDeserializer, notation: &Notation) -> Result<Value, SerdeError> {
    let schema = graph.root_schema().ok_or_else(broken)?;
    Reader { graph, notation }.root(schema, from)
}

struct Reader<'v> {
    graph: &'v Graph,
    notation: &'v Notation,
}

impl Reader<'_> {
    fn root(&self, schema: &Schema<'_>, from: &mut dyn ShapeDeserializer) -> Result<Value, SerdeError> {
        match self.graph.root().map(|node| &node.kind) {
            Some(NodeKind::Structure(members)) => self.structure(schema, members, from),
            _ => Err(broken()),
        }
    }

    fn structure(
        &self,
        schema: &Schema<'_>,
        members: &[MemberNode],
        from: &mut dyn ShapeDeserializer,
    ) -> Result<Value, SerdeError> {
        let mut object = Map::new();
        from.read_struct(schema, &mut |schema, from| {
            let Some(member) = schema.member_index().and_then(|at| members.get(at)) else { return from.skip_value() };
            if from.is_null() {
                return from.read_null();
            }
            let value = if member.jsonvalue {
                serde_json::from_str(&from.read_string(schema)?)
                    .map_err(|error| SerdeError::custom(error.to_string()))?
            } else {
                self.value(member.node, schema, from)?
            };
            object.insert(member.name.clone(), value);
            Ok(())
        })?;
        Ok(Value::Object(object))
    }

    fn value(
        &self,
        node: NodeIndex,
        schema: &Schema<'_>,
        from: &mut dyn ShapeDeserializer,
    ) -> Result<Value, SerdeError> {
        let node = self.graph.node(node).ok_or_else(broken)?;
        Ok(match &node.kind {
            NodeKind::Structure(members) => {
                self.structure(self.graph.schema(node.schema).ok_or_else(broken)?, members, from)?
            }
            NodeKind::Document => from_document(&from.read_document(schema)?),
            NodeKind::List(element) => {
                let mut items = Vec::new();
                from.read_list(schema, &mut |from| {
                    items.push(self.element(*element, from)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            NodeKind::Map(element) => {
                let mut entries = Map::new();
                from.read_map(schema, &mut |key, from| {
                    entries.insert(key, self.element(*element, from)?);
                    Ok(())
                })?;
                Value::Object(entries)
            }
            NodeKind::Boolean => Value::from(from.read_boolean(schema)?),
            NodeKind::Integer => Value::from(from.read_integer(schema)?),
            NodeKind::Long => Value::from(from.read_long(schema)?),
            NodeKind::Float => {
                // by way of text, so that 0.1 stays 0.1
                let number = from.read_float(schema)?;
                from_float(number.to_string().parse().unwrap_or(f64::from(number)))
            }
            NodeKind::Double => from_float(from.read_double(schema)?),
            NodeKind::String => Value::from(from.read_string(schema)?),
            NodeKind::Blob => Value::from(blob_text(from.read_blob(schema)?.as_ref(), self.notation)),
            NodeKind::Timestamp => self.timestamp(&from.read_timestamp(schema)?)?,
        })
    }

    fn element(&self, element: Element, from: &mut dyn ShapeDeserializer) -> Result<Value, SerdeError> {
        if from.is_null() {
            from.read_null()?;
            return Ok(Value::Null);
        }
        self.value(element.node, self.graph.schema(element.schema).ok_or_else(broken)?, from)
    }

    fn timestamp(&self, moment: &DateTime) -> Result<Value, SerdeError> {
        if self.notation.text_timestamps {
            let text = moment.fmt(Format::DateTime).map_err(|error| SerdeError::custom(error.to_string()))?;
            return Ok(Value::from(text));
        }
        if moment.subsec_nanos() == 0 { Ok(Value::from(moment.secs())) } else { Ok(from_float(moment.as_secs_f64())) }
    }
}

/// A moment given as RFC 3339 text or epoch seconds.
pub(crate) fn timestamp(value: &Value) -> Option<DateTime> {
    match value {
        Value::Number(seconds) => match seconds.as_i64() {
            Some(whole) => Some(DateTime::from_secs(whole)),
            None => seconds.as_f64().map(DateTime::from_secs_f64),
        },
        Value::String(text) => DateTime::from_str(text, Format::DateTimeWithOffset).ok(),
        _ => None,
    }
}

/// The bytes of a blob.
pub(crate) fn blob(value: &Value, notation: &Notation) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    if notation.base64_blobs { BASE64.decode(text).ok() } else { Some(text.as_bytes().to_vec()) }
}

/// A blob's bytes as JSON holds them.
pub(crate) fn blob_text(bytes: &[u8], notation: &Notation) -> String {
    if notation.base64_blobs { BASE64.encode(bytes) } else { String::from_utf8_lossy(bytes).into_owned() }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        other => other.as_f64(),
    }
}

fn from_float(number: f64) -> Value {
    let odd = match number {
        number if number.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        number => return Value::from(number),
    };
    Value::from(odd)
}

fn document(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(truth) => Document::Bool(*truth),
        Value::Number(number) => Document::Number(match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => Number::PosInt(positive),
            (None, Some(negative)) => Number::NegInt(negative),
            (None, None) => Number::Float(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Value::String(text) => Document::String(text.clone()),
        Value::Array(items) => Document::Array(items.iter().map(document).collect()),
        Value::Object(entries) => {
            Document::Object(entries.iter().map(|(key, item)| (key.clone(), document(item))).collect())
        }
    }
}

fn from_document(document: &Document) -> Value {
    match document {
        Document::Null => Value::Null,
        Document::Bool(truth) => Value::from(*truth),
        Document::Number(Number::PosInt(number)) => Value::from(*number),
        Document::Number(Number::NegInt(number)) => Value::from(*number),
        Document::Number(Number::Float(number)) => from_float(*number),
        Document::String(text) => Value::from(text.clone()),
        Document::Array(items) => Value::Array(items.iter().map(from_document).collect()),
        Document::Object(entries) => {
            Value::Object(entries.iter().map(|(key, item)| (key.clone(), from_document(item))).collect())
        }
    }
}

pub(crate) fn broken() -> SerdeError {
    SerdeError::custom("the schema graph lacks a part of itself")
}

pub(crate) fn mismatch(schema: &Schema<'_>, node: &Node) -> SerdeError {
    let at = schema.member_name().map(|member| format!("`{member}`: ")).unwrap_or_default();
    SerdeError::custom(format!("{at}the value does not fit the shape `{}`", node.name))
}
