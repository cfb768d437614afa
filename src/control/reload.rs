//! Reloads the configuration: the new one takes effect as a whole, or the old one stays.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::Controller;
use super::from_config::{view_of, web_settings};
use crate::bus::commands::Answer;
use crate::config::diagnostics::Problems;
use crate::config::{Config, Sources};
use crate::error::{Error, Result};
use crate::pipeline::orders::Order;
use crate::sinks::mqtt;
use crate::telemetry::service_manager;

/// Deadline for open streams, before the web server is restarted with other settings.
const WEB_STOPS_WITHIN: Duration = Duration::from_secs(2);

impl Controller {
    /// The file was edited. Editors truncate before they write, and a full disk leaves it so. Therefore an empty file
    /// does not count as a request for the defaults.
    pub(super) async fn file_changed(&mut self) -> Result<()> {
        let path = self.desired.sources.path.clone();
        let Ok(read) = spawn_blocking(move || Sources::read(&path)).await else { return Ok(()) };
        match read {
            Ok(sources) if sources.text == self.desired.sources.text && self.desired.error.is_none() => Ok(()),
            Ok(sources) if sources.text.trim().is_empty() => {
                tracing::warn!(file = %sources.path.display(), "the configuration is empty; the last one stays in effect");
                Ok(())
            }
            _ => self.reload().await.map(drop),
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
            Err(error) => Err(format!("the configuration could not be read: {error}")),
            Ok(Ok((sources, config, effective))) => self.apply(sources, config, effective).await?,
            Ok(Err(problems)) => {
                // The full report quotes the file, so it goes to the log only.
                tracing::error!("{}", problems.render(false));
                Err(problems.summary())
            }
        };
        match &result {
            Ok(()) => {
                tracing::info!(restart_required = ?self.desired.restart_required(), "the configuration was read again");
                self.keep_as_last_good();
            }
            Err(cause) => tracing::error!("the configuration was not changed, the last one stays in effect:\n{cause}"),
        }
        let changed = self.desired.error.as_ref() != result.as_ref().err();
        self.desired.error = result.as_ref().err().cloned();
        self.tell_info();
        if changed {
            self.tell_health();
        }
        self.tell_settings();
        service_manager::reloaded();
        Ok(result.map(|()| json!({ "restart_required": self.desired.restart_required() })))
    }

    /// Keeps the file's text in the background, because a disk can be slow. Without its model it is not known to work.
    pub(super) fn keep_as_last_good(&self) {
        if self.model.is_err() {
            return;
        }
        let sources = self.desired.sources.clone();
        spawn_blocking(move || {
            if let Err(cause) = sources.keep_as_last_good() {
                tracing::info!(cause, "a start with a broken file could not use this configuration instead");
            }
        });
    }

    /// Everything that can fail comes first, so that a configuration takes effect as a whole or not at all.
    async fn apply(
        &mut self,
        sources: Sources,
        config: Config,
        effective: Value,
    ) -> Result<std::result::Result<(), String>> {
        let next = self.desired.with_what_was_set(&config);
        let loaded = if (&next.model, next.precision) == (&self.desired.live.model, self.desired.live.precision) {
            None
        } else {
            match self.load(next.model.clone(), next.precision, &next).await {
                Ok(loaded) => Some(loaded),
                Err(cause) => return Ok(Err(cause)),
            }
        };
        let second = match self.second_for(&next).await {
            Ok(second) => second,
            Err(cause) => return Ok(Err(cause)),
        };
        let before = std::mem::replace(&mut self.desired.live, next);
        let model = std::mem::replace(&mut self.desired.live.model, before.model.clone());
        if let Some(loaded) = loaded
            && let Err(cause) = self.swap(loaded, model).await
        {
            self.desired.live = before;
            return Ok(Err(cause));
        }
        self.desired.accept(sources, config, effective);
        self.tell_rules().await.map_err(Error::Failed)?;
        self.change_second(second).await?;
        if view_of(&before) != view_of(&self.desired.live) {
            let turned = self.parts.orders.give(Order::View(view_of(&self.desired.live)));
            turned.map_err(|cause| Error::Failed(cause.into()))?;
        }
        if before.camera != self.desired.live.camera && self.desired.enabled {
            self.close_camera().await?;
            self.open_camera()?;
        }
        self.reconnect_if_it_matters(&before).await;
        if web_settings(&before) != web_settings(&self.desired.live) {
            if let Some(web) = self.take_web() {
                web.stop(Instant::now() + WEB_STOPS_WITHIN).await;
            }
            self.serve()?;
        }
        Ok(Ok(()))
    }

    async fn reconnect_if_it_matters(&mut self, before: &Config) {
        let of_the_broker = |config: &Config| {
            (config.mqtt.clone(), config.device.clone(), config.homeassistant.clone(), config.publish_image)
        };
        // The discovery message lists the models, and has a switch only if the accurate model exists.
        let models = |config: &Config| config.models.iter().map(|model| model.name.clone()).collect::<Vec<_>>();
        let accurate = |config: &Config| config.accurate.model.path.is_file();
        if of_the_broker(before) == of_the_broker(&self.desired.live)
            && models(before) == models(&self.desired.live)
            && accurate(before) == accurate(&self.desired.live)
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
