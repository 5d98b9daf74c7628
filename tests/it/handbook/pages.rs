//! Markdown, as far as these tests read it.

use std::fs;
use std::path::Path;

use crate::support::repository;

/// A page.
pub(super) struct Page {
    /// From the repository's folder on.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) blocks: Vec<Block>,
}

/// A fenced block.
pub(super) struct Block {
    /// Of the fence, from 1.
    pub(super) line: usize,
    pub(super) language: String,
    /// The comment just before it, or nothing.
    pub(super) mark: String,
    pub(super) text: String,
}

impl Page {
    pub(super) fn read(path: &str) -> Self {
        let text = fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let blocks = blocks(&text);
        Self { path: path.to_owned(), text, blocks }
    }

    /// The README, the handbook, and the pages of the examples.
    pub(super) fn all() -> Vec<Self> {
        let mut pages = Self::handbook();
        pages.push(Self::read("README.md"));
        pages.push(Self::read("examples/clients/README.md"));
        pages
    }

    /// The handbook, and the pages of the examples it is about.
    pub(super) fn handbook() -> Vec<Self> {
        let mut paths = Vec::new();
        for folder in ["docs", "examples/tiers"] {
            find(&repository().join(folder), &mut paths);
        }
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The text without its blocks.
    fn prose(&self) -> String {
        let mut inside = false;
        let lines = self.text.lines().filter(|line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Commands that are named within a line: code that begins with `countersign `.
    pub(super) fn mentions(&self) -> Vec<String> {
        let prose = self.prose();
        let paragraphs = prose.split("\n\n");
        let code = paragraphs.flat_map(|paragraph| {
            let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        });
        code.filter(|code| code.starts_with("countersign ") && !code.contains("://")).collect()
    }

    /// Links to files of the repository and to headings.
    pub(super) fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        targets.filter(|target| !target.starts_with("http")).map(str::to_owned).collect()
    }
}

/// The anchors of a page's headings.
pub(super) fn headings(text: &str) -> Vec<String> {
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |title: &str| -> String {
        let kept = title.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
    };
    titles.map(anchor).collect()
}

fn find(folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path.strip_prefix(repository()).unwrap().to_str().unwrap().to_owned());
        }
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut before) = (Vec::new(), None::<Block>, "");
    for (number, line) in text.lines().enumerate() {
        match (open.take(), line.strip_prefix("```")) {
            (Some(block), Some(_)) => blocks.push(block),
            (Some(mut block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, Some(language)) => {
                let mark = if before.starts_with("<!--") { before } else { "" };
                open = Some(Block {
                    line: number + 1,
                    language: language.trim().to_owned(),
                    mark: mark.to_owned(),
                    text: String::new(),
                });
            }
            (None, None) => {}
        }
        before = line;
    }
    blocks
}
