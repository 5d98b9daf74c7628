//! The store: whether it can be read, whose it is, and whether the end of the record is intact.

use std::path::Path;

use super::{About, Finding};
use crate::audit::chain::{Broken, Verifier};
use crate::audit::event::Head;
use crate::config::Config;
use crate::store::Reader;

/// The last records that are checked; `countersign audit verify` checks all.
const LAST: u64 = 1000;

pub(super) async fn store(config: &Config) -> Vec<Finding> {
    let path = &config.store;
    if !path.exists() {
        return vec![missing(path)];
    }
    let mut findings = rights(path);
    let reader = match Reader::open(path).await {
        Ok(reader) => reader,
        Err(error) => {
            let mend = "look at its rights and its disk; `store` under [store] may name another file";
            findings.push(Finding::problem(About::Store, error.to_string(), mend));
            return findings;
        }
    };
    findings.push(match intact(&reader).await {
        Ok(Ok(head)) if head.seq == 0 => {
            Finding::ok(About::Store, format!("{}: nothing is on record yet", path.display()))
        }
        Ok(Ok(head)) => {
            let checked = head.seq.min(LAST);
            Finding::ok(
                About::Store,
                format!("{}: {} records, the last {checked} of them intact", path.display(), head.seq),
            )
        }
        Ok(Err(broken)) => Finding::problem(About::Store, format!("the record is broken: {broken}"), broken.mend()),
        Err(error) => Finding::problem(About::Store, error, "look at the disk; `countersign audit verify` tells more"),
    });
    findings
}

/// None yet is as it should be, where one can be made.
fn missing(path: &Path) -> Finding {
    let there = path.ancestors().skip(1).find(|folder| folder.is_dir());
    let writable = there.is_some_and(|folder| tempfile::tempfile_in(folder).is_ok());
    match writable {
        true => Finding::ok(About::Store, format!("{}: the first server makes it", path.display())),
        false => Finding::problem(
            About::Store,
            format!("{} can't be made: its folder can't be written", path.display()),
            "give this user that folder, or name another file with `path` under [store]",
        ),
    }
}

#[cfg(unix)]
fn rights(path: &Path) -> Vec<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).map(|found| found.permissions().mode()).unwrap_or_default();
    let mut findings = Vec::new();
    if mode(path) & 0o077 != 0 {
        findings.push(Finding::problem(
            About::Store,
            format!("{} can be read or written by others", path.display()),
            format!("chmod 600 {}", path.display()),
        ));
    }
    if let Some(folder) = path.parent().filter(|folder| mode(folder) & 0o022 != 0) {
        findings.push(Finding::problem(
            About::Store,
            format!("{} can be written by others, who could replace the record", folder.display()),
            format!("chmod go-w {}", folder.display()),
        ));
    }
    findings
}

#[cfg(not(unix))]
fn rights(_: &Path) -> Vec<Finding> {
    Vec::new()
}

/// Checks the last records, and that the chain holds every kept head. The outer error is one of reading.
async fn intact(reader: &Reader) -> Result<Result<Head, Broken>, String> {
    let told = |error: crate::ports::StoreError| error.to_string();
    let kept = reader.kept_heads().map_err(told)?;
    let head = reader.head().await.map_err(told)?;
    let from = head.seq.saturating_sub(LAST);
    let verifier = match reader.records(from, 1).await.map_err(told)?.first() {
        Some(before) if from > 0 => Verifier::after(Head { seq: before.seq, hash: before.hash }, kept),
        _ => Verifier::new(kept),
    };
    let mut verifier = verifier;
    for record in reader.records(from.saturating_add(1), LAST as u32).await.map_err(told)? {
        if let Err(broken) = verifier.check(&record) {
            return Ok(Err(broken));
        }
    }
    Ok(verifier.finish().map(|verified| verified.head))
}
