//! The configuration file as it is written: one struct per table, one field per key.
//!
//! Nothing here is checked beyond its type; [`super::typed`] does that. The doc comment of a field is what the JSON
//! Schema says of the key, and the `Default` implementations are the only place where a default is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interval::Interval;
use crate::models::spec::Family;

/// The configuration of glimpsed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Raw {
    pub device: RawDevice,
    pub camera: RawCamera,
    pub model: RawModel,
    /// Models of your own, or catalogue models in files of your own, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, RawModelFile>,
    pub accurate: RawAccurate,
    pub labels: RawLabels,
    pub roi: RawRoi,
    pub gate: RawGate,
    pub cache: RawCache,
    pub thermal: RawThermal,
    pub mqtt: RawMqtt,
    pub homeassistant: RawHomeAssistant,
    pub http: RawHttp,
    pub privacy: RawPrivacy,
    pub stdout: RawStdout,
    pub log: RawLog,
}

/// Who this device is on the broker.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawDevice {
    /// Names the device in every topic: letters, digits, `_` and `-`. Default: the host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name people see. Default: the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCamera {
    /// `v4l2` (a USB camera), `command` (a program that writes MJPEG to its standard output) or `replay` (files).
    pub source: SourceKind,
    /// The V4L2 device; a `/dev/v4l/by-id/...` name stays the same when cameras are plugged in another order.
    pub device: PathBuf,
    /// Wanted picture width in pixels; the nearest that the camera offers is used.
    pub width: u32,
    /// Wanted picture height in pixels.
    pub height: u32,
    /// Frames a second: what is asked of the camera, and the pace of a replay.
    pub fps: f64,
    /// Pixel format to ask the camera for; `auto` takes MJPEG where there is one.
    pub format: FormatChoice,
    /// The program of the `command` source and its arguments. It is started without a shell.
    pub command: Vec<String>,
    /// What the `replay` source plays: a directory of photographs, one photograph, or an MJPEG file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Start the replay again when it has ended.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// A camera that gives no frame for this long is taken for dead and opened again.
    pub frame_timeout: Interval,
    /// A camera whose picture has been the same, bit for bit, for this long is taken for frozen; `0s` never.
    pub frozen_after: Interval,
    /// First wait before a lost camera is opened again; it doubles from try to try.
    pub reconnect_min: Interval,
    /// Longest wait between two tries.
    pub reconnect_max: Interval,
    /// Degrees to turn the picture clockwise: 0, 90, 180 or 270.
    pub rotate: u32,
}

impl Default for RawCamera {
    fn default() -> Self {
        Self {
            source: SourceKind::V4l2,
            device: "/dev/video0".into(),
            width: 640,
            height: 480,
            fps: 10.0,
            format: FormatChoice::Auto,
            command: Vec::new(),
            path: None,
            repeat: true,
            frame_timeout: Interval::from_secs(5),
            frozen_after: Interval::from_secs(60),
            reconnect_min: Interval::from_millis(500),
            reconnect_max: Interval::from_secs(30),
            rotate: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    V4l2,
    Command,
    Replay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormatChoice {
    Auto,
    Mjpeg,
    Yuyv,
    Nv12,
    Grey,
}

/// Which model labels the video.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawModel {
    /// Name of the model: one of the catalogue (`glimpsed models list`) or of a `[models.NAME]` table.
    pub active: String,
    /// Where catalogue models are kept. Default: `share/glimpsed/models` beside the program, or `models` in a checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    pub backend: BackendChoice,
    /// `fp32`, `int8` (smaller, slightly less accurate, where the model has such a file), or `auto`: whichever is clearly faster here.
    pub precision: PrecisionChoice,
}

impl Default for RawModel {
    fn default() -> Self {
        Self {
            active: "efficientnet-lite0".into(),
            directory: None,
            backend: BackendChoice::Auto,
            precision: PrecisionChoice::Fp32,
        }
    }
}

/// A model file and how its input is prepared. Keys left out are taken from the catalogue entry of the same name, else
/// from the file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawModelFile {
    /// The ONNX file, relative to this configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The same model quantised to 8 bits, for `precision`; relative to this configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int8: Option<PathBuf>,
    /// One label a line in class order, or `imagenet` for the built-in list of 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// What the file must hash to (64 hexadecimal digits); anything else is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Input size in pixels, needed only where the file leaves it open: `[height, width]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<[u32; 2]>,
    /// How the model's family scales pixels, instead of `mean` and `std`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Subtracted from each channel (red, green, blue) of a pixel scaled to 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<[f64; 3]>,
    /// Divides each channel after the subtraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<[f64; 3]>,
    /// Order of the input's dimensions; read from the file unless it is ambiguous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<LayoutChoice>,
    /// Order of the colour channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<ChannelChoice>,
    /// `crop` (shorter side to `resize`, then the centre) or `stretch` (the whole picture, out of proportion).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<FitChoice>,
    /// Length in pixels of the shorter side before the centre is cropped. Default: the input's by 256/224.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<u32>,
    /// What the model's numbers are; found out from the graph when `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreChoice>,
}

/// Which of a model's two files labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    Auto,
    #[default]
    Fp32,
    Int8,
}

impl PrecisionChoice {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Fp32, Self::Int8];

    /// As it stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
        }
    }
}

/// What runs the network: `auto` (the native kernels where they can run all of it, else tract), `native` or `tract`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    #[default]
    Auto,
    Native,
    Tract,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayoutChoice {
    Nchw,
    Nhwc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelChoice {
    Rgb,
    Bgr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FitChoice {
    Crop,
    Stretch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScoreChoice {
    Auto,
    Logits,
    Softmax,
}

/// A second opinion: another model looks at single frames, now and then.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawAccurate {
    /// Ask a second model.
    pub enabled: bool,
    /// Name of that model.
    pub model: String,
    /// Longest time between two second opinions; `0s` asks only when the fast model is unsure, or on request.
    pub every: Interval,
    /// Ask also when the fast model is unsure.
    pub when_unsure: bool,
    /// The fast model is unsure when its two best answers are closer than this (0..1); 0 never.
    pub unsure_margin: f64,
    /// The fast model is unsure when the entropy of its answer, from 0 (certain) to 1 (no idea), is above this; 1 never.
    pub unsure_entropy: f64,
    /// The second model works on frames at most this share of the time (0..1).
    pub max_duty: f64,
    /// Which label holds where the two disagree: `fast`, `accurate`, or neither (`unknown`).
    pub disagreement: DisagreementChoice,
}

impl Default for RawAccurate {
    fn default() -> Self {
        Self {
            enabled: false,
            model: "resnet-18".into(),
            every: Interval::from_secs(30),
            when_unsure: true,
            unsure_margin: 0.1,
            unsure_entropy: 0.6,
            max_duty: 0.1,
            disagreement: DisagreementChoice::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DisagreementChoice {
    #[default]
    Fast,
    Accurate,
    Unknown,
}

/// From scores to a label.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawLabels {
    /// How many labels to publish with each answer.
    pub top_k: u32,
    /// Below this confidence (0..1) the answer for a frame is `unknown`.
    pub unknown_below: f64,
    /// How the answers of several frames become one: `none`, `exponential` (by `half_life`) or `window` (by `window`).
    pub smoothing: SmoothingChoice,
    /// After this time a frame counts half as much.
    pub half_life: Interval,
    /// So many frames count, each as much as the other.
    pub window: u32,
    /// What a label needs (0..1) to become the stable one. Default: `unknown_below`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enter: Option<f64>,
    /// What the stable label needs (0..1) to remain it. Default: half of `enter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<f64>,
    /// By how much (0..1) another label must be ahead of the stable one to replace it.
    pub margin: f64,
    /// How many frames in a row must agree before the stable label changes.
    pub consecutive: u32,
    /// The stable label does not change again before this time has passed.
    pub hold: Interval,
    /// Only these labels and groups can be the stable label; empty allows all.
    pub allow: Vec<String>,
    /// These labels and groups are never the stable label.
    pub deny: Vec<String>,
    /// Classes that count as one label: `imagenet` for the built-in groups, or a TOML file of your own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<PathBuf>,
}

impl Default for RawLabels {
    fn default() -> Self {
        Self {
            top_k: 3,
            unknown_below: 0.2,
            smoothing: SmoothingChoice::default(),
            half_life: Interval::from_millis(500),
            window: 5,
            enter: None,
            keep: None,
            margin: 0.1,
            consecutive: 3,
            hold: Interval::from_secs(0),
            allow: Vec::new(),
            deny: Vec::new(),
            groups: None,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SmoothingChoice {
    None,
    #[default]
    Exponential,
    Window,
}

/// The part of the picture that is looked at, in fractions of the picture as people see it (after `rotate`).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawRoi {
    /// Left edge, from 0 to 1.
    pub x: f64,
    /// Upper edge, from 0 to 1.
    pub y: f64,
    /// Width, up to 1.
    pub width: f64,
    /// Height, up to 1.
    pub height: f64,
}

impl Default for RawRoi {
    fn default() -> Self {
        Self { x: 0.0, y: 0.0, width: 1.0, height: 1.0 }
    }
}

/// Which frames are worth the model's time.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawGate {
    /// A picture whose mean brightness (0..255) is below this is `too_dark`; 0 never.
    pub min_luma: f64,
    /// A picture no part of which has changed in brightness by this much (0..255) gets the last answer again; 0 never.
    pub min_change: f64,
    /// At most so many frames a second are labelled; the others are dropped before they are decoded. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<f64>,
}

impl Default for RawGate {
    fn default() -> Self {
        Self { min_luma: 10.0, min_change: 6.0, max_fps: None }
    }
}

/// Answers that serve again.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCache {
    /// How many uploaded pictures' answers are kept.
    pub entries: u32,
    /// The picture is looked at again after this long, even if it has not changed.
    pub ttl: Interval,
}

impl Default for RawCache {
    fn default() -> Self {
        Self { entries: 64, ttl: Interval::from_secs(5) }
    }
}

/// What a board that grows too warm does about it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawThermal {
    /// From this temperature on (degrees Celsius) fewer frames are labelled: half, a quarter, an eighth.
    pub soft_c: f64,
    /// From this temperature on no frames are labelled.
    pub hard_c: f64,
}

impl Default for RawThermal {
    fn default() -> Self {
        Self { soft_c: 75.0, hard_c: 84.0 }
    }
}

/// The broker.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawMqtt {
    /// `mqtt://host` or `mqtt://host:port`; `mqtts://` is with TLS. Without it nothing is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Must be unlike every other client's. Default: made from the machine's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Version of the protocol: `5` (a broker says why it refuses, messages carry their type) or `3.1.1`.
    pub version: MqttVersion,
    /// First part of every topic.
    pub base_topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// User name for the broker.
    pub username: Option<String>,
    /// File that holds the password (its first line), so that the password is not in this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// How long the connection may be silent before it is probed.
    pub keepalive: Interval,
    /// How many events are kept while the broker is away; the oldest are dropped first, and counted.
    pub buffer: u32,
    /// Shortest time between two messages on the `classification` topic; `0s` publishes every frame.
    pub classification_interval: Interval,
    /// The `state` topic is sent again after this long without a change.
    pub heartbeat: Interval,
    pub tls: RawTls,
}

/// The protocol between us and the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum MqttVersion {
    #[default]
    #[serde(rename = "5")]
    V5,
    #[serde(rename = "3.1.1")]
    V311,
}

/// For a broker at `mqtts://`; files in PEM.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawTls {
    /// Certificates of the CAs that the broker's may be signed by. Default: what the system trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// This device's certificate, for a broker that wants one, with those between it and its CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Private key of `cert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The name that the broker's certificate must be for. Default: the host in `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl Default for RawMqtt {
    fn default() -> Self {
        Self {
            url: None,
            client_id: None,
            version: MqttVersion::default(),
            base_topic: "glimpsed".into(),
            username: None,
            password_file: None,
            keepalive: Interval::from_secs(30),
            buffer: 1000,
            classification_interval: Interval::from_secs(1),
            heartbeat: Interval::from_secs(60),
            tls: RawTls::default(),
        }
    }
}

/// Entities in Home Assistant, which finds them by itself.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawHomeAssistant {
    /// Publish a discovery message for Home Assistant.
    pub enabled: bool,
    /// Home Assistant's discovery prefix.
    pub prefix: String,
}

impl Default for RawHomeAssistant {
    fn default() -> Self {
        Self { enabled: true, prefix: "homeassistant".into() }
    }
}

/// The web page, the HTTP interface and the metrics.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawHttp {
    /// Serve them.
    pub enabled: bool,
    /// Address and port to listen on: `127.0.0.1:8080` is for this machine alone, `0.0.0.0:8080` for all, with a token.
    pub listen: String,
    /// File whose first line is the token that every request needs, and that the page asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Names that the page is reached by, besides addresses, `localhost` and this machine's own name.
    pub hosts: Vec<String>,
    /// Largest picture in bytes that may be sent to be labelled.
    pub max_upload: u32,
    /// How many may watch the picture at once, and as many the events.
    pub max_clients: u32,
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: "127.0.0.1:8080".into(),
            token_file: None,
            hosts: Vec::new(),
            max_upload: 16_000_000,
            max_clients: 32,
        }
    }
}

/// What leaves the device.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawPrivacy {
    /// Publish pictures over MQTT: one whenever the label changes, and when a snapshot is asked for.
    pub publish_image: bool,
    /// Show the live picture on the web page.
    pub preview: bool,
}

impl Default for RawPrivacy {
    fn default() -> Self {
        Self { publish_image: false, preview: true }
    }
}

/// What is printed for every labelled frame.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawStdout {
    /// `none`, `text` (one line for people) or `json` (one object a line, as on the `classification` topic).
    pub format: StdoutChoice,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StdoutChoice {
    #[default]
    None,
    Text,
    Json,
}

/// What is written to standard error.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawLog {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: LevelChoice,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { level: LevelChoice::Info, format: LogFormat::Text }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LevelChoice {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}
