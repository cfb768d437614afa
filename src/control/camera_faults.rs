//! Wakes the controller when what is wrong with the camera changes, so that it is published soon.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::bus::hub::Sink;
use crate::domain::camera::Fault;
use crate::domain::event::Event;

/// A sink of the hub; its clones share what wakes them.
#[derive(Debug, Clone, Default)]
pub(super) struct CameraFaults {
    fault: Option<Fault>,
    changed: Arc<Notify>,
}

impl CameraFaults {
    /// Resolves once for all changes since it last did.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Sink for CameraFaults {
    fn publish(&mut self, event: &Event) {
        if let Event::Camera(status) = event
            && status.fault != self.fault
        {
            self.fault.clone_from(&status.fault);
            self.changed.notify_one();
        }
    }
}
