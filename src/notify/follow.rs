//! Follows the record and tells what is in it.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::message::{Message, Told};
use super::post::NotTaken;
use super::post::Poster;
use crate::audit::event::{Event, StoredRecord};
use crate::config::HttpConfig;
use crate::config::notify::{NotifyConfig, NotifyEvent};
use crate::ports::{Clock, Store, StoreError};

/// Name of the cursor.
const CURSOR: &str = "notify";

/// How often it is looked whether there is something new.
const LOOK: Duration = Duration::from_secs(1);

/// Most records that are read at a time.
const AT_ONCE: u32 = 100;

/// A message that was not taken for so long is not sent any more: the plan has long ended.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// The pauses between attempts: they double, with some chance in them.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// The first.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
}

impl Default for Pauses {
    /// From one second to five minutes.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(300) }
    }
}

/// Follows the record and tells what is in it. One in an installation: two would tell everything twice.
pub struct Follower {
    config: NotifyConfig,
    http: HttpConfig,
    poster: Poster,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pauses: Pauses,
}

impl Follower {
    /// Reads the configured files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(
        config: NotifyConfig,
        http: HttpConfig,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let poster = Poster::new(&config)?;
        Ok(Self { config, http, poster, store, clock, pauses: Pauses::default() })
    }

    /// With other pauses between attempts.
    pub fn pausing(self, pauses: Pauses) -> Self {
        Self { pauses, ..self }
    }

    /// Tells everything from where it stopped last, and of an installation that never did from now on, until it is
    /// cancelled.
    pub async fn run(self, until: CancellationToken) {
        let following = async {
            loop {
                if let Err(error) = self.follow().await {
                    tracing::error!(%error, "the record can't be followed, so nobody is told");
                    tokio::time::sleep(self.pauses.most).await;
                }
                tokio::time::sleep(LOOK.min(self.pauses.most)).await;
            }
        };
        tokio::select! {
            () = until.cancelled() => {}
            () = following => {}
        }
    }

    /// Tells what is new.
    async fn follow(&self) -> Result<(), StoreError> {
        let mut at = self.store.cursor(CURSOR).await?;
        let head = self.store.head().await?.seq;
        if at == 0 {
            self.store.move_cursor(CURSOR, 0, head).await?;
            return Ok(());
        }
        while at < head {
            let records = self.store.records(at + 1, AT_ONCE).await?;
            let Some(last) = records.last().map(|record| record.seq) else { return Ok(()) };
            for record in &records {
                if let Some(message) = self.message(record).await? {
                    self.tell(&message).await;
                    if !self.moved(&mut at, record.seq).await? {
                        return Ok(());
                    }
                }
            }
            if last > at && !self.moved(&mut at, last).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn moved(&self, at: &mut u64, to: u64) -> Result<bool, StoreError> {
        let moved = self.store.move_cursor(CURSOR, *at, to).await?;
        if !moved {
            tracing::warn!("another server tells people, too: configure `[notify]` for one of them only");
        }
        *at = to;
        Ok(moved)
    }

    /// What is to be told of a record. Plans that no people had to do with are nobody's business, but where one is stuck.
    async fn message(&self, record: &StoredRecord) -> Result<Option<Message>, StoreError> {
        let told = serde_json::from_str::<Event>(&record.event).ok().and_then(|event| Told::of(&event));
        let Some(told) = told.filter(|told| self.config.events.contains(&told.event)) else { return Ok(None) };
        let plan = self.store.plan(&told.plan, self.clock.now()).await?;
        let loud = told.event == NotifyEvent::Stuck;
        let Some(plan) = plan.filter(|plan| loud || plan.parked_at.is_some()) else { return Ok(None) };
        match told.message(record, &plan, &self.http, self.config.format) {
            Ok(message) => Ok(Some(message)),
            Err(error) => {
                tracing::error!(%error, seq = record.seq, "a record can't be told");
                Ok(None)
            }
        }
    }

    /// Sends a message until it is taken, or too old.
    async fn tell(&self, message: &Message) {
        let receiver = self.poster.receiver();
        let left = LONGEST - self.clock.now().duration_since(message.at);
        let Ok(left) = Duration::try_from(left) else {
            return tracing::error!(receiver, message = message.id, "a notification is too old to be sent");
        };
        let pauses = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.pauses.first)
            .with_max_delay(self.pauses.most)
            .without_max_times()
            .with_total_delay(Some(left));
        let told = (|| self.poster.post(message, self.clock.now()))
            .retry(pauses)
            .when(|reason: &NotTaken| reason.may_pass)
            .notify(|reason: &NotTaken, pause: Duration| {
                tracing::warn!(receiver, message = message.id, %reason, ?pause, "a notification was not taken");
            })
            .await;
        match told {
            Ok(()) => tracing::info!(receiver, message = message.id, "a notification was taken"),
            Err(reason) => tracing::error!(receiver, message = message.id, %reason, "a notification was given up"),
        }
    }
}
