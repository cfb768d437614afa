//! The cameras' threads, which can be stopped and started with other settings while the rest of the daemon runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use glimpsed_base::backoff::Backoff;
use glimpsed_base::clock::Clock;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::signal::Signal;
use glimpsed_base::slot::{Slot, WhenFull};
use glimpsed_base::thread::Thread;
use glimpsed_core::bus::hub::Hub;
use glimpsed_core::bus::preview::Preview;
use glimpsed_core::capture::call::CallInProgress;
use glimpsed_core::capture::freeze::Freeze;
use glimpsed_core::capture::pause::Pause;
use glimpsed_core::capture::registry::{Registered, Registry};
use glimpsed_core::capture::source::Opener;
use glimpsed_core::capture::supervisor::{Counters, Supervisor};
use glimpsed_core::config::typed;
use glimpsed_core::domain::camera::{CameraState, CameraStatus, Fault, FaultKind};
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::name::Name;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::pipeline::Source;

/// Creates the opener of a configuration.
pub type Openers = Box<dyn Fn(&typed::Camera) -> Box<dyn Opener> + Send>;

/// Deadline for the camera's thread to finish its current call; opening a USB camera takes seconds.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The same for a call that has not returned for too long before.
const STUCK_STOPS_WITHIN: Duration = Duration::from_millis(200);

/// Threads that are left in calls that do not return, at most. Then only a new process helps.
const MAX_LEFT: usize = 4;

/// Starts and stops the capture threads.
pub struct Cameras {
    openers: Openers,
    /// Raised when a camera has a frame.
    signal: Arc<Signal>,
    clock: Arc<dyn Clock>,
    hub: Hub,
    registry: Registry,
    cameras: Vec<Camera>,
    /// Those that did not end when they were told to.
    left: Vec<Thread>,
}

struct Camera {
    shared: Registered,
    pause: Pause,
    running: Option<Running>,
}

struct Running {
    thread: Thread,
    shutdown: Shutdown,
    /// What it was started with.
    settings: typed::Camera,
}

impl Cameras {
    pub fn new(openers: Openers, signal: Arc<Signal>, clock: Arc<dyn Clock>, hub: Hub, registry: Registry) -> Self {
        Self { openers, signal, clock, hub, registry, cameras: Vec::new(), left: Vec::new() }
    }

    /// Adds a camera, which is not opened yet.
    pub fn add(&mut self, name: Name) -> Source {
        let camera = Camera::new(name, Arc::default(), Arc::default(), &self.signal);
        self.registry.add(camera.shared.clone());
        let source = camera.source();
        self.cameras.push(camera);
        source
    }

    /// Removes a camera, which must have been stopped.
    pub fn remove(&mut self, name: &Name) {
        self.cameras.retain(|camera| camera.shared.name != *name);
        self.registry.remove(name);
    }

    pub fn names(&self) -> Vec<Name> {
        self.cameras.iter().map(|camera| camera.shared.name.clone()).collect()
    }

    /// The settings that a camera runs with; `None` if it does not.
    pub fn running(&self, name: &Name) -> Option<&typed::Camera> {
        let camera = self.cameras.iter().find(|camera| camera.shared.name == *name)?;
        camera.running.as_ref().map(|running| &running.settings)
    }

    /// Opens a camera that is not running.
    ///
    /// # Errors
    /// When the system cannot start another thread.
    pub fn start(&mut self, settings: &typed::Camera) -> Result<()> {
        let Some(camera) = self.cameras.iter_mut().find(|camera| camera.shared.name == settings.name) else {
            return Ok(());
        };
        let opener = (self.openers)(settings);
        let shared = &camera.shared;
        shared.slot.set_when_full(opener.when_full());
        shared.slot.open();
        shared.call.set_camera(settings.frame_timeout, opener.callee());
        let shutdown = Shutdown::new();
        let supervisor = Supervisor {
            camera: settings.name.clone(),
            slot: shared.slot.clone(),
            clock: self.clock.clone(),
            shutdown: shutdown.clone(),
            pause: camera.pause.clone(),
            start_timeout: settings.start_timeout,
            frame_timeout: settings.frame_timeout,
            freeze: Freeze::new(settings.frozen_after),
            call: shared.call.clone(),
            liveness: shared.liveness.clone(),
            backoff: Backoff::new(settings.reconnect_min, settings.reconnect_max),
            counters: shared.counters.clone(),
            hub: self.hub.clone(),
            negotiated: None,
        };
        let thread = Thread::spawn("capture", move || supervisor.run(opener))?;
        camera.running = Some(Running { thread, shutdown, settings: settings.clone() });
        Ok(())
    }

    /// Opens a camera now that waits for its next try. Returns whether it waited.
    pub fn retry(&self, name: &Name) -> bool {
        self.cameras.iter().any(|camera| camera.shared.name == *name && camera.pause.end())
    }

    /// Stops the thread of a camera and closes it. A thread that does not end, because a call of it hangs, is left behind if another
    /// camera works; this one goes on without it, with the source that is returned in the place of the one it had.
    ///
    /// # Errors
    /// When such a thread cannot be left: a new process loses nothing, or too many were left before.
    pub async fn stop(&mut self, name: &Name) -> Result<Option<Source>> {
        let Some(camera) = self.cameras.iter_mut().find(|camera| camera.shared.name == *name) else { return Ok(None) };
        let is_stuck = camera.shared.call.is_stuck(self.clock.now());
        let within = if is_stuck { STUCK_STOPS_WITHIN } else { STOP_WITHIN };
        if camera.stop_before(Instant::now() + within).await? {
            return Ok(None);
        }
        self.left.retain(|thread| !thread.is_finished());
        let statuses = self.hub.cameras();
        let others_work = statuses.iter().any(|other| other.camera != *name && other.state == CameraState::Online);
        if !others_work || self.left.len() >= MAX_LEFT {
            return Err(camera.hangs());
        }
        let Registered { call, counters, preview, .. } = camera.shared.clone();
        let callee = call.callee();
        tracing::error!(camera = name.given(), "a call to {callee} does not return; the camera goes on without it");
        call.leave();
        self.left.extend(camera.running.take().map(|running| running.thread));
        *camera = Camera::new(name.clone(), counters, preview, &self.signal);
        self.registry.replace(camera.shared.clone());
        Ok(Some(camera.source()))
    }

    /// Stops all of them at once.
    ///
    /// # Errors
    /// As [`Self::stop`], or when a thread panicked.
    pub async fn stop_all_before(&mut self, deadline: Instant) -> Result<()> {
        self.cameras.iter().for_each(Camera::tell_to_stop);
        let mut result = Ok(());
        for camera in &mut self.cameras {
            let stopped = camera.stop_before(deadline).await;
            result = result.and(stopped.and_then(|ended| if ended { Ok(()) } else { Err(camera.hangs()) }));
        }
        result
    }

    /// Closes the slots, so that the inference thread ends when it has labelled what they hold.
    pub fn close(&self) {
        self.cameras.iter().for_each(|camera| camera.shared.slot.close());
    }

    /// Publishes that a user disabled the camera.
    pub fn tell_disabled(&self, camera: &Name) {
        self.tell(camera, CameraState::Disabled, None);
    }

    /// Publishes that it is not opened, because there is no model.
    pub fn tell_no_model(&self, camera: &Name, cause: &str) {
        let fault = Fault::new(FaultKind::NoModel, &format!("there is no model to label with: {cause}"));
        self.tell(camera, CameraState::Offline, Some(fault));
    }

    fn tell(&self, camera: &Name, state: CameraState, fault: Option<Fault>) {
        let before = self.hub.camera(camera);
        if let Some(status) = CameraStatus::after(before.as_ref(), camera, state, fault, self.clock.wall()) {
            self.hub.publish(&Event::Camera(status));
        }
    }
}

impl Camera {
    /// One that is not opened. What it counts and who watches it may be those of a camera before.
    fn new(name: Name, counters: Arc<Counters>, preview: Arc<Preview>, signal: &Arc<Signal>) -> Self {
        let shared = Registered {
            name,
            // The camera's source sets the policy for a full slot later.
            slot: Arc::new(Slot::with_signal(WhenFull::Overwrite, signal.clone())),
            counters,
            call: CallInProgress::new(Duration::MAX, "the camera"),
            liveness: Liveness::default(),
            preview,
        };
        Self { shared, pause: Pause::default(), running: None }
    }

    fn source(&self) -> Source {
        let Registered { name, slot, preview, .. } = &self.shared;
        Source { camera: name.clone(), slot: slot.clone(), preview: preview.clone() }
    }

    fn hangs(&self) -> Error {
        Error::Failed(format!("a call to {} does not return", self.shared.call.callee()))
    }

    fn tell_to_stop(&self) {
        if let Some(running) = &self.running {
            running.shutdown.trigger();
            self.pause.end();
        }
    }

    /// False if the thread has not ended by then.
    async fn stop_before(&mut self, deadline: Instant) -> Result<bool> {
        self.tell_to_stop();
        let Some(running) = &mut self.running else { return Ok(true) };
        let joined = running.thread.join(deadline).await;
        if !matches!(joined, Ok(false)) {
            self.running = None;
            // A frame of a disabled camera must not be published.
            self.shared.slot.clear();
        }
        Ok(joined?)
    }
}

#[cfg(test)]
mod tests;
