//! Reloads the configuration: the new one takes effect as a whole, or the old one stays.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::Controller;
use super::accurate::Required;
use super::controller::{LATE, SWAP_WITHIN};
use super::from_config::{layout_of, notices_of, rules_of, web_settings};
use super::model_pool::Loaded;
use super::views::{labeller_of, new_view};
use glimpsed_core::bus::commands::{Answer, CommandError, Commanded};
use glimpsed_core::config::diagnostics::Problems;
use glimpsed_core::config::typed::{Choice, View};
use glimpsed_core::config::{Config, Sources};
use glimpsed_core::domain::framing::Region;
use glimpsed_core::error::Result;
use glimpsed_core::pipeline::orders::{Order, ViewOrder};
use glimpsed_core::sinks::mqtt;
use glimpsed_core::telemetry::service_manager;

/// What a configuration needs, loaded.
struct Prepared {
    models: Vec<(Choice, Loaded)>,
    seconds: Required,
}

/// Deadline for open streams, before the web server is restarted with other settings.
const WEB_STOPS_WITHIN: Duration = Duration::from_secs(2);

impl Controller {
    /// A file was edited, or came or went in `conf.d`. Editors truncate before they write, and a full disk leaves it so. Therefore an empty file
    /// does not count as a request for the defaults.
    pub(super) async fn file_changed(&mut self) -> Result<()> {
        let path = self.desired.sources.path.clone();
        let Ok(read) = spawn_blocking(move || Sources::read(&path)).await else { return Ok(()) };
        match read {
            Ok(sources) if sources.says_the_same_as(&self.desired.sources) && self.desired.error.is_none() => Ok(()),
            Ok(sources) => match sources.emptied_since(&self.desired.sources) {
                Some(file) => {
                    tracing::warn!(file = %file.display(), "the configuration is empty; the last one stays in effect");
                    Ok(())
                }
                None => self.reload().await.map(drop),
            },
            Err(_) => self.reload().await.map(drop),
        }
    }

    /// Reads the file again. The outer error is one that only a new process can recover from.
    pub(super) async fn reload(&mut self) -> Result<Answer> {
        service_manager::reloading();
        // A model that is missing is tried again soon.
        self.last_try = None;
        // A megabyte of something else takes its time, and the broker and the signals are not to wait for that.
        let path = self.desired.sources.path.clone();
        let read = move || {
            let sources = Sources::read(&path)?;
            let (config, effective) = (sources.load()?, sources.show_json()?);
            Ok::<_, Problems>((sources, config, effective))
        };
        let result = match spawn_blocking(read).await {
            Err(error) => Err(CommandError::Failed(format!("the configuration could not be read: {error}"))),
            Ok(Ok((sources, config, effective))) => self.apply(sources, config, effective).await?,
            Ok(Err(problems)) => {
                // The full report quotes the file, so it goes to the log only.
                tracing::error!("{}", problems.render(false));
                Err(CommandError::Refused(problems.summary()))
            }
        };
        match &result {
            Ok(()) => {
                tracing::info!(restart_required = ?self.desired.restart_required(), "the configuration was read again");
                self.keep_as_last_good();
            }
            Err(cause) => tracing::error!("the configuration was not changed, the last one stays in effect:\n{cause}"),
        }
        let error = result.as_ref().err().map(ToString::to_string);
        let changed = self.desired.error != error;
        self.desired.error = error;
        self.tell_info();
        if changed {
            self.tell_health();
        }
        self.tell_all_settings();
        service_manager::reloaded();
        Ok(result.map(|()| json!({ "restart_required": self.desired.restart_required() })))
    }

    /// Keeps the file's text in the background, because a disk can be slow. Without its model it is not known to work.
    pub(super) fn keep_as_last_good(&self) {
        if self.models.iter().any(|(_, model)| model.is_err()) {
            return;
        }
        let sources = self.desired.sources.clone();
        spawn_blocking(move || {
            if let Err(cause) = sources.keep_as_last_good() {
                tracing::info!(%cause, "a start with a broken file could not use this configuration instead");
            }
        });
    }

    /// Everything that can fail comes first, so that a configuration takes effect as a whole or not at all.
    async fn apply(&mut self, sources: Sources, config: Config, effective: Value) -> Result<Commanded<()>> {
        let next = self.desired.with_what_was_set(&config);
        let prepared = match self.prepare(&next).await {
            Ok(prepared) => prepared,
            Err(cause) => return Ok(Err(cause)),
        };
        let before = std::mem::replace(&mut self.desired.live, next);
        self.desired.accept(sources, config, effective);
        self.rearrange(&before, prepared.models).await?;
        self.change_seconds(prepared.seconds).await?;
        self.free_unused();
        self.follow_cameras().await?;
        if layout_of(&before) != layout_of(&self.desired.live) {
            self.tell_layout();
        }
        let survey = self.follow_teaching()?;
        // It fails only when the daemon ends.
        let _ = spawn_blocking(survey).await;
        self.reconnect_if_it_matters(&before).await;
        if notices_of(&before) != notices_of(&self.desired.live) {
            self.tell_people();
        }
        if web_settings(&before) != web_settings(&self.desired.live) {
            if let Some(web) = self.take_web() {
                web.stop(Instant::now() + WEB_STOPS_WITHIN).await;
            }
            self.serve()?;
        }
        Ok(Ok(()))
    }

    /// Loads what the next configuration needs.
    async fn prepare(&self, next: &Config) -> Commanded<Prepared> {
        let mut models = Vec::new();
        for choice in next.choices() {
            let loaded = self.load(&choice).await?;
            models.push((choice, loaded));
        }
        let seconds = self.seconds_for(next).await?;
        // The inference thread takes orders, so what follows will not fail half way.
        self.settle().await?;
        Ok(Prepared { models, seconds })
    }

    /// Brings the cameras and views of the inference thread from the configuration `before` to the one in effect.
    async fn rearrange(&mut self, before: &Config, models: Vec<(Choice, Loaded)>) -> Result<()> {
        let live = self.desired.live.clone();
        let stays = |view: &View| live.view(&view.name).is_some_and(|next| next.camera == view.camera);
        for view in before.views.iter().filter(|view| !stays(view)) {
            let remove = |back| Order::RemoveView(view.name.clone(), back);
            drop(self.ask(remove).await?);
            self.models.retain(|(name, _)| *name != view.name);
        }
        for camera in self.parts.cameras.names() {
            if live.cameras.iter().all(|next| next.name != camera) {
                drop(self.parts.cameras.stop(&camera).await?);
                self.give(Order::RemoveCamera(camera.clone())).await?;
                self.parts.cameras.remove(&camera);
            }
        }
        let known = self.parts.cameras.names();
        for camera in live.cameras.iter().filter(|camera| !known.contains(&camera.name)) {
            let source = self.parts.cameras.add(camera.name.clone());
            self.give(Order::AddCamera(Box::new(source))).await?;
        }
        for (choice, loaded) in models {
            self.pool.keep(choice, loaded);
        }
        for view in &live.views {
            match before.view(&view.name).filter(|view| stays(view)) {
                Some(old) => self.change_view(before, old, view).await?,
                None => {
                    let loaded = self.pool.get(&view.choice());
                    self.note_model(view, loaded.as_ref());
                    self.give(Order::AddView(Box::new(new_view(&live, view, loaded)))).await?;
                }
            }
        }
        self.give(Order::Arrange(live.views.iter().map(|view| view.name.clone()).collect())).await?;
        self.give(Order::MaxDuty(live.max_duty)).await
    }

    /// Brings a view that stays from its `old` configuration to its new one.
    async fn change_view(&mut self, before: &Config, old: &View, view: &View) -> Result<()> {
        let live = self.desired.live.clone();
        let order = |order| Order::View(view.name.clone(), order);
        let has_model = self.models.iter().any(|(name, model)| *name == view.name && model.is_ok());
        if (old.choice() != view.choice() || !has_model)
            && let Some(loaded) = self.pool.get(&view.choice())
        {
            self.note_model(view, Some(&loaded));
            let (id, why) = (loaded.info.id.clone(), loaded.info.why.clone());
            let labeller = Box::new(labeller_of(&live, view, loaded));
            drop(self.ask(|back| order(ViewOrder::Labeller(labeller, back))).await?);
            let (model, precision, view) = (&id.name, id.precision, view.name.given());
            tracing::info!(model, %precision, why, view, "labelling with another model");
        }
        if before.framing(old) != live.framing(view) {
            self.give(order(ViewOrder::Framing(live.framing(view)))).await?;
        }
        if old.enabled != view.enabled {
            self.give(order(ViewOrder::Enabled(view.enabled))).await?;
        }
        self.give(order(ViewOrder::Rules(Box::new(rules_of(&live, view))))).await
    }

    fn note_model(&mut self, view: &View, loaded: Option<&Loaded>) {
        if let Some(loaded) = loaded {
            self.set_model(&view.name, Ok(loaded.info.clone()));
        }
    }

    /// On return, the inference thread has executed the order.
    async fn give(&self, order: Order) -> Result<()> {
        self.parts.orders.give(order)?;
        Ok(self.settle().await?)
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T> {
        Ok(self.parts.orders.ask(order, SWAP_WITHIN, LATE).await?)
    }

    async fn reconnect_if_it_matters(&mut self, before: &Config) {
        let of_the_broker = |config: &Config| {
            (config.mqtt.clone(), config.device.clone(), config.homeassistant.clone(), config.publish_image)
        };
        // The discovery message lists the models, and has a switch only if the accurate model exists.
        let models = |config: &Config| config.models.iter().map(|model| model.name.clone()).collect::<Vec<_>>();
        let accurate =
            |config: &Config| config.views.iter().map(|view| view.accurate.model.path.is_file()).collect::<Vec<_>>();
        // Which part of the picture a view sees is in no topic and no entity.
        let told = |config: &Config| {
            let mut layout = layout_of(config);
            layout.views.iter_mut().for_each(|view| view.region = Region::default());
            layout
        };
        if of_the_broker(before) == of_the_broker(&self.desired.live)
            && models(before) == models(&self.desired.live)
            && accurate(before) == accurate(&self.desired.live)
            && told(before) == told(&self.desired.live)
        {
            return;
        }
        self.pictures = None;
        // The next session receives the newest lasting events from the hub.
        self.parts.hub.detach(mqtt::NAME);
        let handover = match self.broker.take() {
            Some(broker) => broker.leave(&self.desired.live).await,
            None => mqtt::Handover::default(),
        };
        self.connect(handover);
    }
}
