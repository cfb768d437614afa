//! What this device is and how it is configured, for the retained topic that says so.

use std::sync::Arc;

use serde_json::Value;

use super::Controller;
use crate::infer::Model;
use crate::label::{Event, ModelId};
use crate::sinks::{InfoModelPayload, InfoPayload};

/// What is told of the model in use.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    pub id: Arc<ModelId>,
    pub parameters: u64,
    pub macs: u64,
}

impl ModelInfo {
    pub fn of(model: &Model) -> Self {
        let inspection = &model.inspection;
        Self { id: model.id.clone(), parameters: inspection.parameters, macs: inspection.macs }
    }
}

impl Controller {
    pub(super) fn tell_info(&self) {
        self.parts.hub.publish(&Event::Info(Arc::new(self.info())));
    }

    fn info(&self) -> Value {
        let ModelInfo { id, parameters, macs } = &self.model;
        let model = InfoModelPayload {
            name: id.name.clone(),
            precision: id.precision.to_string(),
            sha256: id.sha256.clone(),
            parameters: *parameters,
            macs: *macs,
        };
        let mut info = InfoPayload::new(self.live.device.name.clone(), self.parts.monitor.board.model());
        info.models = vec![model];
        info.available_models = self.usable_models().map(|model| model.name.clone()).collect();
        // What is shown is the file that is in effect, which the newest one need not be.
        info.config = self.effective.clone();
        info.config_error.clone_from(&self.reload_error);
        info.restart_required.clone_from(&self.restart_required);
        info.to_value()
    }
}
