//! The published properties of a model in use.

use std::sync::Arc;

use glimpsed_core::bus::commands::CommandError;
use glimpsed_core::domain::classification::ModelId;
use glimpsed_core::infer::ModelError;
use glimpsed_core::infer::precision::Chosen;
use glimpsed_core::payload::InfoModelPayload;

/// The published properties of a model in use.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    pub id: Arc<ModelId>,
    pub parameters: u64,
    pub macs: u64,
    /// Why this one of its two files was chosen.
    pub why: Option<String>,
}

/// Why a model is not in use.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotLoaded {
    #[error("model `{name}`: {cause}")]
    Refused { name: String, cause: ModelError },
    #[error("model `{name}`: loading it panicked")]
    Panicked { name: String },
    #[error("there is no such view")]
    NoView,
}

/// A view's model: in use, or why it cannot be loaded.
pub type ModelState = std::result::Result<ModelInfo, NotLoaded>;

impl From<NotLoaded> for CommandError {
    fn from(error: NotLoaded) -> Self {
        Self::Refused(error.to_string())
    }
}

impl ModelInfo {
    pub fn of(chosen: &Chosen) -> Self {
        let Chosen { model, why } = chosen;
        let inspection = &model.inspection;
        Self { id: model.id.clone(), parameters: inspection.parameters, macs: inspection.macs, why: why.clone() }
    }

    pub(super) fn payload(&self, role: &'static str) -> InfoModelPayload {
        let Self { id, parameters, macs, why } = self;
        InfoModelPayload {
            role,
            name: id.name.clone(),
            precision: id.precision.to_string(),
            precision_reason: why.clone(),
            sha256: id.sha256.clone(),
            parameters: *parameters,
            macs: *macs,
        }
    }
}
