//! `countersign register`, and the clients themselves asked whether they see the server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Installation, Ran, repository};

/// An installation whose server starts: a client that lists its servers connects to each.
fn installation() -> Installation {
    Installation::before("http://127.0.0.1:1")
}

/// A client's program, run by the Node of `.venv`. Where it isn't installed the test is skipped, loudly;
/// `COUNTERSIGN_REQUIRE_CLIENTS=1` makes that a failure.
fn client(name: &str) -> Option<PathBuf> {
    let program = repository().join("tests/clients/node_modules/.bin").join(name);
    if program.exists() {
        return Some(program);
    }
    let required = std::env::var_os("COUNTERSIGN_REQUIRE_CLIENTS").is_some();
    assert!(!required, "{name} is not installed: run `make clients`");
    println!("SKIPPED, {name} IS NOT ASKED: `make clients` installs it");
    None
}

fn ask(installation: &Installation, program: &Path, arguments: &[&str]) -> Ran {
    let node = repository().join(".venv/bin");
    let path = std::env::join_paths([node, "/usr/bin".into(), "/bin".into()]).unwrap();
    let mut command = Command::new(program);
    command.env_clear().env("PATH", path).env("HOME", installation.folder()).current_dir(installation.folder());
    command.env("CI", "1").env("DISABLE_AUTOUPDATER", "1").env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    Ran::of(command.args(arguments).output().unwrap())
}

#[test]
fn claude_code_sees_the_server_and_starts_it() {
    let Some(claude) = client("claude") else { return };
    let installation = installation();
    let registered = installation.run(&["register", "claude-code", "--yes"]);
    assert_eq!(registered.code, Some(0), "{registered:?}");
    let listed = ask(&installation, &claude, &["mcp", "list"]);
    let line = listed.out.lines().find(|line| line.starts_with("countersign:")).unwrap_or_else(|| panic!("{listed:?}"));
    assert!(line.contains("serve") && line.contains("Connected"), "{listed:?}");
    let again = installation.run(&["register", "claude-code", "--yes"]);
    assert!(again.out.contains("nothing to do"), "{again:?}");
    let removed = installation.run(&["register", "claude-code", "--remove", "--yes"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    let listed = ask(&installation, &claude, &["mcp", "list"]);
    assert!(!listed.out.contains("countersign:"), "{listed:?}");
}

#[test]
fn gemini_cli_sees_the_server_and_starts_it() {
    let Some(gemini) = client("gemini") else { return };
    let installation = installation();
    let registered = installation.run(&["register", "gemini", "--yes"]);
    assert_eq!(registered.code, Some(0), "{registered:?}");
    assert!(registered.out.contains("shows no forms"), "{registered:?}");
    let listed = ask(&installation, &gemini, &["mcp", "list"]);
    let all = format!("{}{}", listed.out, listed.err);
    let line = all.lines().find(|line| line.contains("countersign:")).unwrap_or_else(|| panic!("{listed:?}"));
    assert!(line.contains("serve") && line.contains("(stdio)"), "{listed:?}");
    let removed = installation.run(&["register", "gemini", "--remove", "--yes"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    let listed = ask(&installation, &gemini, &["mcp", "list"]);
    assert!(!format!("{}{}", listed.out, listed.err).contains("countersign:"), "{listed:?}");
}

#[test]
fn without_a_terminal_nothing_is_written_unless_told_to() {
    let installation = installation();
    let file = installation.folder().join(".cursor/mcp.json");
    let ran = installation.run(&["register", "cursor"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.out.contains("+    \"countersign\": {") && ran.err.contains("`--yes`"), "{ran:?}");
    assert!(!file.exists());
    let printed = installation.run(&["register", "cursor", "--print"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(!file.exists());
    let entry: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    let config = installation.config().display().to_string();
    assert_eq!(entry["mcpServers"]["countersign"]["args"], serde_json::json!(["--config", config, "serve"]));
    assert_eq!(entry["mcpServers"]["countersign"]["command"], env!("CARGO_BIN_EXE_countersign"));
    let ran = installation.run(&["register", "cursor", "--yes"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(file.exists());
}

#[test]
fn a_configuration_is_needed_for_a_server_that_clients_start() {
    let installation = Installation::empty();
    let ran = installation.run(&["register", "kiro", "--yes"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("countersign init"), "{ran:?}");
    let ran = installation.run(&["register", "kiro", "--yes", "--http", "https://guard.example.com/mcp"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let file = std::fs::read_to_string(installation.folder().join(".kiro/settings/mcp.json")).unwrap();
    assert!(file.contains("${COUNTERSIGN_TOKEN}"), "{file}");
}
