//! Keeps a source open: one plain attempt after another, with back-off in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{CaptureError, Captured, Opener, Read};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::frame::Frame;
use crate::label::{CameraState, Event};
use crate::shutdown::Shutdown;
use crate::sinks::Sink;
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
    /// Told when the camera comes and goes.
    pub sinks: Vec<Box<dyn Sink>>,
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    pub frames: AtomicU64,
    pub reconnects: AtomicU64,
    pub corrupt: AtomicU64,
}

/// Frames for this long, and the next loss starts with a short wait again.
const GOOD_SESSION: Duration = Duration::from_secs(10);

struct CloseOnDrop(Arc<Slot<Frame>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A camera may send a damaged frame now and then; this many in a row and it is opened again.
const MAX_CORRUPT_RUN: u32 = 30;

impl Supervisor {
    /// Captures until the source has ended or shutdown is asked for, then closes the slot.
    pub fn run(mut self, mut opener: Box<dyn Opener>) {
        let name = opener.describe();
        // Also when this thread panics: a closed slot ends the inference, and with it the daemon.
        let _closes = CloseOnDrop(self.slot.clone());
        let (mut last_cause, mut repeated) = (String::new(), 0u32);
        self.tell(CameraState::Offline);
        while !self.shutdown.is_set() {
            let before = self.counters.frames.load(Ordering::Relaxed);
            let started = self.clock.now();
            let result = self.run_once(opener.as_mut());
            if self.counters.frames.load(Ordering::Relaxed) > before {
                self.tell(CameraState::Offline);
            }
            match result {
                Ok(()) | Err(CaptureError::Ended) => break,
                Err(error) => {
                    if self.clock.now().saturating_sub(started) >= GOOD_SESSION {
                        self.backoff.reset();
                    }
                    let wait = self.backoff.next_wait(fastrand::f64());
                    self.counters.reconnects.fetch_add(1, Ordering::Relaxed);
                    let cause = error.to_string();
                    repeated = if cause == last_cause { repeated + 1 } else { 1 };
                    last_cause = cause;
                    // A camera that is away for a night is a dozen lines in the log, not thousands.
                    if repeated.is_power_of_two() {
                        tracing::warn!(source = %name, %error, retry_in_ms = wait.as_millis() as u64, repeated, "no frames");
                    }
                    if opener.wait(wait, &self.shutdown) {
                        self.backoff.reset();
                    }
                }
            }
        }
    }

    /// Opens the source and hands its frames over until something goes wrong; `Ok` means shutdown.
    fn run_once(&mut self, opener: &mut dyn Opener) -> Result<(), CaptureError> {
        let mut source = opener.open()?;
        tracing::info!(source = %opener.describe(), "capturing");
        let mut bytes = Vec::new();
        let mut last = self.clock.now();
        let (mut online, mut corrupt) = (false, 0);
        while !self.shutdown.is_set() {
            match source.read(&mut bytes, LOOK_UP.min(self.frame_timeout))? {
                Read::Frame(captured) => {
                    corrupt = 0;
                    self.hand_over(captured, std::mem::take(&mut bytes), last);
                    bytes = self.slot.reuse().map(|spent| spent.bytes).unwrap_or_default();
                    last = self.clock.now();
                    if !online {
                        online = true;
                        self.tell(CameraState::Online);
                    }
                }
                Read::Nothing => {}
                Read::Corrupt(cause) => {
                    corrupt += 1;
                    self.counters.corrupt.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(cause, run = corrupt, "damaged frame");
                    if corrupt >= MAX_CORRUPT_RUN {
                        return Err(CaptureError::Corrupt { run: corrupt, cause });
                    }
                }
            }
            let silent = self.clock.now().saturating_sub(last);
            if silent >= self.frame_timeout {
                return Err(CaptureError::Stalled { after: silent });
            }
        }
        Ok(())
    }

    fn tell(&mut self, state: CameraState) {
        for sink in &mut self.sinks {
            sink.publish(&Event::Camera(state));
        }
    }

    /// A waiting slot makes the source wait too, but never beyond shutdown.
    fn hand_over(&self, captured: Captured, bytes: Vec<u8>, last: Duration) {
        let now = self.clock.now();
        let mut frame = Frame {
            seq: self.counters.frames.fetch_add(1, Ordering::Relaxed) + 1,
            captured_at: now,
            wall: self.clock.wall(),
            capture_time: now.saturating_sub(last),
            encoding: captured.encoding,
            bytes,
            origin: captured.origin,
        };
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
    use crate::capture::Source;
    use crate::clock::ManualClock;
    use crate::frame::Encoding;
    use crate::slot::{Taken, WhenFull};

    /// Plays a script: one entry per attempt, one item per read.
    struct Script(Vec<Result<Vec<Step>, CaptureError>>);

    enum Step {
        Frame,
        Silence(Duration),
        Corrupt,
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
        fn read(&mut self, bytes: &mut Vec<u8>, _: Duration) -> Result<Read, CaptureError> {
            match self.0.next() {
                Some(Step::Frame) => {
                    bytes.push(1);
                    Ok(Read::Frame(Captured { encoding: Encoding::Jpeg, origin: None }))
                }
                Some(Step::Silence(time)) => {
                    self.1.advance(time);
                    Ok(Read::Nothing)
                }
                Some(Step::Corrupt) => Ok(Read::Corrupt("half a frame")),
                Some(Step::Fail(error)) => Err(error),
                None => Err(CaptureError::Ended),
            }
        }
    }

    /// Keeps what it was told.
    #[derive(Clone, Default)]
    struct Told(Arc<std::sync::Mutex<Vec<CameraState>>>);

    impl Sink for Told {
        fn publish(&mut self, event: &Event) {
            if let Event::Camera(state) = event {
                self.0.lock().expect("alive").push(*state);
            }
        }
    }

    fn play(script: Script) -> (Arc<Slot<Frame>>, Arc<Counters>) {
        let (slot, counters, _) = play_and_listen(script);
        (slot, counters)
    }

    fn play_and_listen(script: Script) -> (Arc<Slot<Frame>>, Arc<Counters>, Vec<CameraState>) {
        let clock = ManualClock::default();
        let slot = Arc::new(Slot::new(WhenFull::Overwrite));
        let counters = Arc::new(Counters::default());
        let told = Told::default();
        let supervisor = Supervisor {
            slot: slot.clone(),
            clock: Arc::new(clock.clone()),
            shutdown: Shutdown::new(),
            frame_timeout: Duration::from_secs(5),
            backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(2)),
            counters: counters.clone(),
            sinks: vec![Box::new(told.clone())],
        };
        supervisor.run(Box::new(ScriptOpener(script.0.into_iter(), clock)));
        let states = told.0.lock().expect("alive").clone();
        (slot, counters, states)
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

    #[test]
    fn the_camera_is_online_from_its_first_frame_to_its_loss() {
        use CameraState::{Offline, Online};
        let lost = || CaptureError::Lost { source_name: "x".into(), cause: "unplugged".into() };
        let (_, _, states) = play_and_listen(Script(vec![
            Err(lost()),
            Ok(vec![Step::Frame, Step::Frame, Step::Fail(lost())]),
            Ok(vec![Step::Fail(lost())]),
            Ok(vec![Step::Frame]),
        ]));
        assert_eq!(states, [Offline, Online, Offline, Online, Offline], "an open device without frames is not online");
    }

    #[test]
    fn damaged_frames_are_skipped_and_a_run_of_them_opens_the_source_again() {
        let some = |count| std::iter::repeat_with(|| Step::Corrupt).take(count);
        let short: Vec<Step> = some(29).chain([Step::Frame]).chain(some(29)).chain([Step::Frame]).collect();
        let (_, counters) = play(Script(vec![Ok(short)]));
        assert_eq!(counters.reconnects.load(Ordering::Relaxed), 0);
        assert_eq!(counters.corrupt.load(Ordering::Relaxed), 58);
        let long: Vec<Step> = some(30).chain([Step::Frame]).collect();
        let (_, counters) = play(Script(vec![Ok(long), Ok(vec![Step::Frame])]));
        assert_eq!(counters.reconnects.load(Ordering::Relaxed), 1);
        assert_eq!(counters.frames.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_source_that_sends_only_damaged_frames_is_silent_too() {
        let steps = (0..20).flat_map(|_| [Step::Corrupt, Step::Silence(Duration::from_secs(1))]).collect();
        let (_, counters) = play(Script(vec![Ok(steps), Ok(vec![Step::Frame])]));
        assert_eq!(counters.reconnects.load(Ordering::Relaxed), 1);
        assert!(counters.corrupt.load(Ordering::Relaxed) <= 6);
    }
}
