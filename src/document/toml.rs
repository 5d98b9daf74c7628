//! Reads TOML, keeping the place of every value.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml_edit::{Document as TomlDocument, Item, TableLike, TomlError};

use super::{DEEPEST, Document, Place, Problem, Problems, Source};
use crate::manifest::template::join_pointer;

/// Reads a text. The parser itself refuses duplicate keys.
pub(super) fn read(source: Source) -> Result<Document, Problems> {
    let document = TomlDocument::parse(source.text().to_owned()).map_err(|error| syntax(&source, &error))?;
    let mut reader = Reader { source: &source, places: HashMap::new() };
    let value = reader.table(document.as_table(), "", 0)?;
    let mut places = reader.places;
    places.insert(String::new(), Place::default());
    Ok(Document { value, places, source })
}

fn syntax(source: &Source, error: &TomlError) -> Problem {
    let message = error.message().lines().next().unwrap_or_default().to_owned();
    source.problem(error.span().unwrap_or(0..0), format!("this is not TOML: {message}"), "correct it")
}

struct Reader<'a> {
    source: &'a Source,
    places: HashMap<String, Place>,
}

impl Reader<'_> {
    fn table(&mut self, table: &dyn TableLike, pointer: &str, depth: usize) -> Result<Value, Problem> {
        let mut members = Map::new();
        for (name, item) in table.iter() {
            let key = table.key(name).and_then(toml_edit::Key::span);
            let value = self.item(item, &join_pointer(pointer, name), key, depth + 1)?;
            members.insert(name.to_owned(), value);
        }
        Ok(Value::Object(members))
    }

    fn item(&mut self, item: &Item, pointer: &str, key: Option<Range<usize>>, depth: usize) -> Result<Value, Problem> {
        let bytes = item.span().or(key.clone()).unwrap_or(0..0);
        if depth > DEEPEST {
            return Err(self.source.problem(bytes, "the values are nested too deep", "write it flatter"));
        }
        self.places.insert(pointer.to_owned(), Place { key, value: bytes.clone() });
        match item {
            Item::None => Ok(Value::Null),
            Item::Table(table) => self.table(table, pointer, depth),
            Item::ArrayOfTables(tables) => tables
                .iter()
                .enumerate()
                .map(|(index, table)| {
                    let pointer = join_pointer(pointer, &index.to_string());
                    self.places.insert(pointer.clone(), Place { key: None, value: table.span().unwrap_or(0..0) });
                    self.table(table, &pointer, depth + 1)
                })
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Item::Value(value) => self.value(value, pointer, depth),
        }
    }

    fn value(&mut self, value: &toml_edit::Value, pointer: &str, depth: usize) -> Result<Value, Problem> {
        let bytes = value.span().unwrap_or(0..0);
        if depth > DEEPEST {
            return Err(self.source.problem(bytes, "the values are nested too deep", "write it flatter"));
        }
        match value {
            toml_edit::Value::String(text) => Ok(Value::String(text.value().clone())),
            toml_edit::Value::Integer(number) => Ok(Value::from(*number.value())),
            toml_edit::Value::Boolean(flag) => Ok(Value::Bool(*flag.value())),
            toml_edit::Value::Float(number) => Number::from_f64(*number.value())
                .map(Value::Number)
                .ok_or_else(|| self.source.problem(bytes, "this number is not finite", "write a number")),
            toml_edit::Value::Datetime(_) => {
                Err(self.source.problem(bytes, "no date is expected anywhere", "put it into quotes if it is a text"))
            }
            toml_edit::Value::InlineTable(table) => self.table(table, pointer, depth),
            toml_edit::Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let pointer = join_pointer(pointer, &index.to_string());
                    let place = Place { key: None, value: item.span().unwrap_or(bytes.clone()) };
                    self.places.insert(pointer.clone(), place);
                    self.value(item, &pointer, depth + 1)
                })
                .collect::<Result<_, _>>()
                .map(Value::Array),
        }
    }
}
