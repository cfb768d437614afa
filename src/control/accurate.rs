//! The accurate model, enabled and disabled at run time.

use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Controller;
use super::accurate_thread::Second;
use super::controller::Loaded;
use crate::bus::commands::Answer;
use crate::config::Config;
use crate::domain::settings::PrecisionChoice;
use crate::error::{Error, Result};
use crate::models::spec::ModelSpec;
use crate::payload::second_opinion_value;
use crate::pipeline::orders::Order;
use crate::pipeline::second_opinion;

/// Deadline of a requested opinion: as long as a rest of the accurate model takes on all but the slowest boards.
const OPINION_WITHIN: Duration = Duration::from_secs(15);

/// Deadline for its thread to finish the current frame.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// The change of the accurate model that a configuration requires.
pub(super) enum Change {
    None,
    Off,
    To(Box<(Loaded, ModelSpec)>),
}

impl Controller {
    /// Whether the accurate model's file exists.
    pub(super) fn accurate_is_there(&self) -> bool {
        self.desired.live.accurate.model.path.is_file()
    }

    /// Called at the start. A failure is only logged, because the daemon works without second opinions.
    pub(super) async fn begin_second(&mut self) {
        if let Err(cause) = self.follow_accurate().await {
            // The setting stays on: after the next reload, the file may be valid.
            tracing::error!("the accurate model cannot be used, so there are no second opinions: {cause}");
        }
        self.second_pending = false;
        self.tell_settings();
        self.tell_info();
    }

    pub(super) async fn set_accurate(&mut self, enabled: bool) -> Answer {
        let before = std::mem::replace(&mut self.desired.live.accurate.enabled, enabled);
        let changed = self.follow_accurate().await;
        if let Err(cause) = &changed {
            tracing::warn!(cause, "the accurate model was not switched");
            self.desired.live.accurate.enabled = before;
        }
        self.tell_settings();
        self.tell_info();
        changed.map(|()| json!({ "accurate": enabled }))
    }

    /// Loads, replaces or stops the accurate model as the current configuration requires.
    async fn follow_accurate(&mut self) -> std::result::Result<(), String> {
        let change = self.second_for(&self.desired.live).await?;
        self.change_second(change).await.map_err(|error| error.to_string())
    }

    /// The change that `config` requires, with the model already loaded.
    pub(super) async fn second_for(&self, config: &Config) -> std::result::Result<Change, String> {
        let wanted = config.accurate.enabled.then_some(&config.accurate.model);
        match (wanted, &self.second) {
            (None, None) => Ok(Change::None),
            (None, Some(_)) => Ok(Change::Off),
            (Some(spec), Some(second)) if *spec == second.spec && !second.thread.is_finished() => Ok(Change::None),
            (Some(spec), _) => {
                // Always the fp32 file, because accuracy counts here more than latency.
                let loaded = self.load(spec.clone(), PrecisionChoice::Fp32, config).await?;
                Ok(Change::To(Box::new((loaded, spec.clone()))))
            }
        }
    }

    /// The outer error is one that only a new process can recover from.
    pub(super) async fn change_second(&mut self, change: Change) -> Result<()> {
        if matches!(change, Change::None) {
            return Ok(());
        }
        self.tell_second(None)?;
        // Both models were in memory while the new one was loaded, but they must not run at the same time.
        self.stop_second(Instant::now() + STOPS_WITHIN).await;
        if let Change::To(next) = change {
            let ((info, labeller), spec) = *next;
            let model = info.id.clone();
            let (asked, classifies, thread) = second_opinion::start(labeller, self.parts.hub.clone())?;
            self.second = Some(Second { thread, spec, info });
            self.tell_second(Some(Box::new(asked)))?;
            self.parts.uploads.set_accurate(Some(classifies));
            tracing::info!(model = %model.name, precision = %model.precision, "the accurate model gives second opinions");
        }
        Ok(())
    }

    fn tell_second(&self, asked: Option<Box<second_opinion::Asked>>) -> Result<()> {
        self.parts.orders.give(Order::Second(asked)).map_err(|cause| Error::Failed(cause.into()))
    }

    /// The thread ends when its last handle is dropped.
    pub async fn stop_second(&mut self, deadline: Instant) {
        self.parts.uploads.set_accurate(None);
        if let Some(mut second) = self.second.take()
            && let Err(error) = second.thread.join(deadline).await
        {
            tracing::error!(%error, "the thread of the accurate model did not end well");
        }
    }

    /// Runs in a task of its own, because the accurate model may have to rest first.
    pub(super) fn second_opinion(&self, reply: oneshot::Sender<Answer>) {
        let orders = self.parts.orders.clone();
        tokio::spawn(async move {
            let seconds = OPINION_WITHIN.as_secs();
            let late = format!(
                "there was none within {seconds} s: no frame came, or the accurate model still rests (`max_duty`)"
            );
            let answer = match orders.ask(Order::SecondOpinion, OPINION_WITHIN, &late).await {
                Ok(opinion) => opinion.map(|opinion| second_opinion_value(&opinion)),
                Err(cause) => Err(cause),
            };
            // The requester may have timed out.
            let _ = reply.send(answer);
        });
    }
}
