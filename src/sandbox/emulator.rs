//! One emulator of AWS: a Python module run as a child process that listens on loopback only.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::SandboxError;
use super::http;

/// The launcher's text; it is handed to Python with `-c`, so an installed binary needs no file beside it.
const LAUNCHER: &str = include_str!("launch.py");

/// How long an emulator may take to answer its health page. It takes half a second on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Pause between two looks at the health page.
const LOOK_AGAIN: Duration = Duration::from_millis(15);

/// How often a start is repeated where another process took the free port first.
const PORT_ATTEMPTS: u32 = 5;

/// What to run, and how to see that it is up.
pub(super) struct Launch<'a> {
    /// The interpreter.
    pub(super) python: &'a Path,
    /// The Python module.
    pub(super) module: &'static str,
    /// The module's arguments, for a port.
    pub(super) arguments: fn(u16) -> Vec<String>,
    /// The module's whole environment, for a port, besides `PATH`.
    pub(super) environment: &'a dyn Fn(u16) -> Vec<(&'static str, String)>,
    /// Its home and folder for temporary files.
    pub(super) folder: &'a Path,
    /// Where its output goes.
    pub(super) log: &'a Path,
    /// Path of its health page.
    pub(super) health: &'static str,
    /// The port, where the user chose one.
    pub(super) port: Option<u16>,
    /// Whether it ends with this process.
    pub(super) tied: bool,
}

/// A running emulator. A tied one ends when this is dropped, and also when this process dies without dropping it.
#[derive(Debug)]
pub(super) struct Emulator {
    child: Child,
    tied: bool,
    /// The port it listens on, at `127.0.0.1`.
    pub(super) port: u16,
}

impl Emulator {
    /// Starts the process and waits until it answers.
    pub(super) async fn start(launch: Launch<'_>) -> Result<Self, SandboxError> {
        let mut attempt = 1;
        loop {
            let port = launch.port.map_or_else(free_port, Ok).map_err(SandboxError::io("find a free port"))?;
            match Self::start_on(&launch, port).await {
                Err(SandboxError::PortTaken { .. }) if launch.port.is_none() && attempt < PORT_ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    async fn start_on(launch: &Launch<'_>, port: u16) -> Result<Self, SandboxError> {
        let child = spawn(launch, port).map_err(SandboxError::io("start the emulator"))?;
        let mut emulator = Self { child, tied: true, port };
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if says_it_listens(launch.log, port)
                && http::exchange("GET", port, launch.health, Duration::from_secs(5)).await.is_ok()
            {
                emulator.tied = launch.tied;
                return Ok(emulator);
            }
            if let Ok(Some(status)) = emulator.child.try_wait() {
                return Err(why_it_ended(launch, port, &status.to_string()));
            }
            if Instant::now() > deadline {
                return Err(SandboxError::NotReady { log: launch.log.to_owned(), seconds: START_DEADLINE.as_secs() });
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The process's id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Emulator {
    /// All its state is in memory, so there is nothing to close in an orderly way.
    fn drop(&mut self) {
        if self.tied {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Ends a detached emulator: asks it to, and after a while makes it. `alive` says whether it still answers.
pub(super) async fn end<A: Future<Output = bool>>(pid: u32, alive: impl Fn() -> A) -> Result<(), SandboxError> {
    for (signal, patience) in [(Signal::TERM, Duration::from_secs(3)), (Signal::KILL, Duration::from_secs(10))] {
        let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let process =
            process.ok_or_else(|| SandboxError::io("end the emulator")(io::ErrorKind::InvalidInput.into()))?;
        match kill_process(process, signal) {
            Ok(()) => {}
            Err(Errno::SRCH) => return Ok(()),
            Err(error) => return Err(SandboxError::io("end the emulator")(error.into())),
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !alive().await {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
    }
    Err(SandboxError::io("end the emulator")(io::ErrorKind::TimedOut.into()))
}

fn spawn(launch: &Launch<'_>, port: u16) -> io::Result<Child> {
    let log = File::create(launch.log)?;
    let mut command = Command::new(launch.python);
    // Nothing of the caller's environment: its AWS keys would become the emulator's root key.
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", launch.folder)
        .env("TMPDIR", launch.folder)
        .envs((launch.environment)(port))
        .args(["-I", "-u", "-c", LAUNCHER, launch.module])
        .args((launch.arguments)(port))
        .current_dir(launch.folder)
        .stdout(log.try_clone()?)
        .stderr(log);
    if launch.tied {
        command.env("COUNTERSIGN_TIED", "yes").stdin(Stdio::piped());
    } else {
        detach(&mut command);
    }
    command.spawn()
}

fn detach(command: &mut Command) {
    // A group of its own, so that Ctrl-C in the terminal that started it doesn't reach it.
    command.stdin(Stdio::null()).process_group(0);
}

/// Whether *this* process got the port: its health page alone could be another process's that was faster.
fn says_it_listens(log: &Path, port: u16) -> bool {
    std::fs::read_to_string(log).is_ok_and(|output| output.contains(&format!("Running on http://127.0.0.1:{port}")))
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn why_it_ended(launch: &Launch<'_>, port: u16, status: &str) -> SandboxError {
    let output = std::fs::read_to_string(launch.log).unwrap_or_default();
    if output.to_lowercase().contains("in use") {
        return SandboxError::PortTaken { port };
    }
    let mut last: Vec<_> = output.lines().rev().filter(|line| !line.trim().is_empty()).take(5).collect();
    last.reverse();
    SandboxError::Ended { status: status.to_owned(), last: last.join("\n"), log: launch.log.to_owned() }
}
