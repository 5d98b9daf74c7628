//! `/healthz`: the process is up. `/readyz`: it can do its work. Anybody may ask; neither says more than that.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::ports::{Clock, Store};

/// How long an answer stands: whoever asks all the time does not make the store work all the time.
const STANDS_FOR: Duration = Duration::from_secs(5);

/// For the store to read and to write.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is looked at.
pub struct Health {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tools: usize,
    closing: CancellationToken,
    last: Mutex<Option<(Instant, Lacking)>>,
}

/// What is lacking, by name.
type Lacking = Vec<&'static str>;

impl Health {
    /// Of a server that offers so many tools. While `closing` it isn't ready.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, tools: usize, closing: CancellationToken) -> Self {
        Self { store, clock, tools, closing, last: Mutex::default() }
    }

    /// The two pages.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { Json(json!({ "up": true })) }))
            .route("/readyz", get(ready))
            .with_state(Arc::new(self))
    }

    async fn lacking(&self) -> Lacking {
        let mut last = self.last.lock().await;
        let mut lacking = match &*last {
            Some((at, lacking)) if at.elapsed() < STANDS_FOR => lacking.clone(),
            _ => {
                let lacking = self.look().await;
                *last = Some((Instant::now(), lacking.clone()));
                lacking
            }
        };
        if self.closing.is_cancelled() {
            lacking.push("time: the server is ending");
        }
        lacking
    }

    async fn look(&self) -> Lacking {
        let mut lacking = Vec::new();
        if self.tools == 0 {
            lacking.push("tools");
        }
        let now = self.clock.now();
        let reads = async { self.store.records(1, 1).await.map(|_| ()) };
        // A mark that is forgotten at once.
        let writes = async { self.store.use_once("readyz", now).await.map(|_| ()) };
        match timeout(PATIENCE, async {
            reads.await?;
            writes.await
        })
        .await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "not ready");
                lacking.push("store");
            }
            Err(_) => {
                tracing::error!("not ready: the store does not answer");
                lacking.push("store");
            }
        }
        lacking
    }
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let lacking = health.lacking().await;
    let status = if lacking.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": lacking.is_empty(), "lacking": lacking }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;
    use crate::testing::{FailingStore, FixedClock};

    #[tokio::test]
    async fn it_is_ready_where_the_store_reads_and_writes_and_there_are_tools() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("store.db")).await.unwrap());
        let closing = CancellationToken::new();
        let clock = Arc::new(FixedClock::default());
        let health = Health::new(store.clone(), clock.clone(), 3, closing.clone());
        assert_eq!(health.lacking().await, Lacking::new());
        closing.cancel();
        assert_eq!(health.lacking().await, ["time: the server is ending"]);
        let none = Health::new(store, clock.clone(), 0, CancellationToken::new());
        assert_eq!(none.lacking().await, ["tools"]);
    }

    #[tokio::test]
    async fn it_is_not_where_the_store_fails() {
        let failing = Arc::new(FailingStore);
        let health = Health::new(failing, Arc::new(FixedClock::default()), 3, CancellationToken::new());
        assert_eq!(health.lacking().await, ["store"]);
    }
}
