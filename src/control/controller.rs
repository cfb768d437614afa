//! The controller: executes one command after another.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::camera::Cameras;
use super::config_watch::FileWatch;
use super::desired::Desired;
use super::from_config::web_settings;
use super::loader::Loader;
use super::model_info::ModelState;
use super::model_pool::ModelPool;
use super::news::News;
use super::second::Second;
use super::{compare, pictures};
use crate::web::{self, Web};
use glimpsed_base::clock::Clock;
use glimpsed_base::thread::Thread;
use glimpsed_core::bus::commands::{Answer, Command, CommandError, Commands, Request, ViewCommand};
use glimpsed_core::bus::hub::Hub;
use glimpsed_core::bus::unsure::UnsureFrames;
use glimpsed_core::compare::subjects;
use glimpsed_core::config::{Config, Sources};
use glimpsed_core::decide::thermal::Thermal;
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::health::{HEALTH_EVERY, Health};
use glimpsed_core::domain::name::Name;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::models::spec::{FileStates, ModelSpec};
use glimpsed_core::payload::health_json;
use glimpsed_core::pipeline::orders::{Order, OrderError, Orders};
use glimpsed_core::pipeline::uploads::Uploads;
use glimpsed_core::sinks::day::Days;
use glimpsed_core::sinks::mqtt;
use glimpsed_core::sinks::mqtt::discovery::Device;
use glimpsed_core::sinks::notify::Notices;
use glimpsed_core::telemetry::health::Monitor;

/// The first health event comes sooner than the others.
const FIRST_HEALTH: Duration = Duration::from_secs(5);

/// The health event comes this soon after what is wrong with a camera has changed.
const FAULT_HEALTH: Duration = Duration::from_secs(1);

/// What changes all the time is told in health this often.
const HEALTH_AT_MOST: Duration = Duration::from_secs(5);

/// Deadline for the inference thread to finish its frame and take the new model. The slowest model on the slowest board
/// takes seconds per frame.
pub(super) const SWAP_WITHIN: Duration = Duration::from_secs(30);

/// Interval of the temperature checks. A processor without a heat sink warms by a degree or two in that time.
const TEMPERATURE_EVERY: Duration = Duration::from_secs(5);

/// Interval of the looks at the files of a model that cannot be loaded.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(2);

pub(super) const LATE: &str = "the inference thread does not finish its frame";

/// Deadline for the next labelled frame of a snapshot.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// Why the controller has ended.
pub enum Ending {
    /// A new process image is to replace this one.
    Restart,
    /// An error that only a new process can recover from.
    Failed(Error),
}

/// The parts that the controller configures and commands.
pub struct Parts {
    pub cameras: Cameras,
    pub orders: Orders,
    pub uploads: Uploads,
    pub loader: Loader,
    pub monitor: Monitor,
    pub days: Days,
    pub hub: Hub,
    pub clock: Arc<dyn Clock>,
    /// Where frames go that taught models are not sure of.
    pub unsure: UnsureFrames,
    /// What the web server needs.
    pub web: web::Parts,
}

/// Executes commands, one at a time.
pub struct Controller {
    pub(super) desired: Desired,
    /// Of each view the model in use, or why it cannot be loaded.
    pub(super) models: Vec<(Name, ModelState)>,
    pub(super) pool: ModelPool,
    /// While models cannot be loaded: when that was tried last, and how their files were then.
    pub(super) last_try: Option<(Vec<FileStates>, Instant)>,
    pub(super) parts: Parts,
    pub(super) commands: Commands,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) broker: Option<mqtt::BrokerSession>,
    pub(super) web: Option<Web>,
    pub(super) pictures: Option<pictures::Pictures>,
    pub(super) notices: Option<Notices>,
    /// The accurate models in use, and their thread.
    pub(super) seconds: Vec<Second>,
    pub(super) seconds_thread: Option<Thread>,
    /// Accurate models are wanted and not loaded yet, because the daemon has just started.
    pub(super) seconds_pending: bool,
    pub(super) thermal: Thermal,
    /// At most one at a time, because it takes a core and the memory of a model.
    pub(super) comparison: Option<JoinHandle<()>>,
    pub(super) unknown_models: u64,
    /// The file before the last change that was made here, and after it.
    pub(super) edited: Option<(String, String)>,
    /// Another device of the same id, as it was told last.
    pub(super) twin: Option<String>,
    /// Wakes the controller when a fault of a camera or a scene changes.
    news: News,
}

impl Controller {
    /// `file` is the configuration of `sources`, and `live` the same with other settings; of each view there is its model, or why it
    /// cannot be loaded.
    pub fn new(
        (sources, file, live): (Sources, Config, Config),
        (pool, models): (ModelPool, Vec<(Name, ModelState)>),
        parts: Parts,
        (commands, requests): (Commands, mpsc::Receiver<Request>),
        config_error: Option<String>,
    ) -> Self {
        Self {
            thermal: Thermal::new(live.thermal),
            seconds_pending: live.views.iter().any(|view| view.accurate.enabled),
            desired: Desired::new(sources, file, live, config_error),
            models,
            pool,
            last_try: None,
            parts,
            commands,
            requests,
            broker: None,
            web: None,
            pictures: None,
            notices: None,
            seconds: Vec::new(),
            seconds_thread: None,
            comparison: None,
            unknown_models: 0,
            twin: None,
            news: News::default(),
            edited: None,
        }
    }

    /// A handle to the command queue.
    pub fn commands(&self) -> Commands {
        self.commands.clone()
    }

    /// Serves the web page and connects to the broker; the cameras follow in [`Self::run`].
    ///
    /// # Errors
    /// When the system cannot start another thread.
    pub fn start(&mut self) -> Result<()> {
        self.parts.hub.attach("news", Box::new(self.news.clone()));
        self.tell_layout();
        self.tell_info();
        self.tell_all_settings();
        self.tell_uploads();
        self.follow_teaching()?();
        self.connect(mqtt::Handover::default());
        self.tell_people();
        self.parts.days.publish();
        self.serve()
    }

    /// Whether any view is enabled.
    pub fn is_enabled(&self) -> bool {
        self.desired.live.views.iter().any(|view| view.enabled)
    }

    /// The views that were switched off while the daemon ran.
    pub fn switched_off(&self) -> Vec<String> {
        self.desired.switched_off()
    }

    /// Executes commands until one of them ends the daemon.
    pub async fn run(&mut self) -> Ending {
        if let Err(error) = self.follow_cameras().await {
            return Ending::Failed(error);
        }
        if self.seconds_pending {
            self.begin_seconds().await;
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
        let (news, labelled) = (self.news.clone(), self.parts.monitor.labelled.clone());
        let changed = async || {
            tokio::select! {
                () = news.of_health() => {}
                () = labelled.failing_changed() => {}
            }
        };
        let (mut soon, mut told) = (false, None);
        let has_sensor = self.parts.monitor.board.temperature().is_some();
        loop {
            let done = tokio::select! {
                Some(request) = self.requests.recv() => self.handle(request).await,
                () = watch.changed() => self.file_changed().await.map(|()| None),
                _ = looks.tick(), if has_sensor => {
                    self.look_at_the_temperature().await;
                    Ok(None)
                }
                _ = retries.tick(), if self.models.iter().any(|(_, model)| model.is_err()) => {
                    self.try_the_models_again().await.map(|()| None)
                }
                () = changed(), if !soon => {
                    soon = true;
                    let at = Instant::now() + FAULT_HEALTH;
                    health.reset_at(told.map_or(at, |told: Instant| at.max(told + HEALTH_AT_MOST)));
                    Ok(None)
                }
                _ = health.tick() => {
                    (soon, told) = (false, Some(Instant::now()));
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

    /// Closes the cameras.
    pub async fn stop_cameras(&mut self, deadline: Instant) -> Result<()> {
        let result = self.parts.cameras.stop_all_before(deadline).await;
        self.parts.cameras.close();
        result
    }

    pub async fn disconnect(&mut self, deadline: Instant) {
        if let Some(broker) = self.broker.take() {
            // So that the next start goes on from there.
            self.parts.days.tell(true);
            self.parts.hub.detach(mqtt::NAME);
            broker.stop(deadline).await;
        }
    }

    /// The error is one that only a new process can recover from.
    pub(super) async fn handle(&mut self, request: Request) -> Result<Option<Ending>> {
        let Request { command, reply } = request;
        let (answer, ending) = match command {
            Command::View(view, command) => match self.view_meant(&view) {
                Ok(view) => return self.handle_view(&view, command, reply).await.map(|()| None),
                Err(cause) => (Err(cause), None),
            },
            Command::Reload => (self.reload().await?, None),
            Command::Retry(camera) => (Ok(json!({ "retried": self.retry(&camera).await? })), None),
            // Its connection was cut, as by a restart of the web server: it asks again, and would find nothing left to take back.
            Command::Edit { .. } | Command::UndoEdit if reply.is_closed() => return Ok(None),
            Command::Edit { .. } | Command::UndoEdit => {
                let (answer, is_written) = match command {
                    Command::Edit { edit, save } => self.edit_file(edit, save).await,
                    _ => self.undo_edit().await,
                };
                // Before it takes effect, which can restart the web server that has asked.
                let _ = reply.send(answer);
                if is_written {
                    let _ = self.reload().await?;
                }
                return Ok(None);
            }
            Command::Health => (Ok(health_json(&self.tell_health())), None),
            Command::Restart => {
                let answer = self.can_restart().await;
                if let Err(cause) = &answer {
                    tracing::error!("{cause}");
                }
                let ending = answer.is_ok().then_some(Ending::Restart);
                (answer, ending)
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

    async fn handle_view(&mut self, view: &Name, command: ViewCommand, reply: oneshot::Sender<Answer>) -> Result<()> {
        let answer = match command {
            ViewCommand::Enable(enabled) => self.enable(view, enabled).await?,
            ViewCommand::Model(name) => self.switch_model(view, &name).await,
            ViewCommand::Precision(wanted) => self.set_precision(view, wanted).await,
            ViewCommand::Threshold(threshold) => self.set_threshold(view, threshold).await,
            ViewCommand::Accurate(enabled) => self.set_accurate(view, enabled).await,
            ViewCommand::Snapshot => self.snapshot(view).await,
            ViewCommand::SecondOpinion => {
                self.second_opinion(view.clone(), reply);
                return Ok(());
            }
            ViewCommand::TeachLabel(label) => self.choose_label(view, label),
            ViewCommand::Teach(label) => {
                self.teach(view, label, reply);
                return Ok(());
            }
            ViewCommand::Learn => {
                self.learn(view, reply);
                return Ok(());
            }
        };
        // The requester may have timed out.
        let _ = reply.send(answer);
        Ok(())
    }

    /// The current health figures, without publishing them.
    pub fn health(&mut self) -> Health {
        let broker = self.broker.as_ref().map(mqtt::BrokerSession::counters);
        let health = self.parts.monitor.look(broker);
        Health {
            cameras: self.parts.hub.cameras(),
            web: self.web.as_ref().map(Web::health),
            config_error: self.desired.error.clone(),
            model_error: self.model_error(),
            strange: self.parts.hub.strange(),
            ..health
        }
    }

    /// Waits until the inference thread has executed its orders and labelled the frame it had taken.
    pub(super) async fn settle(&self) -> std::result::Result<(), OrderError> {
        self.parts.orders.ask(Order::Settle, SWAP_WITHIN, LATE).await
    }

    async fn snapshot(&mut self, view: &Name) -> Answer {
        if !self.desired.live.publish_image {
            let cause = "pictures do not leave this device; set `publish_image = true` in [privacy]";
            return Err(CommandError::Refused(cause.into()));
        }
        let camera = self.view(view).camera.clone();
        let bytes = pictures::take(&self.parts.orders, &self.parts.hub, view, &camera, SNAPSHOT_WITHIN).await?;
        Ok(json!({ "topic": mqtt::topics::camera_topic(&camera, "image"), "bytes": bytes }))
    }

    /// Runs in a task of its own: it takes some seconds per model.
    pub(super) fn compare(&mut self, reply: oneshot::Sender<Answer>) {
        if self.comparison.as_ref().is_some_and(|task| !task.is_finished()) {
            let _ = reply.send(Err(CommandError::Unavailable("another comparison is under way".into())));
            return;
        }
        let models = subjects::usable(&self.desired.live.models);
        let (orders, hub) = (self.parts.orders.clone(), self.parts.hub.clone());
        let first = self.desired.live.first();
        let seen = (orders, first.name.clone(), self.desired.live.framing(first));
        self.comparison = Some(compare::start(models, first.model.name.clone(), seen, hub, reply));
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

    /// The models whose file exists.
    pub(super) fn usable_models(&self) -> impl Iterator<Item = &ModelSpec> {
        self.desired.live.models.iter().filter(|model| model.path.is_file())
    }

    /// Connects to the configured broker, if there is one.
    pub(super) fn connect(&mut self, handover: mqtt::Handover) {
        let hub = &self.parts.hub;
        let device = Device::of(&self.desired.live, &self.taught_labels(), &self.parts.monitor.board);
        self.broker = mqtt::BrokerSession::start(
            (&self.desired.sources.path, &self.desired.live),
            &device,
            &self.commands,
            hub,
            &self.parts.clock,
            &self.parts.days,
            handover,
        );
        let traffic = self.broker.as_ref().map(mqtt::BrokerSession::traffic);
        *self.parts.web.traffic.lock() = traffic;
        self.watch_for_pictures();
    }

    /// Sends notices to people from now on as the configuration in effect has it.
    pub(super) fn tell_people(&mut self) {
        let (parts, counters) = (&self.parts, &self.parts.monitor.notices);
        let before = self.notices.take();
        self.notices = Notices::start(&self.desired.live, &parts.hub, &parts.orders, &parts.clock, counters, before);
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

    /// Pictures are published only while a view is enabled and `publish_image` is set.
    pub(super) fn watch_for_pictures(&mut self) {
        // The old one first, because its drop detaches the sink by name.
        self.pictures = None;
        let wanted = self.is_enabled() && self.desired.live.publish_image && self.broker.is_some();
        self.pictures =
            wanted.then(|| pictures::Pictures::start(self.parts.orders.clone(), &self.parts.hub, &self.desired.live));
    }
}
