//! What is wrong with arguments, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::escape::quoted;

/// One thing that is wrong with the arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where, such as `Filters[0].Name`; empty for the arguments as a whole.
    pub path: String,
    /// What is wrong; a lower-case fragment.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with the arguments; at least one problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Problems {
    /// The first ones, in the order of the arguments.
    pub shown: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl Problems {
    /// Most problems that are told in words; the rest is counted.
    pub const SHOWN: usize = 20;
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.shown.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(super) struct Collected {
    shown: Vec<Problem>,
    more: usize,
}

impl Collected {
    pub(super) fn add(&mut self, path: &Path<'_>, message: impl Into<String>, hint: impl Into<String>) {
        if self.shown.len() < Problems::SHOWN {
            self.shown.push(Problem { path: path.to_string(), message: message.into(), hint: hint.into() });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn into_result(self) -> Result<(), Problems> {
        if self.shown.is_empty() { Ok(()) } else { Err(Problems { shown: self.shown, more: self.more }) }
    }
}

/// A place in the arguments, linked from the inside out, so that nothing is built where nothing is wrong.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    outer: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Member(&'a str),
    Item(usize),
    Entry(&'a str),
}

impl<'a> Path<'a> {
    pub(super) fn root() -> Self {
        Self { outer: None, step: Step::Root }
    }

    pub(super) fn is_root(&self) -> bool {
        self.outer.is_none()
    }

    pub(super) fn member(&'a self, name: &'a str) -> Self {
        Self { outer: Some(self), step: Step::Member(name) }
    }

    pub(super) fn item(&'a self, index: usize) -> Self {
        Self { outer: Some(self), step: Step::Item(index) }
    }

    pub(super) fn entry(&'a self, key: &'a str) -> Self {
        Self { outer: Some(self), step: Step::Entry(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            outer.fmt(f)?;
        }
        let dot = if self.outer.is_some_and(|outer| !outer.is_root()) { "." } else { "" };
        match self.step {
            Step::Root => Ok(()),
            Step::Item(index) => write!(f, "[{index}]"),
            Step::Member(name) if plain(name) => write!(f, "{dot}{name}"),
            // Names come from the agent: what isn't plain is quoted, so that a path never reads as something else.
            Step::Member(name) | Step::Entry(name) => write!(f, "[{}]", quoted(name, 60)),
        }
    }
}

fn plain(name: &str) -> bool {
    (1..=80).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}
