//! Wakes the controller when what is wrong with a camera or with what it shows changes, so that it is published soon.

use std::sync::Arc;

use tokio::sync::Notify;

use glimpsed_core::bus::hub::Sink;
use glimpsed_core::domain::camera::Fault;
use glimpsed_core::domain::event::Event;

/// A sink of the hub; its clones share what wakes them.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    fault: Option<Fault>,
    health: Arc<Notify>,
}

impl News {
    /// Resolves once for all changes of the health since it last did.
    pub(super) async fn of_health(&self) {
        self.health.notified().await;
    }
}

impl Sink for News {
    fn publish(&mut self, event: &Event) {
        match event {
            Event::Camera(status) if status.fault != self.fault => {
                self.fault.clone_from(&status.fault);
                self.health.notify_one();
            }
            Event::Strange(_) => self.health.notify_one(),
            _ => {}
        }
    }
}
