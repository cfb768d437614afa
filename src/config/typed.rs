//! A configuration that cannot be invalid, and the checks that lead to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::broker_url::BrokerUrl;
use super::diagnostics::{Problem, Problems, list, suggestion};
use super::document::Document;
use super::identity::{clean_id, default_client_id, default_id, is_id, topic_problem};
use super::interval::Interval;
use super::raw::{self, LevelChoice, LogFormat, Raw, SourceKind, StdoutChoice};
use super::secrets::Secret;
use crate::capture::pictures_in;
use crate::models::catalog;
use crate::models::spec::{
    Backend, ChannelOrder, FitChoice, InputHints, LabelSource, Layout, ModelSpec, Scores, resolve,
};
use crate::sinks::mqtt::tls::{Files, Problem as TlsProblem, Tls, is_server_name};

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub device: Device,
    pub camera: Camera,
    /// The model that labels the video.
    pub model: ModelSpec,
    /// Every model with a name: the catalogue's and the file's own.
    pub models: Vec<ModelSpec>,
    pub model_directory: PathBuf,
    pub labels: LabelRules,
    pub mqtt: Option<Mqtt>,
    /// The discovery prefix, if Home Assistant is to find the device.
    pub homeassistant: Option<String>,
    /// Whether pictures may leave the device.
    pub publish_image: bool,
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
    pub frame_timeout: Duration,
    /// `None` where the same picture may come for ever.
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
    },
    /// Program and arguments; never empty.
    Command {
        argv: Vec<String>,
    },
    Replay {
        path: PathBuf,
        fps: f64,
        repeat: bool,
    },
}

/// Clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelRules {
    pub top_k: usize,
    pub unknown_below: f32,
    pub consecutive: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    pub broker: BrokerUrl,
    /// Where the broker's url asks for it.
    pub tls: Option<Tls>,
    pub version: raw::MqttVersion,
    pub client_id: String,
    pub base_topic: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub keepalive: Duration,
    pub buffer: usize,
    pub classification_interval: Duration,
    pub heartbeat: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub level: LevelChoice,
    pub format: LogFormat,
}

/// Checks everything and reports everything; what is wrong is replaced by something harmless so that the rest can still
/// be checked. The result is only for use when no problem was added.
pub fn check(raw: &Raw, document: &Document<'_>, base: &Path, problems: &mut Problems) -> Config {
    let mut checker = Checker { raw, document, base, problems };
    let device = checker.device();
    let model_directory = match &raw.model.directory {
        Some(directory) => resolve(base, directory),
        None => catalog::default_directory(),
    };
    let models = checker.models(&model_directory);
    Config {
        camera: checker.camera(),
        model: checker.active_model(&models),
        labels: checker.labels(),
        mqtt: checker.mqtt(&device.id),
        homeassistant: checker.homeassistant(),
        publish_image: raw.privacy.publish_image,
        stdout: raw.stdout.format,
        log: Log { level: raw.log.level, format: raw.log.format },
        device,
        models,
        model_directory,
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
        self.problems.push(Problem {
            place: self.document.place(path),
            title: format!("`{}` {wrong}", path.join(".")),
            label: found.into(),
            hint,
        });
    }

    /// Complains unless `low <= value <= high`; anything that is not a number is outside.
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
        Device { id, name }
    }

    fn camera(&mut self) -> Camera {
        let camera = &self.raw.camera;
        self.within(&["camera", "width"], camera.width, 16, 8192);
        self.within(&["camera", "height"], camera.height, 16, 8192);
        self.within(&["camera", "fps"], camera.fps, 0.1, 1000.0);
        self.interval_within(
            &["camera", "frame_timeout"],
            camera.frame_timeout,
            Interval::from_millis(100),
            Interval::from_secs(600),
        );
        self.interval_within(
            &["camera", "reconnect_min"],
            camera.reconnect_min,
            Interval::from_millis(50),
            Interval::from_secs(600),
        );
        if camera.reconnect_max < camera.reconnect_min {
            let found = format!("found {}, less than `reconnect_min` ({})", camera.reconnect_max, camera.reconnect_min);
            self.complain(&["camera", "reconnect_max"], "must not be shorter than `camera.reconnect_min`", found, None);
        }
        if camera.frozen_after != Interval::from_secs(0) {
            let (low, high) = (Interval::from_secs(1), Interval::from_secs(86_400));
            self.interval_within(&["camera", "frozen_after"], camera.frozen_after, low, high);
        }
        let rotation = match camera.rotate {
            90 => Rotation::Quarter,
            180 => Rotation::Half,
            270 => Rotation::ThreeQuarters,
            other => {
                if other != 0 {
                    self.complain(&["camera", "rotate"], "must be 0, 90, 180 or 270", format!("found {other}"), None);
                }
                Rotation::None
            }
        };
        Camera {
            source: self.camera_source(),
            frame_timeout: camera.frame_timeout.0,
            // A photograph that is replayed stays the same.
            frozen_after: (camera.source != SourceKind::Replay && !camera.frozen_after.0.is_zero())
                .then_some(camera.frozen_after.0),
            reconnect_min: camera.reconnect_min.0,
            reconnect_max: camera.reconnect_max.0,
            rotation,
        }
    }

    fn camera_source(&mut self) -> CameraSource {
        let camera = &self.raw.camera;
        match camera.source {
            SourceKind::V4l2 => {
                if camera.device.as_os_str().is_empty() {
                    self.complain(
                        &["camera", "device"],
                        "names no device",
                        "found nothing",
                        Some("for example /dev/video0".into()),
                    );
                }
                CameraSource::V4l2 {
                    device: camera.device.clone(),
                    width: camera.width,
                    height: camera.height,
                    fps: camera.fps,
                    format: camera.format,
                }
            }
            SourceKind::Command => {
                match camera.command.first() {
                    None => {
                        let hint = r#"for example command = ["rpicam-vid", "--codec", "mjpeg", "-t", "0", "-o", "-"]"#;
                        self.complain(
                            &["camera", "command"],
                            "is needed for source = \"command\"",
                            "found nothing to start",
                            Some(hint.into()),
                        );
                    }
                    Some(program) if find_program(program, self.base).is_none() => {
                        let found = format!("found no program `{program}`");
                        self.complain(
                            &["camera", "command"],
                            "cannot be started",
                            found,
                            Some("is it installed, and on the PATH?".into()),
                        );
                    }
                    Some(_) => {}
                }
                let mut argv = camera.command.clone();
                if let Some(program) = argv.first_mut()
                    && let Some(found) = find_program(program, self.base)
                {
                    *program = found.to_string_lossy().into_owned();
                }
                CameraSource::Command { argv }
            }
            SourceKind::Replay => {
                let path = resolve(self.base, camera.path.as_deref().unwrap_or(Path::new("")));
                if camera.path.is_none() {
                    let hint = "a directory of photographs, one photograph, or an MJPEG file".to_owned();
                    self.complain(
                        &["camera", "path"],
                        "is needed for source = \"replay\"",
                        "found nothing to play",
                        Some(hint),
                    );
                } else if path.is_dir() && pictures_in(&path).is_ok_and(|files| files.is_empty()) {
                    let found = format!("`{}` holds no .jpg, .jpeg or .png file", path.display());
                    self.complain(&["camera", "path"], "has nothing to play", found, None);
                } else if path.exists() && !path.is_dir() && !path.is_file() {
                    let found = format!("`{}` is neither a file nor a directory", path.display());
                    self.complain(&["camera", "path"], "cannot be played", found, None);
                } else if !path.exists() {
                    self.complain(
                        &["camera", "path"],
                        "does not exist",
                        format!("found no `{}`", path.display()),
                        None,
                    );
                }
                CameraSource::Replay { path, fps: camera.fps, repeat: camera.repeat }
            }
        }
    }

    fn models(&mut self, directory: &Path) -> Vec<ModelSpec> {
        let mut models: Vec<ModelSpec> = catalog::all().iter().map(|entry| entry.spec(directory)).collect();
        for (name, file) in &self.raw.models {
            let spec = self.model_file(name, file, directory);
            match models.iter_mut().find(|model| model.name == *name) {
                Some(known) => *known = spec,
                None => models.push(spec),
            }
        }
        for model in &mut models {
            model.backend = match self.raw.model.backend {
                raw::BackendChoice::Auto => Backend::Auto,
                raw::BackendChoice::Native => Backend::Native,
                raw::BackendChoice::Tract => Backend::Tract,
            };
        }
        models
    }

    fn model_file(&mut self, name: &str, file: &raw::RawModelFile, directory: &Path) -> ModelSpec {
        let place = |key| ["models", name, key];
        if !is_id(name) && !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            self.complain(
                &["models", name],
                "may hold only letters, digits, `.`, `_` and `-`",
                format!("found `{name}`"),
                None,
            );
        }
        let known = catalog::find(name);
        let path = match (&file.path, known) {
            (Some(path), _) => resolve(self.base, path),
            (None, Some(entry)) => directory.join(&entry.file),
            (None, None) => {
                let hint = format!(
                    "`path = \"...\"` names its ONNX file; without it only {} can stand here",
                    list(catalog::all().iter().map(|entry| entry.name.as_str()))
                );
                self.complain(&["models", name], "has no `path`", "this model is not in the catalogue", Some(hint));
                PathBuf::new()
            }
        };
        if let Some(sha256) = &file.sha256
            && (sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()))
        {
            self.complain(
                &place("sha256"),
                "must be 64 hexadecimal digits",
                format!("found {} characters", sha256.chars().count()),
                None,
            );
        }
        for (key, value) in [("mean", file.mean), ("std", file.std)] {
            let (low, high) = if key == "std" { (1e-6, 1e6) } else { (-1e6, 1e6) };
            for number in value.into_iter().flatten() {
                self.within(&place(key), number, low, high);
            }
        }
        for size in file.input.into_iter().flatten() {
            self.within(&place("input"), size, 8, 4096);
        }
        if let Some(resize) = file.resize {
            self.within(&place("resize"), resize, 8, 8192);
        }
        let own = InputHints {
            size: file.input.map(|[height, width]| [height as usize, width as usize]),
            mean: file.mean.map(|mean| mean.map(|value| value as f32)),
            std: file.std.map(|std| std.map(|value| value as f32)),
            layout: file.layout.map(|layout| match layout {
                raw::LayoutChoice::Nchw => Layout::Nchw,
                raw::LayoutChoice::Nhwc => Layout::Nhwc,
            }),
            channels: file.channels.map(|channels| match channels {
                raw::ChannelChoice::Rgb => ChannelOrder::Rgb,
                raw::ChannelChoice::Bgr => ChannelOrder::Bgr,
            }),
            fit: file.fit.map(|fit| match fit {
                raw::FitChoice::Crop => FitChoice::Crop,
                raw::FitChoice::Stretch => FitChoice::Stretch,
            }),
            resize: file.resize.map(|resize| resize as usize),
            scores: file.scores.and_then(|scores| match scores {
                raw::ScoreChoice::Auto => None,
                raw::ScoreChoice::Logits => Some(Scores::Logits),
                raw::ScoreChoice::Softmax => Some(Scores::Softmax),
            }),
        };
        // A file of one's own under a catalogue name keeps the catalogue's conventions, but not its hash.
        let catalogued = known.filter(|_| file.path.is_none()).map(|entry| entry.sha256.clone());
        ModelSpec {
            name: name.to_owned(),
            path,
            labels: match &file.labels {
                None => LabelSource::ImageNet,
                Some(name) if name == Path::new("imagenet") => LabelSource::ImageNet,
                Some(path) => LabelSource::File(resolve(self.base, path)),
            },
            sha256: file.sha256.as_ref().map(|sha256| sha256.to_lowercase()).or(catalogued),
            input: own.or(known.map(catalog::Entry::hints).unwrap_or_default()),
            backend: Backend::Auto,
        }
    }

    fn homeassistant(&mut self) -> Option<String> {
        let prefix = &self.raw.homeassistant.prefix;
        if let Some(wrong) = topic_problem(prefix) {
            self.complain(&["homeassistant", "prefix"], wrong, format!("found `{prefix}`"), None);
        }
        self.raw.homeassistant.enabled.then(|| prefix.clone())
    }

    fn active_model(&mut self, models: &[ModelSpec]) -> ModelSpec {
        let name = &self.raw.model.active;
        let Some(model) = models.iter().find(|model| model.name == *name) else {
            let hint = suggestion(name, models.iter().map(|model| model.name.as_str()));
            self.complain(&["model", "active"], "names no model", format!("found `{name}`"), Some(hint));
            return models.first().cloned().unwrap_or_else(|| catalog::all()[0].spec(Path::new("")));
        };
        if !model.path.as_os_str().is_empty() && !model.path.is_file() {
            let hint = match catalog::find(name).and_then(|entry| entry.url.as_ref()) {
                Some(url) => format!("download {url} and set `path` in [models.{name}]"),
                None => format!("set `path` in [models.{name}] to its ONNX file, or `directory` in [model]"),
            };
            let place: Vec<&str> = match self.raw.models.get(name).and_then(|file| file.path.as_ref()) {
                Some(_) => vec!["models", name, "path"],
                None => vec!["model", "active"],
            };
            self.complain(&place, "has no file", format!("found no `{}`", model.path.display()), Some(hint));
        }
        model.clone()
    }

    fn labels(&mut self) -> LabelRules {
        let labels = &self.raw.labels;
        self.within(&["labels", "top_k"], labels.top_k, 1, 100);
        self.within(&["labels", "unknown_below"], labels.unknown_below, 0.0, 1.0);
        self.within(&["labels", "consecutive"], labels.consecutive, 1, 1000);
        LabelRules {
            top_k: labels.top_k as usize,
            unknown_below: labels.unknown_below as f32,
            consecutive: labels.consecutive,
        }
    }

    fn mqtt(&mut self, device_id: &str) -> Option<Mqtt> {
        let mqtt = &self.raw.mqtt;
        if let Some(problem) = topic_problem(&mqtt.base_topic) {
            self.complain(
                &["mqtt", "base_topic"],
                problem,
                format!("found `{}`", mqtt.base_topic),
                Some("for example glimpsed or home/glimpsed".into()),
            );
        }
        self.interval_within(&["mqtt", "keepalive"], mqtt.keepalive, Interval::from_secs(5), Interval::from_secs(3600));
        self.interval_within(
            &["mqtt", "heartbeat"],
            mqtt.heartbeat,
            Interval::from_secs(1),
            Interval::from_secs(86_400),
        );
        self.within(&["mqtt", "buffer"], mqtt.buffer, 1, 100_000);
        let client_id = mqtt.client_id.clone().unwrap_or_else(|| default_client_id(device_id));
        if client_id.is_empty() || client_id.len() > 128 || client_id.contains(char::is_control) {
            self.complain(&["mqtt", "client_id"], "must have 1 to 128 bytes", format!("found `{client_id}`"), None);
        }
        self.not_longer(&["mqtt", "username"], mqtt.username.as_deref().unwrap_or_default(), 256);
        let password = mqtt.password_file.as_ref().and_then(|file| {
            let path = resolve(self.base, file);
            Secret::from_file(&path)
                .map_err(|cause| {
                    self.complain(
                        &["mqtt", "password_file"],
                        "cannot be used",
                        format!("`{}` {cause}", path.display()),
                        None,
                    );
                })
                .ok()
        });
        if mqtt.password_file.is_some() && mqtt.username.is_none() {
            let hint = "MQTT sends no password without a user name: set `username` too";
            self.complain(&["mqtt", "password_file"], "stands alone", "found no `username`", Some(hint.into()));
        }
        let url = mqtt.url.as_ref()?;
        match url.parse::<BrokerUrl>() {
            Ok(broker) => Some(Mqtt {
                tls: self.tls(broker.tls),
                broker,
                version: mqtt.version,
                client_id,
                base_topic: mqtt.base_topic.clone(),
                username: mqtt.username.clone(),
                password,
                keepalive: mqtt.keepalive.0,
                buffer: mqtt.buffer as usize,
                classification_interval: mqtt.classification_interval.0,
                heartbeat: mqtt.heartbeat.0,
            }),
            Err((cause, hint)) => {
                self.complain(&["mqtt", "url"], "is not the address of a broker", cause, Some(hint));
                None
            }
        }
    }
}

impl Checker<'_, '_> {
    /// Reads the files for TLS, when TLS is asked for.
    fn tls(&mut self, wanted: bool) -> Option<Tls> {
        let tls = &self.raw.mqtt.tls;
        if !wanted {
            let set = [("ca", tls.ca.is_some()), ("cert", tls.cert.is_some()), ("key", tls.key.is_some())];
            let set = set.into_iter().chain([("server_name", tls.server_name.is_some())]).find(|(_, set)| *set);
            if let Some((key, _)) = set {
                let hint = "write `url` with mqtts:// to use TLS, or remove [mqtt.tls]".to_owned();
                self.complain(&["mqtt", "tls", key], "has no effect", "`mqtt.url` is without TLS", Some(hint));
            }
            return None;
        }
        if let Some(name) = &tls.server_name
            && !is_server_name(name)
        {
            let found = format!("found `{name}`");
            self.complain(&["mqtt", "tls", "server_name"], "must be a host name or an address", found, None);
        }
        let path = |file: &Option<PathBuf>| file.as_ref().map(|file| resolve(self.base, file));
        let (ca, cert, key) = (path(&tls.ca), path(&tls.cert), path(&tls.key));
        let files = Files { ca: ca.as_deref(), cert: cert.as_deref(), key: key.as_deref() };
        match Tls::load(&files, tls.server_name.clone()) {
            Ok(tls) => Some(tls),
            Err(TlsProblem { key, cause, hint }) => {
                self.complain(&["mqtt", "tls", key], "cannot be used", cause, hint);
                None
            }
        }
    }
}

/// A program named by a path (relative to the configuration's directory) or found on the PATH.
fn find_program(name: &str, base: &Path) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![resolve(base, Path::new(name))]
    } else {
        std::env::split_paths(&std::env::var_os("PATH")?).map(|directory| directory.join(name)).collect()
    };
    candidates.into_iter().find(|path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file())
}
