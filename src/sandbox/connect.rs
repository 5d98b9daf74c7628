//! How to connect one's own agent to a server, as text to copy.

use std::fmt;
use std::path::PathBuf;

use serde_json::json;

/// A server's binary and the configuration it is to serve; shown as what each client wants to be told.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The binary, an absolute path.
    pub binary: PathBuf,
    /// The configuration, an absolute path.
    pub config: PathBuf,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (binary, config) = (self.binary.to_string_lossy(), self.config.to_string_lossy());
        let command = format!("{} serve --config {}", shell_word(&binary), shell_word(&config));
        let servers = json!({ "mcpServers": {
            "countersign": { "command": binary, "args": ["serve", "--config", config] },
        } });
        let servers = serde_json::to_string_pretty(&servers).map_err(|_| fmt::Error)?;
        writeln!(f, "Claude Code\n  claude mcp add countersign -- {command}\n")?;
        writeln!(f, "Kiro, in .kiro/settings/mcp.json")?;
        for line in servers.lines() {
            writeln!(f, "  {line}")?;
        }
        // The Inspector takes `--config` for itself, wherever it stands.
        let (variable, binary) = (shell_word(&format!("COUNTERSIGN_CONFIG={config}")), shell_word(&binary));
        writeln!(f, "\nMCP Inspector\n  npx @modelcontextprotocol/inspector@2.12.0 -e {variable} {binary} serve")
    }
}

/// A path as one word of a shell's command line.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_told_the_same_command() {
        let connection = Connection { binary: "/opt/counter sign".into(), config: "/home/ann/countersign.toml".into() };
        insta::assert_snapshot!(connection.to_string(), @r#"
        Claude Code
          claude mcp add countersign -- '/opt/counter sign' serve --config /home/ann/countersign.toml

        Kiro, in .kiro/settings/mcp.json
          {
            "mcpServers": {
              "countersign": {
                "command": "/opt/counter sign",
                "args": [
                  "serve",
                  "--config",
                  "/home/ann/countersign.toml"
                ]
              }
            }
          }

        MCP Inspector
          npx @modelcontextprotocol/inspector@2.12.0 -e COUNTERSIGN_CONFIG=/home/ann/countersign.toml '/opt/counter sign' serve
        "#);
    }

    #[test]
    fn odd_paths_stay_one_word() {
        assert_eq!(shell_word("a'b c"), r"'a'\''b c'");
        assert_eq!(shell_word(""), "''");
    }
}
