//! A configuration that cannot be invalid.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::super::interval::Interval;
use super::super::raw::{self, LevelChoice, LogFormat, StdoutChoice};
use crate::decide::escalation;
use crate::decide::gate::GateRules;
use crate::decide::notices::{self, Template, When};
use crate::decide::rules::{DisagreementChoice, LabelRules};
use crate::decide::thermal::Limits;
use crate::domain::framing::{Framing, Region, Rotation};
use crate::domain::name::Name;
use crate::domain::settings::PrecisionChoice;
use crate::http_client::address::Address;
use crate::models::spec::ModelSpec;
use glimpsed_base::secret::Secret;
use glimpsed_mqtt::Options;
use glimpsed_mqtt::tls::Tls;
use hyper::Uri;

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub device: Device,
    /// At least one.
    pub cameras: Vec<Camera>,
    /// At least one; each looks through one of the cameras.
    pub views: Vec<View>,
    /// Largest share of the time (0..1) that frames are labelled.
    pub max_duty: f64,
    /// Every model with a name: the catalogue's and the file's own.
    pub models: Vec<ModelSpec>,
    /// The directories to search for catalogue models, in order.
    pub model_directories: Vec<PathBuf>,
    /// A directory or the URL of one that has the catalogue's files, to download them from.
    pub mirror: Option<String>,
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
    pub notices: Vec<Notify>,
    pub stdout: StdoutChoice,
    pub log: Log,
}

/// A model, and which of its files is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub spec: ModelSpec,
    pub precision: PrecisionChoice,
}

impl View {
    /// What it labels with.
    pub fn choice(&self) -> Choice {
        Choice { spec: self.model.clone(), precision: self.precision }
    }
}

impl Config {
    /// What the views label with, each once.
    pub fn choices(&self) -> Vec<Choice> {
        let mut choices: Vec<Choice> = Vec::new();
        for choice in self.views.iter().map(View::choice) {
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
        choices
    }

    /// What is odd though it can be: cameras that no view looks through, a sentence each.
    pub fn cameras_without_views(&self) -> Vec<String> {
        let is_seen = |camera: &Camera| self.views.iter().any(|view| view.camera == camera.name);
        let sentence = |camera: &Camera| {
            let name = &camera.name;
            format!(
                "nothing of camera `{name}` is labelled, because no view looks through it; add [views.{name}] with camera = \"{name}\""
            )
        };
        self.cameras.iter().filter(|camera| !is_seen(camera)).map(sentence).collect()
    }

    /// The accurate models of the views that have one, each once.
    pub fn accurate_models(&self) -> Vec<&ModelSpec> {
        let mut models: Vec<&ModelSpec> = Vec::new();
        for view in self.views.iter().filter(|view| view.accurate.enabled) {
            if !models.contains(&&view.accurate.model) {
                models.push(&view.accurate.model);
            }
        }
        models
    }

    /// The first view, which is the only one of a file without `[views.NAME]`.
    pub fn first(&self) -> &View {
        &self.views[0]
    }

    /// The view of this name.
    pub fn view(&self, name: &Name) -> Option<&View> {
        self.views.iter().find(|view| view.name == *name)
    }

    /// The view that is called so, or the first, as which the only view without a name counts.
    pub fn view_called(&self, name: &str) -> &View {
        self.views.iter().find(|view| view.name.as_str() == name).unwrap_or(self.first())
    }

    /// The camera of a view.
    pub fn camera_of(&self, view: &View) -> &Camera {
        self.cameras.iter().find(|camera| camera.name == view.camera).unwrap_or(&self.cameras[0])
    }

    /// Rotation and region of a view.
    pub fn framing(&self, view: &View) -> Framing {
        Framing { rotation: self.camera_of(view).rotation, region: view.region }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub id: String,
    pub name: String,
}

/// One question to one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub name: Name,
    /// What people call it.
    pub title: String,
    /// Whether it is labelled.
    pub enabled: bool,
    /// Name of the camera that it looks through.
    pub camera: Name,
    /// The part of the picture that is classified.
    pub region: Region,
    /// The model that labels it.
    pub model: ModelSpec,
    /// Whether that model's fp32 file or its int8 variant is used.
    pub precision: PrecisionChoice,
    pub labels: LabelRules,
    pub gate: GateRules,
    pub accurate: Accurate,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    pub name: Name,
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

impl Camera {
    /// Whether its device is not named: the first that opens and that no other camera has.
    pub fn is_to_be_found(&self) -> bool {
        matches!(&self.source, CameraSource::V4l2 { device, .. } if device.as_os_str() == "auto")
    }
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

impl CameraSource {
    /// The device of a V4L2 camera, unless it is the first that is found.
    pub fn device(&self) -> Option<&PathBuf> {
        match self {
            Self::V4l2 { device, .. } if device.as_os_str() != "auto" => Some(device),
            _ => None,
        }
    }
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
    /// Name of one of ffmpeg's decoders; `None`: whichever ffmpeg takes.
    pub decoder: Option<String>,
}

/// Who logs in at a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

/// A rule of what is told to people.
#[derive(Debug, Clone, PartialEq)]
pub struct Notify {
    pub rule: notices::Rule,
    pub title: Template,
    pub text: Template,
    /// Whether a picture is sent with it.
    pub picture: bool,
    pub to: Recipient,
}

/// Who is told, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipient {
    pub service: Service,
    /// An absolute address (`http` or `https`) without a login.
    pub address: Address,
    pub token: Option<Secret>,
    /// For `https`: whom to trust.
    pub tls: Option<Tls>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    Webhook,
    /// The address ends with the topic.
    Ntfy,
    Gotify,
    Telegram {
        chat: String,
    },
}

impl Service {
    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook => "a webhook",
            Self::Ntfy => "ntfy",
            Self::Gotify => "Gotify",
            Self::Telegram { .. } => "Telegram",
        }
    }
}

impl Notify {
    /// The recipient with what it is told of, so that rules can be told apart.
    pub fn describe(&self) -> String {
        let view = self.rule.view.as_ref().and_then(Name::given).map(|view| format!("view {view}, "));
        let label = self.rule.label.as_deref().unwrap_or("any label");
        format!("{} ({}{label}, {})", self.to.describe(), view.unwrap_or_default(), self.when())
    }

    /// `when`, as it is written in the configuration.
    pub fn when(&self) -> String {
        match self.rule.when {
            When::Appears => "appears".into(),
            When::Leaves => "leaves".into(),
            When::FirstOfDay => "first of the day".into(),
            When::Held(long) => format!("held for {}", Interval(long)),
        }
    }
}

impl Recipient {
    /// The service with the host, without what may be secret in the address.
    pub fn describe(&self) -> String {
        format!("{} at {}", self.service.name(), self.address.origin())
    }
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
    /// Always present if other machines can connect, unless only `ingress` is answered.
    pub token: Option<Secret>,
    /// In lower case.
    pub hosts: Vec<String>,
    /// Whose requests are somebody's who was checked before.
    pub ingress: Option<IpAddr>,
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
    /// Whether frames are kept that a taught model is not sure of.
    pub ask: bool,
    pub max_pictures: usize,
    /// Whether it can be taught while the daemon runs: only where the directory was configured.
    pub while_running: bool,
    /// Of how many changes of labels a picture is kept in memory.
    pub remember: usize,
}
