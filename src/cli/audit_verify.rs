//! `countersign audit verify`: the record, or an export of it, held against everything that says what it was.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::audit::PAGE;
use crate::audit::chain::Verified;
use crate::audit::checkpoint::{Follower, Keys, SignedCheckpoint, Unsound};
use crate::audit::event::Head;
use crate::audit::export::{Attested, ExportVerifier};
use crate::audit::note::{BadNote, VerifierKey};
use crate::digest::Digest;
use crate::store::Reader;

#[derive(Debug, Default, Args)]
pub(super) struct VerifyArgs {
    /// Checks this export instead of the database.
    #[arg(long, value_name = "EXPORT.jsonl")]
    pub(super) file: Option<PathBuf>,
    /// A head that was noted down before; the chain must contain it.
    #[arg(long, value_name = "SEQ:HASH", value_parser = parse_head)]
    pub(super) head: Vec<Head>,
    /// A checkpoint that was kept elsewhere; the record must begin with what it covers.
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Vec<PathBuf>,
    /// The public key that checkpoints were signed with when you noted it down; those in use now must follow from it.
    #[arg(long, value_name = "VERIFIER")]
    pub(super) key: Option<VerifierKey>,
}

/// Verifies the database.
pub(super) async fn verify(
    reader: &Reader,
    args: &VerifyArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, Box<dyn Error>> {
    // Before the records, which only become more.
    let kept = reader.kept_heads()?;
    let unguarded = kept.is_empty() && args.head.is_empty() && args.checkpoint.is_empty();
    let mut checkpoints = elsewhere(&args.checkpoint)?;
    for (size, note) in reader.checkpoints().await? {
        match filed(size, &note) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(why) => return tell(&Unsound::Checkpoint { size, why }, out),
        }
    }
    let newest = checkpoints.iter().map(|kept| kept.checkpoint().head.seq).max();
    let heads = kept.into_iter().chain(args.head.iter().cloned()).collect();
    let follower = match follow(reader, Follower::new(heads, checkpoints)).await? {
        Ok(follower) => follower,
        Err(unsound) => return tell(&unsound, out),
    };
    let (keys, passed) = (follower.keys().clone(), follower.passed());
    let verified = match follower.finish() {
        Ok(verified) => verified,
        Err(unsound) => return tell(&unsound, out),
    };
    intact(&verified, 1, out)?;
    if unguarded {
        writeln!(out, "no head is kept beside it, so a cut-off end would not show: compare with an export")?;
    }
    signed(passed, newest, &keys, args.key.as_ref(), out)
}

/// Verifies an exported file.
pub(super) fn verify_export(path: &Path, args: &VerifyArgs, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    let cant_read = |error: io::Error| format!("`{}` can't be read: {error}", path.display());
    let mut verifier = ExportVerifier::new(args.head.clone(), elsewhere(&args.checkpoint)?, args.key.clone());
    for line in BufReader::new(File::open(path).map_err(cant_read)?).lines() {
        if let Err(unsound) = verifier.check(&line.map_err(cant_read)?) {
            return tell(&unsound, out);
        }
    }
    match verifier.finish() {
        Ok(export) => {
            intact(&export.verified, export.from, out)?;
            match export.attested {
                Attested::Signed(key) => writeln!(out, "its checkpoint is good, signed with key {key}")?,
                Attested::Unchecked => {
                    writeln!(out, "who signed its checkpoint can't be checked without record 1, or `--key`")?;
                }
                Attested::No => writeln!(out, "it has no checkpoint")?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(unsound) => tell(&unsound, out),
    }
}

async fn follow(reader: &Reader, mut follower: Follower) -> Result<Result<Follower, Unsound>, Box<dyn Error>> {
    loop {
        let page = reader.records(follower.head().seq.saturating_add(1), PAGE).await?;
        let Some(last) = page.last().map(|record| record.seq) else { return Ok(Ok(follower)) };
        for record in &page {
            if let Err(unsound) = follower.take(record) {
                return Ok(Err(unsound));
            }
        }
        if last != follower.head().seq {
            return Err("the record changed while it was read: try again".into());
        }
    }
}

fn filed(size: u64, note: &str) -> Result<SignedCheckpoint, BadNote> {
    let checkpoint = SignedCheckpoint::parse(note)?;
    match checkpoint.checkpoint().head.seq == size {
        true => Ok(checkpoint),
        false => Err(BadNote::Form("it is filed under another size")),
    }
}

fn elsewhere(paths: &[PathBuf]) -> Result<Vec<SignedCheckpoint>, Box<dyn Error>> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| format!("`{}` can't be read: {error}", path.display()))?;
        SignedCheckpoint::parse(&text).map_err(|error| format!("`{}`: {error}", path.display()))
    };
    Ok(paths.iter().map(read).collect::<Result<_, String>>()?)
}

/// Tells what the checkpoints say, and whether the key they are signed with is one that is trusted.
fn signed(
    passed: u64,
    newest: Option<u64>,
    keys: &Keys,
    trusted: Option<&VerifierKey>,
    out: &mut dyn Write,
) -> Result<ExitCode, Box<dyn Error>> {
    let key = newest.and_then(|newest| keys.at(newest));
    match (newest, key) {
        (Some(newest), Some(key)) => {
            let (many, newest) = (grouped(passed), grouped(newest));
            let noun = if passed == 1 { "checkpoint" } else { "checkpoints" };
            writeln!(out, "{many} {noun}, good, the newest of {newest} records, signed with key {key}")?;
        }
        _ => writeln!(out, "no checkpoint is kept: `countersign audit checkpoint` makes one")?,
    }
    for lost in keys.all().iter().skip(1).filter(|recorded| !recorded.follows) {
        writeln!(
            out,
            "the key of record {} does not follow from the one before: that was lost, or is another's",
            lost.since
        )?;
    }
    match (trusted, key) {
        (None, _) => Ok(ExitCode::SUCCESS),
        (Some(trusted), Some(key)) if keys.vouches(trusted, key) => {
            writeln!(out, "that key is, or follows from, the one given")?;
            Ok(ExitCode::SUCCESS)
        }
        (Some(trusted), _) => {
            writeln!(out, "NOT TRUSTED: no checkpoint is signed with {trusted}, or with a key that follows from it")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn intact(verified: &Verified, from: u64, out: &mut dyn Write) -> io::Result<()> {
    let Verified { head, counts } = verified;
    let records = grouped(counts.values().sum());
    let since = if from > 1 { format!(" from record {from} on") } else { String::new() };
    writeln!(out, "{records} records, intact{since}, head {}:{}", head.seq, head.hash)?;
    let kinds: Vec<_> = counts.iter().map(|(kind, count)| format!("{kind} {}", grouped(*count))).collect();
    if kinds.is_empty() { Ok(()) } else { writeln!(out, "{}", kinds.join(", ")) }
}

fn tell(unsound: &Unsound, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    writeln!(out, "NOT INTACT: {unsound}\n{}", unsound.mend())?;
    Ok(ExitCode::FAILURE)
}

fn parse_head(text: &str) -> Result<Head, String> {
    let head = || {
        let (seq, hash) = text.split_once(':')?;
        Some(Head { seq: seq.parse().ok()?, hash: Digest::try_from(hash.to_owned()).ok()? })
    };
    head().ok_or_else(|| "write it as `verify` printed it: a number, a colon, 64 hexadecimal digits".to_owned())
}

/// `1204567` as `1,204,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::audit::event::{Event, What};
    use crate::cli::audit;
    use crate::names::PlanId;
    use crate::ports::Store;
    use crate::store::{Checkpointer, SqliteStore};
    use crate::testing::FixedClock;

    struct Recorded {
        folder: tempfile::TempDir,
    }

    impl Recorded {
        async fn events(count: usize) -> Self {
            let recorded = Self { folder: tempfile::tempdir().unwrap() };
            recorded.more(count).await;
            recorded
        }

        async fn more(&self, count: usize) {
            let store = SqliteStore::open(&self.path()).await.unwrap();
            let served = |number| What::Served { tool: format!("tool_{number}") };
            let confirmed = What::Confirmed {
                plan: PlanId::from_outside("plan-1"),
                digest: Digest::of_bytes("t", b""),
                answered_after_ms: 9000,
                faster_than_reading: false,
            };
            let events = (0..count).map(served).chain([confirmed]);
            let events = events.map(|what| Event { at: jiff::Timestamp::UNIX_EPOCH, call: None, caller: None, what });
            store.append(events.collect()).await.unwrap();
            store.close().await;
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("countersign.db")
        }

        async fn reader(&self) -> Reader {
            Reader::open(&self.path()).await.unwrap()
        }

        async fn checkpointer(&self) -> Checkpointer {
            let store = Arc::new(SqliteStore::open(&self.path()).await.unwrap());
            Checkpointer::new(&self.path(), store, Arc::new(FixedClock::default()))
        }

        async fn checkpoint(&self) -> SignedCheckpoint {
            self.checkpointer().await.make().await.unwrap()
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }

        async fn verify_with(&self, args: VerifyArgs) -> (bool, String) {
            let mut out = Vec::new();
            let code = verify(&self.reader().await, &args, &mut out).await.unwrap();
            (code == ExitCode::SUCCESS, String::from_utf8(out).unwrap())
        }

        async fn verify(&self, head: Vec<Head>) -> (bool, String) {
            self.verify_with(VerifyArgs { head, ..VerifyArgs::default() }).await
        }

        async fn export(&self, from: u64) -> String {
            self.export_with(from, None).await
        }

        async fn export_with(&self, from: u64, made: Option<SignedCheckpoint>) -> String {
            let mut out = Vec::new();
            audit::export(&self.reader().await, from, made, &mut out).await.unwrap();
            String::from_utf8(out).unwrap()
        }

        fn verify_export(&self, text: &str, args: VerifyArgs) -> (bool, String) {
            let (file, mut out) = (self.write("export.jsonl", text), Vec::new());
            let code = verify_export(&file, &args, &mut out).unwrap();
            (code == ExitCode::SUCCESS, String::from_utf8(out).unwrap())
        }
    }

    fn without_keys(text: &str) -> String {
        let mut text = text.to_owned();
        while let Some(at) = text.find("countersign.01") {
            let rest = text.split_at(at).1;
            let end = at + rest.find(['\n', ',']).unwrap_or(rest.len());
            text.replace_range(at..end, "[key]");
        }
        text
    }

    #[tokio::test]
    async fn an_intact_record_is_told_in_three_lines() {
        let (intact, text) = Recorded::events(1203).await.verify(vec![]).await;
        assert!(intact);
        insta::assert_snapshot!(text, @r"
        1,204 records, intact, head 1204:c0fd8005859fd792bd083faaaa0b407e3affea72658268ad8d09ba0e878bc9f7
        confirmed 1, served 1,203
        no checkpoint is kept: `countersign audit checkpoint` makes one
        ");
    }

    #[tokio::test]
    async fn checkpoints_are_made_kept_and_checked() {
        let recorded = Recorded::events(3).await;
        let first = recorded.checkpoint().await;
        recorded.more(2).await;
        let mut checkpointer = recorded.checkpointer().await;
        let second = checkpointer.make().await.unwrap();
        assert_eq!(checkpointer.make_if_new().await.unwrap(), None);
        assert_eq!((first.checkpoint().head.seq, second.checkpoint().head.seq), (5, 8));
        let (intact, text) = recorded.verify(vec![]).await;
        assert!(intact);
        insta::assert_snapshot!(without_keys(&text).split_once('\n').unwrap().1, @r"
        checkpoint_key 1, confirmed 2, served 5
        2 checkpoints, good, the newest of 8 records, signed with key [key]
        ");

        let noted = recorded.write("noted", &first.to_string());
        let args = || VerifyArgs { checkpoint: vec![noted.clone()], ..VerifyArgs::default() };
        assert!(recorded.verify_with(args()).await.0);
        let other = Recorded::events(9).await;
        other.checkpoint().await;
        let (intact, text) = other.verify_with(args()).await;
        assert!(!intact && text.starts_with("NOT INTACT: record 5 is not the one that was written"), "{text}");
        let short = Recorded::events(1).await;
        let (intact, text) = short.verify_with(args()).await;
        assert!(!intact && text.starts_with("NOT INTACT: record 3 is missing: the chain was cut off"), "{text}");
    }

    #[tokio::test]
    async fn a_new_key_is_signed_by_the_old_one_and_a_lost_one_ends_its_trust() {
        let recorded = Recorded::events(3).await;
        let mut checkpointer = recorded.checkpointer().await;
        checkpointer.make().await.unwrap();
        assert!(checkpointer.rotate(true).await.unwrap_err().to_string().contains("not lost"));
        let rotation = checkpointer.rotate(false).await.unwrap();
        checkpointer.make().await.unwrap();
        let trusting = |key: &VerifierKey| VerifyArgs { key: Some(key.clone()), ..VerifyArgs::default() };
        assert!(recorded.verify_with(trusting(&rotation.before)).await.0);
        assert!(recorded.verify_with(trusting(&rotation.now)).await.0);

        std::fs::remove_file(recorded.folder.path().join("checkpoint.key")).unwrap();
        let mut checkpointer = recorded.checkpointer().await;
        let lost = checkpointer.make().await.unwrap_err().to_string();
        assert!(lost.contains("put back a backup") && checkpointer.prepare().await.is_err(), "{lost}");
        assert!(checkpointer.rotate(false).await.is_err());
        let again = checkpointer.rotate(true).await.unwrap();
        checkpointer.make().await.unwrap();
        let (intact, text) = recorded.verify_with(trusting(&again.now)).await;
        assert!(intact && text.contains("does not follow from the one before"), "{text}");
        let (intact, text) = recorded.verify_with(trusting(&rotation.now)).await;
        assert!(!intact && text.contains("NOT TRUSTED"), "{text}");
    }

    #[tokio::test]
    async fn a_noted_head_must_be_in_the_chain() {
        let recorded = Recorded::events(3).await;
        let head = recorded.reader().await.head().await.unwrap();
        let noted = |text: &str| vec![parse_head(text).unwrap()];
        assert!(recorded.verify(noted(&format!("4:{}", head.hash))).await.0);
        let (intact, text) = recorded.verify(noted(&format!("2:{}", head.hash))).await;
        assert!(!intact && text.starts_with("NOT INTACT: record 2 is not the one that was written"), "{text}");
        let (intact, text) = recorded.verify(noted(&format!("9:{}", head.hash))).await;
        assert!(!intact && text.starts_with("NOT INTACT: record 5 is missing: the chain was cut off"), "{text}");
        assert!(parse_head("4").is_err() && parse_head("4:abc").is_err());
    }

    #[tokio::test]
    async fn without_a_kept_head_that_is_said() {
        let recorded = Recorded::events(3).await;
        std::fs::remove_file(recorded.folder.path().join("audit.head")).unwrap();
        let (intact, text) = recorded.verify(vec![]).await;
        assert!(intact && text.contains("a cut-off end would not show"), "{text}");
    }

    #[tokio::test]
    async fn an_export_is_verified_without_the_database() {
        let recorded = Recorded::events(1500).await;
        let whole = recorded.export(1).await;
        let none = VerifyArgs::default;
        assert_eq!(whole.lines().count(), 1502);
        let (intact, text) = recorded.verify_export(&whole, none());
        assert!(intact && text.starts_with("1,501 records, intact, head 1501:"), "{text}");
        assert!(text.ends_with("it has no checkpoint\n"), "{text}");
        let (intact, text) = recorded.verify_export(&recorded.export(1400).await, none());
        assert!(intact && text.starts_with("102 records, intact from record 1400 on, head 1501:"), "{text}");

        let (intact, text) = recorded.verify_export(&whole.replace("tool_700\"", "tool_701\""), none());
        assert!(!intact && text.starts_with("NOT INTACT: record 701 was edited"), "{text}");
        let cut: String = whole.lines().take(1000).map(|line| format!("{line}\n")).collect();
        let (intact, text) = recorded.verify_export(&cut, none());
        assert!(!intact && text.contains("without its last line, so it was cut off"), "{text}");
    }

    #[tokio::test]
    async fn an_export_bears_the_checkpoint_of_its_last_record() {
        let recorded = Recorded::events(20).await;
        let checkpoint = recorded.checkpoint().await;
        // What is recorded meanwhile is not in it.
        recorded.more(1).await;
        let whole = recorded.export_with(1, Some(checkpoint.clone())).await;
        assert_eq!(whole.lines().count(), 23);
        let (intact, text) = recorded.verify_export(&whole, VerifyArgs::default());
        assert!(intact && text.contains("its checkpoint is good, signed with key countersign."), "{text}");
        let late = recorded.export_with(10, Some(checkpoint.clone())).await;
        let (intact, text) = recorded.verify_export(&late, VerifyArgs::default());
        assert!(intact && text.contains("can't be checked without record 1"), "{text}");

        let key: VerifierKey = text_between(&whole, "\"verifier\":\"", "\"").parse().unwrap();
        let trusting = |key: &VerifierKey| VerifyArgs { key: Some(key.clone()), ..VerifyArgs::default() };
        assert!(recorded.verify_export(&late, trusting(&key)).0 && recorded.verify_export(&whole, trusting(&key)).0);
        let stranger = crate::audit::note::SigningKey::generate(key.name()).unwrap().verifier().clone();
        for export in [&whole, &late] {
            let (intact, text) = recorded.verify_export(export, trusting(&stranger));
            assert!(!intact && text.starts_with("NOT INTACT: the checkpoint of 22 records is not good"), "{text}");
        }
        // Everything was written anew, hashes included, by somebody without the key.
        let other = Recorded::events(20).await;
        let own = other.checkpoint().await;
        let forged = other.export_with(1, Some(own)).await;
        let own = text_between(&forged, "\"checkpoint\":\"", "\"}").to_owned();
        let note = serde_json::to_string(&checkpoint.to_string()).unwrap();
        let forged = forged.replace(&own, note.trim_matches('"'));
        assert!(!recorded.verify_export(&forged, VerifyArgs::default()).0);
    }

    fn text_between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
        text.split_once(before).unwrap().1.split_once(after).unwrap().0
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_204_567].map(grouped), ["0", "999", "1,000", "1,204,567"]);
    }
}
