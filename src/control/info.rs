//! What this device is and how it is configured, for the retained topic that says so.

use std::sync::Arc;

use serde_json::Value;

use super::Controller;
use crate::domain::classification::ModelId;
use crate::domain::event::Event;
use crate::infer::precision::Chosen;
use crate::payload::{InfoModelPayload, InfoPayload};

/// What is told of the model in use.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    pub id: Arc<ModelId>,
    pub parameters: u64,
    pub macs: u64,
    /// Why it is the one of its two files.
    pub why: Option<String>,
}

impl ModelInfo {
    pub fn of(chosen: &Chosen) -> Self {
        let Chosen { model, why } = chosen;
        let inspection = &model.inspection;
        Self { id: model.id.clone(), parameters: inspection.parameters, macs: inspection.macs, why: why.clone() }
    }

    fn payload(&self, role: &'static str) -> InfoModelPayload {
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

impl Controller {
    pub(super) fn tell_info(&self) {
        self.parts.hub.publish(&Event::Info(Arc::new(self.info())));
    }

    fn info(&self) -> Value {
        let mut info = InfoPayload::new(self.live.device.name.clone(), self.parts.monitor.board.model());
        let accurate = self.second.as_ref().map(|second| second.info.payload("accurate"));
        info.models = std::iter::once(self.model.payload("fast")).chain(accurate).collect();
        info.available_models = self.usable_models().map(|model| model.name.clone()).collect();
        // What is shown is the file that is in effect, which the newest one need not be.
        info.config = self.effective.clone();
        info.config_error.clone_from(&self.reload_error);
        info.restart_required.clone_from(&self.restart_required);
        info.to_value()
    }
}
