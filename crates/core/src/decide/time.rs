//! The time of an event, as decisions need it.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use glimpsed_base::clock::{Clock, local};

/// One moment on all clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Monotonic.
    pub now: Duration,
    pub wall: Timestamp,
    /// The local date.
    pub today: Date,
    /// When the local date began: the first moment of a day, which is not 0:00 where clocks are put forward then.
    pub midnight: Timestamp,
}

impl Time {
    /// Now, in the time zone of the machine.
    pub fn of(clock: &dyn Clock) -> Self {
        let (now, wall) = (clock.now(), clock.wall());
        let zoned = local(wall);
        // Fails at the ends of the calendar alone.
        let midnight = zoned.start_of_day().map_or(wall, |midnight| midnight.timestamp());
        Self { now, wall, today: zoned.date(), midnight }
    }

    /// How long the local date has lasted.
    pub fn since_midnight(&self) -> Duration {
        Duration::try_from(self.wall.duration_since(self.midnight)).unwrap_or_default()
    }
}
