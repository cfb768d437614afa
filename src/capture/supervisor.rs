//! Keeps a source open: one plain attempt after another, with back-off in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{CaptureError, Opener};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::frame::Frame;
use crate::shutdown::Shutdown;
use crate::slot::Slot;

/// How long a single read may block before shutdown is looked at again.
const LOOK_UP: Duration = Duration::from_millis(200);

/// What the supervisor needs from the rest of the program.
pub struct Supervisor {
    pub slot: Arc<Slot<Frame>>,
    pub clock: Arc<dyn Clock>,
    pub shutdown: Shutdown,
    pub frame_timeout: Duration,
    pub backoff: Backoff,
    pub counters: Arc<Counters>,
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    pub frames: AtomicU64,
    pub reconnects: AtomicU64,
}

impl Supervisor {
    /// Captures until the source has ended or shutdown is asked for, then closes the slot.
    pub fn run(mut self, mut opener: Box<dyn Opener>) {
        let name = opener.describe();
        while !self.shutdown.is_set() {
            let before = self.counters.frames.load(Ordering::Relaxed);
            match self.run_once(opener.as_mut()) {
                Ok(()) | Err(CaptureError::Ended) => break,
                Err(error) => {
                    if self.counters.frames.load(Ordering::Relaxed) > before {
                        self.backoff.reset();
                    }
                    let wait = self.backoff.next_wait(fastrand::f64());
                    self.counters.reconnects.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(source = %name, %error, retry_in_ms = wait.as_millis() as u64, "no frames");
                    self.shutdown.sleep(wait);
                }
            }
        }
        self.slot.close();
    }

    /// Opens the source and hands its frames over until something goes wrong; `Ok` means shutdown.
    fn run_once(&mut self, opener: &mut dyn Opener) -> Result<(), CaptureError> {
        let mut source = opener.open()?;
        tracing::info!(source = %opener.describe(), "capturing");
        let mut bytes = Vec::new();
        let mut last = self.clock.now();
        while !self.shutdown.is_set() {
            let Some(captured) = source.read(&mut bytes, LOOK_UP.min(self.frame_timeout))? else {
                let silent = self.clock.now().saturating_sub(last);
                if silent >= self.frame_timeout {
                    return Err(CaptureError::Stalled { after: silent });
                }
                continue;
            };
            let now = self.clock.now();
            let frame = Frame {
                seq: self.counters.frames.fetch_add(1, Ordering::Relaxed) + 1,
                captured_at: now,
                wall: self.clock.wall(),
                capture_time: now.saturating_sub(last),
                encoding: captured.encoding,
                bytes: std::mem::take(&mut bytes),
                origin: captured.origin,
            };
            self.hand_over(frame);
            bytes = self.slot.reuse().map(|spent| spent.bytes).unwrap_or_default();
            last = self.clock.now();
        }
        Ok(())
    }

    /// A waiting slot makes the source wait too, but never beyond shutdown.
    fn hand_over(&self, mut frame: Frame) {
        while let Err(refused) = self.slot.put(frame, LOOK_UP) {
            if self.shutdown.is_set() {
                return;
            }
            frame = refused;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Captured, Source};
    use crate::clock::ManualClock;
    use crate::frame::Encoding;
    use crate::slot::{Taken, WhenFull};

    /// Plays a script: one entry per attempt, one item per read.
    struct Script(Vec<Result<Vec<Step>, CaptureError>>);

    enum Step {
        Frame,
        Silence(Duration),
        Fail(CaptureError),
    }

    struct Played(std::vec::IntoIter<Step>, ManualClock);

    struct ScriptOpener(std::vec::IntoIter<Result<Vec<Step>, CaptureError>>, ManualClock);

    impl Opener for ScriptOpener {
        fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
            match self.0.next() {
                Some(attempt) => Ok(Box::new(Played(attempt?.into_iter(), self.1.clone()))),
                None => Err(CaptureError::Ended),
            }
        }

        fn describe(&self) -> String {
            "script".into()
        }
    }

    impl Source for Played {
        fn read(&mut self, bytes: &mut Vec<u8>, _: Duration) -> Result<Option<Captured>, CaptureError> {
            match self.0.next() {
                Some(Step::Frame) => {
                    bytes.push(1);
                    Ok(Some(Captured { encoding: Encoding::Jpeg, origin: None }))
                }
                Some(Step::Silence(time)) => {
                    self.1.advance(time);
                    Ok(None)
                }
                Some(Step::Fail(error)) => Err(error),
                None => Err(CaptureError::Ended),
            }
        }
    }

    fn play(script: Script) -> (Arc<Slot<Frame>>, Arc<Counters>) {
        let clock = ManualClock::default();
        let slot = Arc::new(Slot::new(WhenFull::Overwrite));
        let counters = Arc::new(Counters::default());
        let supervisor = Supervisor {
            slot: slot.clone(),
            clock: Arc::new(clock.clone()),
            shutdown: Shutdown::new(),
            frame_timeout: Duration::from_secs(5),
            backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(2)),
            counters: counters.clone(),
        };
        supervisor.run(Box::new(ScriptOpener(script.0.into_iter(), clock)));
        (slot, counters)
    }

    #[test]
    fn a_source_that_cannot_be_opened_is_tried_again() {
        let refused = || CaptureError::Open { source_name: "x".into(), cause: "busy".into() };
        let (slot, counters) = play(Script(vec![Err(refused()), Err(refused()), Ok(vec![Step::Frame])]));
        assert_eq!(counters.reconnects.load(Ordering::Relaxed), 2);
        assert!(matches!(slot.take(Duration::ZERO), Taken::Value(frame) if frame.seq == 1));
        assert!(matches!(slot.take(Duration::ZERO), Taken::Closed));
    }

    #[test]
    fn a_source_silent_for_longer_than_the_timeout_is_opened_again() {
        let silence = |seconds| Step::Silence(Duration::from_secs(seconds));
        let (_, counters) = play(Script(vec![
            Ok(vec![Step::Frame, silence(3), Step::Frame, silence(3), silence(3), Step::Frame]),
            Ok(vec![Step::Frame]),
        ]));
        assert_eq!(counters.reconnects.load(Ordering::Relaxed), 1);
        assert_eq!(counters.frames.load(Ordering::Relaxed), 3, "the frame after the stall belongs to a dead stream");
    }

    #[test]
    fn frames_keep_counting_across_a_loss() {
        let lost = CaptureError::Lost { source_name: "x".into(), cause: "unplugged".into() };
        let (slot, _) = play(Script(vec![Ok(vec![Step::Frame, Step::Fail(lost)]), Ok(vec![Step::Frame])]));
        assert!(matches!(slot.take(Duration::ZERO), Taken::Value(frame) if frame.seq == 2));
        assert_eq!(slot.overwritten(), 1);
    }
}
