//! Compares the models while the daemon runs, on a picture of the camera and the bundled photographs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use glimpsed_base::leaving;
use glimpsed_core::bus::commands::{Answer, CommandError};
use glimpsed_core::bus::hub::Hub;
use glimpsed_core::compare::{self, CompareError, Content, Picture, Plan, subjects};
use glimpsed_core::domain::event::{Comparing, Event};
use glimpsed_core::domain::framing::Framing;
use glimpsed_core::domain::name::Name;
use glimpsed_core::models::catalog;
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::pipeline::orders::Orders;

/// Deadline for the next labelled frame.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// A short comparison, of some seconds per model, because the daemon keeps labelling.
const ROUNDS: usize = 2;
const RUNS: usize = 30;
const TIME_A_TURN: Duration = Duration::from_secs(3);

/// Measures in the background at low priority, and publishes the progress. The latencies are those of a busy device.
/// The picture is the next that the view labels.
pub(super) fn start(
    models: Vec<ModelSpec>,
    reference: String,
    (orders, view, framing): (Orders, Name, Framing),
    hub: Hub,
    reply: oneshot::Sender<Answer>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let picture = orders.snapshot(&view, SNAPSHOT_WITHIN).await.ok();
        let tell = hub.clone();
        let measure = move || {
            let bundled = subjects::pictures(&catalog::photographs());
            let mut pictures = bundled.unwrap_or_else(|cause| {
                tracing::info!(%cause, "no photographs to compare with");
                Vec::new()
            });
            // The camera's picture comes first, because the report shows the answers for the first one. It is optional.
            if let Some(picture) = picture.and_then(|shot| shot.picture().ok()) {
                let content = Content::Rgb(picture, framing);
                pictures.insert(0, Picture { name: "the camera's picture".into(), content, labels: Vec::new() });
            }
            let plan = Plan {
                models,
                pictures,
                source: "the camera's picture and the bundled photographs".into(),
                reference: Some(reference),
                rounds: ROUNDS,
                runs: RUNS,
                time_a_turn: TIME_A_TURN,
                low_priority: true,
            };
            compare::run(&plan, |progress| tell.publish(&Event::Comparing(Comparing::Running(progress.clone()))))
        };
        let report = spawn_blocking(measure).await.unwrap_or(Err(CompareError::Panicked));
        let (event, answer) = match report {
            Ok(report) => {
                let answer = serde_json::to_value(&report).map_err(|error| CommandError::Failed(error.to_string()));
                (Comparing::Finished(Arc::new(report)), answer)
            }
            Err(cause) => {
                let cause = cause.to_string();
                (Comparing::Failed(leaving::cleaned(&cause)), Err(CommandError::Failed(cause)))
            }
        };
        hub.publish(&Event::Comparing(event));
        // The requester may have timed out.
        let _ = reply.send(answer);
    })
}
