//! The state and the settings over HTTP, equivalent to MQTT.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::site::Site;
use crate::bus::commands::{Answer, Command};
use crate::domain::settings::PrecisionChoice;
use crate::models::catalog;
use crate::payload::health_json;

type Answered = Result<Json<Value>, Problem>;

pub(super) async fn state(State(site): State<Arc<Site>>) -> Json<Value> {
    let mut state = site.parts.view.state();
    state["health"] = health_json(&site.parts.look());
    Json(state)
}

pub(super) async fn info(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(Value::clone(&site.parts.view.info()))
}

pub(super) async fn timeline(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(site.parts.view.timeline())
}

pub(super) async fn config(State(site): State<Arc<Site>>) -> Json<Value> {
    let info = site.parts.view.info();
    Json(json!({
        "config": info["config"],
        "error": info["config_error"],
        "restart_required": info["restart_required"],
    }))
}

/// The models whose file is there, with what the catalogue says of them.
pub(super) async fn models(State(site): State<Arc<Site>>) -> Json<Value> {
    let info = site.parts.view.info();
    let active = site.parts.view.settings().map(|settings| settings.model);
    let names = info["available_models"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let models = names.map(|name| {
        let entry = catalog::find(name);
        json!({
            "name": name,
            "active": active.as_deref() == Some(name),
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
    body: Result<Json<ModelChoice>, JsonRejection>,
) -> Answered {
    let Json(ModelChoice { name, precision }) = body.map_err(not_meant)?;
    for command in [name.map(Command::Model), precision.map(Command::Precision)].into_iter().flatten() {
        done(site.parts.commands.ask(command).await)?;
    }
    settings(&site)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    enabled: Option<bool>,
    threshold: Option<f32>,
    accurate: Option<bool>,
}

pub(super) async fn set(State(site): State<Arc<Site>>, body: Result<Json<Changes>, JsonRejection>) -> Answered {
    let Json(Changes { enabled, threshold, accurate }) = body.map_err(not_meant)?;
    if threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "`threshold` must be from 0 to 1"));
    }
    let commands = [threshold.map(Command::Threshold), accurate.map(Command::Accurate), enabled.map(Command::Enable)];
    for command in commands.into_iter().flatten() {
        done(site.parts.commands.ask(command).await)?;
    }
    settings(&site)
}

fn settings(site: &Site) -> Answered {
    match &site.parts.view.state()["settings"] {
        Value::Null => Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, 1, "the daemon is starting")),
        settings => Ok(Json(settings.clone())),
    }
}

pub(super) async fn reload(State(site): State<Arc<Site>>) -> Answered {
    done(site.parts.commands.ask(Command::Reload).await).map(Json)
}

/// The accurate model may have to rest first.
pub(super) async fn second_opinion(State(site): State<Arc<Site>>) -> Answered {
    done(site.parts.commands.ask(Command::SecondOpinion).await).map(Json)
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
                    comparison.error = Some(cause);
                });
            }
        });
    }
    (StatusCode::ACCEPTED, Json(site.parts.view.comparison().json()))
}

fn done(answer: Answer) -> Result<Value, Problem> {
    answer.map_err(|cause| Problem::new(StatusCode::CONFLICT, cause))
}

fn not_meant(rejection: JsonRejection) -> Problem {
    Problem::new(rejection.status(), rejection.body_text())
}
