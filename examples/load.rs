//! How a server over HTTP bears many sessions: opens them, lets each listen, and calls a tool so many times a second.
//!
//!     cargo run --example load -- http://localhost:8470/mcp PID [SESSIONS] [CALLS_PER_SECOND] [SECONDS]
//!
//! PID is the server's process, whose memory is read. `scripts/load.sh` starts a server for it.

#![expect(clippy::print_stdout, reason = "it is a program of its own")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SESSION: &str = "mcp-session-id";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [url, pid, rest @ ..] = given.as_slice() else {
        return Err("usage: load URL PID [SESSIONS] [RATE] [SECONDS]".into());
    };
    let number = |at: usize, default: usize| rest.get(at).map_or(Ok(default), |text| text.parse::<usize>());
    let (sessions, rate, seconds) = (number(0, 2000)?, number(1, 50)?, number(2, 60)?);
    let client = Arc::new(Endpoint { client: Client::builder().build()?, url: url.clone() });

    let before = resident(pid)?;
    let began = Instant::now();
    let opened = stream::iter(0..sessions).map(|_| client.open()).buffer_unordered(16).collect::<Vec<_>>().await;
    let opened: Vec<(String, Response)> = opened.into_iter().collect::<Result<_, _>>()?;
    println!("{sessions} sessions, each listening, opened in {:.1} s", began.elapsed().as_secs_f64());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let with_sessions = resident(pid)?;
    let each = with_sessions.saturating_sub(before) / sessions.max(1) as u64;
    println!("memory: {} KiB before, {} KiB with them, {each} bytes a session", before / 1024, with_sessions / 1024);

    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate as f64));
    let mut calls = FuturesUnordered::new();
    let mut taken = Vec::new();
    let mut begun = 0;
    while taken.len() < rate * seconds {
        tokio::select! {
            _ = ticks.tick(), if begun < rate * seconds => {
                let (session, _) = opened.get(begun % sessions).ok_or("no session")?;
                calls.push(client.call(session));
                begun += 1;
            }
            Some(took) = calls.next() => taken.push(took?),
        }
    }
    taken.sort();
    let at = |share: f64| {
        taken.get(((taken.len() - 1) as f64 * share) as usize).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    println!(
        "{} calls at {rate} a second: median {:.1} ms, 95% {:.1} ms, 99% {:.1} ms, longest {:.1} ms",
        taken.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
    println!("memory: {} KiB at the end", resident(pid)? / 1024);
    Ok(())
}

struct Endpoint {
    client: Client,
    url: String,
}

impl Endpoint {
    fn post(&self, message: &Value) -> RequestBuilder {
        let request = self.client.post(&self.url).header("accept", "application/json, text/event-stream");
        request.header("content-type", "application/json").body(message.to_string())
    }

    /// A session, and the stream on which it is told of what happens.
    async fn open(&self) -> Result<(String, Response), Failure> {
        let initialize = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "load", "version": "1" },
            },
        });
        let opened = self.post(&initialize).send().await?.error_for_status()?;
        let session = opened.headers().get(SESSION).ok_or("no session came about")?.to_str()?.to_owned();
        opened.bytes().await?;
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.post(&ready).header(SESSION, &session).send().await?.error_for_status()?;
        let listen = self.client.get(&self.url).header("accept", "text/event-stream").header(SESSION, &session);
        let listening = listen.send().await?.error_for_status()?;
        Ok((session, listening))
    }

    /// A call that is worked on, recorded and answered without AWS.
    async fn call(&self, session: &str) -> Result<Duration, Failure> {
        let began = Instant::now();
        let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "whoami", "arguments": {} } });
        let answer = self.post(&call).header(SESSION, session).send().await?.error_for_status()?.text().await?;
        if answer.contains("structuredContent") { Ok(began.elapsed()) } else { Err(answer.into()) }
    }
}

/// The memory of a process, in bytes.
fn resident(pid: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kibibytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kibibytes * 1024)
}
