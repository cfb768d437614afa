//! The camera's thread, which can be ended and started again with another camera while everything else runs on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::bus::hub::Hub;
use crate::capture::freeze::Freeze;
use crate::capture::source::Opener;
use crate::capture::supervisor::{Counters, Supervisor};
use crate::capture::watchdog::CallInProgress;
use crate::config::typed;
use crate::domain::camera::CameraState;
use crate::domain::event::Event;
use crate::domain::frame::Frame;
use crate::error::{Error, Result};
use glimpsed_base::backoff::Backoff;
use glimpsed_base::clock::Clock;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::slot::Slot;
use glimpsed_base::thread::Thread;

/// Makes the opener that a configuration asks for.
pub type Openers = Box<dyn Fn(&typed::Camera) -> Box<dyn Opener> + Send>;

/// For the camera's thread to finish what it is at; opening a USB camera takes seconds.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Starts and stops the capture thread.
pub struct Camera {
    openers: Openers,
    slot: Arc<Slot<Frame>>,
    clock: Arc<dyn Clock>,
    hub: Hub,
    pub counters: Arc<Counters>,
    /// What the watchdog looks at, whichever camera there is.
    pub call: CallInProgress,
    pub liveness: Liveness,
    running: Option<(Thread, Shutdown)>,
}

impl Camera {
    pub fn new(openers: Openers, slot: Arc<Slot<Frame>>, clock: Arc<dyn Clock>, hub: Hub) -> Self {
        let call = CallInProgress::new(Duration::MAX);
        Self { openers, slot, clock, hub, counters: Arc::default(), call, liveness: Liveness::default(), running: None }
    }

    /// # Errors
    /// When the system has no thread left.
    pub fn start(&mut self, settings: &typed::Camera) -> Result<()> {
        let opener = (self.openers)(settings);
        self.slot.set_when_full(opener.when_full());
        self.call.set_frame_timeout(settings.frame_timeout);
        let shutdown = Shutdown::new();
        let supervisor = Supervisor {
            slot: self.slot.clone(),
            clock: self.clock.clone(),
            shutdown: shutdown.clone(),
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

    /// Ends the thread and closes the camera.
    ///
    /// # Errors
    /// When it does not end: its driver does not return, and no other camera can be started in its place.
    pub async fn stop(&mut self) -> Result<()> {
        self.stop_before(Instant::now() + STOP_WITHIN).await
    }

    /// As [`Self::stop`], with a deadline of the caller's.
    ///
    /// # Errors
    /// As [`Self::stop`], or when the thread panicked.
    pub async fn stop_before(&mut self, deadline: Instant) -> Result<()> {
        let Some((thread, shutdown)) = &mut self.running else { return Ok(()) };
        shutdown.trigger();
        match thread.join(deadline).await {
            Ok(false) => Err(Error::Failed("the camera's driver does not return".into())),
            joined => {
                self.running = None;
                // What a camera that was switched off has seen is not to be told after that.
                self.slot.clear();
                Ok(joined.map(drop)?)
            }
        }
    }

    /// Tells that somebody has switched it off.
    pub fn tell_disabled(&self) {
        self.hub.publish(&Event::Camera(CameraState::Disabled));
    }
}
