//! The wait before a camera is opened again, which somebody can cut short.

use std::sync::Arc;

use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::sync::Mutex;

/// Shared by the thread that waits and those who can end the wait.
#[derive(Clone, Default)]
pub struct Pause(Arc<Mutex<Option<Shutdown>>>);

impl Pause {
    /// What the wait that begins now is to race.
    pub(super) fn begin(&self) -> Shutdown {
        let ends = Shutdown::new();
        *self.0.lock() = Some(ends.clone());
        ends
    }

    pub(super) fn over(&self) {
        *self.0.lock() = None;
    }

    /// Ends the wait. Returns whether there was one.
    pub fn end(&self) -> bool {
        let waiting = self.0.lock().take();
        waiting.map(|waiting| waiting.trigger()).is_some()
    }
}
