//! What this device is and how it is configured, for the retained topic that says so.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Controller;
use crate::infer::Model;
use crate::label::{Event, ModelId};

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
        let models = [json!({
            "name": id.name,
            "precision": id.precision,
            "sha256": id.sha256,
            "parameters": parameters,
            "macs": macs,
        })];
        json!({
            "v": 1,
            "name": self.live.device.name,
            "version": env!("CARGO_PKG_VERSION"),
            "board": self.parts.monitor.board.model(),
            "models": models,
            "available_models": self.usable_models().collect::<Vec<_>>(),
            // What is shown is the file that is in effect, which the newest one need not be.
            "config": self.effective,
            "config_error": self.reload_error,
            "restart_required": self.restart_required,
        })
    }
}
