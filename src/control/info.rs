//! The payload of the retained topic `info`: the device and its configuration.

use std::sync::Arc;

use serde_json::Value;

use super::Controller;
use crate::domain::event::Event;
use crate::payload::InfoPayload;

impl Controller {
    pub(super) fn tell_info(&self) {
        self.parts.hub.publish(&Event::Info(Arc::new(self.info())));
    }

    fn info(&self) -> Value {
        let mut info = InfoPayload::new(self.desired.live.device.name.clone(), self.parts.monitor.board.model());
        let accurate = self.second.as_ref().map(|second| second.info.payload("accurate"));
        let fast = self.model.as_ref().ok().map(|model| model.payload("fast"));
        info.models = fast.into_iter().chain(accurate).collect();
        info.available_models = self.usable_models().map(|model| model.name.clone()).collect();
        // The configuration in effect, which differs from the file if that was refused.
        info.config = self.desired.effective.clone();
        // A mistake in the file comes first: it may be why the model is the wrong one.
        info.config_error = self.desired.error.as_ref().or(self.model.as_ref().err()).cloned();
        info.restart_required = self.desired.restart_required();
        info.twin.clone_from(&self.twin);
        info.to_value()
    }
}
