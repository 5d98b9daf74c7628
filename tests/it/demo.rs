//! The demonstration is a test, too: every expectation of the story must hold.

use std::process::Command;

#[test]
fn the_incident_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["demo", "--dir"])
        .arg(folder.path())
        .env("COUNTERSIGN_LOG", "warn")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("✓") && !told.contains("NOT SO"), "{told}");
    assert!(told.contains("claude mcp add countersign -- "), "{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 100 || line.contains("/countersign")), "{told}");
}
