//! A local cloud: [ministack](https://pypi.org/project/ministack/) as a child process, with two accounts seeded.
//!
//! ```text
//! shop-tools 111122223333   IAM user countersign-server: may assume the four roles below, and nothing else
//! shop-dev   210987654321   roles countersign-read and countersign-change, the orders service
//! shop-prod  123456789012   the same, with more of everything and deletion protection on the database
//! ```
//!
//! The server reaches it like AWS: signed requests, `sts:AssumeRole` with an external id, IAM policies enforced. It
//! listens on loopback only, knows nothing of the caller's AWS keys and reaches no network.
//!
//! # What ministack 1.5.33 does that AWS doesn't (all tried)
//!
//! - **EC2's `DryRun` is ignored: the call executes.** Tests of dry runs use [`moto`] instead.
//! - A key of twelve digits is that account's root, whatever the secret; so is the key `test` in account
//!   000000000000. `POST /_ministack/reset` asks for no key at all. Whoever reaches the port owns the sandbox.
//! - `SourceIdentity` is accepted and forgotten; session tags need `sts:TagSession` in the trust policy, as at AWS.
//! - `ec2:ModifyInstanceAttribute` doesn't exist, so there is no termination protection of instances. `RunInstances`
//!   ignores `ClientToken` and `BlockDeviceMappings`; volumes outlive terminated instances.
//! - Lists are checked against `*`, not against everything of their kind, and so is what is done with a backup of DynamoDB
//!   or with a topic's tags; `launch.py` mends that for stacks and databases, whose tools name the kind, and for these. The escapes `${*}`, `${?}` and `${$}` in policies are not known, so what has such a name
//!   can't be allowed there.
//! - The condition key `s3:versionid` is not known; `launch.py` mends that. A stack's `RoleARN` is forgotten.
//! - EC2 calls with several ids check permissions for the first only; conditions on resource tags never match, so a
//!   `Deny` on a tag is no denial.
//! - CloudFormation acts on its resources without the caller's permissions, deletes buckets with objects in them and
//!   takes no time. Termination protection of stacks and deletion protection of RDS and DynamoDB do hold.
//! - An Auto Scaling group has instances of its own that EC2 knows nothing of; a group made by CloudFormation has none
//!   until its capacity is set, and a capacity outside its bounds is accepted.
//! - State is in memory: stopping forgets everything.

pub mod connect;
mod emulator;
mod files;
mod http;
pub mod moto;
pub(crate) mod python;
mod seed;
mod state;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::ports::{CloudError, CloudSession};

use emulator::{Emulator, Launch};
pub(crate) use files::MANIFESTS;
use seed::root::Root;
pub use seed::{ACCOUNTS, DEV, PROD, REGION, SandboxAccount};
pub use state::{STATE_FILE, SeededAccount, State};

/// Path of ministack's health page.
const HEALTH: &str = "/_ministack/health";

const LOG_FILE: &str = "ministack.log";

/// The folder used where none is named, under the present one.
pub const DEFAULT_FOLDER: &str = ".sandbox";

/// Where and how a sandbox runs.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Its folder: state, log, credentials, `countersign.toml`, the server's store. Made where missing.
    pub dir: PathBuf,
    /// The port at 127.0.0.1; `None`: a free one.
    pub port: Option<u16>,
    /// The Python interpreter that has ministack; `None`: `.venv/bin/python` in the present or a parent folder.
    pub python: Option<PathBuf>,
}

/// A running, seeded sandbox.
///
/// Made by [`Sandbox::start`] it ends with this value; made by [`Sandbox::up`] it stays until [`Sandbox::down`].
#[derive(Debug)]
pub struct Sandbox {
    folder: PathBuf,
    state: State,
    /// The process, where it ends with this value.
    tied: Option<Emulator>,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// There is no virtual environment.
    #[error("there is no `.venv` here or in a parent folder to run `{package}` with: run `make venv`")]
    NoEnvironment {
        /// The Python package.
        package: &'static str,
    },
    /// The interpreter has not got the package.
    #[error("`{}` has no package `{package}`: run `make venv`", python.display())]
    NoPackage {
        /// The interpreter.
        python: PathBuf,
        /// The Python package.
        package: &'static str,
    },
    /// The interpreter can't be run.
    #[error("`{}` can't be run ({reason}): name a Python that has the sandbox's packages, or run `make venv` and leave the choice to countersign", python.display())]
    NoPython {
        /// The interpreter.
        python: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Something else listens there.
    #[error("port {port} at 127.0.0.1 is taken: choose another with `--port`, or leave it out")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The emulator ended before it was ready.
    #[error("the emulator ended ({status}); the end of `{}`:\n{last}", log.display())]
    Ended {
        /// Its exit status.
        status: String,
        /// Its last lines.
        last: String,
        /// Its log.
        log: PathBuf,
    },
    /// The emulator did not become ready.
    #[error("the emulator did not answer within {seconds} seconds; see `{}`", log.display())]
    NotReady {
        /// Its log.
        log: PathBuf,
        /// The deadline.
        seconds: u64,
    },
    /// One is running there already.
    #[error("a sandbox is running in `{}` already: `countersign sandbox down` ends it", folder.display())]
    AlreadyRunning {
        /// The folder.
        folder: PathBuf,
    },
    /// None is running there.
    #[error("no sandbox is running in `{}`: `countersign sandbox up` starts one", folder.display())]
    NotRunning {
        /// The folder.
        folder: PathBuf,
    },
    /// It runs on another port than the one asked for.
    #[error("the sandbox in `{}` runs on port {port} already: leave out `--port`, or end it with `countersign sandbox down`", folder.display())]
    OtherPort {
        /// The folder.
        folder: PathBuf,
        /// Its port.
        port: u16,
    },
    /// The state file is unreadable.
    #[error("`{}`: {reason}; remove the file, then run `countersign sandbox up`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A step of seeding failed.
    #[error("could not {step} in `{account}`: {error}; `countersign sandbox reset` starts over")]
    Seed {
        /// The account's name.
        account: String,
        /// What was tried.
        step: String,
        /// What the emulator answered.
        error: Box<CloudError>,
    },
    /// The configuration that was written can't be read.
    #[error("the sandbox's own configuration can't be used: {0}")]
    Config(String),
    /// The emulator's answer lacks something.
    #[error("the emulator's answer to {operation} has no {missing}")]
    Answer {
        /// The operation.
        operation: String,
        /// What is missing.
        missing: &'static str,
    },
    /// Files or processes.
    #[error("could not {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl SandboxError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl Sandbox {
    /// Starts a sandbox that ends with the returned value, or with this process, however that ends.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        if let Some(state) = State::read(&options.dir)?
            && state.is_alive().await
        {
            return Err(SandboxError::AlreadyRunning { folder: options.dir });
        }
        Self::launch(options, true).await
    }

    /// Makes sure that a sandbox runs in the folder, and goes on running when this process ends.
    pub async fn up(options: SandboxOptions) -> Result<Self, SandboxError> {
        match Self::running(&options.dir).await {
            Ok(sandbox) if options.port.is_some_and(|port| port != sandbox.state.port) => {
                Err(SandboxError::OtherPort { folder: options.dir, port: sandbox.state.port })
            }
            Ok(sandbox) => Ok(sandbox),
            Err(SandboxError::NotRunning { .. }) => Self::launch(options, false).await,
            Err(error) => Err(error),
        }
    }

    /// The sandbox that runs in a folder. State left behind by one that no longer runs counts as none.
    pub async fn running(folder: &Path) -> Result<Self, SandboxError> {
        match State::read(folder)? {
            Some(state) if state.is_alive().await => Ok(Self { folder: absolute(folder)?, state, tied: None }),
            _ => Err(SandboxError::NotRunning { folder: folder.to_owned() }),
        }
    }

    async fn launch(options: SandboxOptions, tied: bool) -> Result<Self, SandboxError> {
        let python = python::interpreter(options.python.as_deref(), "ministack").await?;
        let folder = absolute(&options.dir)?;
        let scratch = folder.join("tmp");
        files::private_folder(&folder)?;
        files::private_folder(&scratch)?;
        // The health page shows it as the "edition": that is how a later command knows its own process again.
        let mark = format!("countersign-{}", ulid::Ulid::generate());
        let emulator = Emulator::start(Launch {
            python: &python,
            module: "ministack",
            arguments: |_| Vec::new(),
            environment: &|port| environment(port, &mark),
            folder: &scratch,
            log: &folder.join(LOG_FILE),
            health: HEALTH,
            port: options.port,
            tied,
        })
        .await?;
        let port = emulator.port;
        let endpoint = format!("http://127.0.0.1:{port}");
        let state = State { endpoint, port, pid: emulator.pid(), mark, accounts: Default::default() };
        state.write(&folder)?;
        let mut sandbox = Self { folder, state, tied: tied.then_some(emulator) };
        sandbox.seed().await?;
        Ok(sandbox)
    }

    async fn seed(&mut self) -> Result<(), SandboxError> {
        files::write_manifests(&self.folder)?;
        files::write_config(&self.folder, &self.state.endpoint)?;
        files::write_root_credentials(&self.folder)?;
        let seeded = seed::seed(&self.folder, &Root::of(&self.folder)?).await?;
        files::write_credentials(&self.folder, &seeded.server_key)?;
        self.state.accounts = seeded.accounts;
        self.state.write(&self.folder)
    }

    /// Forgets everything and seeds anew. Servers that hold credentials of before must be started again.
    pub async fn reset(&mut self) -> Result<(), SandboxError> {
        http::exchange("POST", self.state.port, "/_ministack/reset", Duration::from_secs(30))
            .await
            .map_err(SandboxError::io("reset the emulator"))?;
        self.seed().await
    }

    /// Ends it.
    pub async fn stop(self) -> Result<(), SandboxError> {
        match self.tied {
            Some(emulator) => {
                drop(emulator);
                State::remove(&self.folder)
            }
            None => self.end_detached().await,
        }
    }

    /// Ends the sandbox that runs in a folder. False where none did.
    pub async fn down(folder: &Path) -> Result<bool, SandboxError> {
        match Self::running(folder).await {
            Ok(sandbox) => sandbox.end_detached().await.map(|()| true),
            Err(SandboxError::NotRunning { .. }) => State::remove(folder).map(|()| false),
            Err(error) => Err(error),
        }
    }

    async fn end_detached(self) -> Result<(), SandboxError> {
        emulator::end(self.state.pid, || self.state.is_alive()).await?;
        State::remove(&self.folder)
    }

    /// A session with an account's root key, past every policy: for tests that look at what really happened.
    pub async fn root(&self, account: &SandboxAccount) -> Result<Arc<dyn CloudSession>, SandboxError> {
        Root::of(&self.folder)?.session(account.name, account.id).await
    }

    /// Where AWS is, such as `http://127.0.0.1:45123`.
    pub fn endpoint(&self) -> &str {
        &self.state.endpoint
    }

    /// The `countersign.toml` of a server for this sandbox.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join(files::CONFIG_FILE)
    }

    /// The emulator's output.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join(LOG_FILE)
    }

    /// The sandbox's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process, port and seeded accounts.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The id of a seeded instance, by account name and `Name` tag.
    pub fn instance(&self, account: &str, name: &str) -> Option<&str> {
        self.state.accounts.get(account)?.instances.get(name).map(String::as_str)
    }
}

fn environment(port: u16, mark: &str) -> Vec<(&'static str, String)> {
    let fixed = [
        ("BIND_HOST", "127.0.0.1"),
        ("AUTH", "true"),
        ("MINISTACK_REGION", REGION),
        ("MINISTACK_EDITION", mark),
        // Docker would run real databases, were its package ever installed beside ministack.
        ("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
        ("IOT_MTLS_ENABLED", "0"),
        ("SFTP_ENABLED", "0"),
    ];
    let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
    fixed.into_iter().chain([("GATEWAY_PORT", port.to_string())]).collect()
}

fn absolute(folder: &Path) -> Result<PathBuf, SandboxError> {
    std::path::absolute(folder).map_err(SandboxError::io("find the present folder"))
}
