//! `undo` in a manifest: one way, or a list of them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::RawUndo;

/// The ways to undo a call, as they are written.
#[derive(Debug)]
pub(in crate::manifest) enum RawUndos {
    /// `undo: { ... }`
    One(RawUndo),
    /// `undo: [ ... ]`
    Several(Vec<RawUndo>),
}

impl RawUndos {
    /// Each way, with the JSON pointer of where it is written.
    pub(in crate::manifest) fn iter(&self) -> impl Iterator<Item = (String, &RawUndo)> {
        let (ways, several) = match self {
            Self::One(way) => (std::slice::from_ref(way), false),
            Self::Several(ways) => (ways.as_slice(), true),
        };
        let pointer = move |index| if several { format!("/undo/{index}") } else { "/undo".to_owned() };
        ways.iter().enumerate().map(move |(index, way)| (pointer(index), way))
    }
}

impl<'de> Deserialize<'de> for RawUndos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// The schema of [`RawUndos`]. What it is decides which form counts, so that slips are told in that form's words.
pub(in crate::manifest) struct Undo;

impl JsonSchema for Undo {
    fn schema_name() -> Cow<'static, str> {
        "Undo".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let way = generator.subschema_for::<RawUndo>();
        json_schema!({
            "type": ["object", "array"],
            "if": { "type": "array" },
            "then": { "items": way, "minItems": 1 },
            "else": way,
        })
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = RawUndos;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a way to undo the call, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawUndos, A::Error> {
        RawUndo::deserialize(MapAccessDeserializer::new(map)).map(RawUndos::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawUndos, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(RawUndos::Several)
    }
}
