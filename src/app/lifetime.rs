//! The asynchronous runtime and the signals.

use std::io::IsTerminal;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::control::loader::Loader;
use glimpsed_base::clock::{Clock, SystemClock};
use glimpsed_core::error::{Error, Result};

/// From its creation on, signals are queued instead of ending the process. So it is created before anything that must
/// be cleaned up.
pub struct Lifetime {
    /// Its monotonic time is that since the start, with the time that the models take to load.
    clock: Arc<SystemClock>,
    pub(super) runtime: Runtime,
    pub(super) signals: Signals,
}

impl Lifetime {
    /// # Errors
    /// When the system has no file descriptors or threads left.
    pub fn begin() -> Result<Self> {
        let clock = Arc::new(SystemClock::new());
        let runtime = runtime()?;
        let signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        Ok(Self { clock, runtime, signals })
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Waits for blocking work on another thread, or for a signal to stop, whichever comes first. `None`: the signal came.
    ///
    /// # Errors
    /// When the work panicked.
    pub fn unless_stopped<T: Send + 'static>(
        &mut self,
        loader: &Loader,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::result::Result<Option<T>, LoadingPanicked> {
        let Self { runtime, signals, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                result = loader.run(work) => result.map(Some).ok_or(LoadingPanicked),
                signal = signals.stop() => {
                    tracing::info!(signal, "stopping");
                    Ok(None)
                }
            }
        })
    }
}

/// The thread that loads models has panicked.
#[derive(Debug, thiserror::Error)]
#[error("loading the model panicked")]
pub struct LoadingPanicked;

/// An asynchronous runtime on the thread that blocks on it.
///
/// # Errors
/// When the system has no file descriptors or threads left.
pub fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().map_err(Error::io("cannot start the asynchronous runtime"))
}

/// A request by signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inbound {
    /// With the signal's name.
    Stop(&'static str),
    Reload,
}

/// The handled signals.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    in_terminal: bool,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(Error::io("cannot listen for signals"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            in_terminal: std::io::stdin().is_terminal(),
        })
    }

    pub(super) async fn next(&mut self) -> Inbound {
        tokio::select! {
            _ = self.interrupt.recv() => Inbound::Stop("SIGINT"),
            _ = self.terminate.recv() => Inbound::Stop("SIGTERM"),
            // Either the terminal was closed, or a reload is requested.
            _ = self.hangup.recv() => match self.in_terminal && !std::io::stdin().is_terminal() {
                true => Inbound::Stop("SIGHUP"),
                false => Inbound::Reload,
            },
        }
    }

    /// Waits for the next signal to stop.
    pub(super) async fn stop(&mut self) -> &'static str {
        loop {
            if let Inbound::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}
