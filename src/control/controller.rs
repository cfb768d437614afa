//! The controller: executes one command after another.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::accurate_thread::Second;
use super::camera::Camera;
use super::camera_faults::CameraFaults;
use super::config_watch::FileWatch;
use super::desired::{Desired, Start};
use super::from_config::{rules_of, view_of, web_settings};
use super::loader::Loader;
use super::{compare, pictures};
use crate::bus::commands::{Answer, Command, Commands, Request};
use crate::bus::hub::Hub;
use crate::compare::subjects;
use crate::config::{Config, Sources};
use crate::control::model_info::ModelInfo;
use crate::decide::thermal::Thermal;
use crate::domain::event::Event;
use crate::domain::health::{HEALTH_EVERY, Health};
use crate::domain::settings::{PrecisionChoice, Settings};
use crate::error::{Error, Result};
use crate::infer::labeller::Labeller;
use crate::infer::precision;
use crate::models::spec::{FileStates, ModelSpec};
use crate::payload::health_json;
use crate::pipeline::orders::{Order, Orders};
use crate::pipeline::uploads::Uploads;
use crate::sinks::mqtt;
use crate::sinks::mqtt::discovery::Device;
use crate::telemetry::health::Monitor;
use crate::web::{self, Web};
use glimpsed_base::clock::Clock;
use glimpsed_base::repetition::is_logged;

/// The first health event comes sooner than the others.
const FIRST_HEALTH: Duration = Duration::from_secs(5);

/// The health event comes this soon after what is wrong with the camera has changed.
const FAULT_HEALTH: Duration = Duration::from_secs(1);

/// Deadline for the inference thread to finish its frame and take the new model. The slowest model on the slowest board
/// takes seconds per frame.
const SWAP_WITHIN: Duration = Duration::from_secs(30);

/// Interval of the temperature checks. A processor without a heat sink warms by a degree or two in that time.
const TEMPERATURE_EVERY: Duration = Duration::from_secs(5);

/// Interval of the looks at the files of a model that cannot be loaded.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(2);

const LATE: &str = "the inference thread does not finish its frame";

/// Deadline for the next labelled frame of a snapshot.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// Why the controller has ended.
pub enum Ending {
    /// A new process image is to replace this one.
    Restart,
    /// An error that only a new process can recover from.
    Failed(Error),
}

/// A model that is ready to label, and its published properties.
pub(super) type Loaded = (ModelInfo, Labeller);

/// The parts that the controller configures and commands.
pub struct Parts {
    pub camera: Camera,
    pub orders: Orders,
    pub uploads: Uploads,
    pub loader: Loader,
    pub monitor: Monitor,
    pub hub: Hub,
    pub clock: Arc<dyn Clock>,
    /// What the web server needs.
    pub web: web::Parts,
}

/// Executes commands, one at a time.
pub struct Controller {
    pub(super) desired: Desired,
    /// The model in use, or why it cannot be loaded.
    pub(super) model: std::result::Result<ModelInfo, String>,
    /// While the model cannot be loaded: when that was tried last, and how its files were then.
    pub(super) last_try: Option<(FileStates, Instant)>,
    pub(super) parts: Parts,
    pub(super) commands: Commands,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) broker: Option<mqtt::BrokerSession>,
    pub(super) web: Option<Web>,
    pub(super) pictures: Option<pictures::Pictures>,
    /// The accurate model, while it is in use.
    pub(super) second: Option<Second>,
    /// It is wanted and not loaded yet, because the daemon has just started.
    pub(super) second_pending: bool,
    pub(super) thermal: Thermal,
    /// At most one at a time, because it takes a core and the memory of a model.
    pub(super) comparison: Option<JoinHandle<()>>,
    pub(super) unknown_models: u64,
    /// Another device of the same id, as it was told last.
    pub(super) twin: Option<String>,
    /// Wakes it when what is wrong with the camera changes.
    faults: CameraFaults,
}

impl Controller {
    pub fn new(
        sources: Sources,
        config: Config,
        model: std::result::Result<ModelInfo, String>,
        parts: Parts,
        (commands, requests): (Commands, mpsc::Receiver<Request>),
        start: Start,
    ) -> Self {
        Self {
            thermal: Thermal::new(config.thermal),
            second_pending: config.accurate.enabled,
            desired: Desired::new(sources, config, start),
            model,
            last_try: None,
            parts,
            commands,
            requests,
            broker: None,
            web: None,
            pictures: None,
            second: None,
            comparison: None,
            unknown_models: 0,
            twin: None,
            faults: CameraFaults::default(),
        }
    }

    /// A handle to the command queue.
    pub fn commands(&self) -> Commands {
        self.commands.clone()
    }

    /// Starts the camera, serves the web page and connects to the broker.
    ///
    /// # Errors
    /// When the system cannot start another thread.
    pub fn start(&mut self) -> Result<()> {
        self.parts.hub.attach("faults", Box::new(self.faults.clone()));
        self.tell_info();
        self.tell_settings();
        self.connect(mqtt::Handover::default());
        self.serve()?;
        match self.desired.enabled {
            true => self.open_camera(),
            false => {
                self.parts.camera.tell_disabled();
                Ok(())
            }
        }
    }

    /// Whether the camera is enabled.
    pub fn is_enabled(&self) -> bool {
        self.desired.enabled
    }

    /// Executes commands until one of them ends the daemon.
    pub async fn run(&mut self) -> Ending {
        if self.desired.live.accurate.enabled {
            self.begin_second().await;
        }
        let mut watch = FileWatch::new(&self.desired.sources.path);
        if self.desired.error.is_none() {
            self.keep_as_last_good();
        }
        // An edit while the models were loaded was not watched yet. A file that is still broken is told once more.
        if self.desired.sources.path.is_file()
            && let Err(error) = self.file_changed().await
        {
            return Ending::Failed(error);
        }
        let mut health = interval_at(Instant::now() + FIRST_HEALTH, HEALTH_EVERY);
        health.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = interval_at(Instant::now() + TEMPERATURE_EVERY, TEMPERATURE_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retries = interval_at(Instant::now() + LOOK_AT_FILES_EVERY, LOOK_AT_FILES_EVERY);
        retries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let faults = self.faults.clone();
        let mut soon = false;
        let has_sensor = self.parts.monitor.board.temperature().is_some();
        loop {
            let done = tokio::select! {
                Some(request) = self.requests.recv() => self.handle(request).await,
                () = watch.changed() => self.file_changed().await.map(|()| None),
                _ = looks.tick(), if has_sensor => {
                    self.look_at_the_temperature().await;
                    Ok(None)
                }
                _ = retries.tick(), if self.model.is_err() => {
                    self.try_the_model_again().await.map(|()| None)
                }
                () = faults.changed(), if !soon => {
                    soon = true;
                    health.reset_after(FAULT_HEALTH);
                    Ok(None)
                }
                _ = health.tick() => {
                    soon = false;
                    self.tell_health();
                    Ok(None)
                }
            };
            match done {
                Ok(None) => {}
                Ok(Some(ending)) => return ending,
                Err(error) => return Ending::Failed(error),
            }
        }
    }

    /// Hands the web server over to the caller, who stops it.
    pub fn take_web(&mut self) -> Option<Web> {
        self.web.take()
    }

    /// Closes the camera.
    pub async fn stop_camera(&mut self, deadline: Instant) -> Result<()> {
        self.parts.camera.stop_before(deadline).await
    }

    pub async fn disconnect(&mut self, deadline: Instant) {
        if let Some(broker) = self.broker.take() {
            self.parts.hub.detach(mqtt::NAME);
            broker.stop(deadline).await;
        }
    }

    /// The error is one that only a new process can recover from.
    pub(super) async fn handle(&mut self, request: Request) -> Result<Option<Ending>> {
        let Request { command, reply } = request;
        let (answer, ending) = match command {
            Command::Enable(enabled) => (self.enable(enabled).await?, None),
            Command::Model(name) => (self.switch_model(&name).await, None),
            Command::Precision(wanted) => (self.set_precision(wanted).await, None),
            Command::Threshold(threshold) => (self.set_threshold(threshold).await, None),
            Command::Accurate(enabled) => (self.set_accurate(enabled).await, None),
            Command::Reload => (self.reload().await?, None),
            Command::Snapshot => (self.snapshot().await, None),
            Command::Health => (Ok(health_json(&self.tell_health())), None),
            Command::Restart => {
                let answer = self.can_restart().await;
                if let Err(cause) = &answer {
                    tracing::error!("{cause}");
                }
                let ending = answer.is_ok().then_some(Ending::Restart);
                (answer, ending)
            }
            Command::SecondOpinion => {
                self.second_opinion(reply);
                return Ok(None);
            }
            Command::Compare => {
                self.compare(reply);
                return Ok(None);
            }
        };
        // The requester may have timed out.
        let _ = reply.send(answer);
        Ok(ending)
    }

    /// The current health figures, without publishing them.
    pub fn health(&mut self) -> Health {
        let broker = self.broker.as_ref().map(mqtt::BrokerSession::counters);
        let health = self.parts.monitor.look(broker);
        Health {
            camera: self.parts.hub.camera(),
            web: self.web.as_ref().map(Web::health),
            config_error: self.desired.error.clone(),
            model_error: self.model.as_ref().err().cloned(),
            ..health
        }
    }

    pub(super) async fn enable(&mut self, enabled: bool) -> Result<Answer> {
        if enabled != self.desired.enabled {
            self.desired.enabled = enabled;
            if enabled {
                self.open_camera()?;
            } else {
                self.pictures = None;
                self.close_camera().await?;
                self.parts.camera.tell_disabled();
            }
            self.watch_for_pictures();
            tracing::info!(enabled, "the camera was switched");
        }
        self.tell_settings();
        Ok(Ok(json!({ "enabled": self.desired.enabled })))
    }

    /// On return, every frame of the camera is published or dropped.
    pub(super) async fn close_camera(&mut self) -> Result<()> {
        self.parts.camera.stop().await?;
        self.settle().await.map_err(Error::Failed)
    }

    /// Waits until the inference thread has executed its orders and labelled the frame it had taken.
    pub(super) async fn settle(&self) -> std::result::Result<(), String> {
        self.parts.orders.ask(Order::Settle, SWAP_WITHIN, LATE).await
    }

    pub(super) async fn switch_model(&mut self, name: &str) -> Answer {
        let result = self.try_switch_model(name).await;
        // Also on failure, so that the requester sees the value in effect.
        self.tell_settings();
        if let Err(cause) = &result {
            self.unknown_models += 1;
            if is_logged(self.unknown_models) {
                tracing::warn!(cause, tries = self.unknown_models, "the model was not switched");
            }
        }
        result.map(|()| json!({ "model": self.desired.live.model.name }))
    }

    pub(super) async fn try_switch_model(&mut self, name: &str) -> std::result::Result<(), String> {
        let Some(spec) = self.desired.live.models.iter().find(|model| model.name == name).cloned() else {
            let known: Vec<&str> = self.usable_models().map(|model| model.name.as_str()).collect();
            let name = name.chars().take(64).collect::<String>();
            return Err(format!("there is no model `{name}`; there is {}", known.join(", ")));
        };
        if spec != self.desired.live.model || self.model.is_err() {
            self.install(spec).await?;
            self.tell_info();
        }
        Ok(())
    }

    /// Labels with the requested file of the model from now on.
    pub(super) async fn set_precision(&mut self, wanted: PrecisionChoice) -> Answer {
        let before = std::mem::replace(&mut self.desired.live.precision, wanted);
        let result = if wanted == before { Ok(()) } else { self.install(self.desired.live.model.clone()).await };
        match &result {
            Ok(()) => self.tell_info(),
            Err(cause) => {
                tracing::warn!(cause, "the precision was not changed");
                self.desired.live.precision = before;
            }
        }
        self.tell_settings();
        result?;
        let ModelInfo { id, why, .. } = self.model.as_ref()?;
        Ok(json!({ "precision": wanted, "in_use": id.precision.to_string(), "reason": why }))
    }

    /// Loads the model while the current one runs, and swaps them between two frames.
    pub(super) async fn install(&mut self, spec: ModelSpec) -> std::result::Result<(), String> {
        let loaded = self.load(spec.clone(), self.desired.live.precision, &self.desired.live).await?;
        self.swap(loaded, spec).await
    }

    pub(super) async fn load(
        &self,
        spec: ModelSpec,
        wanted: PrecisionChoice,
        config: &Config,
    ) -> std::result::Result<Loaded, String> {
        let (view, rules, name) = (view_of(config), config.labels.clone(), spec.name.clone());
        let load = move || {
            precision::load(&spec, wanted)
                .map(|chosen| (ModelInfo::of(&chosen), Labeller::new(chosen.model, view, rules.answering())))
        };
        match self.parts.loader.run(load).await {
            Some(loaded) => loaded.map_err(|cause| format!("model `{name}`: {cause}")),
            None => Err(format!("model `{name}`: loading it panicked")),
        }
    }

    pub(super) async fn swap(&mut self, (info, labeller): Loaded, spec: ModelSpec) -> std::result::Result<(), String> {
        let input = labeller.model().input.clone();
        let swap = |back| Order::Labeller(Box::new(labeller), back);
        let old = self.parts.orders.ask(swap, SWAP_WITHIN, LATE).await?;
        // Freeing a hundred megabytes takes milliseconds, which would delay the commands.
        let is_first = old.is_none();
        self.parts.loader.free(old);
        self.parts.uploads.set_fast(info.id.clone(), input);
        tracing::info!(model = %info.id.name, precision = %info.id.precision, why = info.why, "labelling with another model");
        (self.model, self.desired.live.model) = (Ok(info), spec);
        match is_first && self.desired.enabled {
            true => self.open_camera().map_err(|error| error.to_string()),
            false => Ok(()),
        }
    }

    pub(super) async fn set_threshold(&mut self, threshold: f32) -> Answer {
        let before = std::mem::replace(&mut self.desired.live.labels.unknown_below, threshold);
        let told = self.tell_rules().await;
        if told.is_err() {
            self.desired.live.labels.unknown_below = before;
        }
        self.tell_settings();
        told.map(|()| json!({ "threshold": threshold }))
    }

    /// On return, no frame is judged by the old rules any more.
    pub(super) async fn tell_rules(&self) -> std::result::Result<(), String> {
        self.parts.orders.give(Order::Rules(Box::new(rules_of(&self.desired.live))))?;
        self.settle().await?;
        self.parts.uploads.set_rules(self.desired.live.labels.clone(), self.desired.live.cache_entries);
        Ok(())
    }

    pub(super) async fn snapshot(&mut self) -> Answer {
        if !self.desired.live.publish_image {
            return Err("pictures do not leave this device; set `publish_image = true` in [privacy]".into());
        }
        let bytes = pictures::take(&self.parts.orders, &self.parts.hub, SNAPSHOT_WITHIN).await?;
        Ok(json!({ "topic": "camera/image", "bytes": bytes }))
    }

    /// Runs in a task of its own: it takes some seconds per model.
    pub(super) fn compare(&mut self, reply: oneshot::Sender<Answer>) {
        if self.comparison.as_ref().is_some_and(|task| !task.is_finished()) {
            let _ = reply.send(Err("another comparison is under way".into()));
            return;
        }
        let models = subjects::usable(&self.desired.live.models);
        let (orders, hub) = (self.parts.orders.clone(), self.parts.hub.clone());
        let (reference, view) = (self.desired.live.model.name.clone(), view_of(&self.desired.live));
        self.comparison = Some(compare::start(models, reference, orders, view, hub, reply));
    }

    pub(super) fn tell_health(&mut self) -> Arc<Health> {
        let health = Arc::new(self.health());
        self.parts.hub.publish(&Event::Health(health.clone()));
        let twin = health.broker.as_ref().and_then(|broker| broker.twin.clone());
        if twin != self.twin {
            self.twin = twin;
            self.tell_info();
        }
        health
    }

    pub(super) fn tell_settings(&self) {
        self.parts.hub.publish(&Event::Settings(Settings {
            enabled: self.desired.enabled,
            model: self.desired.live.model.name.clone(),
            precision: self.desired.live.precision,
            threshold: self.desired.live.labels.unknown_below,
            accurate: self.accurate_is_there().then_some(self.second.is_some() || self.second_pending),
        }));
    }

    /// The models whose file exists.
    pub(super) fn usable_models(&self) -> impl Iterator<Item = &ModelSpec> {
        self.desired.live.models.iter().filter(|model| model.path.is_file())
    }

    /// Connects to the configured broker, if there is one.
    pub(super) fn connect(&mut self, handover: mqtt::Handover) {
        let hub = &self.parts.hub;
        let device = Device::of(&self.desired.live, &self.parts.monitor.board);
        self.broker = mqtt::BrokerSession::start(
            (&self.desired.sources.path, &self.desired.live),
            &device,
            &self.commands,
            hub,
            &self.parts.clock,
            handover,
        );
        let traffic = self.broker.as_ref().map(mqtt::BrokerSession::traffic);
        *self.parts.web.traffic.lock() = traffic;
        self.watch_for_pictures();
    }

    /// Serves the web page, if it is configured.
    pub(super) fn serve(&mut self) -> Result<()> {
        let settings = web_settings(&self.desired.live);
        if settings.is_some() {
            self.parts.web.attach(&self.parts.hub);
        }
        self.web = settings.map(|settings| Web::start(settings, self.parts.web.clone())).transpose()?;
        Ok(())
    }

    /// Pictures are published only while the camera is enabled and `publish_image` is set.
    pub(super) fn watch_for_pictures(&mut self) {
        // The old one first, because its drop detaches the sink by name.
        self.pictures = None;
        let wanted = self.desired.enabled && self.desired.live.publish_image && self.broker.is_some();
        self.pictures = wanted.then(|| pictures::Pictures::start(self.parts.orders.clone(), &self.parts.hub));
    }
}
