//! The sessions of the older protocol versions over HTTP: each belongs to who opened it, and there is a bounded number.
//!
//! Whoever names a session of somebody else gets the answer for one that doesn't exist. A session ends when its client
//! ends it, when nothing has happened in it for a while, or, where its caller opens more than it may, when it is the one
//! that was idle longest. It is not idle while a call runs, a person is asked, or the client listens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::WorkerTransport;
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::SessionId as HttpSessionId;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, LocalSessionWorker,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::Principal;
use crate::names::SessionId;

/// How often idle sessions are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// How long a session's transport may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// All open sessions.
pub(super) struct Sessions {
    transport: Arc<LocalSessionManager>,
    open: tokio::sync::Mutex<HashMap<HttpSessionId, Open>>,
    most: usize,
    most_per_caller: usize,
    idle: Duration,
}

struct Open {
    whose: Principal,
    visit: Arc<Visit>,
}

/// Why a session can't be used or opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionsError {
    /// There is none of this caller's by that id.
    #[error("there is no such session")]
    None,
    /// There are as many as may be.
    #[error("too many sessions are open")]
    TooMany,
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] LocalSessionManagerError),
}

impl Sessions {
    pub(super) fn new(most: usize, most_per_caller: usize, idle: Duration) -> Self {
        let mut transport = LocalSessionManager::default();
        // Here it is known whether a call runs, there it isn't.
        transport.session_config.keep_alive = None;
        Self { transport: Arc::new(transport), open: tokio::sync::Mutex::default(), most, most_per_caller, idle }
    }

    /// Ends what is idle, until `closing`.
    pub(super) async fn look_after(self: Arc<Self>, closing: CancellationToken) {
        let mut look = tokio::time::interval(LOOK_EVERY.min(self.idle));
        loop {
            tokio::select! {
                _ = look.tick() => self.end_idle().await,
                () = closing.cancelled() => return,
            }
        }
    }

    async fn end_idle(&self) {
        let mut open = self.open.lock().await;
        let idle = |visit: &Visit| visit.idle_for().is_some_and(|idle| idle >= self.idle);
        let ended: Vec<_> = open.iter().filter(|(_, open)| idle(&open.visit)).map(|(id, _)| id.clone()).collect();
        for id in ended {
            self.end(&mut open, &id);
        }
    }

    /// From now on there is no such session. Its transport ends on its own time: where its client takes nothing any more
    /// that can be long, and nobody else waits for it.
    fn end(&self, open: &mut HashMap<HttpSessionId, Open>, id: &HttpSessionId) {
        open.remove(id);
        let (transport, id) = (Arc::clone(&self.transport), id.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(ENDS_WITHIN, transport.close_session(&id)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a session did not end well"),
                Err(_) => tracing::debug!("a session is stuck, and left to itself"),
            }
        });
    }

    /// Makes room for one more of a caller's.
    fn make_room(&self, open: &mut HashMap<HttpSessionId, Open>, whose: &Principal) -> Result<(), SessionsError> {
        let own = open.iter().filter(|(_, open)| open.whose == *whose);
        if own.clone().count() < self.most_per_caller {
            return if open.len() < self.most { Ok(()) } else { Err(SessionsError::TooMany) };
        }
        let idle = own.filter_map(|(id, open)| Some((open.visit.idle_for()?, id.clone())));
        let (_, longest) = idle.max_by_key(|(idle, _)| *idle).ok_or(SessionsError::TooMany)?;
        self.end(open, &longest);
        Ok(())
    }
}

/// One request's view of the sessions: those of its caller.
pub(super) struct OfCaller {
    pub(super) sessions: Arc<Sessions>,
    pub(super) whose: Principal,
    pub(super) visit: Arc<Visit>,
    /// Set where there was no room for another session.
    pub(super) no_room: OnceLock<()>,
}

impl OfCaller {
    async fn visit(&self, id: &HttpSessionId) -> Result<Arc<Visit>, SessionsError> {
        let open = self.sessions.open.lock().await;
        let own = open.get(id).filter(|open| open.whose == self.whose);
        own.map(|open| Arc::clone(&open.visit)).ok_or(SessionsError::None)
    }

    /// True where the caller has a session by that id.
    pub(super) async fn has(&self, id: &str) -> bool {
        self.visit(&HttpSessionId::from(id)).await.is_ok()
    }
}

/// A stream that counts as something happening for as long as it is open.
fn during<S: Stream>(stream: S, happening: Happening) -> impl Stream<Item = S::Item> {
    stream.map(move |item| {
        happening.touch();
        item
    })
}

impl SessionManager for OfCaller {
    type Error = SessionsError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(HttpSessionId, Self::Transport), SessionsError> {
        let mut open = self.sessions.open.lock().await;
        if let Err(error) = self.sessions.make_room(&mut open, &self.whose) {
            let _ = self.no_room.set(());
            return Err(error);
        }
        let (id, transport) = self.sessions.transport.create_session().await?;
        self.visit.opened();
        open.insert(id.clone(), Open { whose: self.whose.clone(), visit: Arc::clone(&self.visit) });
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &HttpSessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionsError> {
        self.visit(id).await?;
        Ok(self.sessions.transport.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &HttpSessionId) -> Result<bool, SessionsError> {
        Ok(self.has(id).await)
    }

    async fn close_session(&self, id: &HttpSessionId) -> Result<(), SessionsError> {
        let mut open = self.sessions.open.lock().await;
        if open.get(id).is_some_and(|open| open.whose == self.whose) {
            self.sessions.end(&mut open, id);
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &HttpSessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let happening = self.visit(id).await?.begin();
        Ok(during(self.sessions.transport.create_stream(id, message).await?, happening))
    }

    async fn accept_message(&self, id: &HttpSessionId, message: ClientJsonRpcMessage) -> Result<(), SessionsError> {
        let _happening = self.visit(id).await?.begin();
        Ok(self.sessions.transport.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &HttpSessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let happening = self.visit(id).await?.begin();
        Ok(during(self.sessions.transport.create_standalone_stream(id).await?, happening))
    }

    async fn resume(
        &self,
        id: &HttpSessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let happening = self.visit(id).await?.begin();
        Ok(during(self.sessions.transport.resume(id, last_event_id).await?, happening))
    }
}

/// What happens in one session; before it is known whether a request opens one, in one request.
#[derive(Debug)]
pub struct Visit {
    named: OnceLock<SessionId>,
    busy: Mutex<Busy>,
}

#[derive(Debug)]
struct Busy {
    with: usize,
    since: Instant,
}

impl Default for Visit {
    fn default() -> Self {
        Self { named: OnceLock::new(), busy: Mutex::new(Busy { with: 0, since: Instant::now() }) }
    }
}

impl Visit {
    /// From now on it is a session. What it is called on record is no help to anybody who wants to use it.
    fn opened(&self) {
        let _ = self.named.set(SessionId::new(ulid::Ulid::generate().to_string().to_lowercase()));
    }

    /// What the session is called on record; `None` where there is none.
    pub fn session(&self) -> Option<&SessionId> {
        self.named.get()
    }

    /// Something begins; it ends when what is returned is dropped.
    pub fn begin(self: &Arc<Self>) -> Happening {
        self.count(1);
        Happening(Arc::clone(self))
    }

    fn count(&self, change: isize) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.with = busy.with.saturating_add_signed(change);
        busy.since = Instant::now();
    }

    fn idle_for(&self) -> Option<Duration> {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        (busy.with == 0).then(|| busy.since.elapsed())
    }
}

/// Something that happens in a session.
#[derive(Debug)]
pub struct Happening(Arc<Visit>);

impl Happening {
    fn touch(&self) {
        self.0.count(0);
    }
}

impl Drop for Happening {
    fn drop(&mut self) {
        self.0.count(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Source;
    use crate::names::{Agent, Human};

    fn view(sessions: &Arc<Sessions>, agent: &str, human: &str) -> OfCaller {
        OfCaller {
            sessions: Arc::clone(sessions),
            whose: Principal { agent: Agent::new(agent), human: Human::new(human), source: Source::Configured },
            visit: Arc::default(),
            no_room: OnceLock::new(),
        }
    }

    #[tokio::test]
    async fn a_session_is_nobody_else_s() {
        let sessions = Arc::new(Sessions::new(8, 4, Duration::from_secs(60)));
        let (id, _transport) = view(&sessions, "kiro", "ann").create_session().await.unwrap();
        assert!(view(&sessions, "kiro", "ann").has(&id).await);
        for (agent, human) in [("kiro", "bob"), ("codex", "ann")] {
            let other = view(&sessions, agent, human);
            assert!(!other.has_session(&id).await.unwrap());
            assert!(matches!(other.create_standalone_stream(&id).await.err(), Some(SessionsError::None)));
            assert!(matches!(other.resume(&id, "0".to_owned()).await.err(), Some(SessionsError::None)));
            other.close_session(&id).await.unwrap();
        }
        assert!(view(&sessions, "kiro", "ann").has(&id).await);
    }

    #[tokio::test]
    async fn idle_sessions_end_and_busy_ones_do_not() {
        let sessions = Arc::new(Sessions::new(8, 4, Duration::from_millis(80)));
        let (idle, busy) = (view(&sessions, "kiro", "ann"), view(&sessions, "kiro", "ann"));
        let (idle_id, _one) = idle.create_session().await.unwrap();
        let (busy_id, _other) = busy.create_session().await.unwrap();
        let call = busy.visit.begin();
        tokio::time::sleep(Duration::from_millis(120)).await;
        sessions.end_idle().await;
        assert!(!idle.has(&idle_id).await && busy.has(&busy_id).await);
        drop(call);
        tokio::time::sleep(Duration::from_millis(10)).await;
        sessions.end_idle().await;
        assert!(busy.has(&busy_id).await);
        tokio::time::sleep(Duration::from_millis(120)).await;
        sessions.end_idle().await;
        assert!(!busy.has(&busy_id).await);
    }

    #[tokio::test]
    async fn a_caller_with_too_many_loses_the_idlest_and_nobody_else_does() {
        let sessions = Arc::new(Sessions::new(4, 2, Duration::from_secs(3600)));
        let mut kept = Vec::new();
        let mut open = async |agent: &str| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let view = view(&sessions, agent, "ann");
            let (id, transport) = view.create_session().await?;
            kept.push(transport);
            Ok::<_, SessionsError>((view, id))
        };
        let (bob, bobs) = open("bob").await.unwrap();
        let (first, oldest) = open("kiro").await.unwrap();
        let (second, newer) = open("kiro").await.unwrap();
        let _busy = first.visit.begin();
        let (third, newest) = open("kiro").await.unwrap();
        assert!(bob.has(&bobs).await && first.has(&oldest).await && third.has(&newest).await);
        assert!(!second.has(&newer).await, "the only idle one");
        let _busy = third.visit.begin();
        assert!(matches!(open("kiro").await.err(), Some(SessionsError::TooMany)));
        open("codex").await.unwrap();
        assert!(matches!(open("goose").await.err(), Some(SessionsError::TooMany)));
    }
}
