//! The real clock: the one place that reads the time.

use jiff::Timestamp;

use crate::ports::Clock;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "everything else reads the time through this")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
