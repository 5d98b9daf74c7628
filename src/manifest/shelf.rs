//! Tools on the shelf: what is known of each at once, and the rest when somebody asks for it.
//!
//! Hundreds of manifests are in the binary, and a process uses few of them. What lists, policies and families need stands in
//! single lines of a manifest ([`Head`]); the rest is compiled at the first use. Tests hold every shipped manifest against
//! all facts, and every head against its manifest. Manifests from outside are compiled and checked when they are loaded.

use std::sync::{Arc, OnceLock};

use super::compile;
use super::spec::ToolSpec;
use crate::digest::Digest;
use crate::document::Source;
use crate::names::{Effect, OperationId};

/// What is known of a tool without compiling its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// Its toolset.
    pub toolset: String,
    /// The operation it calls.
    pub operation: OperationId,
    /// The least harm it does.
    pub effect: Effect,
    /// True where it is listed by default.
    pub core: Option<bool>,
    /// Digest of the manifest's text.
    pub digest: Digest,
}

/// One tool.
#[derive(Debug)]
pub(super) struct Shelved {
    head: Head,
    source: Source,
    spec: OnceLock<Option<Arc<ToolSpec>>>,
}

impl Head {
    /// That of a compiled tool.
    pub(super) fn of(tool: &ToolSpec) -> Self {
        Self {
            name: tool.name.clone(),
            toolset: tool.toolset.clone(),
            operation: tool.operation.clone(),
            effect: tool.effect,
            core: tool.core,
            digest: tool.digest,
        }
    }

    /// That of a manifest whose keys each stand on a line of their own. `None` where one is missing or can't be read.
    pub(super) fn read(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))?;
            Some(line.split_once(" #").map_or(line, |(value, _)| value).trim())
        };
        let core = match value("core") {
            None => None,
            Some(word) => Some(word.parse().ok()?),
        };
        Some(Self {
            name: value("tool")?.to_owned(),
            toolset: value("toolset")?.to_owned(),
            operation: value("operation")?.parse().ok()?,
            effect: serde_json::from_value(value("effect")?.into()).ok()?,
            core,
            digest: compile::digest(text),
        })
    }
}

impl Shelved {
    /// A shipped manifest, to be compiled later. `None` where its head can't be read.
    pub(super) fn shipped(source: Source) -> Option<Self> {
        Some(Self { head: Head::read(source.text())?, source, spec: OnceLock::new() })
    }

    /// A tool that is compiled already.
    pub(super) fn compiled(spec: ToolSpec, source: Source) -> Self {
        Self { head: Head::of(&spec), source, spec: OnceLock::from(Some(Arc::new(spec))) }
    }

    /// What is known without compiling.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// The manifest as it was written.
    pub(super) fn text(&self) -> &str {
        self.source.text()
    }

    /// The tool. `None` where a shipped manifest doesn't compile, which a test rules out: then there is no such tool.
    pub(super) fn spec(&self) -> Option<&Arc<ToolSpec>> {
        let compiled = self.spec.get_or_init(|| match compile::shipped(self.source.clone()) {
            Ok(spec) => Some(Arc::new(spec)),
            Err(problems) => {
                tracing::error!(tool = self.head.name, %problems, "a shipped manifest doesn't compile");
                None
            }
        });
        compiled.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::shipped;

    #[test]
    fn the_head_of_every_shipped_manifest_is_what_compiling_it_gives() {
        for (path, text) in shipped::TOOLS {
            let source = Source::new(*path, *text);
            let spec = compile::shipped(source.clone()).unwrap_or_else(|problems| panic!("{problems}"));
            let shelved =
                Shelved::shipped(source).unwrap_or_else(|| panic!("{path}: a key of its head is not on one line"));
            assert_eq!(*shelved.head(), Head::of(&spec), "{path}");
        }
    }

    #[test]
    fn a_head_that_lacks_something_is_none() {
        let text = "tool: a\ntoolset: ec2   # a group\noperation: ec2:StopInstances\neffect: write\n";
        let head = Head::read(text).unwrap();
        assert_eq!((head.toolset.as_str(), head.effect, head.core), ("ec2", Effect::Write, None));
        for key in ["tool", "toolset", "operation", "effect"] {
            assert!(Head::read(&text.replace(&format!("{key}: "), "x: ")).is_none(), "{key}");
        }
        assert!(Head::read(&format!("{text}core: perhaps\n")).is_none());
    }
}
