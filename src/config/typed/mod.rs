//! A configuration that cannot be invalid, and the checks that establish that.

mod accurate;
mod broker;
mod camera;
mod gate;
mod http;
mod labels;
mod models;
mod network_camera;
mod teach;
mod thermal;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostics::{Problem, Problems};
use super::document::Document;
use super::identity::{clean_id, default_id, is_id, topic_problem};
use super::interval::Interval;
use super::raw::{self, LevelChoice, LogFormat, Raw, StdoutChoice};
use crate::decide::gate::GateRules;
use crate::decide::rules::LabelRules;
use crate::decide::thermal::Limits;
use crate::domain::settings::PrecisionChoice;
use crate::domain::view::{Region, Rotation};
use crate::models::catalog;
use crate::models::spec::ModelSpec;
pub use accurate::Accurate;
use glimpsed_base::files::resolve;
use glimpsed_base::leaving;
use glimpsed_base::secret::Secret;
use glimpsed_mqtt::Options;
use glimpsed_mqtt::tls::Tls;
use hyper::Uri;
pub use teach::Teach;

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub device: Device,
    pub camera: Camera,
    /// The model that labels the camera's frames.
    pub model: ModelSpec,
    /// Every model with a name: the catalogue's and the file's own.
    pub models: Vec<ModelSpec>,
    /// The directories to search for catalogue models, in order.
    pub model_directories: Vec<PathBuf>,
    /// Whether the active model's fp32 file or its int8 variant is used.
    pub precision: PrecisionChoice,
    pub accurate: Accurate,
    pub labels: LabelRules,
    /// The part of the picture that is classified.
    pub region: Region,
    pub gate: GateRules,
    /// Capacity of the cache of uploads' answers.
    pub cache_entries: usize,
    pub thermal: Limits,
    pub mqtt: Option<Mqtt>,
    /// The discovery prefix, if Home Assistant discovery is enabled.
    pub homeassistant: Option<String>,
    /// `None` if the web server is disabled.
    pub http: Option<Http>,
    /// Whether pictures are published over MQTT.
    pub publish_image: bool,
    /// Whether the web page shows the live picture.
    pub preview: bool,
    pub teach: Teach,
    pub stdout: StdoutChoice,
    pub log: Log,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    pub source: CameraSource,
    /// For the first frame.
    pub start_timeout: Duration,
    pub frame_timeout: Duration,
    /// `None` if a frozen picture is accepted.
    pub frozen_after: Option<Duration>,
    pub reconnect_min: Duration,
    pub reconnect_max: Duration,
    pub rotation: Rotation,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CameraSource {
    V4l2 {
        device: PathBuf,
        width: u32,
        height: u32,
        fps: f64,
        format: raw::FormatChoice,
        controls: BTreeMap<String, raw::ControlValue>,
    },
    Http {
        target: HttpTarget,
        /// Pictures a second that are fetched from an address with a single picture.
        fps: f64,
    },
    Rtsp(RtspTarget),
    /// Program and arguments; not empty.
    Command {
        argv: Vec<String>,
    },
    Replay {
        path: PathBuf,
        fps: f64,
        repeat: bool,
    },
}

/// Where the pictures of an `http` source are.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpTarget {
    /// An absolute address (`http` or `https`) without a login.
    pub address: Uri,
    pub login: Option<Login>,
    /// For `https`: whom to trust.
    pub tls: Option<Tls>,
}

/// Where the stream of an `rtsp` source is, and what is wanted of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RtspTarget {
    /// The program that decodes it.
    pub ffmpeg: PathBuf,
    /// An absolute address (`rtsp` or `rtsps`) without a login.
    pub address: Uri,
    pub login: Option<Login>,
    pub transport: raw::TransportChoice,
    /// The largest width and height, in pixels.
    pub size: (u32, u32),
    pub fps: f64,
}

/// Who logs in at a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    /// The broker's address and the credentials.
    pub connection: Options,
    pub base_topic: String,
    pub buffer: usize,
    pub classification_interval: Duration,
    pub heartbeat: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    pub listen: SocketAddr,
    /// Always present if other machines can connect.
    pub token: Option<Secret>,
    /// In lower case.
    pub hosts: Vec<String>,
    /// In bytes.
    pub max_upload: usize,
    pub max_clients: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub level: LevelChoice,
    pub format: LogFormat,
}

/// Checks everything and reports every problem. An invalid value is replaced by a harmless one, so that the rest can be
/// checked. The result may be used only if no problem was added.
pub fn check(raw: &Raw, document: &Document<'_>, base: &Path, problems: &mut Problems) -> Config {
    let mut checker = Checker { raw, document, base, problems };
    let device = checker.device();
    let configured = raw.model.directory.as_ref().map(|directory| resolve(base, directory));
    let model_directories = catalog::search_path(configured);
    let models = checker.models(&model_directories);
    Config {
        camera: checker.camera(),
        model: checker.active_model(&models),
        accurate: checker.accurate(&models),
        labels: checker.labels(&models),
        region: checker.region(),
        gate: checker.gate(),
        cache_entries: checker.cache_entries(),
        thermal: checker.thermal(),
        mqtt: checker.mqtt(&device.id),
        homeassistant: checker.homeassistant(),
        http: checker.http(),
        preview: raw.privacy.preview,
        publish_image: raw.privacy.publish_image,
        teach: checker.teach(&models),
        stdout: raw.stdout.format,
        log: Log { level: raw.log.level, format: raw.log.format },
        device,
        models,
        model_directories,
        precision: raw.model.precision,
    }
}

struct Checker<'a, 'd> {
    raw: &'a Raw,
    document: &'a Document<'d>,
    base: &'a Path,
    problems: &'a mut Problems,
}

impl Checker<'_, '_> {
    fn complain(&mut self, path: &[&str], wrong: &str, found: impl Into<String>, hint: Option<String>) {
        let problem = self.problem(path, wrong, found, hint);
        self.problems.push(problem);
    }

    fn problem(&self, path: &[&str], wrong: &str, found: impl Into<String>, hint: Option<String>) -> Problem {
        let title = format!("`{}` {wrong}", path.join("."));
        Problem { place: self.document.place(path), title, label: found.into(), hint }
    }

    /// Reports a problem unless `low <= value <= high`; NaN is outside.
    fn within<T: PartialOrd + std::fmt::Display>(&mut self, path: &[&str], value: T, low: T, high: T) {
        if !(value >= low && value <= high) {
            self.complain(path, &format!("must be from {low} to {high}"), format!("found {value}"), None);
        }
    }

    fn interval_within(&mut self, path: &[&str], value: Interval, low: Interval, high: Interval) {
        self.within(path, value, low, high);
    }

    fn not_longer(&mut self, path: &[&str], text: &str, max_bytes: usize) {
        if text.len() > max_bytes {
            self.complain(path, &format!("must have at most {max_bytes} bytes"), format!("found {}", text.len()), None);
        }
    }

    /// A name is shown in one line, on terminals too.
    fn printable(&mut self, path: &[&str], text: &str) {
        if let Some(control) = text.chars().find(|letter| leaving::is_control(*letter)) {
            let found = format!("found U+{:04X}", u32::from(control));
            self.complain(path, "must not hold control characters or line breaks", found, None);
        }
    }

    fn device(&mut self) -> Device {
        let id = self.raw.device.id.clone().unwrap_or_else(default_id);
        if !is_id(&id) {
            let hint = format!("for example `{}`", clean_id(&id));
            self.complain(
                &["device", "id"],
                "may hold only letters, digits, `_` and `-`, at most 64",
                format!("found `{id}`"),
                Some(hint),
            );
        }
        let name = self.raw.device.name.clone().unwrap_or_else(|| id.clone());
        self.not_longer(&["device", "name"], &name, 128);
        self.printable(&["device", "name"], &name);
        Device { id, name }
    }

    fn homeassistant(&mut self) -> Option<String> {
        let prefix = &self.raw.homeassistant.prefix;
        if let Some(wrong) = topic_problem(prefix) {
            self.complain(&["homeassistant", "prefix"], wrong, format!("found `{prefix}`"), None);
        }
        self.raw.homeassistant.enabled.then(|| prefix.clone())
    }
}
