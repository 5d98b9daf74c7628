//! `countersign receipt`: what the record says of one plan, exported and verified.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::audit::PAGE;

use crate::approval::statement::Signed;
use crate::audit::event::StoredRecord;
use crate::audit::note::VerifierKey;
use crate::audit::receipt::gather::Gatherer;
use crate::audit::receipt::{Receipt, text, verify};
use crate::clock::SystemClock;
use crate::names::PlanId;
use crate::store::{Checkpointer, Reader, SqliteStore};
use crate::text::escape::{ascii_json, quoted};

/// Most bytes of a receipt that is read.
const MOST_BYTES: u64 = 64 << 20;

/// `countersign receipt ...`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ReceiptArgs {
    /// The plan.
    #[arg(required = true)]
    plan: Option<String>,
    /// Writes it into this file, which must not be there yet.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The database, where it isn't the configured one.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<ReceiptCommand>,
}

#[derive(Debug, Subcommand)]
enum ReceiptCommand {
    /// Checks a receipt; needs neither configuration nor database nor network. Exits with 1 where it is not good.
    Verify {
        /// The receipt.
        file: PathBuf,
        /// The key it must be signed with, or follow from, as its operator told you.
        #[arg(long, value_name = "VERIFIER")]
        key: Option<VerifierKey>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command. `configured` tells where the configured store is, and is asked only where that matters.
pub async fn run(
    args: ReceiptArgs,
    configured: impl FnOnce() -> Result<PathBuf, Box<dyn Error>>,
) -> Result<ExitCode, Box<dyn Error>> {
    let out = &mut anstream::stdout().lock();
    if let Some(ReceiptCommand::Verify { file, key, json }) = args.command {
        return verify_file(&file, key.as_ref(), json, out);
    }
    let plan = PlanId::from_outside(&args.plan.unwrap_or_default());
    let receipt = export(&args.store.map_or_else(configured, Ok)?, plan).await?.text()?;
    match args.output {
        None => out.write_all(receipt.as_bytes())?,
        Some(path) => {
            let cant_write = |error| format!("`{}` can't be written: {error}", path.display());
            let mut file = File::create_new(&path).map_err(cant_write)?;
            file.write_all(receipt.as_bytes()).map_err(cant_write)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(path: &Path, plan: PlanId) -> Result<Receipt, Box<dyn Error>> {
    let reader = Reader::open(path).await?;
    let content = reader.plan_content(&plan).await?;
    let content = content
        .ok_or_else(|| format!("there is no plan {}: `countersign plans` lists them", quoted(plan.as_str(), 64)))?;
    let store = Arc::new(SqliteStore::open(path).await?);
    let mut checkpointer = Checkpointer::new(path, store, Arc::new(SystemClock));
    let checkpoint = checkpointer.make().await?;
    let key = checkpointer.signing_key(&checkpoint).await?;
    let size = checkpoint.checkpoint().head.seq;
    let mut gatherer = Gatherer::new(plan);
    each(&reader, size, |record| gatherer.look(record)).await?;
    each(&reader, size, |record| gatherer.look_again(record)).await?;
    Ok(gatherer.finish(content, &checkpoint, &key)?)
}

/// Reads the first `size` records.
async fn each(reader: &Reader, size: u64, mut take: impl FnMut(&StoredRecord)) -> Result<(), Box<dyn Error>> {
    let mut from = 1;
    while from <= size {
        let page = reader.records(from, PAGE).await?;
        let Some(last) = page.last().map(|record| record.seq) else {
            return Err(format!("record {from} is missing: run `countersign audit verify`").into());
        };
        page.iter().filter(|record| record.seq <= size).for_each(&mut take);
        from = last.saturating_add(1);
    }
    Ok(())
}

fn verify_file(
    path: &Path,
    key: Option<&VerifierKey>,
    json: bool,
    out: &mut dyn Write,
) -> Result<ExitCode, Box<dyn Error>> {
    let cant_read = |error| format!("`{}` can't be read: {error}", path.display());
    let mut bytes = Vec::new();
    File::open(path).map_err(cant_read)?.take(MOST_BYTES).read_to_end(&mut bytes).map_err(cant_read)?;
    let check = |_: &Signed| Err("this version does not know how to check passkeys".to_owned());
    let verdict = match str::from_utf8(&bytes) {
        Ok(text) => verify::verify(text, key, &check),
        Err(_) => Err(vec!["it is not text".to_owned()]),
    };
    let (text, code) = match (&verdict, json) {
        (Ok(story), false) => (text::proven(story), ExitCode::SUCCESS),
        (Ok(story), true) => (pretty(&text::json(story))?, ExitCode::SUCCESS),
        (Err(flaws), false) => (text::refused(flaws), ExitCode::FAILURE),
        (Err(flaws), true) => (pretty(&text::refused_json(flaws))?, ExitCode::FAILURE),
    };
    out.write_all(text.as_bytes())?;
    Ok(code)
}

fn pretty(value: &serde_json::Value) -> Result<String, serde_json::Error> {
    Ok(ascii_json(&serde_json::to_string_pretty(value)?) + "\n")
}
