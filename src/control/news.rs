//! Wakes the controller when what is wrong with a camera or with what it shows changes, so that it is published soon.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use glimpsed_core::bus::hub::Sink;
use glimpsed_core::domain::camera::{CameraStatus, Fault};
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::name::Name;

/// A sink of the hub; its clones share what wakes them.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    faults: BTreeMap<Name, Fault>,
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
            Event::Camera(CameraStatus { camera, fault, .. }) => {
                let before = match fault {
                    Some(fault) => self.faults.insert(camera.clone(), fault.clone()),
                    None => self.faults.remove(camera),
                };
                if before != *fault {
                    self.health.notify_one();
                }
            }
            Event::Layout(layout) => self.faults.retain(|camera, _| layout.cameras.contains(camera)),
            Event::Strange(_) => self.health.notify_one(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glimpsed_core::domain::camera::tests_support::missing;
    use glimpsed_core::domain::layout::Layout;
    use std::time::Duration;

    /// Whether the controller is woken by it.
    async fn wakes(news: &mut News, event: &Event) -> bool {
        news.publish(event);
        tokio::time::timeout(Duration::ZERO, news.of_health()).await.is_ok()
    }

    #[tokio::test]
    async fn the_same_fault_of_another_camera_is_news() {
        let of = |name: &str, fault: Option<Fault>| {
            let mut status = missing("unplugged");
            (status.camera, status.fault) = (Name::new(name), fault);
            Event::Camera(status)
        };
        let fault = missing("unplugged").fault;
        let mut news = News::default();
        assert!(wakes(&mut news, &of("door", fault.clone())).await);
        assert!(wakes(&mut news, &of("yard", fault.clone())).await);
        assert!(!wakes(&mut news, &of("door", fault.clone())).await, "nothing has changed");
        assert!(!wakes(&mut news, &of("shed", None)).await, "it is well");
        assert!(wakes(&mut news, &of("door", None)).await);
        news.publish(&Event::Layout(Layout::default().into()));
        assert!(wakes(&mut news, &of("yard", fault)).await, "a new one of that name");
    }
}
