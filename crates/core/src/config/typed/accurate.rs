//! The accurate model's table.

use std::time::Duration;

use super::super::diagnostics::suggestion;
use super::super::interval::Interval;
use super::super::raw::RawAccurate;
use super::checker::{At, Checker};
use super::configuration::Accurate;
use crate::models::catalog;
use crate::models::spec::ModelSpec;
use crate::models::threads::Threads;

impl Checker<'_, '_> {
    pub(super) fn accurate(&mut self, at: &At<'_>, accurate: &RawAccurate, models: &[ModelSpec]) -> Accurate {
        let (longest, shortest) = (Interval::from_secs(7 * 86_400), Interval::from_millis(100));
        if accurate.every.0 != Duration::ZERO {
            self.interval_within(&at.key("every"), accurate.every, shortest, longest);
        }
        self.within(&at.key("unsure_margin"), accurate.unsure_margin, 0.0, 1.0);
        self.within(&at.key("unsure_entropy"), accurate.unsure_entropy, 0.0, 1.0);
        self.within(&at.key("max_duty"), accurate.max_duty, 0.001, 1.0);
        Accurate {
            enabled: accurate.enabled,
            model: self.accurate_model(at, accurate, models),
            every: Some(accurate.every.0).filter(|every| !every.is_zero()),
            when_unsure: accurate.when_unsure,
            unsure_margin: accurate.unsure_margin as f32,
            unsure_entropy: accurate.unsure_entropy as f32,
            max_duty: accurate.max_duty,
            disagreement: accurate.disagreement,
        }
    }

    fn accurate_model(&mut self, at: &At<'_>, accurate: &RawAccurate, models: &[ModelSpec]) -> ModelSpec {
        let name = &accurate.model;
        let Some(model) = models.iter().find(|model| model.name == *name) else {
            let hint = suggestion(name, models.iter().map(|model| model.name.as_str()));
            self.complain(&at.key("model"), "names no model", format!("found `{name}`"), Some(hint));
            return models.first().cloned().unwrap_or_else(|| catalog::all()[0].spec(&[]));
        };
        if accurate.enabled {
            self.has_file(&at.key("model"), model);
        }
        // One thread: its latency does not matter, and only its own thread has the lower priority.
        ModelSpec { threads: Threads::default(), ..model.clone() }
    }
}
