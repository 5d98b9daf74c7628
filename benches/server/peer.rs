//! A server process and the plainest client of it: a line out, a line in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

use crate::stub::Stub;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A folder with configuration, credentials and store.
pub(crate) struct Installation {
    folder: TempDir,
}

impl Installation {
    pub(crate) fn before(stub: &Stub) -> Result<Self, Failure> {
        // Not under /tmp, which may be in memory, where syncing costs nothing.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let credentials = "[bench]\naws_access_key_id = AKIABENCH\naws_secret_access_key = secret\n";
        std::fs::write(folder.path().join("credentials"), credentials)?;
        let config = format!(
            r#"[caller]
human = "ann"
agent = "bench"

[accounts.bench]
id = "210987654321"
stage = "dev"
regions = ["eu-central-1"]
read_role = "arn:aws:iam::210987654321:role/countersign-read"
change_role = "arn:aws:iam::210987654321:role/countersign-change"

[store]
path = "countersign.db"

[aws]
endpoint_url = "{}"
credentials_file = "credentials"
profile = "bench"
"#,
            stub.endpoint()
        );
        std::fs::write(folder.path().join("countersign.toml"), config)?;
        Ok(Self { folder })
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("countersign.toml")
    }
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A running server after the handshake.
#[derive(Clone)]
pub(crate) struct Peer {
    stdin: Arc<tokio::sync::Mutex<ChildStdin>>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
    process: Arc<Mutex<Option<Child>>>,
    pid: u32,
}

impl Peer {
    /// Starts a server and waits for its first answer.
    pub(crate) async fn connect(installation: &Installation) -> Result<Self, Failure> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["serve", "--log", "error", "--config"])
            .arg(installation.config())
            .env_clear()
            .env("HOME", installation.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no standard input")?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let waiting = Waiting::default();
        let answered = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
                let asked = message.get("id").and_then(Value::as_u64);
                let asked = asked.and_then(|id| answered.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
                if let Some(asked) = asked {
                    let _nobody_waits = asked.send(message);
                }
            }
            // Who still waits learns that nothing will come.
            answered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        let pid = child.id().ok_or("the server ended at once")?;
        let peer = Self {
            stdin: Arc::new(tokio::sync::Mutex::new(stdin)),
            waiting,
            next: Arc::default(),
            process: Arc::new(Mutex::new(Some(child))),
            pid,
        };
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" },
        });
        peer.request("initialize", hello).await?;
        peer.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(peer)
    }

    pub(crate) async fn request(&self, method: &str, params: Value) -> Result<Value, Failure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, answer);
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await?;
        let answer = answered.await.map_err(|_| format!("the server ended without answering {method}"))?;
        match answer.get("error") {
            Some(error) => Err(error.to_string().into()),
            None => Ok(answer),
        }
    }

    /// One recorded read; an error where it is refused.
    pub(crate) async fn read(&self, arguments: &Value) -> Result<(), Failure> {
        let call = json!({ "name": "ec2_describe_instances", "arguments": arguments });
        let answer = self.request("tools/call", call).await?;
        match answer.pointer("/result/isError") {
            Some(Value::Bool(true)) => Err(answer.to_string().into()),
            _ => Ok(()),
        }
    }

    async fn say(&self, message: &Value) -> Result<(), Failure> {
        let mut line = message.to_string();
        line.push('\n');
        let mut stdin = self.stdin.lock().await;
        stdin.write_all(line.as_bytes()).await?;
        stdin.flush().await?;
        Ok(())
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    pub(crate) async fn end(self) -> Result<(), Failure> {
        let child = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            child.kill().await?;
        }
        Ok(())
    }
}
