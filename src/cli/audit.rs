//! `countersign audit`: the record verified, read, exported.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::audit_line;
use crate::audit::chain::{Broken, Verified, Verifier};
use crate::audit::event::Head;
use crate::audit::export::{self, ExportVerifier, Footer};
use crate::digest::Digest;
use crate::store::Reader;

/// Records read at a time.
const PAGE: u32 = 1000;
/// How often `tail --follow` looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// `countersign audit ...`
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The database, where it isn't the configured one.
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Checks that no record was changed, deleted, inserted, moved or cut off. Exits with 1 where one was.
    Verify(VerifyArgs),
    /// Shows the last records, for people.
    Tail(TailArgs),
    /// Writes the record as JSON lines, the last of which says where the chain ends.
    Export(ExportArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Checks this export instead of the database.
    #[arg(long, value_name = "EXPORT.jsonl")]
    file: Option<PathBuf>,
    /// A head that was noted down before; the chain must contain it.
    #[arg(long, value_name = "SEQ:HASH", value_parser = parse_head)]
    head: Vec<Head>,
}

#[derive(Debug, Args)]
struct TailArgs {
    /// How many records.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: u32,
    /// Goes on with what is recorded from now on.
    #[arg(short, long)]
    follow: bool,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The first record to write.
    #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
}

/// Runs the command. `configured` tells where the configured store is, and is asked only where that matters.
pub async fn run(
    args: AuditArgs,
    configured: impl FnOnce() -> Result<PathBuf, Box<dyn Error>>,
) -> Result<ExitCode, Box<dyn Error>> {
    let out = &mut anstream::stdout().lock();
    let ended = match (args.command, args.store) {
        (AuditCommand::Verify(VerifyArgs { file: Some(file), head }), _) => verify_export(&file, head, out),
        (command, store) => {
            let path = store.map_or_else(configured, Ok)?;
            let reader = Reader::open(&path).await?;
            match command {
                AuditCommand::Verify(VerifyArgs { head, .. }) => verify(&reader, head, out).await,
                AuditCommand::Tail(args) => tail(&reader, &args, out).await,
                AuditCommand::Export(args) => export(&reader, args.from, out).await,
            }
        }
    };
    match ended {
        // Whoever read this (`head`, `less`) has seen enough.
        Err(error) if is_broken_pipe(error.as_ref()) => Ok(ExitCode::SUCCESS),
        ended => ended,
    }
}

async fn verify(reader: &Reader, noted: Vec<Head>, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    // Before the records, which only become more.
    let kept = reader.kept_heads()?;
    let unguarded = kept.is_empty() && noted.is_empty();
    let mut verifier = Verifier::new(kept.into_iter().chain(noted).collect());
    let mut from = 1;
    let verified = loop {
        let page = reader.records(from, PAGE).await?;
        let Some(last) = page.last() else { break verifier.finish() };
        from = last.seq.saturating_add(1);
        if let Some(broken) = page.iter().find_map(|record| verifier.check(record).err()) {
            break Err(broken);
        }
    };
    match verified {
        Ok(verified) => {
            intact(&verified, 1, out)?;
            if unguarded {
                writeln!(out, "no head is kept beside it, so a cut-off end would not show: compare with an export")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => tell(&broken, out),
    }
}

fn verify_export(path: &Path, noted: Vec<Head>, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    let cant_read = |error: io::Error| format!("`{}` can't be read: {error}", path.display());
    let mut verifier = ExportVerifier::new(noted);
    for line in BufReader::new(File::open(path).map_err(cant_read)?).lines() {
        if let Err(broken) = verifier.check(&line.map_err(cant_read)?) {
            return tell(&broken, out);
        }
    }
    match verifier.finish() {
        Ok(export) => {
            intact(&export.verified, export.from, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => tell(&broken, out),
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

fn tell(broken: &Broken, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    writeln!(out, "NOT INTACT: {broken}\n{}", broken.mend())?;
    Ok(ExitCode::FAILURE)
}

async fn tail(reader: &Reader, args: &TailArgs, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    let end = reader.head().await?.seq;
    let mut from = end.saturating_sub(u64::from(args.lines)).saturating_add(1);
    loop {
        let page = reader.records(from, PAGE).await?;
        for record in &page {
            writeln!(out, "{}", audit_line::line(record))?;
            from = record.seq.saturating_add(1);
        }
        if page.is_empty() {
            if !args.follow {
                return Ok(ExitCode::SUCCESS);
            }
            out.flush()?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn export(reader: &Reader, first: u64, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::BufWriter::new(out);
    let end = reader.head().await?;
    let (mut from, mut records) = (first, 0_u64);
    'pages: loop {
        let page = reader.records(from, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for record in &page {
            if record.seq > end.seq {
                break 'pages;
            }
            writeln!(out, "{}", export::line(record))?;
            records = records.saturating_add(1);
            from = record.seq.saturating_add(1);
        }
    }
    writeln!(out, "{}", export::last_line(Footer { from: first, records, head: end })?)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
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

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event::{Event, What};
    use crate::names::PlanId;
    use crate::ports::Store;
    use crate::store::SqliteStore;

    struct Recorded {
        folder: tempfile::TempDir,
    }

    impl Recorded {
        async fn events(count: usize) -> Self {
            let recorded = Self { folder: tempfile::tempdir().unwrap() };
            let store = SqliteStore::open(&recorded.path()).await.unwrap();
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
            recorded
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("countersign.db")
        }

        async fn reader(&self) -> Reader {
            Reader::open(&self.path()).await.unwrap()
        }

        async fn verify(&self, noted: Vec<Head>) -> (bool, String) {
            let mut out = Vec::new();
            let code = verify(&self.reader().await, noted, &mut out).await.unwrap();
            (code == ExitCode::SUCCESS, String::from_utf8(out).unwrap())
        }

        async fn export(&self, from: u64) -> String {
            let mut out = Vec::new();
            export(&self.reader().await, from, &mut out).await.unwrap();
            String::from_utf8(out).unwrap()
        }

        fn verify_export(&self, text: &str, noted: Vec<Head>) -> (bool, String) {
            let (file, mut out) = (self.folder.path().join("export.jsonl"), Vec::new());
            std::fs::write(&file, text).unwrap();
            let code = verify_export(&file, noted, &mut out).unwrap();
            (code == ExitCode::SUCCESS, String::from_utf8(out).unwrap())
        }
    }

    #[tokio::test]
    async fn an_intact_record_is_told_in_two_lines() {
        let (intact, text) = Recorded::events(1203).await.verify(vec![]).await;
        assert!(intact);
        insta::assert_snapshot!(text, @r"
        1,204 records, intact, head 1204:c0fd8005859fd792bd083faaaa0b407e3affea72658268ad8d09ba0e878bc9f7
        confirmed 1, served 1,203
        ");
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
        assert_eq!(whole.lines().count(), 1502);
        let (intact, text) = recorded.verify_export(&whole, vec![]);
        assert!(intact && text.starts_with("1,501 records, intact, head 1501:"), "{text}");
        let (intact, text) = recorded.verify_export(&recorded.export(1400).await, vec![]);
        assert!(intact && text.starts_with("102 records, intact from record 1400 on, head 1501:"), "{text}");

        let (intact, text) = recorded.verify_export(&whole.replace("tool_700\"", "tool_701\""), vec![]);
        assert!(!intact && text.starts_with("NOT INTACT: record 701 was edited"), "{text}");
        let cut: String = whole.lines().take(1000).map(|line| format!("{line}\n")).collect();
        let (intact, text) = recorded.verify_export(&cut, vec![]);
        assert!(!intact && text.contains("without its last line, so it was cut off"), "{text}");
    }

    #[tokio::test]
    async fn tail_shows_the_last_records() {
        let recorded = Recorded::events(30).await;
        let mut out = Vec::new();
        tail(&recorded.reader().await, &TailArgs { lines: 3, follow: false }, &mut out).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        let numbers: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(numbers, ["29", "30", "31"]);
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_204_567].map(grouped), ["0", "999", "1,000", "1,204,567"]);
    }
}
