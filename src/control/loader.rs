//! Loads models and frees them, all on one thread.
//!
//! The C library keeps what a thread has freed for that thread. Models that are loaded now on this one and now on that one
//! of a pool would leave the memory of two models with each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

use crate::error::Result;
use glimpsed_base::thread::Thread;

type Work = Box<dyn FnOnce() + Send>;

/// The thread ends with this value, after the work that it is at. Whoever gives it work waits for that, so there is little
/// in its queue.
pub struct Loader {
    work: Sender<Work>,
    _thread: Thread,
}

impl Loader {
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> Result<Self> {
        let (work, waiting) = channel::<Work>();
        let run = move || {
            while let Ok(work) = waiting.recv() {
                // Whoever waits for its result sees that there is none.
                let _ = catch_unwind(AssertUnwindSafe(work));
            }
        };
        Ok(Self { work, _thread: Thread::spawn("loader", run)? })
    }

    /// Does the work; `None` when it panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (to, result) = oneshot::channel();
        let send = move || {
            // Whoever wanted it may have gone.
            let _ = to.send(work());
        };
        self.work.send(Box::new(send)).ok()?;
        result.await.ok()
    }

    /// Drops the value, which may take a while.
    pub fn free(&self, value: impl Send + 'static) {
        let _ = self.work.send(Box::new(move || drop(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_has_no_result_and_the_next_one_has() {
        let loader = Loader::start().expect("a thread");
        assert_eq!(loader.run(|| panic!("a broken model")).await, None::<()>);
        assert_eq!(loader.run(|| 3).await, Some(3));
    }
}
