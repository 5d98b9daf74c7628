//! `countersign serve`: MCP over standard input and output, or over HTTP (`serve_http`).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::checkpoint::Keeper;
use super::{Failure, reload, serve_http, wiring};
use crate::audit::event::{Event, What};
use crate::execute::reconcile::reconcile;
use crate::mcp::sealed::Sealer;
use crate::mcp::server::{Served, Session, Shared};
use crate::mcp::stdio;
use crate::names::SessionId;
use crate::pipeline::Pipeline;
use crate::plan::change_set::{Leftovers, Places};
use crate::ports::StoreError;
use crate::store::sealing_key;

/// How long running calls are waited for at the end.
const MOST_GRACE: Duration = Duration::from_secs(905);

/// What an answer of AWS takes to be recorded.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// How often plans are looked for that a process left behind which died.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What is served, and where.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Serve agents, and people with their browsers, over HTTP; at ADDR instead of the configured `[http] listen`.
    #[arg(long, value_name = "ADDR", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap's form of an option with an optional value")]
    http: Option<Option<SocketAddr>>,
}

/// Serves until the client closes its end or a signal comes.
pub(super) async fn run(args: &ServeArgs, config: Option<&Path>) -> Result<(), Failure> {
    match args.http {
        Some(listen) => serve_http::run(config, listen).await,
        None => over_stdio(config).await,
    }
}

async fn over_stdio(config: Option<&Path>) -> Result<(), Failure> {
    let pipeline = wiring::pipeline(config).await?;
    let checkpoints = ready(&pipeline).await?;
    let world = pipeline.world();
    let served = Served {
        agent: world.config.caller.agent.clone(),
        human: world.config.caller.human.clone(),
        session: Session::Of(SessionId::new(ulid::Ulid::generate().to_string().to_lowercase())),
    };
    stdio::serve(shared(&pipeline)?.server(served), grace(&pipeline)).await?;
    checkpoints.end().await;
    Ok(())
}

/// What the servers of all callers share.
pub(super) fn shared(pipeline: &Pipeline) -> Result<Arc<Shared<Pipeline>>, Failure> {
    let world = pipeline.world();
    let timeout = world.config.limits.confirmation_timeout;
    let key = sealing_key(&world.config.store)?;
    let sealer = Sealer::new(&key, Arc::clone(&world.clock), Arc::clone(&world.store), timeout)?;
    Ok(Arc::new(Shared::new(Arc::new(pipeline.clone()), sealer, timeout)))
}

/// How long running calls are waited for at the end.
pub(super) fn grace(pipeline: &Pipeline) -> Duration {
    (pipeline.world().config.limits.call_timeout + LAST_RECORDS).min(MOST_GRACE)
}

/// What comes before the first request: proofs where they are required, the record of the start, and what goes on beside
/// all requests. What is returned makes the record's last checkpoint when all have ended.
pub(super) async fn ready(pipeline: &Pipeline) -> Result<Keeper, Failure> {
    let world = pipeline.world();
    if world.config.policy.require_proof {
        reload::proved(&world.config, &world.policies.now(), "the policies").await?;
    }
    let checkpoints = Keeper::start(world).await?;
    started(pipeline).await?;
    for account in world.config.accounts.iter().filter(|a| a.read_role.is_none() || a.change_role.is_none()) {
        tracing::warn!(
            account = account.name,
            "no role is configured for this account: calls use the server's own credentials, and AWS does not narrow \
             what a call can do"
        );
    }
    tokio::spawn(settle_unknown(pipeline.clone()));
    tokio::spawn(clear_change_sets(pipeline.clone()));
    tokio::spawn(reload::run(pipeline.clone()));
    tokio::spawn(checkpoints.clone().run());
    Ok(checkpoints)
}

/// Puts on record what this process works with.
async fn started(pipeline: &Pipeline) -> Result<(), StoreError> {
    let world = pipeline.world();
    let what = What::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        manifests: world.catalog.digest(),
        policy: world.policies.now().digest(),
        config: world.config.digest,
    };
    world.store.append(vec![Event { at: world.clock.now(), call: None, caller: None, what }]).await.map(|_| ())
}

/// Looks after calls that a process which died left behind.
async fn settle_unknown(pipeline: Pipeline) {
    let world = pipeline.world();
    let clock = Arc::clone(&world.clock);
    let orphan = move |filed: &crate::plan::filed::FiledPlan| Event {
        at: clock.now(),
        call: None,
        caller: None,
        what: What::Outcome {
            plan: filed.content.id.clone(),
            result: crate::audit::event::ResultWord::Unknown,
            request_id: None,
            detail: Some("the process that was applying it ended before AWS's answer was on record".to_owned()),
        },
    };
    // Other processes share the store, and may die while this one goes on.
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut told = BTreeSet::new();
    loop {
        looks.tick().await;
        let unknown = match world.store.orphans(&orphan).await {
            Ok(unknown) => unknown,
            Err(error) => {
                tracing::error!(%error, "plans left behind can't be looked for");
                continue;
            }
        };
        for filed in unknown {
            if !told.insert(filed.content.id.clone()) {
                continue;
            }
            match reconcile(&filed, &world.witness()).await {
                Ok(state) => tracing::warn!(plan = %filed.content.id, %state, "a plan's outcome was unknown"),
                Err(error) => tracing::error!(plan = %filed.content.id, %error, "a plan's outcome can't be settled"),
            }
        }
    }
}

/// Deletes change sets of previews whose process died before it could.
async fn clear_change_sets(pipeline: Pipeline) {
    let world = pipeline.world();
    let places = Places {
        cloud: &*world.cloud,
        store: &world.store,
        clock: &world.clock,
        accounts: &world.config.accounts,
        models: &world.models,
    };
    let (mut left, mut looks) = (Leftovers::default(), tokio::time::interval(LOOK_EVERY));
    loop {
        looks.tick().await;
        if let Err(error) = left.look(&places).await {
            tracing::error!(%error, "change sets left behind can't be looked for");
        }
    }
}
