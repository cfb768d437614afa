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
}

impl CallInProgress {
    pub fn new(frame_timeout: Duration, callee: &'static str) -> Self {
        Self(Arc::new(Mutex::new(Call { began: None, frame_timeout, callee })))
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
