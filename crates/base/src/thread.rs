//! Named threads whose end can be awaited with a deadline.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// The system could not start the thread of this name.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the {name} thread: {cause}")]
pub struct NotStarted {
    name: &'static str,
    cause: io::Error,
}

/// The thread of this name has panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {0} thread panicked")]
pub struct Panicked(&'static str);

/// A named thread.
pub struct Thread {
    name: &'static str,
    handle: Option<JoinHandle<()>>,
    /// The sender is dropped when the thread ends, by returning or by a panic.
    ended: oneshot::Receiver<()>,
    has_ended: bool,
}

impl Thread {
    /// Starts a thread that runs `work`. `name` is also its name in the operating system.
    ///
    /// # Errors
    /// When the system cannot start another thread.
    pub fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<Self, NotStarted> {
        let (sender, ended) = oneshot::channel::<()>();
        let run = move || {
            let _alive = sender;
            work();
        };
        let handle =
            std::thread::Builder::new().name(name.into()).spawn(run).map_err(|cause| NotStarted { name, cause })?;
        Ok(Self { name, handle: Some(handle), ended, has_ended: false })
    }

    /// Whether the thread has ended, by returning or by a panic.
    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Resolves when the thread has ended, by returning or by a panic. It may be called again.
    pub async fn ended(&mut self) {
        if !self.has_ended {
            let _ = (&mut self.ended).await;
            self.has_ended = true;
        }
    }

    /// Waits for the thread's end until the deadline. False if it has not ended by then, as in a driver call that never
    /// returns; such a thread ends with the process.
    ///
    /// # Errors
    /// When the thread panicked.
    pub async fn join(&mut self, deadline: Instant) -> Result<bool, Panicked> {
        if timeout_at(deadline, self.ended()).await.is_err() {
            tracing::warn!(thread = self.name, "did not stop in time");
            return Ok(false);
        }
        match self.handle.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Panicked(self.name)),
            Some(Ok(())) | None => Ok(true),
        }
    }
}
