//! Probes for supervisors, and the metrics for Prometheus.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::exposition::CONTENT_TYPE;
use super::metrics::Look;
use super::problem::Problem;
use super::process::Process;
use super::site::Site;
use crate::domain::camera::CameraState;
use crate::domain::health::Pace;

/// The addresses that a supervisor asks; places for connections are reserved for them.
pub(super) const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Whether each thread keeps its word; as the service manager's watchdog sees it.
pub(super) async fn livez(State(site): State<Arc<Site>>) -> Result<&'static str, Problem> {
    let now = site.clock.now();
    match site.parts.liveness_of_threads.iter().any(|liveness| liveness.is_overdue(now)) {
        true => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "a thread does not return")),
        false => Ok("ok\n"),
    }
}

/// Ready is who has fresh labels, or knows what there is to wait for.
pub(super) async fn readyz(State(site): State<Arc<Site>>) -> Response {
    let fresh = site.parts.view.frame_age().is_some_and(|age| age < site.stale_after);
    let (ready, state) = match site.parts.view.camera().map(|camera| camera.state) {
        _ if !site.parts.view.has_model() => (false, "the model cannot be loaded"),
        Some(CameraState::Disabled) => (true, "camera switched off"),
        Some(CameraState::Offline) => (true, "waiting for the camera"),
        _ if fresh => (true, "labelling"),
        _ if site.parts.look().pace == Pace::None => (true, "too warm, waiting until it is cooler"),
        Some(CameraState::Online) => (false, "no fresh labels"),
        None => (false, "starting"),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "state": state }))).into_response()
}

pub(super) async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let limit = 2 * site.settings.max_clients;
    let uploads = site.parts.uploads.counters();
    let look = Look {
        uploads: (uploads.hits.load(Ordering::Relaxed), uploads.misses.load(Ordering::Relaxed)),
        health: site.parts.look(),
        frame_age: site.parts.view.frame_age().map(|age| age.as_secs_f64()),
        streams: limit - site.streams.available_permits() - site.events.available_permits(),
        process: Process::look(Some(site.parts.started)),
    };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], site.parts.metrics.page(&look)).into_response()
}
