//! Takes connections, serves them, and ends them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::held::Held;
use super::limits::{HANDSHAKE_TIME, HEADER_BYTES, HEADER_TIME, HEADERS, IDLE_TIME, STALL_TIME, STREAMS};
use super::patience::Patient;
use super::source::Peer;
use super::tls::Tls;

/// How often idle connections are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// After a connection could not be taken, such as for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
    places: Arc<Semaphore>,
}

/// How a listener is told to end, in two steps.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// No connection is taken any more.
    pub no_more: CancellationToken,
    /// What is under way on a connection is finished, then it is closed.
    pub close: CancellationToken,
}

impl Listener {
    /// Listens, for so many connections at the same time.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<Tls>>, connections: usize) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let places = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Ok(Self { socket, tls, places })
    }

    /// Where it listens: with the port that was given where none was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `router` until both steps of the ending are taken and every connection is closed.
    ///
    /// Dropped, it closes all connections at once.
    pub async fn serve(self, router: Router, ending: Ending) {
        let mut connections = JoinSet::new();
        loop {
            let place = tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => place,
                () = ending.no_more.cancelled() => break,
            };
            let Ok(place) = place else { break };
            let taken = tokio::select! {
                taken = self.socket.accept() => taken,
                () = ending.no_more.cancelled() => break,
            };
            match taken {
                Ok((stream, peer)) => {
                    let (tls, router, close) = (self.tls.clone(), router.clone(), ending.close.clone());
                    connections.spawn(async move {
                        let _place = place;
                        connection(stream, peer.ip(), tls.as_deref(), router, close).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(BREATH).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }
}

async fn connection(stream: TcpStream, peer: IpAddr, tls: Option<&Tls>, router: Router, close: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%error, "a connection ended before it began");
    }
    let traffic = Traffic::default();
    let Some(tls) = tls else {
        return speak_http1(stream, peer, router, &traffic, close).await;
    };
    let stream = match timeout(HANDSHAKE_TIME, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "no TLS came about"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        speak_http2(stream, peer, router, &traffic, close).await;
    } else {
        speak_http1(stream, peer, router, &traffic, close).await;
    }
}

async fn speak_http1<S>(stream: S, peer: IpAddr, router: Router, traffic: &Traffic, close: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let serve = service_fn(|request| answer(request, peer, router.clone(), traffic.clone()));
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_headers(HEADERS).max_buf_size(HEADER_BYTES);
    let stream = TokioIo::new(Patient::new(stream, STALL_TIME));
    drive(protocol.serve_connection(stream, serve), traffic, close).await;
}

async fn speak_http2<S>(stream: S, peer: IpAddr, router: Router, traffic: &Traffic, close: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let serve = service_fn(|request| answer(request, peer, router.clone(), traffic.clone()));
    let mut protocol = http2::Builder::new(TokioExecutor::new());
    let header_bytes = u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX);
    protocol.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(header_bytes);
    protocol.keep_alive_interval(HEADER_TIME).keep_alive_timeout(HEADER_TIME);
    let stream = TokioIo::new(Patient::new(stream, STALL_TIME));
    drive(protocol.serve_connection(stream, serve), traffic, close).await;
}

async fn answer(
    request: hyper::Request<Incoming>,
    peer: IpAddr,
    router: Router,
    traffic: Traffic,
) -> Result<hyper::Response<Body>, std::convert::Infallible> {
    let under_way = traffic.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| Held::until_sent(body, under_way)))
}

/// Sees a connection through; ends one on which nothing happens.
async fn drive<C>(connection: C, traffic: &Traffic, close: CancellationToken)
where
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut closing = false;
    loop {
        let idle = tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = close.cancelled(), if !closing => true,
            _ = look.tick() => traffic.idle_for().is_some_and(|idle| idle > IDLE_TIME),
        };
        if idle && closing && traffic.idle_for().is_some() {
            return;
        }
        if idle {
            connection.as_mut().graceful_shutdown();
            closing = true;
        }
    }
}

/// What is under way on a connection.
#[derive(Clone, Debug)]
struct Traffic(Arc<Mutex<Counted>>);

#[derive(Debug)]
struct Counted {
    under_way: usize,
    since: Instant,
}

impl Default for Traffic {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Counted { under_way: 0, since: Instant::now() })))
    }
}

impl Traffic {
    fn begin(&self) -> UnderWay {
        self.count(1);
        UnderWay(self.clone())
    }

    fn count(&self, change: isize) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.under_way = counted.under_way.saturating_add_signed(change);
        counted.since = Instant::now();
    }

    /// How long nothing has been under way; `None` where something is.
    fn idle_for(&self) -> Option<Duration> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (counted.under_way == 0).then(|| counted.since.elapsed())
    }
}

struct UnderWay(Traffic);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.count(-1);
    }
}
