//! The file as a whole, and the tables of the device, the camera and the models.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::interval::Interval;
use super::labelling::*;
use super::network::*;
use super::notify::*;
use super::teaching::*;
use super::views::*;
use crate::domain::settings::PrecisionChoice;
use crate::models::spec::Family;
use crate::models::threads::Threads;

/// The configuration of glimpsed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Raw {
    pub device: RawDevice,
    pub camera: RawCamera,
    /// Several cameras, by name, in place of `[camera]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cameras: BTreeMap<String, RawCamera>,
    /// What is looked at, by name, in place of `[roi]`: each view has a camera, a part of its picture, a model and rules for its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub views: BTreeMap<String, RawView>,
    pub pipeline: RawPipeline,
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
    /// Notices to people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<RawNotify>,
    pub privacy: RawPrivacy,
    pub teach: RawTeach,
    pub stdout: RawStdout,
    pub log: RawLog,
}

/// Who this device is on the broker.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawDevice {
    /// Names the device in every topic: letters, digits, `_` and `-`. Default: the host name and four digits
    /// made from the machine's id.
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
    /// `v4l2` (a USB camera), `http` (MJPEG or a picture at a web address), `rtsp` (an IP camera; needs ffmpeg), `command` (a program that
    /// writes MJPEG to its standard output) or `replay` (files).
    pub source: SourceKind,
    /// The V4L2 device; a `/dev/v4l/by-id/...` name stays the same when cameras are plugged in another order. `auto` takes the first camera that there is.
    pub device: PathBuf,
    /// Wanted picture width in pixels; the nearest that the camera offers is used.
    pub width: u32,
    /// Wanted picture height in pixels.
    pub height: u32,
    /// Frames a second: what is asked of the camera, and the pace of a replay.
    pub fps: f64,
    /// Pixel format to ask the camera for; `auto` takes MJPEG where there is one.
    pub format: FormatChoice,
    /// The address of an `http` or `rtsp` source, without a login: `http://10.0.0.7:8080/?action=stream`, `rtsp://10.0.0.7/stream2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who logs in at the camera of an `http` or `rtsp` source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File with the password for `username`; its first line counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Certificate authority (PEM) that signed the certificate of an `https` address. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How the pictures of an `rtsp` source travel: `tcp` loses none, `udp` is for cameras that cannot do it.
    pub transport: TransportChoice,
    /// One of ffmpeg's decoders (`ffmpeg -decoders`) for an `rtsp` source, such as `h264_v4l2m2m`, which is the hardware of a Raspberry Pi 4
    /// and older. If it gives no picture, ffmpeg's own takes its place. Default: ffmpeg's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// The program of the `command` source and its arguments. It is started without a shell.
    pub command: Vec<String>,
    /// What the `replay` source plays: a directory of photographs, one photograph, or an MJPEG file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Start the replay again when it has ended.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// A camera whose first frame takes longer than this, and than `frame_timeout`, is taken for dead and opened again.
    pub start_timeout: Interval,
    /// A camera that gives no frame for this long after its first one is taken for dead and opened again.
    pub frame_timeout: Interval,
    /// A camera whose picture has been the same, bit for bit, for this long is taken for frozen; `0s` never.
    pub frozen_after: Interval,
    /// First wait before a lost camera is opened again; it doubles from try to try.
    pub reconnect_min: Interval,
    /// Longest wait between two tries.
    pub reconnect_max: Interval,
    /// Degrees to turn the picture clockwise: 0, 90, 180 or 270.
    pub rotate: u32,
    /// What is set in a V4L2 camera when it is opened, by V4L2's names of the controls (`glimpsed cameras probe` lists them): numbers, true or false, or the name of a menu's item.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<String, ControlValue>,
}

/// The value of a camera's control.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ControlValue {
    Switch(bool),
    Number(i64),
    /// An item of a menu.
    Item(String),
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
            url: None,
            username: None,
            password_file: None,
            ca: None,
            transport: TransportChoice::Tcp,
            decoder: None,
            command: Vec::new(),
            path: None,
            repeat: true,
            start_timeout: Interval::from_secs(30),
            frame_timeout: Interval::from_secs(5),
            frozen_after: Interval::from_secs(60),
            reconnect_min: Interval::from_millis(500),
            reconnect_max: Interval::from_secs(30),
            rotate: 0,
            controls: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    V4l2,
    Http,
    Rtsp,
    Command,
    Replay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransportChoice {
    Tcp,
    Udp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormatChoice {
    Auto,
    Mjpeg,
    Yuyv,
    Uyvy,
    Yvyu,
    Nv12,
    Nv21,
    Yu12,
    Rgb,
    Bgr,
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
    /// Where the catalogue's files are downloaded from, in place of their publishers: a directory, or the URL of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    pub backend: BackendChoice,
    /// `fp32`, `int8` (smaller, slightly less accurate, where the model has such a file), or `auto`: whichever is clearly faster here.
    pub precision: PrecisionChoice,
    /// Among how many threads each picture is shared: a number, or `auto`: as many as are worth it on this device, measured when a model is loaded. The accurate model always has one.
    pub threads: Threads,
}

impl Default for RawModel {
    fn default() -> Self {
        Self {
            active: "efficientnet-lite0".into(),
            directory: None,
            mirror: None,
            backend: BackendChoice::Auto,
            precision: PrecisionChoice::Fp32,
            threads: Threads::default(),
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
    /// One label a line in class order, or `imagenet` for the built-in list of 1000. Default: the labels in the model file, or else that list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Whether the first class is a background class, which has no label and is never reported. Default: only of 1001 classes with 1000 labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<bool>,
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
    /// What the model's numbers are; found out from the graph when `auto`. `sigmoid`: labels that do not exclude each other; `binary`: one
    /// number, the probability of the second of two labels; `sigmoid-logits`: logits of either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreChoice>,
    /// The name of the output, where a file has several. Default: the one that has a number for each label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
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
#[serde(rename_all = "kebab-case")]
pub enum ScoreChoice {
    Auto,
    Logits,
    Softmax,
    Sigmoid,
    Binary,
    SigmoidLogits,
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
