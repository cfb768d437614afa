//! Samples the health figures of all parts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::board::Board;
use crate::capture::registry::Registry;
use crate::domain::health::{Broker, Health};
use crate::pipeline::counters::Counters;
use crate::sinks::notify;
use glimpsed_base::clock::Clock;

/// Takes the samples.
pub struct Monitor {
    pub board: Board,
    pub clock: Arc<dyn Clock>,
    pub cameras: Registry,
    pub labelled: Arc<Counters>,
    pub notices: notify::Counters,
    started: Duration,
    /// The sample that the rate counts from: its time, and the number of labelled frames by then.
    last: (Duration, u64),
    fps: f64,
}

/// Shortest time for a rate; below it, the rate would fluctuate.
const SHORTEST_RATE: Duration = Duration::from_secs(1);

impl Monitor {
    pub fn new(clock: Arc<dyn Clock>, cameras: Registry, labelled: Arc<Counters>, notices: notify::Counters) -> Self {
        let started = clock.now();
        Self { board: Board::default(), clock, cameras, labelled, notices, started, last: (started, 0), fps: 0.0 }
    }

    pub fn look(&mut self, broker: Option<Broker>) -> Health {
        let now = self.clock.now();
        let labelled = self.labelled.labelled.load(Ordering::Relaxed);
        let time = now.saturating_sub(self.last.0);
        if time >= SHORTEST_RATE {
            self.fps = (labelled - self.last.1) as f64 / time.as_secs_f64();
            self.last = (now, labelled);
        }
        let captured = self.cameras.totals();
        Health {
            config_error: None,
            model_error: None,
            failing: self.labelled.failing(now),
            strange: Vec::new(),
            uptime: now.saturating_sub(self.started),
            temperature_celsius: self.board.temperature(),
            throttled: self.board.under_voltage(),
            pace: self.labelled.pace(),
            fps: self.fps,
            captured: captured.frames,
            labelled,
            cached: self.labelled.cached.load(Ordering::Relaxed),
            too_dark: self.labelled.too_dark.load(Ordering::Relaxed),
            skipped: self.labelled.skipped.load(Ordering::Relaxed),
            failed: self.labelled.failed.load(Ordering::Relaxed),
            overwritten: captured.overwritten,
            damaged: captured.corrupt,
            reconnects: captured.reconnects,
            rss_bytes: resident_bytes(),
            cameras: Vec::new(),
            broker,
            notices: self.notices.look(),
            web: None,
        }
    }
}

/// From `/proc/self/status`, whose unit is kibibytes.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glimpsed_base::clock::ManualClock;

    #[test]
    fn frames_a_second_are_counted_between_two_looks_but_not_between_two_close_ones() {
        let clock = ManualClock::default();
        let labelled = Arc::<Counters>::default();
        let mut monitor =
            Monitor::new(Arc::new(clock.clone()), Registry::default(), labelled.clone(), notify::Counters::default());
        labelled.labelled.fetch_add(50, Ordering::Relaxed);
        clock.advance(Duration::from_secs(10));
        assert_eq!(monitor.look(None).fps, 5.0);
        labelled.labelled.fetch_add(50, Ordering::Relaxed);
        clock.advance(Duration::from_millis(1));
        assert_eq!(monitor.look(None).fps, 5.0);
        assert_eq!(monitor.look(None).uptime, Duration::from_millis(10_001));
    }

    #[test]
    fn a_process_knows_its_own_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
