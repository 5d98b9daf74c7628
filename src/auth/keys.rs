//! Where the issuer's keys come from, and how long they count.
//!
//! They are fetched in the background every few minutes, and when a token names a key that isn't there: at most one fetch
//! at a time and one in half a minute, so that made-up key ids make no load at the issuer. A fetched set replaces the one
//! before: a key the issuer took out is gone. While it can't be fetched the old set counts on, up to a stated age.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;

use super::Refusal;
use super::fetch::Fetch;
use super::jwks::{KeySet, NoKey};
use crate::config::auth::OAuthConfig;
use crate::ports::Clock;
use crate::text::escape::quoted;

/// How often keys are fetched in the background.
const EVERY: Duration = Duration::from_secs(5 * 60);

/// From this age on a request waits until keys were fetched, or could not be.
const FRESH: SignedDuration = SignedDuration::from_mins(15);

/// Least time between two fetches.
const BETWEEN: SignedDuration = SignedDuration::from_secs(30);

/// The issuer's keys, kept up to date.
#[derive(Debug)]
pub(super) struct Keys {
    fetch: Fetch,
    issuer: String,
    clock: Arc<dyn Clock>,
    stale: SignedDuration,
    held: RwLock<Held>,
    /// When keys were last asked for; locked while they are.
    asked: Mutex<Option<Timestamp>>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    set: Option<(Arc<KeySet>, Timestamp)>,
    /// How many sets there have been.
    generation: u64,
}

impl Keys {
    /// Keys that are fetched when they are first needed.
    pub(super) fn new(config: &OAuthConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, reqwest::Error> {
        let stale = SignedDuration::try_from(config.stale_keys).unwrap_or(SignedDuration::ZERO);
        Ok(Arc::new(Self {
            fetch: Fetch::new(config)?,
            issuer: config.issuer.clone(),
            clock,
            stale,
            held: RwLock::default(),
            asked: Mutex::default(),
        }))
    }

    /// Fetches them in the background, from now on for as long as somebody else holds them.
    pub(super) fn keep_fresh(self: &Arc<Self>) {
        let keys: Weak<Self> = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(keys) = keys.upgrade() {
                keys.refreshed().await;
                drop(keys);
                tokio::time::sleep(EVERY).await;
            }
        });
    }

    /// The key for a token.
    pub(super) async fn find(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Refusal> {
        if !self.is_fresh() {
            self.refreshed().await;
        }
        let mut found = self.usable()?.find(id, algorithm).cloned();
        if matches!(found, Err(NoKey::Unknown)) && self.refreshed().await {
            found = self.usable()?.find(id, algorithm).cloned();
        }
        found.map_err(|why| {
            let named = id.map_or("no key".to_owned(), |id| format!("the key {}", quoted(id, 64)));
            Refusal::Invalid(match why {
                NoKey::Unknown => format!("it names {named}, and the issuer has none like that for {algorithm:?}"),
                NoKey::Ambiguous => format!("it names {named}, and the issuer has several for {algorithm:?}"),
            })
        })
    }

    fn held(&self) -> Held {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn age(&self, fetched: Timestamp) -> SignedDuration {
        self.clock.now().duration_since(fetched)
    }

    fn is_fresh(&self) -> bool {
        self.held().set.is_some_and(|(_, fetched)| self.age(fetched) < FRESH)
    }

    fn usable(&self) -> Result<Arc<KeySet>, Refusal> {
        match self.held().set {
            None => Err(Refusal::Unavailable("the issuer's keys have never been fetched".to_owned())),
            Some((_, fetched)) if self.age(fetched) > self.stale => {
                Err(Refusal::Unavailable(format!("the issuer's keys were last fetched at {fetched:.0}: too long ago")))
            }
            Some((set, _)) => Ok(set),
        }
    }

    /// Fetches the keys, unless somebody just did or tried. True where there are others than before.
    ///
    /// The fetch goes on when the caller hangs up: else who names unknown keys and hangs up would use up the turn of
    /// those who need it.
    async fn refreshed(self: &Arc<Self>) -> bool {
        let before = self.held().generation;
        let keys = Arc::clone(self);
        let fetching = tokio::spawn(async move { keys.refresh(before).await });
        fetching.await.unwrap_or(false)
    }

    async fn refresh(&self, before: u64) -> bool {
        let mut asked = self.asked.lock().await;
        if self.held().generation != before {
            return true;
        }
        let now = self.clock.now();
        let since = asked.map(|asked| now.duration_since(asked));
        if since.is_some_and(|since| (SignedDuration::ZERO..BETWEEN).contains(&since)) {
            return false;
        }
        *asked = Some(now);
        match self.fetch.keys().await {
            Ok(set) => {
                let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
                let before = held.set.as_ref().map(|(set, _)| set.ids());
                let ids = set.ids();
                if before.as_ref() != Some(&ids) {
                    tracing::info!(issuer = self.issuer, keys = ids, "the issuer's keys");
                }
                *held = Held { set: Some((Arc::new(set), now)), generation: held.generation + 1 };
                true
            }
            Err(reason) => {
                tracing::warn!(issuer = self.issuer, reason, "the issuer's keys could not be fetched");
                false
            }
        }
    }
}
