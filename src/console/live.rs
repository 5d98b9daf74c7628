//! Tells open pages that something happened. One task asks the store for all of them, and only while there are any.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use tokio::sync::watch;

use super::Console;
use super::session::Found;
use crate::names::Human;
use crate::ports::Store;

/// How often the store is asked.
const EVERY: Duration = Duration::from_secs(2);
/// How often a stream looks whether its session still is one.
const AGAIN: Duration = Duration::from_secs(20);
/// Streams of one person.
const OF_ONE: usize = 8;
/// Streams altogether.
const OF_ALL: usize = 500;

/// The news, and who listens.
#[derive(Debug)]
pub(crate) struct News {
    head: watch::Sender<u64>,
    asking: Mutex<bool>,
    listening: Arc<Mutex<HashMap<Human, usize>>>,
}

/// A listener's place; dropped, it is free.
struct Place {
    listening: Arc<Mutex<HashMap<Human, usize>>>,
    name: Human,
}

impl News {
    /// Nobody listens yet.
    pub(crate) fn new() -> Self {
        Self { head: watch::Sender::new(0), asking: Mutex::default(), listening: Arc::default() }
    }

    /// A place and what to listen to; `None` where there are too many.
    fn join(self: &Arc<Self>, name: &Human, store: &Arc<dyn Store>) -> Option<(Place, watch::Receiver<u64>)> {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = listening.values().sum();
        let own = listening.entry(name.clone()).or_default();
        if *own >= OF_ONE || all >= OF_ALL {
            return None;
        }
        *own = own.saturating_add(1);
        drop(listening);
        let place = Place { listening: Arc::clone(&self.listening), name: name.clone() };
        let news = self.head.subscribe();
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if !*asking {
            *asking = true;
            tokio::spawn(Arc::clone(self).ask(Arc::clone(store)));
        }
        Some((place, news))
    }

    /// Asks until nobody listens.
    async fn ask(self: Arc<Self>, store: Arc<dyn Store>) {
        loop {
            match store.head().await {
                Ok(head) => {
                    self.head.send_if_modified(|known| {
                        let news = *known != head.seq;
                        *known = head.seq;
                        news
                    });
                }
                Err(error) => tracing::warn!(%error, "open pages can't be told what happens"),
            }
            tokio::time::sleep(EVERY).await;
            let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            if self.head.receiver_count() == 0 {
                *asking = false;
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = listening.get_mut(&self.name) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                listening.remove(&self.name);
            }
        }
    }
}

/// A stream of the record's length, whenever it has grown; `None` where there are too many. It says nothing else, and
/// ends with the session.
pub(crate) fn stream(
    console: &Console,
    found: Found,
) -> Option<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>> {
    let (place, mut news) = console.news().join(&found.name, console.store())?;
    news.mark_unchanged();
    let state = (console.clone(), found, place, news);
    let stream = futures::stream::unfold(state, |(console, found, place, mut news)| async move {
        loop {
            console.still(&found).await?;
            let closing = console.closing().clone();
            let told = tokio::select! {
                () = closing.cancelled() => return None,
                told = tokio::time::timeout(AGAIN, news.changed()) => told,
            };
            match told {
                Ok(Ok(())) => {
                    let event = Event::default().data(news.borrow_and_update().to_string());
                    return Some((Ok(event), (console, found, place, news)));
                }
                Ok(Err(_)) => return None,
                Err(_) => {}
            }
        }
    });
    Some(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
