//! The last scene: the record is verified, changed in a copy, and the change is found.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::play::{Broken, Play};
use crate::sandbox::MANIFESTS;

/// Someone with the file in hand lets another person have confirmed. SQLite's own tools are enough for that.
const TAMPER: &str = r#"
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
seq, event = database.execute(
    "SELECT seq, event FROM records WHERE event LIKE '%\"event\":\"confirmed\"%' ORDER BY seq LIMIT 1").fetchone()
database.execute("UPDATE records SET event = ? WHERE seq = ?", (event.replace('"ann"', '"bob"'), seq))
database.commit()
print(f"record {seq}: who confirmed is now bob, and no longer ann")
"#;

/// Verifies the record, then a copy of it that has been tampered with.
pub(super) async fn verify_and_tamper(play: &mut Play<'_>) -> Result<(), Broken> {
    play.stage.scene("The record")?;
    play.stage
        .tell("Every request, preview, refusal, question and change above is on record, each chained to the last.")?;
    let config = play.sandbox.config_path();
    let (sound, output) = verify(play.binary(), &config).await?;
    play.stage.says("audit", &output)?;
    play.stage.expect(sound, "`countersign audit verify` finds the record whole")?;

    play.stage.verbatim("\n")?;
    play.stage.tell("Now someone edits a copy of it:")?;
    let copy = play.sandbox.folder().join("tampered");
    copy_store(play.sandbox.folder(), &copy)?;
    let output = Command::new(play.python())
        .args(["-I", "-c", TAMPER])
        .arg(copy.join("countersign.db"))
        .stdin(Stdio::null())
        .output()
        .await?;
    play.stage.says("editor", &text(&output.stdout, &output.stderr))?;
    play.stage.expect(output.status.success(), "the copy was edited")?;
    let (sound, output) = verify(play.binary(), &copy.join("countersign.toml")).await?;
    play.stage.says("audit", &output)?;
    play.stage.expect(
        !sound && output.contains("NOT INTACT"),
        "`countersign audit verify` finds the record changed, and says where",
    )?;
    Ok(())
}

async fn verify(binary: &Path, config: &Path) -> Result<(bool, String), Broken> {
    let output =
        Command::new(binary).args(["audit", "verify", "--config"]).arg(config).stdin(Stdio::null()).output().await?;
    Ok((output.status.success(), text(&output.stdout, &output.stderr)))
}

fn text(stdout: &[u8], stderr: &[u8]) -> String {
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr)).trim().to_owned()
}

/// Copies the configuration with its manifests, and the store with all that lies beside it.
fn copy_store(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => std::fs::create_dir(to)?,
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_string_lossy().starts_with("countersign.") {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    std::fs::create_dir(to.join(MANIFESTS))?;
    for manifest in std::fs::read_dir(from.join(MANIFESTS))? {
        let manifest = manifest?;
        std::fs::copy(manifest.path(), to.join(MANIFESTS).join(manifest.file_name()))?;
    }
    Ok(())
}
