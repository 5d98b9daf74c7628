//! Documents people write (YAML, TOML): read whole, with the place of every value, so that every complaint can point.
//!
//! [`read`] gives a [`Document`]; [`schema`] checks it against a JSON Schema; a [`Problem`] tells what is wrong, where,
//! and what to do. Problems are collected and shown all at once.

pub mod folder;
pub mod problem;
pub mod schema;
mod toml;
mod yaml;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use problem::{Problem, Problems};

/// Files longer than this are refused, in bytes.
pub const LONGEST: usize = 256 << 10;

/// Values nested deeper than this are refused.
const DEEPEST: usize = 48;

/// What language a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// YAML 1.2, without anchors and tags.
    Yaml,
    /// TOML 1.
    Toml,
}

/// A document that was read: its value, and the place of every part of it.
#[derive(Debug)]
pub struct Document {
    value: Value,
    places: HashMap<String, Place>,
    source: Source,
}

/// A text and where it came from.
#[derive(Clone, Debug)]
pub struct Source {
    path: Arc<Path>,
    text: Arc<str>,
}

/// Where a value stands, in bytes.
#[derive(Clone, Debug, Default)]
struct Place {
    key: Option<Range<usize>>,
    value: Range<usize>,
}

impl Source {
    /// A text with the name of its file.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into().into(), text: text.into() }
    }

    /// Reads a file. One that is missing, unreadable, too long or not UTF-8 is a problem.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let empty = Self::new(path, "");
        let failed = |what: String, mend: &str| empty.problem(0..0, what, mend);
        let length = std::fs::metadata(path)
            .map_err(|error| failed(format!("the file can't be read: {error}"), "check the path and its permissions"))?
            .len();
        if length > LONGEST as u64 {
            return Err(failed(format!("the file has {length} bytes, at most {LONGEST} are read"), "split it"));
        }
        let bytes = std::fs::read(path).map_err(|error| {
            failed(format!("the file can't be read: {error}"), "check the path and its permissions")
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            failed(format!("the file is not UTF-8, from byte {at} on"), "save it as UTF-8")
        })?;
        Ok(Self::new(path, text))
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A problem at some bytes of the text.
    pub fn problem(&self, bytes: Range<usize>, message: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem::new(self.clone(), bytes, message.into(), mend.into())
    }
}

/// Reads a document. Syntax errors, duplicate keys, several documents in one and too deep nesting are problems.
pub fn read(source: Source, language: Language) -> Result<Document, Problems> {
    if source.text.len() > LONGEST {
        let message = format!("the text has {} bytes, at most {LONGEST} are read", source.text.len());
        return Err(Problems::from(source.problem(0..0, message, "split it")));
    }
    match language {
        Language::Yaml => yaml::read(source),
        Language::Toml => toml::read(source),
    }
}

impl Document {
    /// The whole value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The text it was read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Takes the value into a type. What [`schema::check`] has passed does not fail here.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        T::deserialize(&self.value).map_err(|error| {
            self.problem(
                "",
                error.to_string(),
                "`countersign manifest check` and `countersign config check` tell where",
            )
        })
    }

    /// A problem at the value that a JSON pointer names.
    pub fn problem(&self, pointer: &str, message: impl Into<String>, mend: impl Into<String>) -> Problem {
        self.source.problem(self.place(pointer).value, message, mend)
    }

    /// A problem at a key.
    pub fn problem_at_key(&self, pointer: &str, message: impl Into<String>, mend: impl Into<String>) -> Problem {
        let place = self.place(pointer);
        self.source.problem(place.key.unwrap_or(place.value), message, mend)
    }

    /// A problem at one character (from 1) of the text that a JSON pointer names.
    pub fn problem_within(
        &self,
        pointer: &str,
        column: usize,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Problem {
        let bytes = self.place(pointer).value;
        let written = self.source.text.get(bytes.clone()).unwrap_or_default();
        let value = self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let quote = usize::from(written.starts_with(['"', '\'']));
        let inner = written.get(quote..).unwrap_or_default();
        // escapes and folded lines move characters: then the whole text is pointed at
        let exact = inner.starts_with(value).then(|| value.char_indices().nth(column.saturating_sub(1))).flatten();
        let bytes = match exact {
            Some((offset, c)) => {
                let start = bytes.start + quote + offset;
                start..start + c.len_utf8()
            }
            None => bytes,
        };
        self.source.problem(bytes, message, mend)
    }

    /// The place of a value, or of the nearest value around it that has one.
    fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return place.clone();
            }
            match pointer.rfind('/') {
                Some(at) => pointer = pointer.get(..at).unwrap_or_default(),
                None => return Place::default(),
            }
        }
    }
}
