//! Change windows: when things may be changed, by the calendar of one place.
//!
//! Weekly spans are read off the clock on the wall there: an hour that the clocks repeat counts twice, one that they skip
//! not at all. A freeze that begins or ends at a time which is repeated or skipped is taken to be as long as it can be.

mod span;

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

pub use span::{NotASpan, WeeklySpan};

use crate::text::escape::quoted;

/// How far ahead the next opening is looked for, in days.
pub const HORIZON: i64 = 60;

/// When things may be changed. Without any span everything is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The place whose clocks count.
    pub zone: TimeZone,
    /// Open then, and else not; where there is none, always.
    pub allowed: Vec<WeeklySpan>,
    /// Closed then, whatever is allowed.
    pub frozen: Vec<WeeklySpan>,
    /// Closed then, once.
    pub freezes: Vec<Freeze>,
}

/// Nothing is changed for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end; not part of it.
    pub to: Timestamp,
    /// Why, for people.
    pub why: String,
}

/// Whether things may be changed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowState {
    /// True where they may.
    pub open: bool,
    /// Why not, for people; empty where it is open.
    pub why_closed: String,
    /// When it opens next; `None` where it is open, or where that is further away than [`HORIZON`].
    pub opens: Option<Timestamp>,
}

/// Which end of a freeze a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Its beginning.
    From,
    /// Its end.
    To,
}

impl Default for Windows {
    fn default() -> Self {
        Self { zone: TimeZone::UTC, allowed: Vec::new(), frozen: Vec::new(), freezes: Vec::new() }
    }
}

impl Windows {
    /// The state at a time.
    pub fn at(&self, now: Timestamp) -> WindowState {
        match self.closed(now) {
            None => WindowState { open: true, why_closed: String::new(), opens: None },
            Some(closed) => WindowState { open: false, why_closed: self.told(&closed), opens: self.next_opening(now) },
        }
    }

    fn closed(&self, at: Timestamp) -> Option<Closed<'_>> {
        let freezes = self.freezes.iter().filter(|freeze| freeze.from <= at && at < freeze.to);
        if let Some(freeze) = freezes.max_by_key(|freeze| freeze.to) {
            return Some(Closed::Freeze(freeze));
        }
        if self.allowed.is_empty() && self.frozen.is_empty() {
            return None;
        }
        let wall = self.zone.to_datetime(at);
        if let Some(span) = self.frozen.iter().find(|span| span.contains(wall)) {
            return Some(Closed::Frozen(*span));
        }
        let allowed = self.allowed.is_empty() || self.allowed.iter().any(|span| span.contains(wall));
        (!allowed).then_some(Closed::NotAllowed)
    }

    fn told(&self, closed: &Closed<'_>) -> String {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        match closed {
            Closed::Freeze(freeze) => {
                let until = self.zone.to_datetime(freeze.to).strftime("%Y-%m-%d %H:%M");
                format!("frozen until {until} ({zone}): {}", freeze.why)
            }
            Closed::Frozen(span) => format!("frozen, `{span}` ({zone})"),
            Closed::NotAllowed => {
                let spans: Vec<String> = self.allowed.iter().map(|span| format!("`{span}`")).collect();
                format!("outside the change windows {} ({zone})", spans.join(", "))
            }
        }
    }

    /// Looks a week at a time: what opens at all mostly opens soon.
    fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        let later = |at: Timestamp, days: i64| {
            at.saturating_add(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MAX)
        };
        let horizon = later(now, HORIZON);
        let mut after = now;
        while after < horizon {
            let last = later(after, 7).min(horizon);
            let found = self.turns(after, last).into_iter().find(|at| self.closed(*at).is_none());
            if found.is_some() {
                return found;
            }
            after = last;
        }
        None
    }

    /// Every instant after one and up to another at which the state can change: where a span or freeze begins or ends, and
    /// where the clocks are put forward or back.
    fn turns(&self, after: Timestamp, last: Timestamp) -> BTreeSet<Timestamp> {
        let mut turns: BTreeSet<Timestamp> = self.freezes.iter().flat_map(|freeze| [freeze.from, freeze.to]).collect();
        turns.extend(self.zone.following(after).map(|turn| turn.timestamp()).take_while(|turn| *turn <= last));
        let edges = self.allowed.iter().chain(&self.frozen).flat_map(|span| span.edges());
        let edges: BTreeSet<u16> = edges.map(|minute| minute % span::DAY).collect();
        let (first, end) = (self.zone.to_datetime(after).date(), self.zone.to_datetime(last).date());
        // The clocks can be put back over midnight.
        let mut day = first.yesterday().unwrap_or(first);
        let end = end.tomorrow().unwrap_or(end);
        while day <= end {
            for minute in &edges {
                turns.extend(self.both(day, *minute));
            }
            let Ok(tomorrow) = day.tomorrow() else { break };
            day = tomorrow;
        }
        turns.retain(|turn| after < *turn && *turn <= last);
        turns
    }

    /// The two instants of a time that the clocks repeat, twice the same one of any other.
    fn both(&self, day: jiff::civil::Date, minute: u16) -> impl Iterator<Item = Timestamp> {
        let (hour, minute) = (i8::try_from(minute / 60), i8::try_from(minute % 60));
        let wall = hour.ok().zip(minute.ok()).map(|(hour, minute)| day.at(hour, minute, 0, 0));
        let found = wall.map(|wall| self.zone.to_ambiguous_timestamp(wall));
        found.into_iter().flat_map(|found| [found.earlier(), found.later()]).filter_map(Result::ok)
    }
}

enum Closed<'a> {
    Freeze(&'a Freeze),
    Frozen(WeeklySpan),
    NotAllowed,
}

/// A time zone by its IANA name, from the data that comes with this program; or up to three names like it.
pub fn zone(name: &str) -> Result<TimeZone, Vec<String>> {
    let all = TimeZoneDatabase::bundled();
    all.get(name).map_err(|_| {
        let names: Vec<String> = all.available().map(|name| name.to_string()).collect();
        crate::aws::models::nearest(name, names.iter().map(String::as_str))
    })
}

/// Reads one end of a freeze: with an offset it is that instant, without one a time of the place's wall clock.
///
/// A date alone is refused, because readers take it for the day's beginning or for its end.
pub fn edge(text: &str, zone: &TimeZone, edge: Edge) -> Result<Timestamp, NotASpan> {
    let wrong = || NotASpan {
        message: format!("{} is not a date with a time", quoted(text, 40)),
        mend: "write `2026-12-20T00:00`, or with an offset `2026-12-20T00:00+01:00`".to_owned(),
    };
    // The library would take annotations too, and ignore some of them.
    if !text.contains('T') || !text.chars().all(|c| c.is_ascii_digit() || "-+:.TZ".contains(c)) {
        return Err(wrong());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    // What is left has no offset: one would be ignored.
    let time = text.split_once('T').map_or("", |(_, time)| time);
    if time.contains(['-', '+', 'Z']) {
        return Err(wrong());
    }
    let wall: DateTime = text.parse().map_err(|_| wrong())?;
    let found = zone.to_ambiguous_timestamp(wall);
    match edge {
        Edge::From => found.earlier(),
        Edge::To => found.later(),
    }
    .map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
