//! Probes for supervisors, and the metrics for Prometheus.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::exposition::CONTENT_TYPE;
use super::metrics::{Look, ViewLook};
use super::problem::Problem;
use super::process::Process;
use super::site::{Parts, Site};
use glimpsed_core::domain::camera::CameraState;
use glimpsed_core::domain::health::Pace;
use glimpsed_core::domain::layout::ViewEntry;

/// The addresses that a supervisor asks; places for connections are reserved for them.
pub(super) const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Whether no thread is overdue, as the service manager's watchdog sees it.
pub(super) async fn livez(State(site): State<Arc<Site>>) -> Result<&'static str, Problem> {
    let now = site.clock.now();
    match site.parts.threads.are_late(now) {
        true => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "a thread does not return")),
        false => Ok("ok\n"),
    }
}

/// The daemon is ready if its labels are fresh, or if it knows what it waits for.
pub(super) async fn readyz(State(site): State<Arc<Site>>) -> Response {
    let (ready, state) = readiness(&site);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "state": state }))).into_response()
}

/// Of several views, the first that is not ready counts.
fn readiness(site: &Site) -> (bool, &'static str) {
    let layout = site.parts.view.layout();
    let of_views: Vec<_> = layout.views.iter().map(|view| readiness_of(site, view)).collect();
    let not_ready = of_views.iter().find(|(ready, _)| !ready);
    *not_ready.or(of_views.first()).unwrap_or(&(false, "starting"))
}

fn readiness_of(site: &Site, view: &ViewEntry) -> (bool, &'static str) {
    let live = &site.parts.view;
    // A view may label seldom, or wait for its turn: whether frames are missing is the inference thread's to say, while it is there.
    let fresh = live.is_fresh(&view.name) && !site.parts.threads.are_late(site.clock.now());
    let is_enabled = live.settings(&view.name).is_none_or(|settings| settings.enabled);
    match live.camera(&view.camera).map(|camera| camera.state) {
        _ if !live.has_model() => (false, "the model cannot be loaded"),
        Some(CameraState::Disabled) => (true, "camera switched off"),
        Some(CameraState::Offline) => (true, "waiting for the camera"),
        Some(CameraState::Online) if !is_enabled => (true, "view switched off"),
        _ if fresh => (true, "labelling"),
        _ if site.parts.look().pace == Pace::None => (true, "too warm, waiting until it is cooler"),
        Some(CameraState::Online) => (false, "no fresh labels"),
        None => (false, "starting"),
    }
}

/// A view that is switched off has no frames whose age says anything.
fn look_at(parts: &Parts, view: &ViewEntry) -> ViewLook {
    let live = &parts.view;
    let settings = live.settings(&view.name);
    let is_enabled = settings.as_ref().is_none_or(|settings| settings.enabled);
    ViewLook {
        view: view.name.clone(),
        camera: view.camera.clone(),
        frame_age: live.frame_age(&view.name).filter(|_| is_enabled).map(|age| age.as_secs_f64()),
        interval: settings.and_then(|settings| settings.max_fps).map_or(0.0, |max_fps| 1.0 / max_fps),
        missed: parts.monitor.lock().labelled.missed(&view.name),
    }
}

pub(super) async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let uploads = site.parts.uploads.counters();
    let look = Look {
        uploads: (uploads.hits.load(Ordering::Relaxed), uploads.misses.load(Ordering::Relaxed)),
        health: site.parts.look(),
        views: site.parts.view.layout().views.iter().map(|view| look_at(&site.parts, view)).collect(),
        cameras: site.parts.cameras.cameras().iter().map(|camera| (camera.name.clone(), camera.totals())).collect(),
        streams: 4 * site.settings.max_clients
            - [&site.streams, &site.events, &site.pages].map(|places| places.available_permits()).iter().sum::<usize>(),
        pictures: site.pictures.made(),
        process: Process::look(Some(site.parts.started)),
    };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], site.parts.metrics.page(&look)).into_response()
}
