//! YAML, edited by whole lines, as people write it: mappings of one key a line. Other ways to write it are left alone.

use std::ops::Range;

use serde_json::Value;

use super::formats::Edit;
use super::toml::first;
use crate::document::{self, Document, Language, Problem, Source};

/// What the text says; a text of comments says nothing.
pub(super) fn read(source: &Source) -> Result<Value, Problem> {
    match blank(source.text()) {
        true => Ok(Value::Null),
        false => parse(source).map(|document| document.value().clone()),
    }
}

/// The text with one change.
pub(super) fn edit(source: &Source, edit: &Edit) -> Result<String, Problem> {
    let (Some((last, way)), mut lines) = (edit.path.split_last(), Lines::of(source.text())) else {
        return Ok(source.text().to_owned());
    };
    // The deepest key on the way that is there, and the indentation of what stands in it.
    let document = if blank(source.text()) { None } else { Some(parse(source)?) };
    let mut within = Within { lines: 0..lines.end(), indent: 0 };
    let mut missing = way;
    let mut pointer = String::new();
    while let (Some(document), Some((key, rest))) = (&document, missing.split_first()) {
        let deeper = format!("{pointer}/{key}");
        let Some(there) = document.value().pointer(&deeper) else { break };
        let block = lines.block(document, &deeper, source)?;
        let first = there.as_object().and_then(|members| members.keys().next());
        let inner = match first {
            Some(first) => lines.block(document, &format!("{deeper}/{first}"), source)?.indent,
            None => {
                lines.open(&block, key, source)?;
                block.indent + 2
            }
        };
        if inner <= block.indent {
            return Err(one_line(source));
        }
        within = Within { lines: block.lines, indent: inner };
        (pointer, missing) = (deeper, rest);
    }
    let target = format!("{pointer}/{last}");
    let there =
        document.as_ref().filter(|_| missing.is_empty()).filter(|document| document.value().pointer(&target).is_some());
    match (there, &edit.value) {
        (None, None) => {}
        (Some(document), None) => {
            let block = lines.block(document, &target, source)?;
            let alone = document.value().pointer(&pointer).and_then(Value::as_object).is_some_and(|all| all.len() == 1);
            lines.0.drain(block.lines);
            if let (true, Some(head)) = (alone && !pointer.is_empty(), lines.0.get_mut(within.lines.start)) {
                *head = format!("{} {{}}", head.trim_end());
            }
        }
        (Some(document), Some(value)) => {
            let block = lines.block(document, &target, source)?;
            lines.0.splice(block.lines, written(last, value, block.indent));
        }
        (None, Some(value)) => {
            let mut added: Vec<String> = Vec::new();
            let mut indent = within.indent;
            for key in missing {
                added.push(format!("{:indent$}{key}:", ""));
                indent += 2;
            }
            added.extend(written(last, value, indent));
            let end = within.lines.end;
            lines.0.splice(end..end, added);
        }
    }
    Ok(lines.text())
}

/// Lines of a text, without their ends.
struct Lines(Vec<String>, bool);

/// A key with its value.
struct Block {
    lines: Range<usize>,
    indent: usize,
}

/// Where something is put in: at the end of these lines.
struct Within {
    lines: Range<usize>,
    indent: usize,
}

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.lines().map(str::to_owned).collect(), text.is_empty() || text.ends_with('\n'))
    }

    fn text(self) -> String {
        let mut text = self.0.join("\n");
        if self.1 && !text.is_empty() {
            text.push('\n');
        }
        text
    }

    /// After the last line of the document that says something.
    fn end(&self) -> usize {
        let says = |line: &String| !(line.trim().is_empty() || line.trim_start().starts_with('#'));
        let marked = self.0.iter().position(|line| line.trim_end() == "...").unwrap_or(self.0.len());
        let body = self.0.get(..marked).unwrap_or_default();
        body.iter().rposition(says).map_or(marked, |at| at + 1)
    }

    /// The lines of a key and its value; comments and blank lines after it are not its own.
    fn block(&self, document: &Document, pointer: &str, source: &Source) -> Result<Block, Problem> {
        let place = document.problem_at_key(pointer, "", "");
        let (start, indent) = (place.line() - 1, place.column() - 1);
        let head = self.0.get(start).ok_or_else(|| one_line(source))?;
        // Another key, or a bracket, before it in its line: not one key a line.
        if !head.chars().take(indent).all(|c| c == ' ') {
            return Err(one_line(source));
        }
        let mut end = start + 1;
        for (at, line) in self.0.iter().enumerate().skip(start + 1) {
            let text = line.trim_start();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let column = line.len() - text.len();
            let item = column == indent && (text == "-" || text.starts_with("- "));
            if column <= indent && !item {
                break;
            }
            end = at + 1;
        }
        Ok(Block { lines: start..end, indent })
    }

    /// Makes `key: {}` and the like a key that lines can follow.
    fn open(&mut self, block: &Block, key: &str, source: &Source) -> Result<(), Problem> {
        let Some(head) = self.0.get_mut(block.lines.start) else { return Err(one_line(source)) };
        let (code, comment) = match head.split_once(" #") {
            Some((code, comment)) => (code, format!(" #{comment}")),
            None => (head.as_str(), String::new()),
        };
        let nothing = code.trim().strip_prefix(key).and_then(|rest| rest.strip_prefix(':')).map(str::trim);
        match nothing {
            Some("" | "{}" | "null" | "~") => {
                *head = format!("{:1$}{key}:{comment}", "", block.indent);
                Ok(())
            }
            _ => Err(one_line(source)),
        }
    }
}

/// A key with its value, one line each; what is within is JSON, which is YAML too.
fn written(key: &str, value: &Value, indent: usize) -> Vec<String> {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let inner = members.iter().flat_map(|(key, value)| written(key, value, indent + 2));
            std::iter::once(format!("{:indent$}{key}:", "")).chain(inner).collect()
        }
        value => vec![format!("{:indent$}{key}: {}", "", spaced(value))],
    }
}

/// As `Value::to_string`, with a space after each comma.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

fn parse(source: &Source) -> Result<Document, Problem> {
    let document = document::read(source.clone(), Language::Yaml).map_err(|wrong| first(source, &wrong))?;
    // A root in brackets has its keys anywhere in a line.
    match document.value() {
        Value::Object(members) if members.is_empty() => Err(one_line(source)),
        _ => Ok(document),
    }
}

fn one_line(source: &Source) -> Problem {
    let message = "this file is not written with one key a line";
    source.problem(0..0, message, "write it so, or write the entry yourself: `--print` shows it")
}

fn blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}
