//! Pictures with their labels drawn in, published when the label changes and on request.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::bus::hub::{Hub, Sink};
use crate::domain::event::Event;
use crate::payload::picture;
use crate::pipeline::orders::{Order, Orders, Snapshot};
use crate::preprocess::turned;

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
    pub(super) fn start(orders: Orders, hub: &Hub) -> Self {
        let (sender, mut changes) = mpsc::channel(1);
        hub.attach(NAME, Box::new(Changes(sender)));
        let publisher = hub.clone();
        let task = tokio::spawn(async move {
            while changes.recv().await.is_some() {
                if let Err(cause) = take(&orders, &publisher, PATIENCE).await {
                    tracing::debug!(cause, "no picture");
                }
                sleep(SHORTEST_INTERVAL).await;
            }
        });
        Self { task, hub: hub.clone() }
    }
}

/// Signals a change of the label. The channel's capacity is one, so changes coalesce until the picture is taken.
struct Changes(mpsc::Sender<()>);

impl Sink for Changes {
    fn publish(&mut self, event: &Event) {
        if matches!(event, Event::Changed { .. }) {
            let _ = self.0.try_send(());
        }
    }
}

/// Publishes the next labelled frame; returns the size of its JPEG in bytes.
///
/// # Errors
/// Why there is no picture.
pub(super) async fn take(orders: &Orders, hub: &Hub, patience: Duration) -> Result<usize, String> {
    let shot = snapshot(orders, patience).await?;
    let draw = move || picture::jpeg(turned(shot.picture()?, shot.rotation), &shot.labelled.answer);
    let jpeg = spawn_blocking(draw).await.map_err(|_| "drawing the labels panicked")??;
    let bytes = jpeg.len();
    hub.publish(&Event::Picture(jpeg.into()));
    Ok(bytes)
}

/// A copy of the next labelled frame.
///
/// # Errors
/// Why there is none.
pub(super) async fn snapshot(orders: &Orders, patience: Duration) -> Result<Snapshot, String> {
    let late = format!("no frame was labelled within {} s", patience.as_secs());
    orders.ask(Order::Snapshot, patience, &late).await
}
