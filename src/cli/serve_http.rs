//! `countersign serve --http`: agents and people over HTTP, until a signal comes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::serve::{grace, ready, shared};
use super::{Failure, wiring};
use crate::approval::approve::{self, Approvals};
use crate::auth::Gate;
use crate::clock::SystemClock;
use crate::config::{Config, HttpConfig};
use crate::console::{self, Console};
use crate::http::admit::admit;
use crate::http::exposure;
use crate::http::health::Health;
use crate::http::listener::{Ending, Listener};
use crate::http::site::Door;
use crate::http::tls::Tls;
use crate::mcp::desk::Desk;
use crate::mcp::http::{Endpoint, servers};
use crate::mcp::server::Shared;
use crate::notify::follow::Follower;
use crate::pipeline::Pipeline;

/// How long answers may take to be sent after the last call has ended.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What a call takes besides AWS and its person.
const BESIDES: Duration = Duration::from_secs(60);

/// Serves until a signal comes. At the first one calls that run are seen through; at the second it ends at once.
pub(super) async fn run(config: Option<&Path>, listen: Option<SocketAddr>) -> Result<(), Failure> {
    let mut config = wiring::configuration(config)?;
    let mut http = config.http.clone().unwrap_or_default();
    http.listen = listen.unwrap_or(http.listen);
    let gate = Arc::new(Gate::new(&http, &config.caller, Arc::new(SystemClock))?);
    exposure::check(&http, &gate)?;
    more_files();

    let tls = http.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
    let listener = Listener::bind(http.listen, tls.clone(), http.limits.connections)
        .await
        .map_err(|error| format!("`{}` can't be listened at: {error}; is another server there?", http.listen))?;
    http.listen = listener.address()?;
    config.http = Some(http.clone());
    introduce(&config, &http, &gate);

    let pipeline = wiring::pipeline_of(config).await?;
    let (mut signals, mut hangup) = (Signals::new()?, signal(SignalKind::hangup())?);
    let checkpoints = ready(&pipeline).await?;
    let shared = shared(&pipeline)?;
    let ending = Ending::default();
    tell_people(&pipeline, &http, &ending)?;
    let door = Door::new(&http, ending.no_more.clone());
    let quiet = door.quiet();
    let router = site(door, &pipeline, &http, gate, &shared, &ending)?;
    let mut serving = tokio::spawn(listener.serve(router, ending.clone()));
    tracing::info!(address = %http.listen, origin = http.origin(), "listening");

    loop {
        tokio::select! {
            () = signals.end() => break,
            _ = hangup.recv() => renew(tls.as_deref()),
            ended = &mut serving => return Ok(ended?),
        }
    }
    let in_order = async {
        end(&pipeline, &shared, &ending, quiet, serving).await;
        checkpoints.end().await;
    };
    tokio::select! {
        () = in_order => {}
        () = signals.end() => tracing::warn!("ended at once; calls that were running are settled at the next start"),
    }
    Ok(())
}

/// Tells people of plans that wait for them, where that is configured.
fn tell_people(pipeline: &Pipeline, http: &HttpConfig, ending: &Ending) -> Result<(), String> {
    let world = pipeline.world();
    if let Some(notify) = world.config.notify.clone() {
        let (store, clock) = (Arc::clone(&world.store), Arc::clone(&world.clock));
        let follower = Follower::new(notify, http.clone(), store, clock)?;
        tokio::spawn(follower.run(ending.no_more.clone()));
    }
    Ok(())
}

/// Everything that is served.
fn site(
    door: Door,
    pipeline: &Pipeline,
    http: &HttpConfig,
    gate: Arc<Gate>,
    shared: &Arc<Shared<Pipeline>>,
    ending: &Ending,
) -> Result<Router, Failure> {
    let world = pipeline.world();
    let limits = &world.config.limits;
    let answer_within = limits.confirmation_timeout + limits.call_timeout * 2 + BESIDES;
    let servers = servers(Arc::clone(shared), Arc::clone(&world.clock));
    let agents = Endpoint::new(http, servers, answer_within, ending.close.clone())
        .routes()
        .layer(middleware::from_fn_with_state(Arc::clone(&gate), admit));
    let tools = Desk::tools(pipeline, &world.config.caller.agent, &world.config.caller.human).len();
    let health = Health::new(Arc::clone(&world.store), Arc::clone(&world.clock), tools, ending.no_more.clone());
    let console = console(pipeline, http, ending)?;
    Ok(door.before(agents, health.routes().merge(gate.routes()).merge(console)))
}

/// The pages where people see plans, sign and reject them.
fn console(pipeline: &Pipeline, http: &HttpConfig, ending: &Ending) -> Result<Router, Failure> {
    let world = pipeline.world();
    let (store, clock) = (Arc::clone(&world.store), Arc::clone(&world.clock));
    let groups = approve::groups(&world.config);
    let approvals = Approvals::new(Arc::clone(&store), Arc::clone(&clock), http, groups.clone());
    let approvals = Arc::new(approvals.map_err(|not| format!("{not}: {}", not.mend()))?);
    let desk = console::Desk::new(http, ending.no_more.clone());
    let hands = Arc::new(pipeline.clone());
    Ok(console::router(Console::new(console::Parts { store, clock, approvals, hands, groups, desk })))
}

/// Says who is served where, as far as somebody may be surprised.
fn introduce(config: &Config, http: &HttpConfig, gate: &Gate) {
    if !gate.asks_for_credentials() {
        tracing::warn!(
            agent = %config.caller.agent,
            human = %config.caller.human,
            "no credentials are configured: every program on this machine that connects is this agent for this human"
        );
    }
    if http.tls.is_none() && !http.listen.ip().to_canonical().is_loopback() {
        tracing::warn!("there is no TLS, as configured: a proxy in front must do it, and nobody may get past it");
    }
}

/// Ends in order: nothing new is begun, nobody is asked any more, running calls are seen through and answered, and what is
/// parked stays parked.
async fn end(
    pipeline: &Pipeline,
    shared: &Shared<Pipeline>,
    ending: &Ending,
    quiet: impl Future<Output = ()>,
    serving: JoinHandle<()>,
) {
    tracing::info!("ending: running calls are seen through");
    ending.no_more.cancel();
    shared.closing().cancel();
    if tokio::time::timeout(grace(pipeline), shared.idle()).await.is_err() {
        tracing::warn!("calls were still running at the end; their outcome is settled at the next start");
    }
    // Answers travel a way after their calls have ended; streams that wait for more don't end by themselves.
    if tokio::time::timeout(LAST_WORDS, quiet).await.is_err() {
        tracing::debug!("answers were still on their way at the end");
    }
    ending.close.cancel();
    if tokio::time::timeout(LAST_WORDS, serving).await.is_err() {
        tracing::debug!("connections were still open at the end");
    }
}

fn renew(tls: Option<&Tls>) {
    match tls.map(Tls::reload) {
        Some(Ok(())) => tracing::info!("the certificate was read again"),
        Some(Err(error)) => tracing::error!(%error, "the certificate is REFUSED; the old one stays"),
        None => {}
    }
}

/// Every connection is an open file, and shells start programs with a low limit that they may raise themselves.
fn more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// What tells the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
