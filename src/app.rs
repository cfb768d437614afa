//! The daemon: build it from a configuration, run it, drain it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::backoff::Backoff;
use crate::capture::freeze::Freeze;
use crate::capture::supervisor::{self, Supervisor};
use crate::capture::watchdog::{CallInProgress, Verdict, Watchdog};
use crate::capture::{self, Opener};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::decide::Decider;
use crate::error::{Error, Result};
use crate::infer::Model;
use crate::infer::worker::{self, Labeller, Worker};
use crate::shutdown::Shutdown;
use crate::sinks::stdout::{self, Printer};
use crate::sinks::{Sink, mqtt};
use crate::slot::Slot;

/// From the first signal to the end of the process; a service manager's patience is longer, a person's is not.
const STOP_WITHIN: Duration = Duration::from_millis(1900);

/// Of that, for capture and inference to finish the frame they are at; the rest is for the broker.
const THREADS_WITHIN: Duration = Duration::from_millis(800);

/// How often the watchdog looks: ten times in the default frame timeout, and too seldom to be seen in the CPU's load.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Between two states when there is no broker that would say otherwise.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(60);

/// A daemon that is ready to run.
pub struct App {
    config: Config,
    clock: Arc<dyn Clock>,
    opener: Box<dyn Opener>,
    labeller: Labeller,
    sinks: Vec<Box<dyn Sink>>,
    /// Those that are told of the camera.
    camera_sinks: Vec<Box<dyn Sink>>,
    /// The same sinks, for the watchdog that speaks when the capture thread cannot.
    watchdog_sinks: Vec<Box<dyn Sink>>,
    printer: Option<Printer>,
    connection: Option<mqtt::Connection>,
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    pub captured: u64,
    pub labelled: u64,
    pub failed: u64,
    pub overwritten: u64,
    pub damaged: u64,
    pub reconnects: u64,
}

impl App {
    /// Loads the model and prepares everything; nothing is started yet.
    ///
    /// `effective` is the configuration as it is shown to the world, `out` where labels are printed.
    ///
    /// # Errors
    /// When the model cannot be loaded.
    pub fn build(config: Config, effective: &Value, out: Box<dyn Write + Send>) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let model =
            Model::load(&config.model).map_err(|cause| Error::Model { name: config.model.name.clone(), cause })?;
        tracing::info!(
            model = %model.id.name, precision = %model.id.precision, load_ms = clock.now().as_millis() as u64, "model loaded"
        );
        let info = device_info(&config, &model, effective);
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        let mut printer = None;
        if let Some((sink, side)) = stdout::new(out, config.stdout) {
            sinks.push(Box::new(sink));
            printer = Some(side);
        }
        let (mut camera_sinks, mut watchdog_sinks) = (Vec::<Box<dyn Sink>>::new(), Vec::<Box<dyn Sink>>::new());
        let mut connection = None;
        if let Some(settings) = &config.mqtt {
            let (sink, side) = mqtt::new(settings, &config.device.id, info, clock.clone());
            camera_sinks.push(Box::new(sink.clone()));
            watchdog_sinks.push(Box::new(sink.clone()));
            sinks.push(Box::new(sink));
            connection = Some(side);
        }
        let opener = capture::opener(&config.camera);
        let labeller = Labeller::new(model, config.camera.rotation, config.labels);
        Ok(Self { config, clock, opener, labeller, sinks, camera_sinks, watchdog_sinks, printer, connection })
    }

    /// Runs until a signal comes or the source has ended, then drains.
    ///
    /// # Errors
    /// When a thread cannot be started, or died; or when the source has ended and nothing was labelled.
    pub fn run(self, lifetime: Lifetime) -> Result<Summary> {
        let Lifetime { runtime, signals } = lifetime;
        let result = runtime.block_on(self.supervise(signals));
        // A name look-up may still block one of the runtime's threads.
        runtime.shutdown_background();
        // Whichever way it ended: no program that was started stays behind.
        capture::kill_stragglers();
        result
    }

    async fn supervise(self, mut signals: Signals) -> Result<Summary> {
        let running = self.spawn()?;
        let Running {
            mut capture,
            mut inference,
            watchdog,
            mut printer,
            connection,
            shutdown,
            broker_shutdown,
            slot,
            captured,
            labelled,
        } = running;
        let mut given_up = None;
        let ended = tokio::select! {
            name = signals.next() => {
                tracing::info!(signal = name, "stopping");
                false
            }
            () = inference.ended() => {
                tracing::info!("the source has ended");
                true
            }
            stuck = hopeless(watchdog) => {
                tracing::error!(stuck_s = stuck.as_secs(), "the camera's driver does not return; only a new process can help");
                given_up = Some(stuck);
                false
            }
        };
        shutdown.trigger();
        let start = Instant::now();
        let drain = async {
            let threads_until = start + THREADS_WITHIN;
            let capture = capture.join(threads_until).await;
            let inference = inference.join(threads_until).await;
            if let Some(printer) = &mut printer {
                let _ = printer.join(threads_until).await;
            }
            broker_shutdown.trigger();
            if let Some(connection) = connection
                && timeout_at(start + STOP_WITHIN, connection).await.is_err()
            {
                tracing::warn!("the broker's connection did not end in time");
            }
            capture.and(inference)
        };
        tokio::select! {
            result = drain => result?,
            name = signals.next() => return Err(Error::Failed(format!("{name} again: ended at once"))),
        }
        let summary = Summary {
            captured: captured.frames.load(Ordering::Relaxed),
            labelled: labelled.labelled.load(Ordering::Relaxed),
            failed: labelled.failed.load(Ordering::Relaxed),
            overwritten: slot.overwritten(),
            damaged: captured.corrupt.load(Ordering::Relaxed),
            reconnects: captured.reconnects.load(Ordering::Relaxed),
        };
        let Summary { captured, labelled, failed, overwritten, damaged, reconnects } = summary;
        tracing::info!(captured, labelled, failed, overwritten, damaged, reconnects, "stopped");
        if let Some(stuck) = given_up {
            let seconds = stuck.as_secs();
            return Err(Error::Failed(format!("a call into the camera's driver has not returned for {seconds} s")));
        }
        match ended && labelled == 0 {
            true => Err(Error::Failed("the source has ended and nothing was labelled; the log says why".into())),
            false => Ok(summary),
        }
    }

    fn spawn(self) -> Result<Running> {
        let slot = Arc::new(Slot::new(self.opener.when_full()));
        let (shutdown, broker_shutdown) = (Shutdown::new(), Shutdown::new());
        let (captured, labelled) = (Arc::<supervisor::Counters>::default(), Arc::<worker::Counters>::default());
        let camera = &self.config.camera;
        let call = CallInProgress::default();
        let watchdog = Watchdog {
            call: call.clone(),
            clock: self.clock.clone(),
            frame_timeout: camera.frame_timeout,
            sinks: self.watchdog_sinks,
            declared: None,
        };
        let supervisor = Supervisor {
            slot: slot.clone(),
            clock: self.clock.clone(),
            shutdown: shutdown.clone(),
            frame_timeout: camera.frame_timeout,
            freeze: Freeze::new(camera.frozen_after),
            call,
            backoff: Backoff::new(camera.reconnect_min, camera.reconnect_max),
            counters: captured.clone(),
            sinks: self.camera_sinks,
            negotiated: None,
        };
        let heartbeat = self.config.mqtt.as_ref().map_or(DEFAULT_HEARTBEAT, |mqtt| mqtt.heartbeat);
        let worker = Worker {
            slot: slot.clone(),
            clock: self.clock,
            shutdown: shutdown.clone(),
            labeller: self.labeller,
            decider: Decider::new(&self.config.labels, heartbeat),
            sinks: self.sinks,
            counters: labelled.clone(),
        };
        let opener = self.opener;
        let printer = self.printer.map(|printer| Thread::spawn("stdout", move || printer.run())).transpose()?;
        let connection = self.connection.map(|connection| tokio::spawn(connection.run(broker_shutdown.clone())));
        Ok(Running {
            capture: Thread::spawn("capture", move || supervisor.run(opener))?,
            inference: Thread::spawn("inference", move || worker.run())?,
            watchdog,
            printer,
            connection,
            shutdown,
            broker_shutdown,
            slot,
            captured,
            labelled,
        })
    }
}

/// Resolves when the capture thread will not come back; never otherwise.
async fn hopeless(mut watchdog: Watchdog) -> Duration {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if let Verdict::Hopeless(stuck) = watchdog.look() {
            return stuck;
        }
    }
}

struct Running {
    capture: Thread,
    inference: Thread,
    watchdog: Watchdog,
    printer: Option<Thread>,
    connection: Option<tokio::task::JoinHandle<()>>,
    shutdown: Shutdown,
    broker_shutdown: Shutdown,
    slot: Arc<Slot<crate::frame::Frame>>,
    captured: Arc<supervisor::Counters>,
    labelled: Arc<worker::Counters>,
}

/// A thread whose end can be awaited.
struct Thread {
    name: &'static str,
    handle: Option<JoinHandle<()>>,
    /// Its sender is dropped when the thread ends, however it ends.
    ended: oneshot::Receiver<()>,
    has_ended: bool,
}

impl Thread {
    fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<Self> {
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

    async fn ended(&mut self) {
        if !self.has_ended {
            let _ = (&mut self.ended).await;
            self.has_ended = true;
        }
    }

    /// Waits until the deadline; a thread that is stuck by then (a driver that never returns) ends with the process.
    async fn join(&mut self, deadline: Instant) -> Result<()> {
        if timeout_at(deadline, self.ended()).await.is_err() {
            tracing::warn!(thread = self.name, "did not stop in time");
            return Ok(());
        }
        match self.handle.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::Failed(format!("the {} thread panicked", self.name))),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

/// The asynchronous runtime and the signals that end it. From when it exists, a signal waits to be attended to instead of
/// ending the process; so it is made before anything is started that must not be left behind.
pub struct Lifetime {
    runtime: tokio::runtime::Runtime,
    signals: Signals,
}

impl Lifetime {
    /// # Errors
    /// When the system has no file descriptors or threads left.
    pub fn begin() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("cannot start the asynchronous runtime"))?;
        let signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        Ok(Self { runtime, signals })
    }
}

/// What asks a daemon to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal was closed.
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(Error::io("cannot listen for signals"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// The retained description of the device.
fn device_info(config: &Config, model: &Model, effective: &Value) -> Value {
    json!({
        "v": 1,
        "name": config.device.name,
        "version": env!("CARGO_PKG_VERSION"),
        "board": board(),
        "models": [{
            "name": model.id.name,
            "precision": model.id.precision,
            "sha256": model.id.sha256,
            "parameters": model.inspection.parameters,
            "macs": model.inspection.macs,
        }],
        "config": effective,
        "restart_required": [],
    })
}

/// `Raspberry Pi 4 Model B Rev 1.4` from the device tree, else the processor architecture.
fn board() -> String {
    let model = std::fs::read_to_string("/proc/device-tree/model").unwrap_or_default();
    match model.trim_end_matches('\0').trim() {
        "" => std::env::consts::ARCH.to_owned(),
        model => model.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{CaptureError, Read, Source};
    use crate::clock::ManualClock;
    use crate::config::Sources;
    use crate::label::CameraState;
    use crate::sinks::tests_support::Told;

    /// A driver that never returns, while time flies.
    struct Hung(ManualClock);

    impl Opener for Hung {
        fn open(&mut self) -> std::result::Result<Box<dyn Source>, CaptureError> {
            Ok(Box::new(Self(self.0.clone())))
        }

        fn describe(&self) -> String {
            "hung camera".into()
        }
    }

    impl Source for Hung {
        fn read(&mut self, _: &mut Vec<u8>, _: Duration) -> std::result::Result<Read, CaptureError> {
            loop {
                self.0.advance(Duration::from_secs(60));
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
    }

    #[test]
    fn a_driver_that_never_returns_takes_the_camera_offline_and_ends_the_daemon() {
        let lifetime = Lifetime::begin().expect("signals");
        let config = Sources::defaults().load().expect("the defaults are valid");
        let mut app = App::build(config, &Value::Null, Box::new(std::io::sink())).expect("the bundled model");
        let (clock, told) = (ManualClock::default(), Told::default());
        app.opener = Box::new(Hung(clock.clone()));
        app.clock = Arc::new(clock);
        app.watchdog_sinks.push(Box::new(told.clone()));
        let error = app.run(lifetime).expect_err("nothing can be done").to_string();
        assert!(error.starts_with("a call into the camera's driver has not returned for "), "{error}");
        assert_eq!(told.states(), [CameraState::Offline]);
    }
}
