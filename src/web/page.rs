//! The running web server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::server::Status;
use super::site::{Parts, Settings};
use super::{events, remembered, router, server};
use crate::web::site::Site;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::thread::Thread;
use glimpsed_core::domain::health;
use glimpsed_core::error::{Error, Result};

/// Threads for decoding and encoding pictures.
const MAX_WORKERS: usize = 2;

/// Deadline for streams and responses at the stop; the rest is cut off.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// The running web server.
pub struct Web {
    thread: Thread,
    shutdown: Shutdown,
    status: Arc<Status>,
}

impl Web {
    /// # Errors
    /// When the system cannot start another thread.
    pub fn start(settings: Settings, parts: Parts) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_WORKERS)
            .thread_name("web-worker")
            .build()
            .map_err(Error::io("cannot start the web server's runtime"))?;
        let (shutdown, status) = (Shutdown::new(), Arc::<Status>::default());
        let address = settings.http.listen;
        let site = Arc::new(Site::new(settings, parts, shutdown.clone()));
        let (until, told) = (shutdown.clone(), status.clone());
        let thread = Thread::spawn("web", move || {
            runtime.block_on(async {
                let live = site.parts.view.clone();
                let helpers = [
                    tokio::spawn(events::vitals(site.clone())),
                    tokio::spawn(remembered::develop(live.remembered.clone(), move |view, times| {
                        live.tell_view(view, "pictures", times);
                    })),
                ];
                let ingress = site.settings.ingress;
                server::serve(address, ingress, router::router(site), told, until).await;
                helpers.iter().for_each(tokio::task::JoinHandle::abort);
            });
            // A picture that is being decoded is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { thread, shutdown, status })
    }

    /// The web server's part of the health figures.
    pub fn health(&self) -> health::Web {
        let address = *self.status.address.lock();
        health::Web { listening: self.status.listening.load(Ordering::Relaxed), address }
    }

    /// Ends the streams and closes the port.
    pub async fn stop(mut self, deadline: Instant) {
        self.shutdown.trigger();
        // At the stop, a panic of the thread does not matter any more.
        let _ = self.thread.join(deadline.min(Instant::now() + STOP_WITHIN)).await;
    }
}
