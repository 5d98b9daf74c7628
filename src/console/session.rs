//! Who is signed in, in memory: sessions end with the process.
//!
//! A session's id is 256 random bits in a cookie; only its digest is kept. It lasts eight hours, and thirty minutes
//! without use. Whoever it belongs to is looked up anew with each request, so that it ends with their being revoked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use crate::digest::Digest;
use crate::names::Human;

/// From signing in on.
const LONGEST: SignedDuration = SignedDuration::from_hours(8);
/// Without use.
const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// Of one person at a time; the oldest gives way.
const OF_ONE: usize = 10;

/// The cookie's name where the console is reached by https. The prefix makes browsers refuse it from anywhere else.
const SECURE_NAME: &str = "__Host-countersign";
/// The cookie's name on `http://localhost`.
const LOCAL_NAME: &str = "countersign";

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<Digest, Session>>,
    secure: bool,
}

#[derive(Debug)]
struct Session {
    name: Human,
    csrf: String,
    began: Timestamp,
    used: Timestamp,
}

/// A session that was found, unexpired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Under what it is kept; not what is in the cookie.
    pub(crate) key: Digest,
    /// Whose it is.
    pub(crate) name: Human,
    /// The token that every form and call of it must carry.
    pub(crate) csrf: String,
}

/// Why there is no randomness: nothing can be begun without.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub(crate) struct NoRandomness;

impl Sessions {
    /// None yet. `secure`: the console is reached by https.
    pub(crate) fn new(secure: bool) -> Self {
        Self { all: Mutex::default(), secure }
    }

    /// Begins a session and returns its cookie.
    pub(crate) fn begin(&self, name: Human, now: Timestamp) -> Result<Cookie<'static>, NoRandomness> {
        let (id, csrf) = (random()?, random()?);
        let mut all = self.lock();
        all.retain(|_, session| session.is_good(now));
        let of_them = |session: &Session| session.name == name;
        if all.values().filter(|session| of_them(session)).count() >= OF_ONE
            && let Some(oldest) =
                all.iter().filter(|(_, session)| of_them(session)).min_by_key(|(_, s)| s.used).map(|(key, _)| *key)
        {
            all.remove(&oldest);
        }
        all.insert(key(&id), Session { name, csrf, began: now, used: now });
        Ok(self.cookie(id))
    }

    /// The session a request's cookie belongs to. `uses`: this request keeps it from being idle.
    pub(crate) fn find(&self, headers: &HeaderMap, now: Timestamp, uses: bool) -> Option<Found> {
        let key = key(CookieJar::from_headers(headers).get(self.name())?.value());
        let mut all = self.lock();
        let session = all.get_mut(&key).filter(|session| session.is_good(now))?;
        if uses {
            session.used = now;
        }
        Some(Found { key, name: session.name.clone(), csrf: session.csrf.clone() })
    }

    /// True while a session is unexpired.
    pub(crate) fn is_good(&self, key: &Digest, now: Timestamp) -> bool {
        self.lock().get(key).is_some_and(|session| session.is_good(now))
    }

    /// Ends a session; returns the cookie that takes the browser's away.
    pub(crate) fn end(&self, key: &Digest) -> Cookie<'static> {
        self.lock().remove(key);
        let mut cookie = self.cookie(String::new());
        cookie.make_removal();
        cookie
    }

    /// Ends everything of somebody.
    pub(crate) fn end_all_of(&self, name: &Human) {
        self.lock().retain(|_, session| session.name != *name);
    }

    fn cookie(&self, value: String) -> Cookie<'static> {
        Cookie::build((self.name(), value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Strict)
            .build()
    }

    fn name(&self) -> &'static str {
        if self.secure { SECURE_NAME } else { LOCAL_NAME }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_good(&self, now: Timestamp) -> bool {
        let within = |since: Timestamp, span| now.duration_since(since) < span;
        within(self.began, LONGEST) && within(self.used, IDLE) && now >= self.began
    }
}

/// True where a token is the session's; takes as long whatever it is.
pub(crate) fn same_token(found: &Found, given: &str) -> bool {
    key(&found.csrf) == key(given)
}

fn key(id: &str) -> Digest {
    Digest::of_bytes("countersign.session.v1", id.as_bytes())
}

/// 256 random bits, base64url.
pub(crate) fn random() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn headers(cookie: &Cookie<'_>) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, format!("{}={}", cookie.name(), cookie.value()).parse().unwrap())])
    }

    fn ann() -> Human {
        Human::new("ann")
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_no_longer_than_a_day_s_work() {
        let sessions = Sessions::new(true);
        let start = Timestamp::UNIX_EPOCH;
        let cookie = sessions.begin(ann(), start).unwrap();
        let at = |minutes| start + SignedDuration::from_mins(minutes);
        let headers = headers(&cookie);
        assert_eq!(sessions.find(&headers, at(29), true).unwrap().name, ann());
        assert!(sessions.find(&headers, at(58), false).is_some(), "looked at");
        assert!(sessions.find(&headers, at(60), true).is_none(), "looking is no use");
        assert!(sessions.find(&headers, start - SignedDuration::from_secs(1), true).is_none(), "before it began");
        let headers = self::headers(&sessions.begin(ann(), start).unwrap());
        let good = (1..).take_while(|at_| sessions.find(&headers, at(at_ * 20), true).is_some()).count();
        assert_eq!(good, 23, "eight hours");
    }

    #[test]
    fn the_cookie_can_be_read_by_nobody_else() {
        let cookie = Sessions::new(true).begin(ann(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(cookie.value().len(), 43);
        let flags = cookie.to_string().replace(cookie.value(), "ID");
        assert_eq!(flags, "__Host-countersign=ID; HttpOnly; SameSite=Strict; Secure; Path=/");
        let local = Sessions::new(false).begin(ann(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(local.to_string().replace(local.value(), "ID"), "countersign=ID; HttpOnly; SameSite=Strict; Path=/");
    }

    #[test]
    fn what_is_not_a_session_s_id_finds_none() {
        let sessions = Sessions::new(false);
        let cookie = sessions.begin(ann(), Timestamp::UNIX_EPOCH).unwrap();
        let found = sessions.find(&headers(&cookie), Timestamp::UNIX_EPOCH, true).unwrap();
        for other in [String::new(), found.key.to_string(), found.csrf.clone(), format!("{}A", cookie.value())] {
            let headers = headers(&Cookie::new("countersign", other));
            assert_eq!(sessions.find(&headers, Timestamp::UNIX_EPOCH, true), None);
        }
        sessions.end(&found.key);
        assert_eq!(sessions.find(&headers(&cookie), Timestamp::UNIX_EPOCH, true), None);
        assert!(same_token(&found, &found.csrf) && !same_token(&found, "") && !same_token(&found, cookie.value()));
    }

    #[test]
    fn the_oldest_of_a_person_s_sessions_gives_way() {
        let sessions = Sessions::new(false);
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let first = headers(&sessions.begin(ann(), at(0)).unwrap());
        let others: Vec<_> = (1..=10).map(|second| headers(&sessions.begin(ann(), at(second)).unwrap())).collect();
        assert_eq!(sessions.find(&first, at(11), true), None);
        assert!(others.iter().all(|other| sessions.find(other, at(11), true).is_some()));
        sessions.end_all_of(&ann());
        assert!(others.iter().all(|other| sessions.find(other, at(11), true).is_none()));
    }
}
