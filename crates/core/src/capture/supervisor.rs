//! Keeps a source open: retries with back-off after each loss.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::call::CallInProgress;
use super::freeze::{Freeze, Still};
use super::pause::Pause;
use super::source::{CaptureError, Captured, Opener, Read, Source};
use crate::bus::hub::Hub;
use crate::domain::camera::{CameraState, CameraStatus, Fault, FaultKind, Negotiated};
use crate::domain::event::Event;
use crate::domain::frame::Frame;
use crate::domain::name::Name;
use glimpsed_base::backoff::Backoff;
use glimpsed_base::clock::Clock;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::repetition::is_logged;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::slot::Slot;

/// Longest block of a single read before shutdown is checked again.
const LOOK_UP: Duration = Duration::from_millis(200);

/// Runs a source on the capture thread, with the parts it needs.
pub struct Supervisor {
    pub camera: Name,
    pub slot: Arc<Slot<Frame>>,
    pub clock: Arc<dyn Clock>,
    pub shutdown: Shutdown,
    /// The wait before the next try, which ends with the shutdown, too.
    pub pause: Pause,
    /// For a session's first frame.
    pub start_timeout: Duration,
    pub frame_timeout: Duration,
    pub freeze: Freeze,
    /// Marks calls into the source for the watchdog.
    pub call: CallInProgress,
    pub liveness: Liveness,
    pub backoff: Backoff,
    pub counters: Arc<Counters>,
    /// Receives the camera's state.
    pub hub: Hub,
    /// The format that was published last.
    pub negotiated: Option<Option<Negotiated>>,
}

/// Slack of the thread's liveness deadline, beyond its own waits.
const WITHIN: Duration = Duration::from_secs(120);

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    pub frames: AtomicU64,
    pub reconnects: AtomicU64,
    pub corrupt: AtomicU64,
}

/// A session of at least this length resets the back-off.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// Closes the slot when a source ends or the thread panics. When all are closed, the inference ends and with it the daemon. A thread
/// that was stopped leaves the slot open, because another camera may follow.
struct CloseUnlessStopped(Arc<Slot<Frame>>, Shutdown, Liveness);

impl Drop for CloseUnlessStopped {
    fn drop(&mut self) {
        self.2.pause();
        if !self.1.is_set() {
            self.0.close();
        }
    }
}

/// One opening of the source.
struct Session {
    /// When the last new picture arrived, or the session began.
    last: Duration,
    /// Whether anything has arrived.
    started: bool,
    /// For how long the picture has been the same, if it is frozen.
    frozen: Option<Duration>,
    /// Damaged frames since the last whole one, and what was wrong with the last of them.
    damage: Option<(u32, &'static str)>,
}

impl Session {
    /// Something arrives: from now on the next picture is due.
    fn start(&mut self, now: Duration) {
        if !std::mem::replace(&mut self.started, true) {
            self.last = now;
        }
    }
}

/// A camera may send a damaged frame now and then; after this many in a row it is reopened.
const MAX_CORRUPT_RUN: u32 = 30;

impl Supervisor {
    /// Captures until the source has ended, which closes the slot, or shutdown is requested.
    pub fn run(mut self, mut opener: Box<dyn Opener>) {
        let name = opener.describe();
        let _closes = CloseUnlessStopped(self.slot.clone(), self.shutdown.clone(), self.liveness.clone());
        let (mut last_cause, mut repeated) = (String::new(), 0u32);
        self.tell(CameraState::Offline, None, Duration::ZERO);
        while !self.shutdown.is_set() {
            let before = self.counters.frames.load(Ordering::Relaxed);
            let started = self.clock.now();
            let result = self.run_once(opener.as_mut());
            let had_frames = self.counters.frames.load(Ordering::Relaxed) > before;
            let fault = result.as_ref().err().and_then(CaptureError::fault);
            if had_frames || fault.is_some() {
                let lasted = result.as_ref().err().map(CaptureError::lasted).unwrap_or_default();
                self.tell(CameraState::Offline, fault, lasted);
            }
            if had_frames {
                // After a freeze, the frozen picture stays suspect across reopenings, until a different one arrives.
                if !matches!(result, Err(CaptureError::Frozen { .. })) {
                    self.freeze.forget();
                }
            }
            match result {
                Ok(()) | Err(CaptureError::Ended) => break,
                Err(error) => {
                    if matches!(error, CaptureError::Foreign { .. }) {
                        self.counters.corrupt.fetch_add(1, Ordering::Relaxed);
                    }
                    if self.clock.now().saturating_sub(started) >= GOOD_SESSION {
                        self.backoff.reset();
                    }
                    let wait = self.backoff.next_wait(fastrand::f64());
                    self.counters.reconnects.fetch_add(1, Ordering::Relaxed);
                    let cause = error.to_string();
                    repeated = if cause == last_cause { repeated + 1 } else { 1 };
                    last_cause = cause;
                    if is_logged(repeated.into()) {
                        tracing::warn!(camera = self.camera.given(), source = %name, %error, retry_in_ms = wait.as_millis() as u64, repeated, "no frames");
                    }
                    self.liveness.expect_by(self.clock.now() + wait + WITHIN);
                    let pause = self.pause.begin();
                    // It may have been asked for before the pause began, which nobody would end then.
                    if !self.shutdown.is_set() && (opener.wait(wait, &pause) || pause.is_set()) {
                        self.backoff.reset();
                    }
                    self.pause.over();
                }
            }
        }
    }

    /// Opens the source and puts its frames into the slot until something fails; `Ok` means shutdown.
    fn run_once(&mut self, opener: &mut dyn Opener) -> Result<(), CaptureError> {
        let (call, clock) = (self.call.clone(), self.clock.clone());
        self.expect_by();
        let mut source = call.during(&*clock, || opener.open())?;
        let result = self.stream(source.as_mut(), &opener.describe());
        call.during(&*clock, || drop(source));
        result
    }

    fn stream(&mut self, source: &mut dyn Source, name: &str) -> Result<(), CaptureError> {
        let (call, clock) = (self.call.clone(), self.clock.clone());
        let mut bytes = Vec::new();
        let mut session = Session { last: clock.now(), started: false, frozen: None, damage: None };
        let (mut online, mut covered) = (false, false);
        while !self.shutdown.is_set() {
            self.expect_by();
            match call.during(&*clock, || source.read(&mut bytes, LOOK_UP.min(self.frame_timeout)))? {
                Read::Frame(captured) => {
                    session.damage = None;
                    let now = clock.now();
                    // The watchdog may have published `offline` during this late call, so the session must end.
                    self.check(&session, now)?;
                    session.start(now);
                    let still = match captured.unchanged {
                        true => None,
                        false => self.freeze.observe(captured.encoding, &bytes, now),
                    };
                    match still {
                        Some(Still::Frozen(for_time)) if online => return Err(CaptureError::Frozen { for_time }),
                        // A source that was reopened after a freeze has until the deadline to show a different picture.
                        Some(Still::Frozen(for_time)) => session.frozen = Some(for_time),
                        Some(Still::Blank) | None => {
                            let (was_online, was_covered) = (online, covered);
                            (online, covered) = (true, still.is_some());
                            let hint = covered.then(|| source.hint().unwrap_or("is the lens covered?"));
                            if let Some(hint) = hint.filter(|_| !was_covered) {
                                tracing::warn!(
                                    camera = self.camera.given(),
                                    hint,
                                    "the picture shows nothing, and is always the same"
                                );
                            }
                            self.hand_over(captured, std::mem::take(&mut bytes), session.last);
                            bytes = self.slot.reuse().map(|spent| spent.bytes).unwrap_or_default();
                            (session.last, session.frozen) = (clock.now(), None);
                            if !was_online {
                                tracing::info!(camera = self.camera.given(), source = name, "capturing");
                                self.tell_negotiated(source.negotiated());
                            }
                            if (was_online, was_covered) != (online, covered) {
                                self.tell(CameraState::Online, hint.map(shows_nothing), Duration::ZERO);
                            }
                        }
                    }
                }
                Read::Nothing => {}
                Read::Corrupt(cause) => {
                    session.start(clock.now());
                    let run = session.damage.map_or(0, |(run, _)| run) + 1;
                    session.damage = Some((run, cause));
                    self.count_damaged(cause, run);
                    if run >= MAX_CORRUPT_RUN {
                        return Err(CaptureError::Corrupt { run, cause });
                    }
                }
            }
            self.check(&session, clock.now()).map_err(|error| match error {
                CaptureError::Stalled { .. } => source.instead().unwrap_or(error),
                other => other,
            })?;
        }
        Ok(())
    }

    /// # Errors
    /// When there has been no new picture for too long.
    fn check(&self, session: &Session, now: Duration) -> Result<(), CaptureError> {
        let silent = now.saturating_sub(session.last);
        let limit = if session.started { self.frame_timeout } else { self.start_timeout.max(self.frame_timeout) };
        match (session.frozen, session.damage) {
            _ if silent < limit => Ok(()),
            (Some(for_time), _) => Err(CaptureError::Frozen { for_time }),
            (None, Some((run, cause))) => Err(CaptureError::Corrupt { run, cause }),
            (None, None) => Err(CaptureError::Stalled { after: silent }),
        }
    }

    fn count_damaged(&self, cause: &str, run: u32) {
        let damaged = self.counters.corrupt.fetch_add(1, Ordering::Relaxed) + 1;
        if is_logged(damaged) {
            tracing::warn!(camera = self.camera.given(), cause, run, damaged, "damaged frame skipped");
        }
    }

    /// The daemon's own watchdog reports a hung call well before this liveness deadline.
    fn expect_by(&self) {
        self.liveness.expect_by(self.clock.now() + self.start_timeout + self.frame_timeout * 2 + WITHIN);
    }

    fn tell_negotiated(&mut self, negotiated: Option<Negotiated>) {
        // The thread of the previous camera may have published another format.
        if self.negotiated.as_ref() != Some(&negotiated) && !self.call.lock().is_left {
            self.hub.publish(&Event::Negotiated(self.camera.clone(), negotiated.clone()));
        }
        self.negotiated = Some(negotiated);
    }

    /// Publishes what is new: the watchdog may have said something else since. `lasted`: for how long it has been so.
    fn tell(&self, state: CameraState, fault: Option<Fault>, lasted: Duration) {
        let now = self.clock.wall();
        let since = now.checked_sub(lasted).unwrap_or(now);
        // Held while publishing: the camera goes on without a thread that was left.
        let call = self.call.lock();
        if !call.is_left
            && let Some(status) =
                CameraStatus::after(self.hub.camera(&self.camera).as_ref(), &self.camera, state, fault, since)
        {
            self.hub.publish(&Event::Camera(status));
        }
    }

    /// A slot that waits for the consumer blocks the source, too, but not beyond shutdown.
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
            self.expect_by();
            frame = refused;
        }
    }
}

fn shows_nothing(hint: &str) -> Fault {
    Fault::new(FaultKind::Covered, &format!("the picture shows nothing, and is always the same; {hint}"))
}

#[cfg(test)]
mod freshness_tests;

#[cfg(test)]
mod tests;
