//! The set-up: tries what somebody has chosen, and writes it into the configuration file.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use glimpsed_base::leaving;
use glimpsed_base::secret::Secret;
use glimpsed_core::bus::commands::Command;
use glimpsed_core::capture::first_frame;
use glimpsed_core::capture::source::CaptureError;
use glimpsed_core::config::Config;
use glimpsed_core::config::edit::{self, EditError};
use glimpsed_core::directories::{self, NotKept};
use glimpsed_core::domain::file_edit::FileEdit;
use glimpsed_core::domain::frame::Frame;
use glimpsed_core::domain::framing::{Framing, Region};
use glimpsed_core::domain::setup::{CameraChoice, PROPOSAL, PageChoice, ServerChoice, Setup, listening};
use glimpsed_core::models::catalog;
use glimpsed_core::payload::picture;
use glimpsed_core::preprocess::encode::PictureError;
use glimpsed_core::sinks::mqtt::diagnose;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::api;
use super::guard::Peer;
use super::login;
use super::problem::Problem;
use super::session::{Door, SESSION};
use super::setup_secrets::Kept;
use super::site::Site;

/// A network camera may have to be woken, and a driver to be loaded.
const FRAME_WITHIN: Duration = Duration::from_secs(15);

/// Beyond it a driver hangs.
const TRY_WITHIN: Duration = Duration::from_secs(30);

/// The longer side of the picture of a camera that is tried, in pixels.
const SIDE: usize = 320;

/// The client that may set the device up. With a token the guard has looked at it; without one, it is somebody whom the proxy of `ingress` has
/// checked, or somebody at this machine, and not somebody whom another proxy on it lets through.
pub(super) struct Owner;

impl FromRequestParts<Arc<Site>> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>();
        let is_here = peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback());
        let is_checked = site.door.is_some() || peer.is_some_and(|peer| peer.is_ingress(site));
        let is_proxied = ["forwarded", "x-forwarded-for", "via"].iter().any(|name| parts.headers.contains_key(*name));
        match is_checked || (is_here && !is_proxied) {
            true => Ok(Self),
            false => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "without a token the device is set up from this machine alone; `glimpsed setup` prints a link for others",
            )),
        }
    }
}

/// What the page sends. What is left out was skipped.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    #[serde(default)]
    camera: Option<GivenCamera>,
    #[serde(default)]
    teach: bool,
    #[serde(default)]
    broker: Option<GivenServer>,
    #[serde(default)]
    others: Option<bool>,
    #[serde(default)]
    save: bool,
}

#[derive(Deserialize)]
#[serde(tag = "source", rename_all = "lowercase")]
enum GivenCamera {
    V4l2 { device: PathBuf },
    Http(GivenServer),
    Rtsp(GivenServer),
    Examples,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenServer {
    url: String,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

type Body = Result<Json<Given>, JsonRejection>;

/// What is chosen, with its secrets. They are in temporary files until they are kept.
struct Chosen {
    setup: Setup,
    secrets: Vec<Kept>,
}

pub(super) async fn state(State(site): State<Arc<Site>>, _: Owner) -> Json<Value> {
    let http = &site.settings;
    let file = Some(&site.parts.file).filter(|file| file.is_file());
    Json(json!({
        "file": file,
        "named": site.parts.view.layout().cameras.iter().any(|camera| camera.given().is_some()),
        "examples": catalog::photographs().is_dir(),
        "listen": http.listen,
        "others": !http.listen.ip().is_loopback(),
        "token": http.token.is_some(),
    }))
}

/// Says what would be written, or writes it.
pub(super) async fn set_up(State(site): State<Arc<Site>>, _: Owner, body: Body) -> Result<Json<Value>, Problem> {
    Ok(Json(done(&site, body).await?.0))
}

/// As [`set_up`], for the page: the browser that makes the token has a session from now on, so that it does not have to be typed first of all. The
/// cookie is for the directory of this address, which is the page's.
pub(super) async fn set_up_here(
    State(site): State<Arc<Site>>,
    _: Owner,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (answer, token) = done(&site, body).await?;
    let cookie = token.map(|token| {
        let session = Door::new(&token).session(site.clock.wall());
        login::set_cookie(&session, SESSION.as_secs(), login::is_secure(&headers))
    });
    Ok((cookie.unwrap_or_default(), Json(answer)).into_response())
}

/// The answer, and the token that was made.
async fn done(site: &Site, body: Body) -> Result<(Value, Option<Secret>), Problem> {
    let Json(given) = body?;
    let save = given.save;
    let Chosen { setup, secrets } = chosen(site, given)?;
    // Where the secrets are tried, and where they will be.
    let places: Vec<(String, String)> = secrets.iter().map(|secret| places(secret, &site.parts.file)).collect();
    let mut answer = ask(site, setup.clone(), false).await?;
    let lines = answer["lines"].as_str().unwrap_or_default();
    let lines = places.iter().fold(lines.to_owned(), |lines, (tried, kept)| lines.replace(tried, kept));
    answer["lines"] = lines.into();
    answer["token"] = Value::Null;
    answer["waits"] = false.into();
    if !save {
        return Ok((answer, None));
    }
    let made = |file: &Path| secrets.iter().find(|secret| secret.tried() == file).map(|secret| secret.secret().clone());
    let made = setup.page.as_ref().and_then(|page| made(page.token_file.as_deref()?));
    let file = site.parts.file.clone();
    let kept = spawn_blocking(move || keep(setup, &secrets, &file)).await;
    let kept = kept.map_err(|error| conflict(&error))?.map_err(|cause| conflict(&cause))?;
    let written = ask(site, kept.clone(), true).await?;
    (answer["saved"], answer["reason"]) = (written["saved"].clone(), written["reason"].clone());
    if written["saved"] != true {
        let file = site.parts.file.clone();
        answer["waits"] = spawn_blocking(move || propose(&file, &kept)).await.unwrap_or(false).into();
    }
    if let Some(token) = &made {
        answer["token"] = token.reveal().into();
    }
    Ok((answer, made))
}

/// A picture of the camera that is chosen.
pub(super) async fn try_camera(State(site): State<Arc<Site>>, _: Owner, body: Body) -> Result<Response, Problem> {
    let Json(given) = body?;
    if given.camera.is_none() {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "`camera` says which one"));
    }
    let permit = turn(&site)?;
    if let Some(GivenCamera::V4l2 { device }) = &given.camera
        && is_open_here(device)
    {
        return own_picture(&site).await;
    }
    let chosen = chosen(&site, Given { broker: None, others: None, teach: false, ..given })?;
    let config = planned(&site, chosen).await?;
    let (answer, answered) = oneshot::channel();
    // A thread of its own, because a driver can hang; the permit goes with it, so that there is one at most.
    let spawned = std::thread::Builder::new().name("try-camera".into()).spawn(move || {
        let permit: OwnedSemaphorePermit = permit;
        let seen = look(&config);
        // Before the answer, upon which the next try may come at once.
        drop(permit);
        let _ = answer.send(seen);
    });
    spawned.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    match timeout(TRY_WITHIN, answered).await {
        Ok(Ok(Ok(jpeg))) => Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response()),
        Ok(Ok(Err(cause))) => Err(conflict(&cause)),
        Ok(Err(_)) | Err(_) => Err(Problem::new(StatusCode::CONFLICT, "the camera's driver does not answer")),
    }
}

/// Whether this process looks through it: then nobody can open it a second time.
fn is_open_here(device: &Path) -> bool {
    let Ok(device) = device.canonicalize() else { return false };
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    { open }.any(|file| std::fs::read_link(file.path()).is_ok_and(|open| open == device))
}

/// The next picture of the camera that is in use. There is one: cameras with names are not set up here.
async fn own_picture(site: &Site) -> Result<Response, Problem> {
    let silent = || Problem::new(StatusCode::CONFLICT, "the camera is in use here, and sends no pictures now");
    let camera = site.parts.cameras.cameras().into_iter().next().ok_or_else(silent)?;
    let frame = timeout(FRAME_WITHIN, camera.preview.next_frame()).await.map_err(|_| silent())?;
    let whole = Framing { rotation: frame.rotation, region: Region::default() };
    let drawn = picture::in_turn(move || picture::of_view(frame.encoding, &frame.bytes, whole, SIDE)).await;
    let jpeg = drawn.map_err(|error| conflict(&error))?.map_err(|cause| conflict(&cause))?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

/// The steps of `glimpsed mqtt test`, to the broker that is chosen or else to the one that is configured.
pub(super) async fn try_broker(State(site): State<Arc<Site>>, _: Owner, body: Body) -> Result<Json<Value>, Problem> {
    let Json(given) = body?;
    let _permit = turn(&site)?;
    let chosen = chosen(&site, Given { camera: None, others: None, teach: false, ..given })?;
    let config = planned(&site, chosen).await?;
    let Some(mqtt) = &config.mqtt else {
        return Err(Problem::new(StatusCode::CONFLICT, "no broker is configured"));
    };
    let report = diagnose::test(&config, mqtt).await;
    let steps =
        report.steps.iter().map(|step| json!({ "step": step.step, "ok": step.ok, "says": leaving::clean(&step.says) }));
    Ok(Json(json!({ "ok": report.is_ok(), "reachable": report.reachable, "steps": steps.collect::<Value>() })))
}

/// One thing is tried at a time.
fn turn(site: &Site) -> Result<OwnedSemaphorePermit, Problem> {
    let detail = "something is being tried already; a moment";
    site.trying.clone().try_acquire_owned().map_err(|_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 2, detail))
}

fn chosen(site: &Site, given: Given) -> Result<Chosen, Problem> {
    let mut secrets = Vec::new();
    let mut server = |kind, given: GivenServer| {
        let username = given.username.filter(|name| !name.is_empty());
        let password = given.password.filter(|password| !password.is_empty() && username.is_some());
        let mut password_file = None;
        if let Some(password) = password {
            let kept = Kept::new(kind, &password)?;
            password_file = Some(kept.tried().to_owned());
            secrets.push(kept);
        }
        Ok::<_, Problem>(ServerChoice { url: given.url, username, password_file })
    };
    let broker = given.broker.map(|broker| server("mqtt-password", broker)).transpose()?;
    let camera = match given.camera {
        None => None,
        Some(GivenCamera::V4l2 { device }) => Some(CameraChoice::V4l2 { device: of_devices(device)? }),
        Some(GivenCamera::Http(camera)) => Some(CameraChoice::Http(server("camera-password", camera)?)),
        Some(GivenCamera::Rtsp(camera)) => Some(CameraChoice::Rtsp(server("camera-password", camera)?)),
        Some(GivenCamera::Examples) => Some(CameraChoice::Replay { path: catalog::photographs() }),
    };
    let page = match given.others {
        None => None,
        Some(others) => {
            let token_file = if others && site.settings.token.is_none() {
                let token = Kept::token()?;
                let file = token.tried().to_owned();
                secrets.push(token);
                Some(file)
            } else {
                None
            };
            Some(PageChoice { listen: listening(site.settings.listen, others), token_file })
        }
    };
    let teach = given.teach.then(taught);
    Ok(Chosen { setup: Setup { camera, teach, broker, page }, secrets })
}

/// Only what lies there is a camera.
fn of_devices(device: PathBuf) -> Result<PathBuf, Problem> {
    let is_one = device.starts_with("/dev") && device.components().all(|part| part.as_os_str() != "..");
    is_one
        .then_some(device)
        .ok_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a camera's device is below /dev"))
}

fn taught() -> PathBuf {
    let directory = directories::state().into_iter().find(|directory| can_be_written(directory));
    directory.unwrap_or_else(|| PathBuf::from(".")).join("teach")
}

/// It, or what it would be made in.
fn can_be_written(directory: &Path) -> bool {
    let there = directory.ancestors().find(|ancestor| ancestor.exists());
    there.is_some_and(|there| rustix::fs::access(there, rustix::fs::Access::WRITE_OK).is_ok())
}

fn places(secret: &Kept, config: &Path) -> (String, String) {
    let directory = directories::state().into_iter().find(|directory| can_be_written(directory)).unwrap_or_default();
    (secret.tried().display().to_string(), directory.join(secret.name(config)).display().to_string())
}

/// The choices, with the secrets in the files that are kept.
fn keep(mut setup: Setup, secrets: &[Kept], config: &Path) -> Result<Setup, NotKept> {
    let camera = match &mut setup.camera {
        Some(CameraChoice::Http(camera) | CameraChoice::Rtsp(camera)) => Some(&mut camera.password_file),
        _ => None,
    };
    let broker = setup.broker.as_mut().map(|broker| &mut broker.password_file);
    let page = setup.page.as_mut().map(|page| &mut page.token_file);
    for file in [camera, broker, page].into_iter().flatten().flatten() {
        if let Some(secret) = secrets.iter().find(|secret| secret.tried() == file) {
            *file = secret.keep(config)?;
        }
    }
    Ok(setup)
}

/// For a file that the daemon may not write: who runs `glimpsed setup` writes it.
fn propose(config: &Path, setup: &Setup) -> bool {
    let Ok(text) = serde_json::to_vec(setup) else { return false };
    directories::keep_state(&directories::name_for(config, PROPOSAL, "json"), &text, 0o600).is_ok()
}

async fn ask(site: &Site, setup: Setup, save: bool) -> Result<Value, Problem> {
    let edit = FileEdit::Setup(Box::new(setup));
    api::done(site.parts.commands.ask(Command::Edit { edit, save }).await)
}

/// The configuration as it would be.
async fn planned(site: &Site, chosen: Chosen) -> Result<Config, Problem> {
    let file = site.parts.file.clone();
    let evaluated = spawn_blocking(move || {
        let planned = edit::planned(&file, &FileEdit::Setup(Box::new(chosen.setup)));
        // They are read by now.
        drop(chosen.secrets);
        planned.map(|planned| planned.config)
    });
    evaluated.await.unwrap_or(Err(EditError::Panicked)).map_err(|cause| conflict(&cause))
}

fn conflict(cause: &dyn Display) -> Problem {
    Problem::new(StatusCode::CONFLICT, cause.to_string())
}

/// Why a camera that was chosen shows no picture.
#[derive(Debug, thiserror::Error)]
enum NoPicture {
    #[error(transparent)]
    Camera(#[from] CaptureError),
    #[error(transparent)]
    Picture(#[from] PictureError),
}

fn look(config: &Config) -> Result<Vec<u8>, NoPicture> {
    let camera = &config.cameras[0];
    let Frame { encoding, bytes, .. } = first_frame(camera, FRAME_WITHIN)?;
    let whole = Framing { rotation: camera.rotation, region: Region::default() };
    Ok(picture::of_view(encoding, &bytes, whole, SIDE)?)
}
