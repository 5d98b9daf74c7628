//! Serving one client over standard input and output, until it closes them or a signal ends the process.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{RoleServer, ServerInitializeError, ServiceExt};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::desk::Desk;
use super::server::Server;

/// Longest message that is read, in bytes; a longer line is skipped and logged.
const LINE_MAX: usize = 8 * 1024 * 1024;

/// Why serving ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The client's first request could not be answered.
    #[error("no session came about: {0}")]
    NoSession(#[source] Box<ServerInitializeError>),
    /// The loop that serves the session broke.
    #[error("the session broke: {0}")]
    Broken(#[from] tokio::task::JoinError),
    /// The process can't be told of signals.
    #[error("signals can't be received: {0}")]
    Signals(#[source] std::io::Error),
}

/// Serves standard input and output until end of input, SIGTERM or SIGINT.
///
/// After that nobody is asked any more, and calls that are running get `grace` to end and be recorded; what they were
/// about to change at AWS keeps its intent on record either way.
///
/// Nothing else may write to standard output.
pub async fn serve<D: Desk>(server: Server<D>, grace: Duration) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let closing = server.closing();
    let mut served: Pin<Box<dyn Future<Output = Result<(), ServeError>> + Send>> = if both_are_pipes() {
        let (read, write) = rmcp::transport::stdio_pipes();
        Box::pin(serve_on(server, read, write, grace))
    } else {
        Box::pin(serve_on(server, detached_stdin(), tokio::io::stdout(), grace))
    };
    loop {
        tokio::select! {
            end = &mut served => return end,
            _ = terminate.recv() => closing.cancel(),
            _ = interrupt.recv() => closing.cancel(),
        }
    }
}

/// Serves a client that writes to `read` and reads from `write`, one JSON message a line.
pub async fn serve_on<D, R, W>(server: Server<D>, read: R, write: W, grace: Duration) -> Result<(), ServeError>
where
    D: Desk,
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let idle = server.idle();
    let read = UntilClosing::new(read, server.closing());
    let lines = AsyncRwTransport::new_server(read, write).with_max_line_length(LINE_MAX);
    match server.serve(RequestsFirst { inner: lines, begun: false }).await {
        Ok(session) => {
            session.waiting().await?;
        }
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(ServeError::NoSession(Box::new(error))),
    }
    if tokio::time::timeout(grace, idle).await.is_err() {
        tracing::warn!("calls were still running at the end; their outcome is settled at the next start");
    }
    Ok(())
}

/// Pipes can be read without blocking a thread; sockets (as Node.js gives to its children), files and terminals can't
/// safely.
fn both_are_pipes() -> bool {
    let is_pipe = |fd: BorrowedFd<'_>| {
        let metadata = fd.try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
        metadata.is_ok_and(|metadata| metadata.file_type().is_fifo())
    };
    is_pipe(std::io::stdin().as_fd()) && is_pipe(std::io::stdout().as_fd())
}

/// Standard input, read by a thread of its own. Tokio's would keep the process from ending until the client writes once
/// more: a blocking read can't be taken back, and its runtime waits for it.
fn detached_stdin() -> DuplexStream {
    const CHUNK: usize = 64 * 1024;
    let (ours, mut theirs) = tokio::io::duplex(CHUNK);
    let runtime = Handle::current();
    std::thread::spawn(move || {
        let mut chunk = vec![0_u8; CHUNK];
        loop {
            let read = match std::io::stdin().lock().read(&mut chunk) {
                Ok(read) => chunk.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => &[],
            };
            if read.is_empty() || runtime.block_on(theirs.write_all(read)).is_err() {
                return;
            }
        }
    });
    ours
}

/// Input that ends when the session is closing, and that closes the session when it ends: then nobody can be asked.
struct UntilClosing<R> {
    inner: R,
    closing: CancellationToken,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<R> UntilClosing<R> {
    fn new(inner: R, closing: CancellationToken) -> Self {
        let closed = Box::pin(closing.clone().cancelled_owned());
        Self { inner, closing, closed }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilClosing<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_cancelled() || this.closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        let ended = match &read {
            Poll::Ready(Ok(())) => buf.filled().len() == before,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended {
            this.closing.cancel();
        }
        read
    }
}

/// Skips what comes before the first request, which `rmcp` would take as a reason to end the process.
struct RequestsFirst<T> {
    inner: T,
    begun: bool,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for RequestsFirst<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let message = self.inner.receive().await?;
            self.begun |= matches!(message, ClientJsonRpcMessage::Request(_));
            if self.begun {
                return Some(message);
            }
            tracing::warn!("a message before the first request was skipped");
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
