//! What the audience sees: scenes, who says what, and whether it went as it had to. At most 100 columns.

use std::collections::HashSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::client::{Form, ToolAnswer};

const WIDTH: usize = 100;

/// Column where everything spoken begins.
const INDENT: &str = "           ";

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const PERSON: Style = AnsiColor::Yellow.on_default();

/// The stage, and the count of what went otherwise than it had to.
pub(super) struct Stage<'a> {
    out: &'a mut (dyn Write + Send),
    scenes: u32,
    checks: u32,
    failed: u32,
    shown: HashSet<String>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, scenes: 0, checks: 0, failed: 0, shown: HashSet::new() }
    }

    /// Begins a scene.
    pub(super) fn scene(&mut self, title: &str) -> io::Result<()> {
        self.scenes += 1;
        writeln!(self.out, "\n{TITLE}{}  {title}{TITLE:#}\n", self.scenes)
    }

    /// The narrator.
    pub(super) fn tell(&mut self, text: &str) -> io::Result<()> {
        for line in textwrap::wrap(text, WIDTH - 4) {
            writeln!(self.out, "   {line}")?;
        }
        writeln!(self.out)
    }

    /// Text to copy, as it is.
    pub(super) fn verbatim(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            writeln!(self.out, "{}", format!("   {line}").trim_end())?;
        }
        Ok(())
    }

    /// The agent calls a tool.
    pub(super) fn agent(&mut self, tool: &str, arguments: &Value) -> io::Result<()> {
        self.spoken("agent", FAINT, &format!("{tool} {arguments}"), 6)
    }

    /// What the server answers: the text the model reads.
    pub(super) fn server(&mut self, answer: &ToolAnswer, lines: usize) -> io::Result<()> {
        self.spoken("server", if answer.refused { BAD } else { Style::new() }, &answer.text, lines)
    }

    /// Words of the agent's own, or of a command's output.
    pub(super) fn says(&mut self, who: &str, text: &str) -> io::Result<()> {
        self.spoken(who, Style::new(), text, 30)
    }

    /// The form for the person, and what comes back. One that was shown before isn't shown again.
    pub(super) fn person(&mut self, form: &Form, title: &str, does: &str) -> io::Result<()> {
        writeln!(self.out, "   {PERSON}┌ {title}{PERSON:#}")?;
        if self.shown.insert(form.message.clone()) {
            for line in form.message.lines().flat_map(|line| wrap(line, WIDTH - 6)) {
                writeln!(self.out, "   {PERSON}│{PERSON:#} {line}")?;
            }
            writeln!(self.out, "   {PERSON}│{PERSON:#} {FAINT}[ {} ]{FAINT:#}", form.field)?;
        } else {
            writeln!(self.out, "   {PERSON}│{PERSON:#} {FAINT}(as before){FAINT:#}")?;
        }
        writeln!(self.out, "   {PERSON}└ {does}{PERSON:#}\n")
    }

    /// What has to be so. A failure is shown at once and counted.
    pub(super) fn expect(&mut self, holds: bool, what: &str) -> io::Result<()> {
        self.checks += 1;
        self.failed += u32::from(!holds);
        let (style, mark) = if holds { (GOOD, "✓") } else { (BAD, "✗ NOT SO:") };
        for line in wrap(&format!("{mark} {what}"), WIDTH - 3) {
            writeln!(self.out, "   {style}{line}{style:#}")?;
        }
        Ok(())
    }

    /// How many expectations there were, and how many of them failed.
    pub(super) fn score(&self) -> (u32, u32) {
        (self.checks, self.failed)
    }

    fn spoken(&mut self, who: &str, style: Style, text: &str, most: usize) -> io::Result<()> {
        let lines: Vec<_> = text.lines().flat_map(|line| wrap(line, WIDTH - INDENT.len())).collect();
        for (at, line) in lines.iter().take(most).enumerate() {
            let who = if at == 0 { who } else { "" };
            let spoken = format!("{who:8}{line}");
            writeln!(self.out, "   {style}{}{style:#}", spoken.trim_end())?;
        }
        if lines.len() > most {
            writeln!(self.out, "{INDENT}{FAINT}({} more lines){FAINT:#}", lines.len() - most)?;
        }
        writeln!(self.out)
    }
}

/// Wraps one line and keeps its indentation.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let content = line.trim_start();
    let indent: String = line.chars().take(line.chars().count() - content.chars().count()).collect();
    let deeper = format!("{indent}  ");
    // Names with hyphens stay whole where they fit.
    let options = textwrap::Options::new(width)
        .initial_indent(&indent)
        .subsequent_indent(&deeper)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(content, options).into_iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_within_the_width_and_failures_are_counted() {
        let mut out = Vec::new();
        let mut stage = Stage::new(&mut out);
        stage.scene("A title").unwrap();
        stage.tell(&"word ".repeat(60)).unwrap();
        stage.says("agent", &format!("    {}", "x".repeat(300))).unwrap();
        stage.person(&Form { message: "m ".repeat(90), field: "type it".into() }, "form", "ann types it").unwrap();
        stage.expect(true, "so").unwrap();
        stage.expect(false, "not").unwrap();
        assert_eq!(stage.score(), (2, 1));
        let plain = anstream::adapter::strip_bytes(&out).into_vec();
        let text = String::from_utf8(plain).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("✓ so\n") && text.contains("✗ NOT SO: not\n"), "{text}");
    }
}
