//! Threads whose end can be awaited.

use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result};

/// A thread with a name.
pub struct Thread {
    name: &'static str,
    handle: Option<JoinHandle<()>>,
    /// Its sender is dropped when the thread ends, however it ends.
    ended: oneshot::Receiver<()>,
    has_ended: bool,
}

impl Thread {
    /// # Errors
    /// When the system has no thread left.
    pub fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<Self> {
        let (sender, ended) = oneshot::channel::<()>();
        let run = move || {
            let _alive = sender;
            work();
        };
        let handle = std::thread::Builder::new()
            .name(name.into())
            .spawn(run)
            .map_err(Error::io(format!("cannot start the {name} thread")))?;
        Ok(Self { name, handle: Some(handle), ended, has_ended: false })
    }

    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Resolves when it has ended.
    pub async fn ended(&mut self) {
        if !self.has_ended {
            let _ = (&mut self.ended).await;
            self.has_ended = true;
        }
    }

    /// Waits until the deadline; false if it has not ended by then (a driver that never returns), and then it ends with
    /// the process.
    ///
    /// # Errors
    /// When the thread panicked.
    pub async fn join(&mut self, deadline: Instant) -> Result<bool> {
        if timeout_at(deadline, self.ended()).await.is_err() {
            tracing::warn!(thread = self.name, "did not stop in time");
            return Ok(false);
        }
        match self.handle.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::Failed(format!("the {} thread panicked", self.name))),
            Some(Ok(())) | None => Ok(true),
        }
    }
}
