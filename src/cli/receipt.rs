//! `countersign receipt`: what the record says of one plan, exported and verified.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::audit::PAGE;

use crate::approval::passkey::verify_signed;
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
    let check = |signed: &Signed| verify_signed(signed).map_err(|error| error.to_string());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::people::PeopleChange;
    use crate::approval::tests::{Desk, human};
    use crate::audit::chain;
    use crate::audit::checkpoint::Follower;
    use crate::audit::event::{Head, ResultWord, What};
    use crate::config::BudgetsConfig;
    use crate::names::{Effect, GrantId};
    use crate::plan::filed::{FiledPlan, PlanState};
    use crate::ports::{Claim, Clock, GrantKind, GrantRecord, Store};
    use crate::testing::counted;

    /// A desk at which bob and cleo approved a plan of dana's, which was then applied.
    async fn applied() -> (Desk, FiledPlan) {
        let mut desk = Desk::staffed().await;
        Checkpointer::new(&desk.database(), desk.store.clone(), Arc::new(desk.clock.clone())).prepare().await.unwrap();
        let plan = desk.plan(Effect::Destructive).await;
        desk.wait(20);
        for name in ["bob", "cleo"] {
            desk.sign(&plan, name, GrantKind::Approval).await.unwrap();
        }
        let (id, digest) = (plan.content.id.clone(), plan.digest);
        let typed = GrantRecord {
            id: GrantId::fresh(),
            plan: id.clone(),
            digest,
            by: plan.content.human.clone(),
            at: desk.clock.now(),
            expires_at: plan.content.expires_at,
            answered_after_ms: 9_000,
            kind: GrantKind::Confirmation,
            signed: None,
        };
        let confirmed =
            What::Confirmed { plan: id.clone(), digest, answered_after_ms: 9_000, faster_than_reading: false };
        desk.store.grant(typed, desk.event(confirmed)).await.unwrap();
        let targets: Vec<String> = plan.content.targets.iter().map(|target| target.arn.clone()).collect();
        let claim = Claim {
            plan: id.clone(),
            digest,
            grants: desk.grants(&id).await.into_iter().map(|grant| grant.id).collect(),
            targets: targets.clone(),
            now: desk.clock.now(),
            per_hour: None,
            who: counted(&plan),
            resources: 1,
            budgets: BudgetsConfig::default(),
            steps_since: jiff::Timestamp::MIN,
        };
        let operation = plan.content.operation.clone();
        let intent = What::Intent { plan: id.clone(), digest, operation, targets, role: None, session_policy: None };
        desk.store.claim(claim, desk.event(intent)).await.unwrap();
        let request_id = Some("req-1".to_owned());
        let outcome = What::Outcome { plan: id.clone(), result: ResultWord::Applied, request_id, detail: None };
        desk.store.settle(&id, PlanState::Applied, desk.event(outcome)).await.unwrap();
        (desk, plan)
    }

    fn verified(receipt: &Receipt) -> (bool, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), receipt.text().unwrap()).unwrap();
        let mut out = Vec::new();
        let code = verify_file(file.path(), None, false, &mut out).unwrap();
        (code == ExitCode::SUCCESS, String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn signatures_of_passkeys_are_checked_again_from_the_receipt_alone() {
        let (mut desk, plan) = applied().await;
        // What came later is no part of the story.
        desk.change(PeopleChange::Revoke { name: human("cleo") }).await.unwrap();
        let receipt = export(&desk.database(), plan.content.id.clone()).await.unwrap();
        let (good, text) = verified(&receipt);
        assert!(good, "{text}");
        assert!(text.contains("approved    by `bob` of `approvers`, `senior`, signed with passkey `phone`"), "{text}");
        assert!(text.contains("approved    by `cleo` of `approvers`, signed with passkey `phone`"), "{text}");
        assert!(text.contains("AWS request `req-1`"), "{text}");
        let kinds = |kind: &str| receipt.records.iter().filter(|record| record.event.contains(kind)).count();
        assert_eq!((kinds("\"event\":\"signed\""), kinds("\"event\":\"enrolled\"")), (2, 3), "{text}");
    }

    #[tokio::test]
    async fn a_signature_made_up_on_the_server_does_not_verify() {
        let (desk, plan) = applied().await;
        // Somebody with the key and the database writes the record anew: cleo's signature stands for bob's too.
        let whole = desk.store.records(1, 1000).await.unwrap();
        let of = |name: &str| {
            let by = format!("\"by\":\"{name}\"");
            whole.iter().find(|record| record.event.contains("\"signed\",") && record.event.contains(&by)).unwrap()
        };
        let signed = |name: &str| {
            let event: serde_json::Value = serde_json::from_str(&of(name).event).unwrap();
            event["what"]["signed"]["assertion"].to_string()
        };
        let forged = of("bob").event.replace(&signed("bob"), &signed("cleo"));
        assert_ne!(forged, of("bob").event);
        let (mut head, mut follower) = (chain::empty(), Follower::new(Vec::new(), Vec::new()));
        let mut gatherer = Gatherer::new(plan.content.id.clone());
        for record in &whole {
            let event = if record.seq == of("bob").seq { forged.clone() } else { record.event.clone() };
            let record = chain::next(&head, event);
            head = Head { seq: record.seq, hash: record.hash };
            follower.take(&record).unwrap();
            gatherer.look(&record);
        }
        let mut own = Checkpointer::new(&desk.database(), desk.store.clone(), Arc::new(desk.clock.clone()));
        let made = own.make().await.unwrap();
        let key = own.signing_key(&made).await.unwrap();
        let checkpoint = follower.checkpoint(&key).unwrap();
        let content = Reader::open(&desk.database()).await.unwrap().plan_content(&plan.content.id).await.unwrap();
        let receipt = gatherer.finish(content.unwrap(), &checkpoint, &key).unwrap();
        let (good, text) = verified(&receipt);
        assert!(!good && text.contains("the signature of `bob` is not good"), "{text}");
    }
}
