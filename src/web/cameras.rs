//! The cameras that this device has, each with the lines that choose it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use glimpsed_base::leaving;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::api::done;
use super::named::OfCamera;
use super::openapi::{Documented, Operation};
use super::problem::Problem;
use super::schemas::named;
use super::site::Site;
use glimpsed_core::bus::commands::Command;
use glimpsed_core::capture::discover::{self, CameraInfo};
use glimpsed_core::domain::camera::CameraState;
use glimpsed_core::payload::camera_status_json;

/// A driver can hang in a call that asks what it can do.
const WITHIN: Duration = Duration::from_secs(10);

const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) fn routes(routes: Documented) -> Documented {
    routes
        .get(
            "/api/v1/cameras/found",
            get(cameras),
            Operation::json("camerasFound", "The V4L2 cameras that are here.", named("CamerasFound"))
                .refusing(&[(503, "A driver does not answer, or they are being looked for.")]),
        )
        .post(
            "/api/v1/cameras/{camera}/retry",
            post(retry),
            Operation::json("retryCamera", "Opens a camera now, instead of later.", named("CameraRetried")).of_camera(),
        )
}

/// Answers when the try has ended.
async fn retry(State(site): State<Arc<Site>>, OfCamera { camera, .. }: OfCamera) -> Result<Json<Value>, Problem> {
    let status = || site.parts.view.camera(&camera);
    let failures = || {
        let cameras = site.parts.cameras.cameras();
        cameras.iter().find(|one| one.name == camera).map_or(0, |one| one.totals().reconnects)
    };
    let before = failures();
    let retried = done(site.parts.commands.ask(Command::Retry(camera.clone())).await)?;
    let is_open = || status().is_some_and(|status| status.state == CameraState::Online);
    let _ = timeout(WITHIN, async {
        while retried["retried"] == true && !is_open() && failures() == before {
            sleep(LOOK_EVERY).await;
        }
    })
    .await;
    Ok(Json(json!({ "retried": retried["retried"], "status": camera_status_json(status().as_ref()) })))
}

async fn cameras(State(site): State<Arc<Site>>) -> Result<Json<Value>, Problem> {
    let busy = |detail: &str| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 10, detail);
    let looking = site.looking.clone().try_acquire_owned();
    let permit = looking.map_err(|_| busy("the cameras are being looked for; a driver may not answer"))?;
    let looked = spawn_blocking(move || {
        // Held until the driver returns, so that at most one thread is in it.
        let _permit = permit;
        discover::cameras()
    });
    let found = timeout(WITHIN, looked).await.map_err(|_| busy("a camera's driver does not answer"))?;
    let found = found.map_err(|error| busy(&error.to_string()))?;
    Ok(Json(found.iter().map(described).collect()))
}

fn described(camera: &CameraInfo) -> Value {
    // The name that stays when another camera is plugged in.
    let device = camera.stable_names.first().unwrap_or(&camera.device);
    let quoted = toml::Value::from(device.display().to_string());
    let formats: Vec<&str> = camera.formats.iter().map(|format| format.description.as_str()).collect();
    json!({
        "name": camera.name,
        "device": camera.device,
        "formats": formats,
        "problem": camera.problem.as_deref().map(leaving::clean),
        "choose": device,
        "lines": format!("[camera]\ndevice = {quoted}\n"),
    })
}
