//! The accurate models, enabled and disabled at run time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Controller;
use super::model_info::NotLoaded;
use super::model_pool::Loaded;
use super::second::Second;
use glimpsed_core::bus::commands::{Answer, CommandError, Commanded};
use glimpsed_core::config::Config;
use glimpsed_core::config::typed::View;
use glimpsed_core::domain::classification::ModelId;
use glimpsed_core::domain::name::Name;
use glimpsed_core::domain::settings::PrecisionChoice;
use glimpsed_core::error::Result;
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::payload::second_opinion_value;
use glimpsed_core::pipeline::orders::{Order, ViewOrder};
use glimpsed_core::pipeline::second_opinion;

/// Deadline of a requested opinion: as long as a rest of the accurate model takes on all but the slowest boards.
const OPINION_WITHIN: Duration = Duration::from_secs(15);

/// Deadline for the thread to finish the current frame.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// The accurate models that a configuration requires, loaded; which view has which follows from it.
pub(super) struct Required(Vec<(ModelSpec, Loaded)>);

impl Controller {
    /// Whether the view has the accurate model of its configuration, or soon will.
    pub(super) fn has_accurate(&self, view: &View) -> bool {
        let is_in_use = |second: &Second| second.spec == view.accurate.model;
        view.accurate.enabled && (self.seconds_pending || self.seconds.iter().any(is_in_use))
    }

    /// Called at the start. A failure is only logged, because the daemon works without second opinions.
    pub(super) async fn begin_seconds(&mut self) {
        if let Err(cause) = self.follow_accurate().await {
            // The setting stays on: after the next reload, the file may be valid.
            tracing::error!("the accurate model cannot be used, so there are no second opinions: {cause}");
        }
        self.seconds_pending = false;
        self.tell_all_settings();
        self.tell_info();
    }

    pub(super) async fn set_accurate(&mut self, view: &Name, enabled: bool) -> Answer {
        let before = std::mem::replace(&mut self.view_mut(view).accurate.enabled, enabled);
        let changed = self.follow_accurate().await;
        if let Err(cause) = &changed {
            tracing::warn!(%cause, view = view.given(), "the accurate model was not switched");
            self.view_mut(view).accurate.enabled = before;
        }
        self.tell_settings(view);
        self.tell_info();
        changed.map(|()| json!({ "accurate": enabled }))
    }

    /// Loads, replaces or stops the accurate models as the current configuration requires.
    async fn follow_accurate(&mut self) -> Commanded<()> {
        let required = self.seconds_for(&self.desired.live).await?;
        Ok(self.change_seconds(required).await?)
    }

    /// The accurate models that `config` requires, loaded where they are not in use.
    pub(super) async fn seconds_for(&self, config: &Config) -> std::result::Result<Required, NotLoaded> {
        let mut required: Vec<(ModelSpec, Loaded)> = Vec::new();
        for view in config.views.iter().filter(|view| view.accurate.enabled) {
            let spec = &view.accurate.model;
            if required.iter().any(|(known, _)| known == spec) {
                continue;
            }
            let loaded = match self.seconds.iter().find(|second| second.spec == *spec) {
                Some(second) => Loaded { model: second.model.clone(), info: second.info.clone() },
                // Always the fp32 file, because accuracy counts here more than latency.
                None => self.load_anew(spec, PrecisionChoice::Fp32).await?,
            };
            required.push((spec.clone(), loaded));
        }
        Ok(Required(required))
    }

    /// The outer error is one that only a new process can recover from.
    pub(super) async fn change_seconds(&mut self, Required(required): Required) -> Result<()> {
        let same = required.len() == self.seconds.len()
            && required.iter().all(|(spec, _)| self.seconds.iter().any(|second| second.spec == *spec))
            && self.seconds_thread.as_ref().is_none_or(|thread| !thread.is_finished());
        if !same {
            self.tell_thread(None)?;
            // All models were in memory while the new ones were loaded, but two threads must not run at the same time.
            self.stop_seconds(Instant::now() + STOPS_WITHIN).await;
        }
        if !same && !required.is_empty() {
            let asked = self.start_seconds(required)?;
            self.tell_thread(Some(asked))?;
        }
        self.tell_uploads();
        let order = Order::Accurate(self.seconds_views());
        Ok(self.parts.orders.give(order)?)
    }

    fn start_seconds(&mut self, required: Vec<(ModelSpec, Loaded)>) -> Result<Box<second_opinion::Asked>> {
        let models = required.iter().map(|(_, loaded)| loaded.model.clone()).collect();
        let (asked, classifies, thread) = second_opinion::start(models, self.parts.hub.clone())?;
        self.seconds_thread = Some(thread);
        for ((spec, Loaded { model, info }), classifies) in required.into_iter().zip(classifies) {
            tracing::info!(model = %info.id.name, precision = %info.id.precision, "the accurate model gives second opinions");
            self.seconds.push(Second { spec, info, classifies, model });
        }
        Ok(Box::new(asked))
    }

    /// Which view has which accurate model.
    fn seconds_views(&self) -> Vec<(Name, Arc<ModelId>)> {
        let views = self.desired.live.views.iter().filter(|view| view.accurate.enabled);
        let model = |view: &View| {
            let second = self.seconds.iter().find(|second| second.spec == view.accurate.model)?;
            Some((view.name.clone(), second.info.id.clone()))
        };
        views.filter_map(model).collect()
    }

    fn tell_thread(&self, asked: Option<Box<second_opinion::Asked>>) -> Result<()> {
        Ok(self.parts.orders.give(Order::Second(asked))?)
    }

    /// The thread ends when its last handle is dropped.
    pub async fn stop_seconds(&mut self, deadline: Instant) {
        self.seconds.clear();
        self.tell_uploads();
        if let Some(mut thread) = self.seconds_thread.take()
            && let Err(error) = thread.join(deadline).await
        {
            tracing::error!(%error, "the thread of the accurate model did not end well");
        }
    }

    /// Runs in a task of its own, because the accurate model may have to rest first.
    pub(super) fn second_opinion(&self, view: Name, reply: oneshot::Sender<Answer>) {
        let orders = self.parts.orders.clone();
        tokio::spawn(async move {
            let seconds = OPINION_WITHIN.as_secs();
            let late = format!(
                "there was none within {seconds} s: no frame came, or the accurate model still rests (`max_duty`)"
            );
            let order = |to| Order::View(view, ViewOrder::SecondOpinion(to));
            let answer = match orders.ask(order, OPINION_WITHIN, &late).await {
                Ok(opinion) => opinion.map(|opinion| second_opinion_value(&opinion)).map_err(CommandError::from),
                Err(cause) => Err(cause.into()),
            };
            // The requester may have timed out.
            let _ = reply.send(answer);
        });
    }
}
