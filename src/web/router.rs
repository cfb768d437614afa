//! The routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::openapi::{Documented, Operation};
use super::operations::{change, frame, labels_a_picture, mjpeg, second_opinion, set, set_model};
use super::problem::Problem;
use super::schemas::named;
use super::site::Site;
use super::{
    api, assets, body, cameras, classify, editing, events, exposition, fetching, guard, login, manual, probes, setup,
    setup_routes, socket, stream, teaching_routes,
};
use glimpsed_base::budget;

/// Deadline for the response to begin. Loading and swapping a large model takes up to a minute on a small board.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);

/// Everything that is served.
pub(super) fn router(site: Arc<Site>) -> Router {
    let upload = DefaultBodyLimit::max(site.settings.max_upload + classify::MULTIPART_BYTES);
    documented(Documented::new(), upload)
        .router()
        .route("/", get(assets::page))
        .route("/login", get(assets::login).post(login::login))
        .route("/logout", post(login::logout))
        .route("/setup", post(setup::set_up_here))
        .route("/docs", get(manual::without_slash))
        .route("/docs/", get(manual::first_page))
        .route("/docs/{*name}", get(manual::file))
        .route("/assets/{name}", get(assets::asset))
        .route("/assets/{hash}/{name}", get(assets::hashed_asset))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
        .layer(middleware::from_fn(body::in_time))
        .layer(middleware::from_fn(in_time))
        .layer(DefaultBodyLimit::max(budget::JSON_BODY))
        .layer(middleware::from_fn_with_state(site.clone(), guard::guard))
        .with_state(site)
}

/// The routes that the OpenAPI document describes.
fn documented(routes: Documented, upload: DefaultBodyLimit) -> Documented {
    let routes = [
        reading,
        setting,
        comparing,
        watching,
        viewing,
        probing,
        cameras::routes,
        editing::routes,
        fetching::routes,
        setup_routes::routes,
    ]
    .into_iter()
    .fold(routes, |routes, area| area(routes));
    let routes = labelling_for_a_view(labelling(teaching_routes::routes(routes, upload), upload), upload);
    // Made when somebody asks: few do, and the memory is better left to others.
    let read = async move || {
        let describe = move || documented(Documented::describing(), upload).finish();
        let text = spawn_blocking(describe)
            .await
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        Ok::<_, Problem>(([(header::CONTENT_TYPE, "application/json")], text))
    };
    routes.get(
        "/api/v1/openapi.json",
        get(read),
        Operation::json("openapi", "This document.", json!({ "type": "object" })),
    )
}

/// How everything is.
fn reading(routes: Documented) -> Documented {
    routes
        .get("/api/v1/state", get(api::state), Operation::json("state", "How everything is now.", named("State")))
        .get("/api/v1/info", get(api::info), Operation::json("info", "What this device is.", named("InfoPayload")))
        .get(
            "/api/v1/config",
            get(api::config),
            Operation::json("config", "The configuration in effect, without secrets.", named("Configuration")),
        )
        .get(
            "/api/v1/models",
            get(api::models),
            Operation::json("models", "The models that can label, and those that can be downloaded.", named("Models")),
        )
        .get(
            "/api/v1/timeline",
            get(api::timeline),
            Operation::json("timeline", "The labels that held last, oldest first.", named("Timeline")),
        )
        .get("/api/v1/day", get(api::day), Operation::json("day", "What was seen today.", day()))
        .get("/api/v1/days", get(api::earlier_days), Operation::json("days", EARLIER_DAYS, earlier_days()))
}

/// Settings, and commands to the daemon.
fn setting(routes: Documented) -> Documented {
    routes
        .post("/api/v1/model", post(api::set_model), set_model("setModel"))
        .post("/api/v1/settings", post(api::set), set("set"))
        .post(
            "/api/v1/reload",
            post(api::reload),
            Operation::json("reload", "Reads the configuration again.", named("Reloaded"))
                .refusing(&[(409, "The configuration cannot work; the last one stays in effect.")]),
        )
        .post(
            "/api/v1/restart",
            post(api::restart),
            Operation::of(
                "restart",
                "Ends the daemon and starts it again.",
                (202, "application/json", json!({ "type": "object" })),
            )
            .refusing(&[(409, "The daemon would not start again, with the files as they are; it goes on.")]),
        )
}

/// The models side by side.
fn comparing(routes: Documented) -> Documented {
    routes
        .get(
            "/api/v1/compare",
            get(api::comparison),
            Operation::json("comparison", "The models side by side, as measured last.", named("Comparison")),
        )
        .post(
            "/api/v1/compare",
            post(api::compare),
            Operation::of(
                "compare",
                "Measures the models on this device; the events tell how it goes.",
                (202, "application/json", named("Comparison")),
            ),
        )
}

/// The live picture, and what happens.
fn watching(routes: Documented) -> Documented {
    routes
        .get(
            "/api/v1/frame.jpeg",
            get(stream::snapshot),
            frame("frame"),
        )
        .get(
            "/api/v1/stream.mjpeg",
            get(stream::stream),
            mjpeg("stream"),
        )
        .get(
            "/api/v1/events",
            get(events::events),
            Operation::of(
                "events",
                "How everything is, and then what happens: server-sent events.",
                (200, "text/event-stream", plain()),
            )
            .with_parameter(json!({
                "name": "view", "in": "query", "schema": { "type": "string", "maxLength": 64 },
                "description": "Name of the view whose events are wanted, with those of its camera and of the device.",
            }))
            .with_parameter(json!({
                "name": "whole", "in": "query", "schema": { "type": "boolean", "default": false },
                "description": "Whether the data say which view and camera they are about, as `LiveEvent` does.",
            }))
            .refusing(&[
                (400, "`whole` is neither true nor false."),
                (404, "There is no view of this name."),
                (503, "Too many listen already."),
            ]),
        )
        .get(
            "/api/v1/live",
            get(socket::live),
            Operation::of(
                "live",
                "A WebSocket: the events as text, and pictures as binary messages while the client has credit; see docs/http.md.",
                (101, "application/json", json!({ "anyOf": [named("LiveEvent"), named("LiveRequest")] })),
            )
            .with_parameter(json!({
                "name": "picture", "in": "query", "schema": { "type": "integer", "minimum": 0, "maximum": u32::MAX },
                "description": "The width of a first picture, which comes without being asked for again.",
            }))
            .refusing(&[(400, "It is no upgrade to a WebSocket, or `picture` is no width."), (503, "Too many pages are open.")]),
        )
}

/// Each view and each camera, where there are several. The addresses without a name mean the first view.
fn viewing(routes: Documented) -> Documented {
    routes
        .get(
            "/api/v1/views",
            get(api::views),
            Operation::json("views", "The views, with what can be set of each.", named("Views")),
        )
        .get("/api/v1/cameras", get(api::cameras), Operation::json("cameras", "The cameras.", named("Cameras")))
        .get(
            "/api/v1/views/{view}/state",
            get(api::state),
            Operation::json("viewState", "How a view and its camera are now.", named("State")).of_view(),
        )
        .get(
            "/api/v1/views/{view}/timeline",
            get(api::timeline),
            Operation::json("viewTimeline", "The labels that held last in a view, oldest first.", named("Timeline"))
                .of_view(),
        )
        .get(
            "/api/v1/views/{view}/day",
            get(api::day),
            Operation::json("viewDay", "What a view has shown today.", day()).of_view(),
        )
        .get(
            "/api/v1/views/{view}/days",
            get(api::earlier_days),
            Operation::json("viewDays", EARLIER_DAYS, earlier_days()).of_view(),
        )
        .get("/api/v1/views/{view}/change.jpeg", get(stream::change), change("viewChange").of_view())
        .post("/api/v1/views/{view}/model", post(api::set_model), set_model("setViewModel").of_view())
        .post("/api/v1/views/{view}/settings", post(api::set), set("setView").of_view())
        .post("/api/v1/views/{view}/accurate", post(api::second_opinion), second_opinion("viewSecondOpinion").of_view())
        .get("/api/v1/cameras/{camera}/frame.jpeg", get(stream::snapshot), frame("cameraFrame").of_camera())
        .get("/api/v1/cameras/{camera}/snapshot", get(stream::snapshot), frame("cameraSnapshot").of_camera())
        .get("/api/v1/cameras/{camera}/stream.mjpeg", get(stream::stream), mjpeg("cameraStream").of_camera())
}

/// For programs that look after the daemon.
fn probing(routes: Documented) -> Documented {
    routes
        .get(
            "/metrics",
            get(probes::metrics),
            Operation::of("metrics", "Metrics in Prometheus's text format.", (200, exposition::CONTENT_TYPE, plain())),
        )
        .get(
            "/livez",
            get(probes::livez),
            Operation::of(
                "livez",
                "Whether the daemon's threads keep their word; needs no token.",
                (200, "text/plain", plain()),
            )
            .refusing(&[(503, "A thread does not return.")]),
        )
        .get(
            "/readyz",
            get(probes::readyz),
            Operation::json(
                "readyz",
                "Whether labels are fresh, or what is waited for is known; needs no token.",
                named("Readiness"),
            )
            .refusing(&[(503, "Labels are not fresh.")]),
        )
}

/// Pictures of a client, and a frame for the accurate model.
fn labelling(routes: Documented, upload: DefaultBodyLimit) -> Documented {
    routes
        .post(
            "/api/v1/classify",
            post(classify::classify).layer(upload),
            labels_a_picture(
                "classify",
                "Labels a JPEG, PNG or WebP picture, as a whole, with the model of the first view.",
            ),
        )
        .post("/api/v1/accurate", post(api::second_opinion), second_opinion("secondOpinion"))
}

fn labelling_for_a_view(routes: Documented, upload: DefaultBodyLimit) -> Documented {
    routes.post(
        "/api/v1/views/{view}/classify",
        post(classify::classify).layer(upload),
        labels_a_picture(
            "viewClassify",
            "Labels what the view would see of a JPEG, PNG or WebP picture: its region alone.",
        )
        .of_view(),
    )
}

/// `null` before anything is known.
fn day() -> Value {
    json!({ "anyOf": [named("DayPayload"), { "type": "null" }] })
}

const EARLIER_DAYS: &str = "What was seen on the days before, newest first, since the daemon started.";

fn earlier_days() -> Value {
    json!({ "type": "array", "items": named("DayPayload"), "maxItems": 14 })
}

fn plain() -> Value {
    json!({ "type": "string" })
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "it took too long").into_response(),
    }
}
