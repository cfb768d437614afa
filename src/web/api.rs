//! The state and the settings over HTTP, equivalent to MQTT.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::named::OfView;
use super::problem::Problem;
use super::site::Site;
use glimpsed_core::bus::commands::{Answer, Command, CommandError, ViewCommand};
use glimpsed_core::domain::name::Name;
use glimpsed_core::domain::settings::PrecisionChoice;
use glimpsed_core::models::catalog;
use glimpsed_core::payload::{RegionPayload, camera_status_json, health_json};

type Answered = Result<Json<Value>, Problem>;

pub(super) async fn state(State(site): State<Arc<Site>>, OfView(view): OfView) -> Json<Value> {
    let mut state = site.parts.view.state(&view.name);
    state["health"] = health_json(&site.parts.look());
    Json(state)
}

pub(super) async fn info(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(Value::clone(&site.parts.view.info()))
}

pub(super) async fn timeline(State(site): State<Arc<Site>>, OfView(view): OfView) -> Json<Value> {
    Json(site.parts.view.timeline(&view.name))
}

pub(super) async fn earlier_days(State(site): State<Arc<Site>>, OfView(view): OfView) -> Json<Value> {
    Json(site.parts.view.earlier_days(&view.name))
}

pub(super) async fn day(State(site): State<Arc<Site>>, OfView(view): OfView) -> Json<Value> {
    Json(site.parts.view.day(&view.name))
}

pub(super) async fn config(State(site): State<Arc<Site>>) -> Json<Value> {
    let info = site.parts.view.info();
    Json(json!({
        "config": info["config"],
        "error": info["config_error"],
        "restart_required": info["restart_required"],
    }))
}

/// The views with what can be set of each, and the label that holds.
pub(super) async fn views(State(site): State<Arc<Site>>) -> Json<Value> {
    let layout = site.parts.view.layout();
    let views = layout.views.iter().map(|view| {
        let now = site.parts.view.state(&view.name);
        json!({
            "name": view.name.as_str(),
            "title": view.title,
            "camera": view.camera.as_str(),
            "region": RegionPayload::from(view.region),
            "settings": now["settings"],
            "state": now["state"],
        })
    });
    Json(views.collect())
}

/// The cameras with the names of their views.
pub(super) async fn cameras(State(site): State<Arc<Site>>) -> Json<Value> {
    let layout = site.parts.view.layout();
    let cameras = layout.cameras.iter().map(|camera| {
        let status = camera_status_json(site.parts.view.camera(camera).as_ref());
        let views: Vec<&str> = layout.views_of(camera).map(|view| view.name.as_str()).collect();
        json!({ "name": camera.as_str(), "status": status, "views": views })
    });
    Json(cameras.collect())
}

/// The models that can label, and those of the catalogue that are not here.
pub(super) async fn models(State(site): State<Arc<Site>>, OfView(view): OfView) -> Json<Value> {
    let info = site.parts.view.info();
    let active = site.parts.view.settings(&view.name).map(|settings| settings.model);
    let here: Vec<&str> = info["available_models"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let missing = catalog::all().iter().map(|entry| entry.name.as_str()).filter(|name| !here.contains(name));
    let models = here.iter().copied().chain(missing).map(|name| {
        let entry = catalog::find(name);
        json!({
            "name": name,
            "active": active.as_deref() == Some(name),
            "present": here.contains(&name),
            "fetchable": entry.is_some_and(|entry| !entry.bundled() || site.models.mirror.is_some()),
            "bytes": entry.map(|entry| entry.bytes),
            "int8": entry.and_then(|entry| entry.int8.as_ref()),
            "description": entry.map(|entry| &entry.description),
            "licence": entry.map(|entry| &entry.licence),
            "published_top1": entry.and_then(|entry| entry.published_top1),
        })
    });
    Json(models.collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelChoice {
    name: Option<String>,
    precision: Option<PrecisionChoice>,
}

pub(super) async fn set_model(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    body: Result<Json<ModelChoice>, JsonRejection>,
) -> Answered {
    let Json(ModelChoice { name, precision }) = body?;
    for command in [name.map(ViewCommand::Model), precision.map(ViewCommand::Precision)].into_iter().flatten() {
        done(site.parts.commands.ask(Command::View(view.name.clone(), command)).await)?;
    }
    settings(&site, &view.name)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsChange {
    enabled: Option<bool>,
    threshold: Option<f32>,
    accurate: Option<bool>,
}

pub(super) async fn set(
    State(site): State<Arc<Site>>,
    OfView(view): OfView,
    body: Result<Json<SettingsChange>, JsonRejection>,
) -> Answered {
    let Json(SettingsChange { enabled, threshold, accurate }) = body?;
    if threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "`threshold` must be from 0 to 1"));
    }
    let (threshold, accurate) = (threshold.map(ViewCommand::Threshold), accurate.map(ViewCommand::Accurate));
    for command in [threshold, accurate, enabled.map(ViewCommand::Enable)].into_iter().flatten() {
        done(site.parts.commands.ask(Command::View(view.name.clone(), command)).await)?;
    }
    settings(&site, &view.name)
}

fn settings(site: &Site, view: &Name) -> Answered {
    match &site.parts.view.state(view)["settings"] {
        Value::Null => Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, 1, "the daemon is starting")),
        settings => Ok(Json(settings.clone())),
    }
}

pub(super) async fn reload(State(site): State<Arc<Site>>) -> Answered {
    done(site.parts.commands.ask(Command::Reload).await).map(Json)
}

/// The accurate model may have to rest first.
pub(super) async fn second_opinion(State(site): State<Arc<Site>>, OfView(view): OfView) -> Answered {
    done(site.parts.commands.ask(Command::View(view.name, ViewCommand::SecondOpinion)).await).map(Json)
}

/// Answered when it is known that the daemon would start again.
pub(super) async fn restart(State(site): State<Arc<Site>>) -> Result<(StatusCode, Json<Value>), Problem> {
    let answer = done(site.parts.commands.ask(Command::Restart).await)?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

pub(super) async fn comparison(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(site.parts.view.comparison().json())
}

/// It takes seconds for each model, so it is only begun here; the events tell the rest. A second one is the same as the
/// first.
pub(super) async fn compare(State(site): State<Arc<Site>>) -> (StatusCode, Json<Value>) {
    let mut begin = false;
    site.parts.view.compare(|comparison| begin = !std::mem::replace(&mut comparison.running, true));
    if begin {
        let (view, commands) = (site.parts.view.clone(), site.parts.commands.clone());
        tokio::spawn(async move {
            // A comparison that has started reports its own end; this handles one that could not start.
            if let Err(cause) = commands.ask(Command::Compare).await {
                view.compare(|comparison| {
                    comparison.running = false;
                    comparison.error = Some(cause.to_string());
                });
            }
        });
    }
    (StatusCode::ACCEPTED, Json(site.parts.view.comparison().json()))
}

pub(super) fn done(answer: Answer) -> Result<Value, Problem> {
    answer.map_err(|error| {
        let status = match &error {
            CommandError::Refused(_) | CommandError::Unavailable(_) => StatusCode::CONFLICT,
            CommandError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, error.to_string())
    })
}
