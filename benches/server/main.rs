//! What the server costs, measured on the real binary over its standard input and output: `make bench`.
//!
//! The cloud is a stub in this process, on loopback. What is compared with an aim is the median of many runs, but for the
//! ping beside parallel calls, where the slowest of all counts.

mod mint;
mod peer;
mod stub;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use peer::{Failure, Installation, Peer};
use stub::Stub;

/// Starts measured.
const STARTS: usize = 40;
/// Calls measured one after the other.
const CALLS: usize = 2000;
/// Calls at the same time.
const AT_ONCE: usize = 16;
/// How often each of them is repeated.
const ROUNDS: usize = 30;
/// What the slow stub takes.
const SLOW: Duration = Duration::from_millis(100);

const MIB: f64 = 1024.0 * 1024.0;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let mut table = Table::default();
    starts(&mut table).await?;
    memory_and_list(&mut table).await?;
    one_after_the_other(&mut table).await?;
    in_parallel(&mut table).await?;
    mint::minting(&mut table).await?;
    anstream::println!("{:<58} {:>12} {:>12}", "", "aim", "measured");
    for Row { what, aim, measured } in table.rows {
        anstream::println!("{what:<58} {aim:>12} {measured:>12}");
    }
    Ok(())
}

async fn starts(table: &mut Table) -> Result<(), Failure> {
    let stub = Stub::start(Duration::ZERO).await?;
    let installation = Installation::before(&stub)?;
    let mut first_answers = Vec::new();
    // The first start makes the store; it isn't counted.
    for start in 0..=STARTS {
        let began = Instant::now();
        let peer = Peer::connect(&installation).await?;
        if start > 0 {
            first_answers.push(began.elapsed());
        }
        peer.end().await?;
    }
    table.time("spawn to first answer", "15 ms", median(&mut first_answers));
    Ok(())
}

async fn memory_and_list(table: &mut Table) -> Result<(), Failure> {
    let stub = Stub::start(Duration::ZERO).await?;
    let installation = Installation::before(&stub)?;
    let peer = Peer::connect(&installation).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    table.mebibytes("resident memory after start", "25 MiB", peer.resident()?);
    let list = peer.request("tools/list", json!({})).await?;
    let tools = list.pointer("/result/tools").and_then(Value::as_array).ok_or("no tools in tools/list")?;
    table.row("tools/list, bytes", "24576", list.to_string().len().to_string());
    table.row("tools/list, tools", "30", tools.len().to_string());
    peer.read(&everything()).await?;
    table.mebibytes("resident memory after a list and a read", "", peer.resident()?);
    peer.end().await
}

async fn one_after_the_other(table: &mut Table) -> Result<(), Failure> {
    let stub = Stub::start(Duration::ZERO).await?;
    let installation = Installation::before(&stub)?;
    let peer = Peer::connect(&installation).await?;
    let mut client = stub.client().await?;
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does hits both alike; the first calls warm up.
    for call in 0..CALLS + 50 {
        let began = Instant::now();
        client.call().await?;
        let straight = began.elapsed();
        let began = Instant::now();
        peer.read(&everything()).await?;
        if call >= 50 {
            direct.push(straight);
            through.push(began.elapsed());
        }
    }
    let (direct, through) = (median(&mut direct), median(&mut through));
    table.time("a read straight to the stub", "", direct);
    table.time("the same read through the server, on record", "", through);
    table.time("added by the server", "0.5 ms", through.saturating_sub(direct));
    peer.end().await
}

async fn in_parallel(table: &mut Table) -> Result<(), Failure> {
    let stub = Stub::start(SLOW).await?;
    let installation = Installation::before(&stub)?;
    let peer = Peer::connect(&installation).await?;
    peer.read(&everything()).await?;
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..AT_ONCE {
        let peer = peer.clone();
        calls.spawn(async move {
            for _ in 0..ROUNDS {
                peer.read(&everything()).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    let mut pings = Vec::new();
    while !calls.is_empty() {
        let asked = Instant::now();
        peer.request("ping", json!({})).await?;
        pings.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
        while let Some(ended) = calls.try_join_next() {
            ended??;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let all = u32::try_from(AT_ONCE * ROUNDS)?;
    table.row("16 parallel reads, the stub takes 100 ms, calls/s", "155", format!("{:.1}", f64::from(all) / seconds));
    table.time("a ping meanwhile, median", "", median(&mut pings));
    table.time("a ping meanwhile, slowest", "5 ms", pings.iter().copied().max().unwrap_or_default());
    peer.end().await
}

/// A read of everything in the account's default region.
fn everything() -> Value {
    json!({ "account": "bench" })
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What is printed.
#[derive(Default)]
struct Table {
    rows: Vec<Row>,
}

struct Row {
    what: &'static str,
    aim: &'static str,
    measured: String,
}

impl Table {
    fn row(&mut self, what: &'static str, aim: &'static str, measured: String) {
        self.rows.push(Row { what, aim, measured });
    }

    fn time(&mut self, what: &'static str, aim: &'static str, measured: Duration) {
        self.row(what, aim, format!("{:.2} ms", measured.as_secs_f64() * 1000.0));
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    fn mebibytes(&mut self, what: &'static str, aim: &'static str, bytes: u64) {
        self.row(what, aim, format!("{:.1} MiB", bytes as f64 / MIB));
    }
}
