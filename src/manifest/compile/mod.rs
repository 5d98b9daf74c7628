//! A written manifest to a [`Tool`], or everything that is wrong with it.
//!
//! [`structure`] is what the text alone tells: names, expressions, templates, limits, what a changing tool must have.
//! [`facts`] holds it against AWS's service models and IAM's facts, [`partners`] against the other tools. All that can be
//! told is told at once: what one step finds broken is left out for the next.

mod facts;
mod partners;
mod preview;
mod structure;

pub(super) use facts::DRY_RUN;
pub(super) use structure::LISTS;

/// Begins the comments of a manifest that ask a person to decide something. As long as there is one it isn't taken.
pub(super) const UNDECIDED: &str = "decide:";

use serde_json::json;

use super::raw::RawTool;
use super::spec::{Tool, ToolSpec};
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::digest::Digest;
use crate::document::{self, Document, Language, Problem, Problems, Source};

/// What manifests are held against.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The service models.
    pub models: &'a Models,
    /// IAM's facts.
    pub iam: &'a IamFacts,
}

/// A compiled tool with the document it came from, not yet held against the other tools.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) tool: Tool,
    pub(super) document: Document,
}

impl Draft {
    /// Compiles one document. `facts` are left out only for the manifests inside this binary, which a test holds against
    /// the very models and IAM facts inside the same binary.
    pub(super) fn compile(document: Document, facts: Option<Facts<'_>>) -> Result<Self, Problems> {
        let written = match facts {
            Some(_) => document::schema::check(&document, &super::raw::tool_schema()),
            None => Problems::new(),
        };
        let (raw, left_out) = match document.parse() {
            Ok(raw) => (raw, Vec::new()),
            // What the schema has told is left out, so that the rest can be looked at all the same.
            Err(problem) => match facts.and_then(|_| readable(&document)) {
                Some(readable) => readable,
                None if written.is_empty() => return Err(problem.into()),
                None => return Err(written.and_elsewhere(undecided(&document))),
            },
        };
        let mut report = Report { document: &document, checks: facts.is_some(), problems: Problems::new(), left_out };
        let tool = structure::compile(raw, &mut report);
        if let (Some(facts), Some(tool)) = (facts, &tool) {
            facts::check(tool, facts, &mut report);
        }
        let mut problems = written.and_elsewhere(report.problems);
        if facts.is_some() {
            problems.extend(undecided(&document));
        }
        match tool {
            Some(tool) => problems.or(()).map(|()| Self { tool, document }),
            None => Err(problems),
        }
    }

    /// A problem of a manifest that is fine by itself.
    pub(super) fn problem(&self, pointer: &str, message: impl Into<String>, mend: impl Into<String>) -> Problem {
        self.document.problem(pointer, message, mend)
    }
}

/// Holds tools that are fine by themselves against each other, and seals them.
pub(super) fn seal(drafts: Vec<Draft>) -> Result<Vec<(ToolSpec, Source)>, Problems> {
    let problems = partners::check(&drafts);
    problems.or(())?;
    Ok(drafts.into_iter().map(|draft| (ToolSpec::seal(draft.tool), draft.document.source().clone())).collect())
}

/// A manifest of this binary, which a test has held against all facts and against the other tools.
pub(super) fn shipped(source: Source) -> Result<ToolSpec, Problems> {
    let document = document::read(source, Language::Yaml)?;
    Ok(ToolSpec::seal(Draft::compile(document, None)?.tool))
}

/// Names a manifest by its text.
pub(super) fn digest(text: &str) -> Digest {
    Digest::of_bytes("countersign.manifest.v1", text.as_bytes())
}

/// What can be read of a manifest with parts that can't, and the keys of the sections that lack something.
fn readable(document: &Document) -> Option<(RawTool, Vec<String>)> {
    let stand_ins = json!({ "tool": "unnamed", "title": "-", "summary": "-", "toolset": "unnamed", "effect": "irreversible", "scopes": [] });
    let (value, left_out) = document::schema::without_misfits(document, &super::raw::tool_schema(), &stand_ins);
    serde::Deserialize::deserialize(&value).ok().map(|raw| (raw, left_out))
}

/// The comments that ask a person to decide something.
fn undecided(document: &Document) -> Problems {
    let (source, mut at, mut problems) = (document.source(), 0, Problems::new());
    for line in source.text().split_inclusive('\n') {
        let mark = format!("# {UNDECIDED}");
        let found = line.find(&mark).filter(|from| {
            let before = line.get(..*from).unwrap_or_default();
            before.is_empty() || before.ends_with([' ', '\t'])
        });
        if let Some(from) = found {
            let question = line.get(from + mark.len()..).unwrap_or_default().trim();
            let bytes = at + from..at + line.trim_end().len();
            problems.push(source.problem(bytes, format!("left to decide: {question}"), "then take the comment out"));
        }
        at += line.len();
    }
    problems
}

/// Collects the problems of one document.
struct Report<'a> {
    document: &'a Document,
    /// False for the manifests inside this binary: what a test has seen of them needs not be looked at in every start.
    checks: bool,
    problems: Problems,
    /// Sections of which something was left out because it can't be read; that is told already.
    left_out: Vec<String>,
}

impl Report<'_> {
    /// True where all of a section could be read.
    fn has(&self, section: &str) -> bool {
        !self.left_out.iter().any(|left_out| left_out == section)
    }

    fn at(&mut self, pointer: &str, message: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(self.document.problem(pointer, message, mend));
    }

    fn at_key(&mut self, pointer: &str, message: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(self.document.problem_at_key(pointer, message, mend));
    }

    fn within(&mut self, pointer: &str, column: usize, message: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(self.document.problem_within(pointer, column, message, mend));
    }
}
