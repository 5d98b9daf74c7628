//! Change windows: when things may be changed, by the calendar of one place.

use jiff::Timestamp;

/// When things may be changed. Without any span everything is open.
#[derive(Clone, Debug, Default)]
pub struct Windows {}

/// Whether things may be changed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowState {
    /// True where they may.
    pub open: bool,
    /// Why not, for people; empty where it is open.
    pub why_closed: String,
    /// When it opens next; `None` where it is open, or where that is too far away to tell.
    pub opens: Option<Timestamp>,
}

impl Windows {
    /// The state at a time.
    pub fn at(&self, _now: Timestamp) -> WindowState {
        WindowState { open: true, why_closed: String::new(), opens: None }
    }
}
