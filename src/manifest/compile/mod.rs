//! A written manifest to a [`Tool`], or everything that is wrong with it.
//!
//! [`structure`] is what the text alone tells: names, expressions, templates, limits, what a changing tool must have.
//! [`facts`] holds it against AWS's service models and IAM's facts, [`partners`] against the other tools. All that can be
//! told is told at once: what one step finds broken is left out for the next.

mod facts;
mod partners;
mod structure;

pub(super) use facts::DRY_RUN;

use super::raw::RawTool;
use super::spec::{Tool, ToolSpec};
use crate::aws::iam::IamFacts;
use crate::aws::models::Models;
use crate::document::{Document, Problem, Problems};

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
            Some(_) => crate::document::schema::check(&document, &super::raw::tool_schema()),
            None => Problems::new(),
        };
        let raw: RawTool = match document.parse() {
            Ok(raw) => raw,
            // The schema has said it better.
            Err(_) if !written.is_empty() => return Err(written),
            Err(problem) => return Err(problem.into()),
        };
        let mut report = Report { document: &document, checks: facts.is_some(), problems: Problems::new() };
        let tool = structure::compile(raw, &mut report);
        if let (Some(facts), Some(tool)) = (facts, &tool) {
            facts::check(tool, facts, &mut report);
        }
        let problems = written.and_elsewhere(report.problems);
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
pub(super) fn seal(drafts: Vec<Draft>) -> Result<Vec<ToolSpec>, Problems> {
    let problems = partners::check(&drafts);
    problems.or(())?;
    Ok(drafts.into_iter().map(|draft| ToolSpec::seal(draft.tool)).collect())
}

/// Collects the problems of one document.
struct Report<'a> {
    document: &'a Document,
    /// False for the manifests inside this binary: what a test has seen of them needs not be looked at in every start.
    checks: bool,
    problems: Problems,
}

impl Report<'_> {
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
