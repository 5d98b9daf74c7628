//! `Problem`: what is wrong in a text, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::Source;

/// One thing that is wrong in a file.
#[derive(Clone, Debug)]
pub struct Problem {
    source: Source,
    bytes: Range<usize>,
    message: String,
    mend: String,
}

impl Problem {
    pub(super) fn new(source: Source, bytes: Range<usize>, message: String, mend: String) -> Self {
        let end = source.text().len();
        let bytes = bytes.start.min(end)..bytes.end.clamp(bytes.start.min(end), end);
        Self { source, bytes, message, mend }
    }

    /// Something else that is wrong at the same place.
    pub fn saying(&self, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { message: message.into(), mend: mend.into(), ..self.clone() }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        self.source.path()
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// The column, in characters, from 1.
    pub fn column(&self) -> usize {
        self.before().rsplit('\n').next().unwrap_or_default().chars().count() + 1
    }

    /// What is wrong: a lower-case fragment.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do.
    pub fn mend(&self) -> &str {
        &self.mend
    }

    fn before(&self) -> &str {
        self.source.text().get(..self.bytes.start).unwrap_or_default()
    }

    /// The place to underline: of a value that goes over several lines only the first.
    fn underlined(&self) -> Range<usize> {
        let written = self.source.text().get(self.bytes.clone()).unwrap_or_default();
        let first = written.lines().next().unwrap_or_default().trim_end();
        self.bytes.start..self.bytes.start + first.len()
    }
}

/// `file:line:column: message (mend)`, on one line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file().display(), self.line(), self.column(), self.message)?;
        match self.mend.as_str() {
            "" => Ok(()),
            mend => write!(f, " ({mend})"),
        }
    }
}

impl std::error::Error for Problem {}

impl miette::Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.mend.is_empty()).then(|| Box::new(&self.mend) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let bytes = self.underlined();
        Some(Box::new(std::iter::once(LabeledSpan::new(Some("here".to_owned()), bytes.start, bytes.len()))))
    }
}

/// All that is wrong in some files, in the order of files and places.
#[derive(Clone, Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: Problems) {
        self.0.extend(others.0);
    }

    /// These, and of `others` those at places that none of these is at.
    pub fn and_elsewhere(mut self, others: Problems) -> Self {
        let known = |other: &Problem| self.0.iter().any(|one| one.file() == other.file() && one.bytes == other.bytes);
        let elsewhere: Vec<Problem> = others.0.into_iter().filter(|other| !known(other)).collect();
        self.0.extend(elsewhere);
        self
    }

    /// True where nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// `value`, where nothing is wrong; otherwise the problems, sorted by file and place.
    pub fn or<T>(mut self, value: T) -> Result<T, Problems> {
        if self.is_empty() {
            return Ok(value);
        }
        self.0.sort_by(|a, b| (a.file(), a.bytes.start, &a.message).cmp(&(b.file(), b.bytes.start, &b.message)));
        self.0.dedup_by(|a, b| a.to_string() == b.to_string());
        Err(self)
    }

    /// For people at a terminal: each place underlined in its text, with colours where `colours` is set.
    pub fn pretty(&self, colours: bool) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(110).with_links(false);
        let mut whole = String::new();
        for problem in &self.0 {
            let shown = Shown { problem, source: NamedSource::new(problem.file().to_string_lossy(), problem.text()) };
            if handler.render_report(&mut whole, &shown).is_err() {
                whole.push_str(&format!("{problem}\n"));
            }
            whole.push('\n');
        }
        whole.push_str(&self.summary());
        whole.push('\n');
        whole
    }

    /// For logs and pipes: one line each.
    pub fn plain(&self) -> String {
        self.0.iter().map(|problem| format!("{problem}\n")).collect()
    }

    fn summary(&self) -> String {
        let mut files: Vec<&Path> = self.0.iter().map(Problem::file).collect();
        files.dedup();
        let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        format!("{} in {}", plural(self.0.len(), "problem"), plural(files.len(), "file"))
    }
}

impl Problem {
    fn text(&self) -> String {
        self.source.text().to_owned()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self(problems.into_iter().collect())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plain().trim_end())
    }
}

impl std::error::Error for Problems {}

/// A problem with the text miette cuts its excerpt from.
#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    source: NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.problem.labels()
    }
}
