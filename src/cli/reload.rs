//! Takes changed policy files into force while the server runs: on SIGHUP, and when a file changes.
//!
//! The new set is read, compiled and put on record before it is in force. One that is broken is refused loudly, and the
//! old one stays. Only policies are taken anew: a change of `countersign.toml` itself takes a new start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::policy::solver::{self, AtLoad};
use super::policy_files;
use crate::audit::event::{Event, What};
use crate::config::Config;
use crate::pipeline::{Pipeline, World};
use crate::policy::set::Policies;

/// Files that are written all the time are read after so long all the same.
const QUIET_AT_LAST: Duration = Duration::from_secs(2);

/// Proving the invariants takes a second or two; a set for which it takes longer is told of as not proved.
const PROVE_WITHIN: Duration = Duration::from_secs(60);

/// Editors write a file in several steps: so long it must be quiet before the files are read.
const QUIET: Duration = Duration::from_millis(200);

/// Looks after the policies until the server ends.
pub(super) async fn run(pipeline: Pipeline) {
    let (told, mut changes) = mpsc::unbounded_channel();
    // Kept alive as long as this runs.
    let policy = &pipeline.world().config.policy;
    let _watcher = watch(policy.files.iter().chain(&policy.invariants), told);
    let mut hangup = Hangup::new();
    loop {
        tokio::select! {
            () = hangup.recv() => {}
            Some(()) = changes.recv() => settle(&mut changes).await,
        }
        again(&pipeline).await;
    }
}

/// Waits until the files are quiet, but not for ever: somebody may be writing all the time.
async fn settle(changes: &mut mpsc::UnboundedReceiver<()>) {
    let quiet = async { while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {} };
    let _ = tokio::time::timeout(QUIET_AT_LAST, quiet).await;
}

/// Reads the policies anew, and puts them in force where they are good and different.
async fn again(pipeline: &Pipeline) {
    let world = pipeline.world();
    let kept = world.policies.now().digest();
    let wrong = match policy_files::load(&world.config, &world.catalog) {
        Ok(policies) if policies.digest() == kept => {
            tracing::info!(policy = %kept.short(), "the policies were read again: nothing is different");
            return if !world.config.policy.invariants.is_empty() {
                tell(pipeline.clone());
            };
        }
        Ok(policies) if !world.config.policy.require_proof => {
            take(world, policies).await;
            return tell(pipeline.clone());
        }
        Ok(policies) => match proved(&world.config, &policies, "the changed policies").await {
            Ok(()) => return take(world, policies).await,
            Err(not_proved) => not_proved,
        },
        Err(problems) => problems.to_string(),
    };
    tracing::error!(policy = %kept.short(), problems = wrong, "the changed policies are REFUSED; the old ones stay in force");
    if let Err(error) = record(world, What::PolicyRejected { kept, problems: wrong }).await {
        tracing::error!(%error, "that changed policies were refused can't be recorded");
    }
}

/// Proves the policies in force beside everything else, and tells what comes out: nobody waits for it.
fn tell(pipeline: Pipeline) {
    tokio::spawn(async move {
        let world = pipeline.world();
        proved(&world.config, &world.policies.now(), "the policies").await
    });
}

/// Proves what can be proved of policies that are about to be in force. What is not proved is told; where the
/// configuration requires proof it is the reason to refuse them.
pub(super) async fn proved(config: &Config, policies: &Policies, which: &str) -> Result<(), String> {
    let not_proved = match policy_files::read(&config.policy.invariants) {
        Ok(own) => match solver::at_load(policies, own, PROVE_WITHIN).await {
            Ok(AtLoad::Proved) => {
                tracing::info!(policy = %policies.digest().short(), "{which} keep every invariant");
                return Ok(());
            }
            Ok(AtLoad::Told(told)) => told.join("\n"),
            Ok(AtLoad::NoSolver(missing)) if !config.policy.require_proof => {
                tracing::info!("nothing is proved of {which}: {missing}");
                return Ok(());
            }
            Ok(AtLoad::NoSolver(missing)) => missing.to_string(),
            Err(problems) => problems.to_string(),
        },
        Err(problems) => problems.to_string(),
    };
    if config.policy.require_proof {
        return Err(format!("`require_proof` is set, and this is not proved:\n{not_proved}"));
    }
    tracing::warn!(policy = %policies.digest().short(), not_proved, "{which} don't keep every invariant");
    Ok(())
}

async fn take(world: &World, policies: Policies) {
    let (before, now) = (world.policies.now().digest(), policies.digest());
    // On record first: what decides without being on record could never be held against it.
    if let Err(error) = record(world, What::PolicyChanged { before, now }).await {
        return tracing::error!(%error, "the changed policies can't be recorded; the old ones stay in force");
    }
    let describe = policies.describe();
    world.policies.replace(policies);
    tracing::warn!(before = %before.short(), now = %now.short(), describe, "other policies are in force from here on");
}

async fn record(world: &World, what: What) -> Result<(), crate::ports::StoreError> {
    world.store.append(vec![Event { at: world.clock.now(), call: None, caller: None, what }]).await.map(|_| ())
}

/// Watches the files' folders: an editor puts a new file in the place of the old one, which a watch on the file itself
/// would miss.
fn watch<'a>(files: impl Iterator<Item = &'a PathBuf>, told: mpsc::UnboundedSender<()>) -> Option<RecommendedWatcher> {
    let mut files = files.peekable();
    files.peek()?;
    let failed = |error: notify::Error| {
        tracing::warn!(%error, "changes of policy files go unnoticed here; SIGHUP takes them into force");
    };
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // The store may lie in the same folder, and refusing a set writes to it.
        let policy = |path: &PathBuf| path.extension().is_none_or(|extension| extension == "cedar");
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(policy)) {
            // Nobody listens any more when the server ends.
            let _ = told.send(());
        }
    });
    let mut watcher = watcher.map_err(failed).ok()?;
    for path in files {
        let (folder, mode) = match path.is_dir() {
            true => (path.as_path(), RecursiveMode::Recursive),
            false => (path.parent().unwrap_or(Path::new(".")), RecursiveMode::NonRecursive),
        };
        if let Err(error) = watcher.watch(folder, mode) {
            failed(error);
        }
    }
    Some(watcher)
}

/// SIGHUP, where there is such a thing.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
                .inspect_err(|error| tracing::warn!(%error, "SIGHUP does nothing here"))
                .ok(),
        }
    }

    async fn recv(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
