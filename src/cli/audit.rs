//! `countersign audit`: the record verified, read, exported.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::audit_verify::{VerifyArgs, verify, verify_export};
use super::{audit_line, checkpoint};
use crate::audit::checkpoint::SignedCheckpoint;
use crate::audit::export::{self, Footer};
use crate::store::Reader;

/// Records read at a time.
pub(super) const PAGE: u32 = 1000;
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
    /// Writes the record as JSON lines, the last of which says where the chain ends and bears a checkpoint of it.
    Export(ExportArgs),
    /// Makes a checkpoint, a signed note of what the record is now, and prints it. Keep it elsewhere.
    Checkpoint,
    /// Replaces the key that checkpoints are signed with; the old key signs the new one.
    RotateKey(RotateArgs),
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

#[derive(Debug, Args)]
struct RotateArgs {
    /// The old key is lost, so it can't sign the new one; whoever trusts the old one must be told.
    #[arg(long)]
    lost: bool,
}

/// Runs the command. `configured` tells where the configured store is, and is asked only where that matters.
pub async fn run(
    args: AuditArgs,
    configured: impl FnOnce() -> Result<PathBuf, Box<dyn Error>>,
) -> Result<ExitCode, Box<dyn Error>> {
    let out = &mut anstream::stdout().lock();
    let AuditArgs { store, command } = args;
    let path = || store.map_or_else(configured, Ok);
    let ended = match command {
        AuditCommand::Verify(args) => match &args.file {
            Some(file) => verify_export(file, &args, out),
            None => verify(&Reader::open(&path()?).await?, &args, out).await,
        },
        AuditCommand::Tail(args) => tail(&Reader::open(&path()?).await?, &args, out).await,
        AuditCommand::Export(args) => {
            let path = path()?;
            let reader = Reader::open(&path).await?;
            let made = checkpoint::make(&path).await;
            let made = made.inspect_err(|error| tracing::warn!(%error, "the export has no checkpoint")).ok();
            export(&reader, args.from, made, out).await
        }
        AuditCommand::Checkpoint => {
            write!(out, "{}", checkpoint::make(&path()?).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::RotateKey(args) => checkpoint::rotate(&path()?, args.lost, out).await.map(|()| ExitCode::SUCCESS),
    };
    match ended {
        // Whoever read this (`head`, `less`) has seen enough.
        Err(error) if is_broken_pipe(error.as_ref()) => Ok(ExitCode::SUCCESS),
        ended => ended,
    }
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

/// Writes the records from `first` on, up to those that the checkpoint covers, or all where there is none.
pub(super) async fn export(
    reader: &Reader,
    first: u64,
    made: Option<SignedCheckpoint>,
    out: &mut dyn Write,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::BufWriter::new(out);
    let end = match &made {
        Some(made) => made.checkpoint().head.clone(),
        None => reader.head().await?,
    };
    let checkpoint = made.map(|made| made.to_string());
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
    writeln!(out, "{}", export::last_line(Footer { from: first, records, head: end, checkpoint })?)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event::{Event, What};
    use crate::ports::Store;
    use crate::store::SqliteStore;

    #[tokio::test]
    async fn tail_shows_the_last_records() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("countersign.db")).await.unwrap();
        let what = What::Served { tool: "tool".into() };
        let event = Event { at: jiff::Timestamp::UNIX_EPOCH, call: None, caller: None, what };
        store.append(vec![event; 31]).await.unwrap();
        let mut out = Vec::new();
        tail(store.reader(), &TailArgs { lines: 3, follow: false }, &mut out).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        let numbers: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(numbers, ["29", "30", "31"]);
    }
}
