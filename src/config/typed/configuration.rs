//! A configuration that cannot be invalid.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::super::raw::{self, LevelChoice, LogFormat, StdoutChoice};
use crate::decide::escalation;
use crate::decide::gate::GateRules;
use crate::decide::rules::{DisagreementChoice, LabelRules};
use crate::decide::thermal::Limits;
use crate::domain::settings::PrecisionChoice;
use crate::domain::view::{Region, Rotation};
use crate::models::spec::ModelSpec;
use glimpsed_base::secret::Secret;
use glimpsed_mqtt::Options;
use glimpsed_mqtt::tls::Tls;
use hyper::Uri;

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
    /// A directory or the URL of one that has the catalogue's files, to download them from.
    pub mirror: Option<String>,
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

#[derive(Debug, Clone, PartialEq)]
pub struct Accurate {
    pub enabled: bool,
    pub model: ModelSpec,
    /// `None`: no interval.
    pub every: Option<Duration>,
    pub when_unsure: bool,
    pub unsure_margin: f32,
    pub unsure_entropy: f32,
    /// Largest share of the time (0..1) that the model may run.
    pub max_duty: f64,
    pub disagreement: DisagreementChoice,
}

impl Accurate {
    /// The rules of the escalation policy.
    pub fn rules(&self) -> escalation::Rules {
        escalation::Rules {
            every: self.every,
            when_unsure: self.when_unsure,
            margin: self.unsure_margin,
            entropy: self.unsure_entropy,
            max_duty: self.max_duty,
        }
    }
}

/// What is taught, and where that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Teach {
    /// Best first: the configured one alone, or those that are tried.
    pub directories: Vec<PathBuf>,
    /// The model whose last matrix is replaced.
    pub base: ModelSpec,
    pub max_pictures: usize,
    /// Whether it can be taught over HTTP: only where the directory was configured.
    pub over_http: bool,
}
