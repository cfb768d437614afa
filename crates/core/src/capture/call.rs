//! The call into a camera that has not returned yet, for the watchdog.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use glimpsed_base::clock::Clock;
use glimpsed_base::sync::Mutex;

/// The start of the call into the source that has not returned yet. Shared by all successive cameras.
#[derive(Debug, Clone)]
pub struct CallInProgress(Arc<Mutex<Call>>);

#[derive(Debug)]
pub(super) struct Call {
    pub(super) began: Option<Duration>,
    pub(super) frame_timeout: Duration,
    /// [`Opener::callee`](super::source::Opener::callee).
    pub(super) callee: &'static str,
    /// Nobody waits for its thread any more, which has nothing to say then.
    pub(super) is_left: bool,
}

/// After this many frame timeouts in one call, the camera is offline, whatever state it was in.
const STUCK_AFTER_TIMEOUTS: u32 = 2;

impl Call {
    /// Since when and for how long it has not returned, if that is too long.
    pub(super) fn stuck(&self, now: Duration) -> Option<(Duration, Duration)> {
        let began = self.began?;
        let stuck = now.saturating_sub(began);
        (stuck >= self.frame_timeout * STUCK_AFTER_TIMEOUTS).then_some((began, stuck))
    }
}

impl CallInProgress {
    pub fn new(frame_timeout: Duration, callee: &'static str) -> Self {
        Self(Arc::new(Mutex::new(Call { began: None, frame_timeout, callee, is_left: false })))
    }

    /// Sets what is known of the next camera.
    pub fn set_camera(&self, frame_timeout: Duration, callee: &'static str) {
        let mut call = self.lock();
        (call.frame_timeout, call.callee) = (frame_timeout, callee);
    }

    /// What the calls wait for.
    pub fn callee(&self) -> &'static str {
        self.lock().callee
    }

    /// Whether a call has not returned for too long.
    pub fn is_stuck(&self, now: Duration) -> bool {
        self.lock().stuck(now).is_some()
    }

    /// Nobody waits for the thread any more: what it says from now on is not published.
    pub fn leave(&self) {
        self.lock().is_left = true;
    }

    /// Marks the call while it runs.
    pub fn during<T>(&self, clock: &dyn Clock, call: impl FnOnce() -> T) -> T {
        self.lock().began = Some(clock.now());
        let result = call();
        self.lock().began = None;
        result
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Call> {
        self.0.lock()
    }
}
