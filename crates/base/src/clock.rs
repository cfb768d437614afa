//! Time as a dependency, so that a test can run through a day in milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// A source of time.
pub trait Clock: Send + Sync {
    /// Monotonic time since an arbitrary start, which stays the same for the clock's lifetime.
    fn now(&self) -> Duration;
    /// The wall-clock time, which may jump in either direction.
    fn wall(&self) -> Timestamp;
}

/// The machine's clocks: monotonic time since [`SystemClock::new`], and the system's wall clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A clock beyond the range of timestamps (the years -9999 to 9999) gives the end of that range.
    fn wall(&self) -> Timestamp {
        let now = SystemTime::now();
        let end = if now < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::try_from(now).unwrap_or(end)
    }
}

/// A time as the clocks on the wall show it, in the time zone of the machine.
pub fn local(time: Timestamp) -> ZonedDateTime {
    time.to_zoned_datetime(TimeZone::system())
}

/// How far the clocks on the wall are ahead of UTC then, in minutes.
pub fn offset_minutes(time: Timestamp) -> i32 {
    TimeZone::system().to_offset(time).seconds() / 60
}

/// Whether the machine's clock shows a time that HTTP and TLS can express: from 1970 to 9999. Their libraries panic at others.
pub fn is_within_http_dates() -> bool {
    const END: Duration = Duration::from_secs(253_402_300_800);
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|time| time < END)
}

/// A clock that stands still until it is advanced. Clones share the time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    nanoseconds: Arc<AtomicU64>,
}

impl ManualClock {
    /// Moves both the monotonic and the wall-clock time forward.
    pub fn advance(&self, by: Duration) {
        self.nanoseconds.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }

    /// The Unix epoch plus the time by which the clock has been advanced.
    fn wall(&self) -> Timestamp {
        let nanoseconds = i128::from(self.nanoseconds.load(Ordering::Relaxed));
        Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX)
    }
}
