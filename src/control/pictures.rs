//! Pictures with their labels drawn in, published when the label changes and on request.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use glimpsed_base::sync::Mutex;
use glimpsed_core::bus::commands::{CommandError, Commanded};

use glimpsed_core::bus::hub::{Hub, Sink};
use glimpsed_core::config::Config;
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::name::Name;
use glimpsed_core::payload::picture;
use glimpsed_core::pipeline::orders::Orders;
use glimpsed_core::preprocess::turned;

/// The sink's name in the hub.
const NAME: &str = "pictures";

/// Shortest time between two pictures; encoding one takes about 20 ms of a small board's time.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Deadline for the next frame after a change; without one, the camera is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes a picture after each change of the label, until dropped.
pub(super) struct Pictures {
    task: JoinHandle<()>,
    hub: Hub,
}

impl Drop for Pictures {
    fn drop(&mut self) {
        self.hub.detach(NAME);
        self.task.abort();
    }
}

impl Pictures {
    /// Must be called within the asynchronous runtime.
    pub(super) fn start(orders: Orders, hub: &Hub, config: &Config) -> Self {
        let changes = Changes::default();
        hub.attach(NAME, Box::new(changes.clone()));
        let publisher = hub.clone();
        let cameras: Vec<(Name, Name)> =
            config.views.iter().map(|view| (view.name.clone(), view.camera.clone())).collect();
        let task = tokio::spawn(async move {
            loop {
                let view = changes.next().await;
                if let Some((view, camera)) = cameras.iter().find(|(name, _)| *name == view)
                    && let Err(cause) = take(&orders, &publisher, view, camera, PATIENCE).await
                {
                    tracing::debug!(%cause, view = view.given(), "no picture");
                }
                sleep(SHORTEST_INTERVAL).await;
            }
        });
        Self { task, hub: hub.clone() }
    }
}

/// The views whose label has changed since their last picture, each once.
#[derive(Clone, Default)]
struct Changes {
    views: Arc<Mutex<VecDeque<Name>>>,
    changed: Arc<Notify>,
}

impl Changes {
    /// Waits for the view that has changed first.
    async fn next(&self) -> Name {
        loop {
            if let Some(view) = self.views.lock().pop_front() {
                return view;
            }
            self.changed.notified().await;
        }
    }
}

impl Sink for Changes {
    fn publish(&mut self, event: &Event) {
        if let Event::Changed { now, .. } = event {
            let mut views = self.views.lock();
            if !views.contains(&now.frame.view) {
                views.push_back(now.frame.view.clone());
            }
            self.changed.notify_one();
        }
    }
}

/// Publishes the next labelled frame of a view; returns the size of its JPEG in bytes.
///
/// # Errors
/// When no frame is labelled in time, or it is damaged.
pub(super) async fn take(
    orders: &Orders,
    hub: &Hub,
    view: &Name,
    camera: &Name,
    patience: Duration,
) -> Commanded<usize> {
    let shot = orders.snapshot(view, patience).await?;
    let draw = move || picture::jpeg(turned(shot.picture()?, shot.framing.rotation), &shot.labelled.answer);
    let jpeg = spawn_blocking(draw).await.map_err(|_| CommandError::Failed("drawing the labels panicked".into()))??;
    let bytes = jpeg.len();
    hub.publish(&Event::Picture(camera.clone(), jpeg.into()));
    Ok(bytes)
}
