//! When things may be changed.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Compiler;
use crate::config::raw::{RawFreeze, RawWindows};
use crate::policy::windows::{self, Edge, Freeze, NotASpan, WeeklySpan, Windows};
use crate::text::escape::quoted;

impl Compiler<'_> {
    pub(super) fn windows(&mut self, raw: RawWindows) -> Windows {
        let says_anything = !(raw.allowed.is_empty() && raw.frozen.is_empty() && raw.freezes.is_empty());
        let zone = match &raw.time_zone {
            Some(name) => self.zone(name),
            None if says_anything => {
                let mend = "add `time_zone`, such as `time_zone = \"Europe/Berlin\"`";
                self.wrong("/windows", "nothing says whose clocks count", mend);
                TimeZone::UTC
            }
            None => TimeZone::UTC,
        };
        Windows {
            allowed: self.spans("allowed", &raw.allowed),
            frozen: self.spans("frozen", &raw.frozen),
            freezes: self.freezes(raw.freezes, &zone),
            zone,
        }
    }

    fn zone(&mut self, name: &str) -> TimeZone {
        windows::zone(name).unwrap_or_else(|nearest| {
            let mend = match nearest.as_slice() {
                [] => "write a name of the IANA time zone database, such as `Europe/Berlin`".to_owned(),
                names => format!("did you mean `{}`?", names.join("` or `")),
            };
            self.wrong("/windows/time_zone", format!("there is no time zone {}", quoted(name, 60)), mend);
            TimeZone::UTC
        })
    }

    fn spans(&mut self, key: &str, written: &[String]) -> Vec<WeeklySpan> {
        let mut spans = Vec::new();
        for (index, text) in written.iter().enumerate() {
            match text.parse() {
                Ok(span) => spans.push(span),
                Err(NotASpan { message, mend }) => self.wrong(&format!("/windows/{key}/{index}"), message, mend),
            }
        }
        spans
    }

    fn freezes(&mut self, raw: Vec<RawFreeze>, zone: &TimeZone) -> Vec<Freeze> {
        let mut freezes = Vec::new();
        for (index, RawFreeze { from, to, why }) in raw.into_iter().enumerate() {
            let pointer = format!("/windows/freezes/{index}");
            if why.trim().is_empty() || why.chars().any(char::is_control) {
                self.wrong(
                    &format!("{pointer}/why"),
                    "this is no plain sentence",
                    "say why in a few words, on one line",
                );
            }
            let from = self.edge(&format!("{pointer}/from"), &from, zone, Edge::From);
            let to = self.edge(&format!("{pointer}/to"), &to, zone, Edge::To);
            let Some((from, to)) = from.zip(to) else { continue };
            if from >= to {
                self.wrong(&format!("{pointer}/to"), "this freeze ends before it begins", "write a later time");
            }
            freezes.push(Freeze { from, to, why });
        }
        freezes
    }

    fn edge(&mut self, pointer: &str, written: &str, zone: &TimeZone, edge: Edge) -> Option<Timestamp> {
        match windows::edge(written, zone, edge) {
            Ok(at) => Some(at),
            Err(NotASpan { message, mend }) => {
                self.wrong(pointer, message, mend);
                None
            }
        }
    }
}
