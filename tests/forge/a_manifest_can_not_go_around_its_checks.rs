//! Only compiling a manifest makes a tool.

use countersign::manifest::spec::{Tool, ToolSpec};

fn sealed(tool: Tool) -> ToolSpec {
    ToolSpec::seal(tool)
}

fn wrapped(tool: Tool) -> ToolSpec {
    ToolSpec(tool)
}

fn main() {}
