//! The daemon: its parts are built, watched and drained.

use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::lifetime::{Inbound, Lifetime, Signals};
use super::start::Prepared;
use crate::control::camera::{Cameras, Openers};
use crate::control::loader::Loader;
use crate::control::views::new_view;
use crate::control::{Controller, Ending, Parts};
use crate::web;
use crate::web::live_state::LiveState;
use glimpsed_base::clock::Clock;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::signal::Signal;
use glimpsed_base::sync::Mutex;
use glimpsed_base::thread::Thread;
use glimpsed_core::bus::commands::{Command, Commands};
use glimpsed_core::bus::hub::Hub;
use glimpsed_core::bus::unsure::UnsureFrames;
use glimpsed_core::capture;
use glimpsed_core::capture::registry::Registry;
use glimpsed_core::capture::watchdog::{Hung, Verdict, Watchdog};
use glimpsed_core::domain::health::Health;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::pipeline::counters::Counters;
use glimpsed_core::pipeline::orders::Orders;
use glimpsed_core::pipeline::uploads::Uploads;
use glimpsed_core::pipeline::worker;
use glimpsed_core::pipeline::worker::Worker;
use glimpsed_core::sinks::day::Days;
use glimpsed_core::sinks::notify;
use glimpsed_core::sinks::stdout::{self, Printer};
use glimpsed_core::teach::teachers::Teachers;
use glimpsed_core::telemetry::health::Monitor;
use glimpsed_core::telemetry::service_manager::{self, Outlook, Service};
use glimpsed_core::telemetry::threads::Threads;

/// Deadline from the first signal to the end of the process. A service manager would wait longer, a user would not.
const STOP_WITHIN: Duration = Duration::from_millis(1900);

/// Of that, for capture and inference to finish the current frame; the rest is for the broker.
const THREADS_WITHIN: Duration = Duration::from_millis(800);

/// Interval of the watchdog's checks: ten per default frame timeout, and too few to show up as CPU load.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Deadline for the main thread's next round; nothing on it may take that long.
const MAIN_WITHIN: Duration = Duration::from_secs(5);

/// A daemon that is ready to run.
pub struct App {
    prepared: Prepared,
    clock: Arc<dyn Clock>,
    openers: Openers,
    loader: Loader,
    hub: Hub,
    printer: Option<Printer>,
    /// The views that are off from the start.
    off: Off,
}

/// Views that are off although the configuration has them on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Off {
    All,
    Views(Vec<String>),
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The health figures at the end.
    pub health: Health,
    /// A restart was requested.
    pub restart: bool,
    /// The views that were switched off.
    pub off: Off,
}

/// Why the daemon stops.
enum Stop {
    Asked,
    SourceEnded,
    Restart,
    Failed(Error),
}

impl App {
    /// `loader` is the thread that has loaded the models; `out` is where labels are printed.
    pub fn new(prepared: Prepared, loader: Loader, clock: Arc<dyn Clock>, out: Box<dyn Write + Send>) -> Self {
        let hub = Hub::default();
        let printer = stdout::new(out, prepared.config.stdout).map(|(sink, printer)| {
            hub.attach("stdout", Box::new(sink));
            printer
        });
        Self { prepared, clock, openers: Box::new(capture::opener), loader, hub, printer, off: Off::Views(Vec::new()) }
    }

    /// Starts with these views switched off.
    pub fn with_off(mut self, off: Off) -> Self {
        self.off = off;
        self
    }

    /// Runs until a signal arrives or the source has ended, then drains.
    ///
    /// # Errors
    /// When a thread cannot be started or has died, or when the source has ended before any frame was labelled.
    pub fn run(self, lifetime: Lifetime) -> Result<Summary> {
        let Lifetime { runtime, signals, .. } = lifetime;
        let result = runtime.block_on(self.supervise(signals));
        // A name lookup or the loading of a model may still block a thread of the runtime.
        runtime.shutdown_background();
        // Leaves no child process behind, however the run ended.
        capture::kill_stragglers();
        result
    }

    async fn supervise(self, mut signals: Signals) -> Result<Summary> {
        let mut running = self.spawn()?;
        let stop = running.until_something_ends_it(&mut signals).await;
        tokio::select! {
            result = running.drain(&stop) => result?,
            name = signals.stop() => return Err(Error::Failed(format!("{name} again: ended at once"))),
        }
        let summary = running.summary(matches!(stop, Stop::Restart));
        let Health { captured, labelled, failed, overwritten, damaged, reconnects, .. } = summary.health;
        let restart = summary.restart;
        tracing::info!(captured, labelled, failed, overwritten, damaged, reconnects, restart, "stopped");
        match stop {
            Stop::Failed(error) => Err(error),
            Stop::SourceEnded if labelled == 0 => {
                Err(Error::Failed("the source has ended and nothing was labelled; the log says why".into()))
            }
            Stop::Asked | Stop::SourceEnded | Stop::Restart => Ok(summary),
        }
    }

    fn spawn(self) -> Result<Running> {
        let Self { prepared, clock, openers, loader, hub, printer, off } = self;
        let Prepared { sources, config: file, pool, models, config_error } = prepared;
        let mut live = file.clone();
        for view in &mut live.views {
            view.enabled &= match &off {
                Off::All => false,
                Off::Views(names) => !names.iter().any(|name| name == view.name.as_str()),
            };
        }
        let (shutdown, signal, registry) = (Shutdown::new(), Arc::<Signal>::default(), Registry::default());
        let (orders, receiver) = Orders::new(signal.clone());
        let unsure = UnsureFrames::default();
        let labelled = Arc::<Counters>::default();
        let mut cameras = Cameras::new(openers, signal.clone(), clock.clone(), hub.clone(), registry.clone());
        let feeds = live.cameras.iter().map(|camera| cameras.add(camera.name.clone())).collect();
        let watchdog =
            Watchdog { cameras: registry.clone(), clock: clock.clone(), hub: hub.clone(), declared: Vec::new() };
        let (outlook, inference_liveness, main) = (Outlook::default(), Liveness::default(), Liveness::default());
        hub.attach("service", Box::new(outlook.clone()));
        let threads = Threads { main: vec![inference_liveness.clone(), main.clone()], cameras: registry.clone() };
        let service = Service::new(outlook, threads.clone());
        let parts = worker::Parts {
            signal,
            clock: clock.clone(),
            shutdown: shutdown.clone(),
            hub: hub.clone(),
            counters: labelled.clone(),
            orders: receiver,
            unsure: unsure.clone(),
            liveness: inference_liveness,
        };
        let views = live.views.iter().map(|view| new_view(&live, view, pool.get(&view.choice()))).collect();
        let worker = Worker::new(parts, feeds, views, live.max_duty);
        let notices = notify::Counters::default();
        let monitor = || Monitor::new(clock.clone(), registry.clone(), labelled.clone(), notices.clone());
        let (channel, uploads) = (Commands::new(), Uploads::new(orders.clone()));
        let view = LiveState::new(registry.clone(), clock.clone());
        let told = view.clone();
        let teachers = Teachers::new(hub.clone(), move |view, report| told.tell_view(view, "teach", &json!(report)));
        let web = web::Parts {
            commands: channel.0.clone(),
            orders: orders.clone(),
            uploads: uploads.clone(),
            view,
            cameras: registry.clone(),
            metrics: web::metrics::Metrics::default(),
            teachers,
            downloads: web::downloads::Downloads::default(),
            monitor: Arc::new(Mutex::new(monitor())),
            traffic: Arc::default(),
            started: clock.wall(),
            clock: clock.clone(),
            threads,
            file: sources.path.clone(),
        };
        let (hub_of_parts, monitor) = (hub.clone(), monitor());
        let days = Days::new(&hub, &clock);
        let parts = {
            let (hub, clock) = (hub_of_parts, clock.clone());
            Parts { cameras, orders, uploads, loader, monitor, days, hub, clock, unsure, web }
        };
        let printer = printer.map(|printer| Thread::spawn("stdout", move || printer.run())).transpose()?;
        let inference = Thread::spawn("inference", move || worker.run())?;
        let mut controller = Controller::new((sources, file, live), (pool, models), parts, channel, config_error);
        controller.start()?;
        let watch = Watch { watchdog, service, clock, cameras: registry, labelled, main };
        Ok(Running { controller, inference, watch, printer, shutdown, hub })
    }
}

/// All running parts.
struct Running {
    controller: Controller,
    inference: Thread,
    watch: Watch,
    printer: Option<Thread>,
    shutdown: Shutdown,
    hub: Hub,
}

impl Running {
    async fn until_something_ends_it(&mut self, signals: &mut Signals) -> Stop {
        let commands = self.controller.commands();
        let mut controller = pin!(self.controller.run());
        let mut hopeless = pin!(self.watch.until_hopeless());
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Inbound::Stop(signal) => {
                        tracing::info!(signal, "stopping");
                        return Stop::Asked;
                    }
                    Inbound::Reload => commands.tell(Command::Reload),
                },
                () = self.inference.ended() => {
                    tracing::info!("the source has ended");
                    return Stop::SourceEnded;
                }
                ending = &mut controller => return match ending {
                    Ending::Restart => Stop::Restart,
                    Ending::Failed(error) => Stop::Failed(error),
                },
                Hung { callee, stuck } = &mut hopeless => {
                    let seconds = stuck.as_secs();
                    tracing::error!(stuck_s = seconds, "a call to {callee} does not return; only a new process can help");
                    let why = format!("a call to {callee} has not returned for {seconds} s");
                    return Stop::Failed(Error::Failed(why));
                }
            }
        }
    }

    async fn drain(&mut self, stop: &Stop) -> Result<()> {
        let start = Instant::now();
        let threads_until = start + THREADS_WITHIN;
        // For a service manager, a restart in place is not a stop: after `STOPPING` it would kill the new image.
        if !matches!(stop, Stop::Restart) {
            service_manager::stopping();
        }
        self.shutdown.trigger();
        let web = self.controller.take_web();
        let web = async {
            if let Some(web) = web {
                web.stop(threads_until).await;
            }
        };
        let ((), camera) = tokio::join!(web, self.controller.stop_cameras(threads_until));
        let inference = self.inference.join(threads_until).await;
        self.controller.stop_seconds(threads_until).await;
        self.controller.disconnect(start + STOP_WITHIN).await;
        self.hub.detach_all();
        if let Some(printer) = &mut self.printer {
            let _ = printer.join(start + STOP_WITHIN).await;
        }
        match stop {
            // It is known already that a thread does not end.
            Stop::Failed(_) => Ok(()),
            Stop::Asked | Stop::SourceEnded | Stop::Restart => {
                if let Err(error) = camera {
                    tracing::warn!(%error, "a camera was not closed");
                }
                Ok(inference.map(drop)?)
            }
        }
    }

    fn summary(&mut self, restart: bool) -> Summary {
        let off = if self.controller.is_enabled() { Off::Views(self.controller.switched_off()) } else { Off::All };
        Summary { health: self.controller.health(), restart, off }
    }
}

/// Checks the threads periodically, and notifies the service manager.
struct Watch {
    watchdog: Watchdog,
    service: Service,
    clock: Arc<dyn Clock>,
    cameras: Registry,
    labelled: Arc<Counters>,
    /// Of the main thread, whose runtime this runs on.
    main: Liveness,
}

impl Watch {
    /// Resolves when a call into the source of frames is hopelessly stuck; otherwise never.
    async fn until_hopeless(&mut self) -> Hung {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = self.service.settled() => {}
            }
            self.main.expect_by(self.clock.now() + MAIN_WITHIN);
            if let Verdict::Hopeless(hung) = self.watchdog.look() {
                return hung;
            }
            // Settled: there is a label, or a known reason for having none, such as a missing or disabled camera,
            // undecodable frames, or heat.
            let settled = self.service.is_settled()
                || self.labelled.failed.load(Ordering::Relaxed) > 0
                || self.cameras.totals().reconnects > 0;
            self.service.tick(self.clock.now(), settled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glimpsed_base::clock::ManualClock;
    use glimpsed_core::bus::hub::tests_support::Told;
    use glimpsed_core::capture::source::{CaptureError, Opener, Read, Source};
    use glimpsed_core::config::Sources;
    use glimpsed_core::domain::camera::CameraState;

    /// A driver whose open never returns; it advances the clock.
    struct Hung(ManualClock);

    impl Opener for Hung {
        fn open(&mut self) -> std::result::Result<Box<dyn Source>, CaptureError> {
            Ok(Box::new(Self(self.0.clone())))
        }

        fn describe(&self) -> String {
            "hung camera".into()
        }

        fn callee(&self) -> &'static str {
            "the camera's driver"
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
        let sources = Sources::defaults();
        let config = sources.load().expect("the defaults are valid");
        let prepared = Prepared::load(sources, config).expect("the bundled model");
        let (clock, told) = (ManualClock::default(), Told::default());
        let loader = Loader::start().expect("a thread");
        let mut app = App::new(prepared, loader, Arc::new(clock.clone()), Box::new(std::io::sink()));
        app.openers = Box::new(move |_| Box::new(Hung(clock.clone())));
        app.hub.attach("told", Box::new(told.clone()));
        let error = app.run(lifetime).expect_err("nothing can be done").to_string();
        assert!(error.starts_with("a call to the camera's driver has not returned for "), "{error}");
        // Once by the capture thread before it opens the camera, then once by the watchdog.
        let reasons: Vec<Option<String>> =
            told.statuses().into_iter().map(|status| status.fault.map(|fault| fault.reason.to_string())).collect();
        assert_eq!(reasons, [None, Some("the camera's driver does not respond".to_owned())]);
        assert_eq!(told.states(), [CameraState::Offline]);
    }
}
