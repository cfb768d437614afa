//! The payload of the retained topic `info`: the device and its configuration.

use std::sync::Arc;

use serde_json::Value;

use super::Controller;
use super::model_info::ModelInfo;
use glimpsed_core::config::fingerprint;
use glimpsed_core::config::typed::View;
use glimpsed_core::domain::event::Event;
use glimpsed_core::payload::{InfoPayload, InfoViewPayload};

impl Controller {
    pub(super) fn tell_info(&self) {
        self.parts.hub.publish(&Event::Info(Arc::new(self.info())));
    }

    fn info(&self) -> Value {
        let mut info = InfoPayload::new(self.desired.live.device.name.clone(), self.parts.monitor.board.model());
        let mut fast: Vec<&ModelInfo> = Vec::new();
        for model in self.desired.live.views.iter().filter_map(|view| self.model(&view.name).ok()) {
            if fast.iter().all(|known| known.id != model.id) {
                fast.push(model);
            }
        }
        let accurate = self.seconds.iter().map(|second| second.info.payload("accurate"));
        info.models = fast.into_iter().map(|model| model.payload("fast")).chain(accurate).collect();
        info.views = self.desired.live.views.iter().filter_map(view_payload).collect();
        info.available_models = self.usable_models().map(|model| model.name.clone()).collect();
        // The configuration in effect, which differs from the file if that was refused.
        info.config_hash = fingerprint(&self.desired.effective);
        info.config = self.desired.effective.clone();
        // A mistake in the file comes first: it may be why the model is the wrong one.
        info.config_error = self.desired.error.clone().or_else(|| self.model_error());
        info.restart_required = self.desired.restart_required();
        info.twin.clone_from(&self.twin);
        info.to_value()
    }
}

/// `None` for the only view, which has no name.
fn view_payload(view: &View) -> Option<InfoViewPayload> {
    Some(InfoViewPayload {
        name: view.name.given()?.to_owned(),
        title: view.title.clone(),
        camera: view.camera.to_string(),
        model: view.model.name.clone(),
        region: view.region.into(),
    })
}
