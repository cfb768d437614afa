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
}

impl CallInProgress {
    pub fn new(frame_timeout: Duration) -> Self {
        Self(Arc::new(Mutex::new(Call { began: None, frame_timeout })))
    }

    /// Sets the frame timeout of the new camera.
    pub fn set_frame_timeout(&self, frame_timeout: Duration) {
        self.lock().frame_timeout = frame_timeout;
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
