//! The loaded models: each is loaded once, however many views label with it.

use std::sync::Arc;

use super::model_info::ModelInfo;
use glimpsed_core::config::typed::Choice;
use glimpsed_core::domain::settings::PrecisionChoice;
use glimpsed_core::infer::{ModelError, Networks, SharedModel, precision};
use glimpsed_core::models::spec::ModelSpec;

/// A loaded model, and its published properties.
#[derive(Clone)]
pub struct Loaded {
    pub model: Arc<SharedModel>,
    pub info: ModelInfo,
}

impl Loaded {
    /// Reads the file that `wanted` and the model's files ask for; taught models share one of `networks`. Takes up to seconds.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(spec: &ModelSpec, wanted: PrecisionChoice, networks: &Networks) -> Result<Self, ModelError> {
        let chosen = precision::load_among(spec, wanted, networks)?;
        for warning in [&chosen.model.warning, &chosen.model.unfamiliar].into_iter().flatten() {
            tracing::warn!(model = spec.name, "{warning}");
        }
        Ok(Self { info: ModelInfo::of(&chosen), model: chosen.model.into() })
    }
}

/// The loaded models that are in use.
#[derive(Default)]
pub struct ModelPool {
    models: Vec<(Choice, Loaded)>,
    /// Of those models and of those that are being loaded.
    pub networks: Networks,
}

impl ModelPool {
    /// The model, if it is loaded.
    pub fn get(&self, choice: &Choice) -> Option<Loaded> {
        self.models.iter().find(|(known, _)| known == choice).map(|(_, loaded)| loaded.clone())
    }

    /// Keeps a model that was loaded, in place of one of the same choice.
    pub fn keep(&mut self, choice: Choice, loaded: Loaded) {
        self.models.retain(|(known, _)| *known != choice);
        self.models.push((choice, loaded));
    }

    /// Removes the models that nobody else has, for the caller to drop: that takes milliseconds.
    pub fn take_unused(&mut self) -> Vec<Loaded> {
        let unused = self.models.extract_if(.., |(_, loaded)| Arc::strong_count(&loaded.model) == 1);
        unused.map(|(_, loaded)| loaded).collect()
    }
}
