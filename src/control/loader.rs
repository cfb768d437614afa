//! Loads and frees all models on one thread.
//!
//! The C library's allocator keeps freed memory per thread. On a pool of threads, each of them would retain the memory
//! of a model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

use glimpsed_base::thread::Thread;
use glimpsed_core::error::Result;

type Work = Box<dyn FnOnce() + Send>;

/// A thread for blocking work. Dropping this value ends it, after the current job. Callers wait for their result, so
/// the queue stays short.
pub struct Loader {
    work: Sender<Work>,
    _thread: Thread,
}

impl Loader {
    /// # Errors
    /// When the system cannot start another thread.
    pub fn start() -> Result<Self> {
        let (work, waiting) = channel::<Work>();
        let run = move || {
            while let Ok(work) = waiting.recv() {
                // After a panic, the caller finds its channel closed.
                let _ = catch_unwind(AssertUnwindSafe(work));
            }
        };
        Ok(Self { work, _thread: Thread::spawn("loader", run)? })
    }

    /// Runs the job on the thread; `None` if it panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (to, result) = oneshot::channel();
        let send = move || {
            // The caller may have timed out.
            let _ = to.send(work());
        };
        self.work.send(Box::new(send)).ok()?;
        result.await.ok()
    }

    /// Drops the value on the thread, because that may take a while.
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
