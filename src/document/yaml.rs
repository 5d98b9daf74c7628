//! Reads YAML from the parser's events: no anchors, no tags, one document, every key once.

use std::collections::HashMap;
use std::ops::Range;

use saphyr::{Scalar, ScanError};
use saphyr_parser::{Event, Parser, Span};
use serde_json::{Map, Number, Value};

use super::{DEEPEST, Document, Place, Problem, Problems, Source};
use crate::manifest::template::join_pointer;

/// Reads the one document of a text. Duplicate keys are all told; any other error ends the reading.
pub(super) fn read(source: Source) -> Result<Document, Problems> {
    let bytes = ByteOffsets::of(source.text());
    let text = source.text().to_owned();
    let mut reader = Reader {
        source: &source,
        bytes,
        open: Vec::new(),
        places: HashMap::new(),
        root: None,
        documents: 0,
        problems: Problems::new(),
    };
    let mut parser = Parser::new_from_str(&text);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => reader.take(event, span),
            Err(error) => Err(reader.syntax(&error)),
        };
        if let Err(problem) = step {
            reader.problems.push(problem);
            break;
        }
    }
    let Reader { root, places, mut problems, .. } = reader;
    if root.is_none() && problems.is_empty() {
        problems.push(source.problem(0..0, "the file is empty", "write the manifest, or delete the file"));
    }
    let value = root.unwrap_or_default();
    problems.or(()).map(|()| Document { value, places, source })
}

struct Reader<'a> {
    source: &'a Source,
    bytes: ByteOffsets,
    open: Vec<Open>,
    places: HashMap<String, Place>,
    root: Option<Value>,
    documents: usize,
    problems: Problems,
}

/// A list or mapping whose end hasn't come yet.
struct Open {
    pointer: String,
    start: usize,
    key: Option<Range<usize>>,
    held: Held,
}

enum Held {
    List(Vec<Value>),
    Mapping(Map<String, Value>, Option<(String, Range<usize>)>),
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let bytes = self.bytes.range(span.start.index(), span.end.index());
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                match self.documents {
                    1 => Ok(()),
                    _ => Err(self.source.problem(bytes, "a second document begins here", "put it into its own file")),
                }
            }
            Event::Alias(_) => Err(self.no_anchors(bytes)),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                Err(self.no_anchors(bytes))
            }
            Event::Scalar(.., Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err(self.source.problem(bytes, "tags (`!name`) are not read here", "leave the tag out"))
            }
            Event::Scalar(text, style, ..) => {
                if self.expects_key() {
                    self.set_key(text.into_owned(), bytes)
                } else {
                    let scalar = Scalar::parse_from_cow_and_metadata(text, style, None);
                    let value = self.scalar(scalar, &bytes)?;
                    let (pointer, key) = self.next_place();
                    self.places.insert(pointer, Place { key, value: bytes });
                    self.put(value);
                    Ok(())
                }
            }
            Event::SequenceStart(..) => self.open(bytes, Held::List(Vec::new())),
            Event::MappingStart(..) => self.open(bytes, Held::Mapping(Map::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let end = self.trimmed(open.start, bytes.end);
                self.places.insert(open.pointer, Place { key: open.key, value: open.start..end });
                self.put(match open.held {
                    Held::List(items) => Value::Array(items),
                    Held::Mapping(members, _) => Value::Object(members),
                });
                Ok(())
            }
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { held: Held::Mapping(_, None), .. }))
    }

    fn open(&mut self, bytes: Range<usize>, held: Held) -> Result<(), Problem> {
        if self.expects_key() {
            return Err(self.source.problem(bytes, "a key must be a plain text", "write the key as a text"));
        }
        if self.open.len() >= DEEPEST {
            return Err(self.source.problem(bytes, "the values are nested too deep", "write it flatter"));
        }
        let (pointer, key) = self.next_place();
        self.open.push(Open { pointer, start: bytes.start, key, held });
        Ok(())
    }

    fn set_key(&mut self, name: String, bytes: Range<usize>) -> Result<(), Problem> {
        if let Some(Open { held: Held::Mapping(members, key), .. }) = self.open.last_mut() {
            if members.contains_key(&name) {
                let message = format!("the key `{name}` is here a second time");
                self.problems.push(self.source.problem(bytes.clone(), message, "keep one of the two"));
            }
            *key = Some((name, bytes));
        }
        Ok(())
    }

    /// Pointer and key of the value that comes next.
    fn next_place(&self) -> (String, Option<Range<usize>>) {
        match self.open.last() {
            None => (String::new(), None),
            Some(Open { pointer, held: Held::List(items), .. }) => {
                (join_pointer(pointer, &items.len().to_string()), None)
            }
            Some(Open { pointer, held: Held::Mapping(_, key), .. }) => match key {
                Some((name, bytes)) => (join_pointer(pointer, name), Some(bytes.clone())),
                None => (pointer.clone(), None),
            },
        }
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.held) {
            None => self.root = Some(value),
            Some(Held::List(items)) => items.push(value),
            Some(Held::Mapping(members, key)) => {
                if let Some((name, _)) = key.take() {
                    members.insert(name, value);
                }
            }
        }
    }

    fn scalar(&self, scalar: Option<Scalar<'_>>, bytes: &Range<usize>) -> Result<Value, Problem> {
        match scalar {
            Some(Scalar::Null) => Ok(Value::Null),
            Some(Scalar::Boolean(flag)) => Ok(Value::Bool(flag)),
            Some(Scalar::Integer(number)) => Ok(Value::from(number)),
            Some(Scalar::String(text)) => Ok(Value::String(text.into_owned())),
            Some(Scalar::FloatingPoint(number)) => Number::from_f64(number.into_inner())
                .map(Value::Number)
                .ok_or_else(|| self.source.problem(bytes.clone(), "this number is not finite", "write a number")),
            None => Err(self.source.problem(bytes.clone(), "this value can't be read", "put it into quotes")),
        }
    }

    fn no_anchors(&self, bytes: Range<usize>) -> Problem {
        self.source.problem(bytes, "anchors and aliases are not read here", "write the value out")
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let at = self.bytes.at(error.marker().index());
        self.source.problem(at..at + 1, format!("this is not YAML: {}", error.info()), "check indentation and quotes")
    }

    /// A block's end mark stands at the next token; white space before it is not the block's.
    fn trimmed(&self, start: usize, end: usize) -> usize {
        let written = self.source.text().get(start..end).unwrap_or_default();
        start + written.trim_end().len()
    }
}

/// The parser counts characters; everything else counts bytes.
struct ByteOffsets(Option<Vec<usize>>);

impl ByteOffsets {
    fn of(text: &str) -> Self {
        let count = || text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len())).collect();
        Self((!text.is_ascii()).then(count))
    }

    fn at(&self, characters: usize) -> usize {
        match &self.0 {
            None => characters,
            Some(offsets) => offsets.get(characters).or(offsets.last()).copied().unwrap_or_default(),
        }
    }

    fn range(&self, start: usize, end: usize) -> Range<usize> {
        self.at(start)..self.at(end)
    }
}
