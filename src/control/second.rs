//! The accurate models that give second opinions.

use std::sync::Arc;

use super::model_info::ModelInfo;
use glimpsed_core::infer::SharedModel;
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::pipeline::second_opinion::Classifies;

/// An accurate model in use.
pub(super) struct Second {
    pub(super) spec: ModelSpec,
    pub(super) info: ModelInfo,
    pub(super) classifies: Classifies,
    pub(super) model: Arc<SharedModel>,
}
