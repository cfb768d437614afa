//! The camera's thread, which can be stopped and started with another camera while the rest of the daemon runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::bus::hub::Hub;
use crate::capture::freeze::Freeze;
use crate::capture::source::Opener;
use crate::capture::supervisor::{Counters, Supervisor};
use crate::capture::watchdog::CallInProgress;
use crate::config::typed;
use crate::domain::camera::{CameraState, CameraStatus, Fault, FaultKind};
use crate::domain::event::Event;
use crate::domain::frame::Frame;
use crate::error::{Error, Result};
use glimpsed_base::backoff::Backoff;
use glimpsed_base::clock::Clock;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::slot::Slot;
use glimpsed_base::thread::Thread;

/// Creates the opener of a configuration.
pub type Openers = Box<dyn Fn(&typed::Camera) -> Box<dyn Opener> + Send>;

/// Deadline for the camera's thread to finish its current call; opening a USB camera takes seconds.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Starts and stops the capture thread.
pub struct Camera {
    openers: Openers,
    slot: Arc<Slot<Frame>>,
    clock: Arc<dyn Clock>,
    hub: Hub,
    pub counters: Arc<Counters>,
    /// Marks calls for the watchdog; shared by all successive cameras.
    pub call: CallInProgress,
    pub liveness: Liveness,
    running: Option<(Thread, Shutdown)>,
}

impl Camera {
    pub fn new(openers: Openers, slot: Arc<Slot<Frame>>, clock: Arc<dyn Clock>, hub: Hub) -> Self {
        let call = CallInProgress::new(Duration::MAX, "the camera");
        Self { openers, slot, clock, hub, counters: Arc::default(), call, liveness: Liveness::default(), running: None }
    }

    /// # Errors
    /// When the system cannot start another thread.
    pub fn start(&mut self, settings: &typed::Camera) -> Result<()> {
        let opener = (self.openers)(settings);
        self.slot.set_when_full(opener.when_full());
        self.call.set_camera(settings.frame_timeout, opener.callee());
        let shutdown = Shutdown::new();
        let supervisor = Supervisor {
            slot: self.slot.clone(),
            clock: self.clock.clone(),
            shutdown: shutdown.clone(),
            start_timeout: settings.start_timeout,
            frame_timeout: settings.frame_timeout,
            freeze: Freeze::new(settings.frozen_after),
            call: self.call.clone(),
            liveness: self.liveness.clone(),
            backoff: Backoff::new(settings.reconnect_min, settings.reconnect_max),
            counters: self.counters.clone(),
            hub: self.hub.clone(),
            negotiated: None,
        };
        self.running = Some((Thread::spawn("capture", move || supervisor.run(opener))?, shutdown));
        Ok(())
    }

    /// Stops the thread and closes the camera.
    ///
    /// # Errors
    /// When the thread does not end, because a call of it hangs. No other camera can be started then.
    pub async fn stop(&mut self) -> Result<()> {
        self.stop_before(Instant::now() + STOP_WITHIN).await
    }

    /// As [`Self::stop`], with the caller's deadline.
    ///
    /// # Errors
    /// As [`Self::stop`], or when the thread panicked.
    pub async fn stop_before(&mut self, deadline: Instant) -> Result<()> {
        let Some((thread, shutdown)) = &mut self.running else { return Ok(()) };
        shutdown.trigger();
        match thread.join(deadline).await {
            Ok(false) => Err(Error::Failed(format!("a call to {} does not return", self.call.callee()))),
            joined => {
                self.running = None;
                // A frame of a disabled camera must not be published.
                self.slot.clear();
                Ok(joined.map(drop)?)
            }
        }
    }

    /// Publishes that a user disabled the camera.
    pub fn tell_disabled(&self) {
        let since = self.clock.wall();
        self.hub.publish(&Event::Camera(CameraStatus { state: CameraState::Disabled, since, fault: None }));
    }

    /// Publishes that it is not opened, because there is no model.
    pub fn tell_no_model(&self, cause: &str) {
        let fault = Fault::new(FaultKind::NoModel, &format!("there is no model to label with: {cause}"));
        let before = self.hub.camera();
        if let Some(status) = CameraStatus::after(before.as_ref(), CameraState::Offline, Some(fault), self.clock.wall())
        {
            self.hub.publish(&Event::Camera(status));
        }
    }
}
