//! The approvals console: pages where people see what agents plan, and sign or reject it.
//!
//! Pages are made here, whole, and work without a script but for passkeys. What may be signed by whom is decided by
//! [`Approvals`] and, at last, by the store; nothing here decides.
//!
//! # What guards it
//! - Nothing is shown to who isn't signed in but the pages to sign in and to enrol. Agents' credentials count for
//!   nothing here, and a session counts for nothing elsewhere.
//! - Reading changes nothing. Whatever does change something must come from this origin *and* carry the session's token.
//! - Pages load nothing from elsewhere, run no inline script, and are shown in no frame.
//!
//! # Where what is
//! `view/` makes pages of what they show; `handle/` finds that out and carries out what people ask for; `guard` and
//! `session` stand before both.

mod ask;
mod assets;
mod guard;
mod handle;
mod hands;
mod live;
mod past;
mod session;
mod standing;
mod throttle;
mod trouble;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use tokio_util::sync::CancellationToken;

pub use self::hands::Hands;
use self::live::News;
use self::session::{Found, Sessions};
use self::throttle::Throttle;
use crate::approval::approve::Approvals;
use crate::approval::people::Approver;
use crate::config::HttpConfig;
use crate::ports::{Clock, Store, StoreError};

/// Most bytes of what is posted.
const BODY: usize = 64 * 1024;

/// The console. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Console(Arc<Parts>);

/// What the console works with.
#[derive(Debug)]
pub struct Parts {
    /// Plans, people and the record.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What people do with plans.
    pub approvals: Arc<Approvals>,
    /// What carries plans out for people.
    pub hands: Arc<dyn Hands>,
    /// The groups approvers can belong to.
    pub groups: BTreeSet<String>,
    /// What is kept while the process lives.
    pub desk: Desk,
}

/// What is kept while the process lives: who is signed in, who tries to, who listens.
#[derive(Debug)]
pub struct Desk {
    origin: String,
    host: String,
    sessions: Sessions,
    throttle: Throttle,
    news: Arc<News>,
    closing: CancellationToken,
}

impl Desk {
    /// For the console that `http` describes. Once `closing`, open pages are told nothing more.
    pub fn new(http: &HttpConfig, closing: CancellationToken) -> Self {
        let origin = http.origin();
        Self {
            sessions: Sessions::new(origin.starts_with("https://")),
            origin,
            host: http.host(),
            throttle: Throttle::new(),
            news: Arc::new(News::new()),
            closing,
        }
    }
}

impl Console {
    /// Puts it together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    fn approvals(&self) -> &Approvals {
        &self.0.approvals
    }

    fn hands(&self) -> &Arc<dyn Hands> {
        &self.0.hands
    }

    fn sessions(&self) -> &Sessions {
        &self.0.desk.sessions
    }

    fn throttle(&self) -> &Throttle {
        &self.0.desk.throttle
    }

    fn news(&self) -> &Arc<News> {
        &self.0.desk.news
    }

    fn closing(&self) -> &CancellationToken {
        &self.0.desk.closing
    }

    fn origin(&self) -> &str {
        &self.0.desk.origin
    }

    fn host(&self) -> &str {
        &self.0.desk.host
    }

    fn groups(&self) -> &BTreeSet<String> {
        &self.0.groups
    }

    /// Whose session it is, while they are active; a session of somebody who isn't ends here.
    async fn person(&self, found: &Found) -> Result<Option<Approver>, StoreError> {
        let people = self.store().people().await?;
        let person = people.into_iter().find(|person| person.name == found.name && person.is_active());
        if person.is_none() {
            self.sessions().end_all_of(&found.name);
        }
        Ok(person)
    }

    /// Whose session it is, while it still is one.
    async fn still(&self, found: &Found) -> Option<Approver> {
        let good = self.sessions().is_good(&found.key, self.clock().now());
        if good { self.person(found).await.ok().flatten() } else { None }
    }
}

/// All pages and what they call. Has no fallback of its own, so that it can be merged.
pub fn router(console: Console) -> Router {
    use handle::{decide, enter, pages, people};
    Router::new()
        .route("/", get(pages::queue))
        .route("/plans/{id}", get(pages::plan))
        .route("/plans/{id}/reject", post(decide::reject))
        .route("/history", get(pages::history))
        .route("/people", get(people::page))
        .route("/people/propose", post(people::propose))
        .route("/people/withdraw", post(people::withdraw))
        .route("/sign-in", get(enter::sign_in_page))
        .route("/sign-out", post(enter::sign_out))
        .route("/enrol/{token}", get(enter::enrol_page))
        .route("/events", get(pages::events))
        .route("/api/sign-in/begin", post(enter::begin_sign_in))
        .route("/api/sign-in/finish", post(enter::finish_sign_in))
        .route("/api/enrol/begin", post(enter::begin_enrol))
        .route("/api/enrol/finish", post(enter::finish_enrol))
        .route("/api/sign/begin", post(decide::begin))
        .route("/api/sign/finish", post(decide::finish))
        .route("/api/people/propose", post(people::propose_to_sign))
        .route("/api/people/begin", post(people::begin))
        .route("/api/people/finish", post(people::finish))
        .route("/assets/{name}", get(pages::asset))
        .route("/{*anything}", get(pages::nowhere))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(console.clone(), guard::guard))
        .with_state(console)
}

#[cfg(test)]
mod tests;
