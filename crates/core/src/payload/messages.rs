//! The messages about frames, labels and the device.

use std::borrow::Cow;

use glimpsed_base::leaving;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, schema_for};
use serde::Serialize;
use serde_json::Value;

use super::day::DayPayload;
use super::event::{EventPayload, NoticePayload};
use super::health::HealthPayload;
use super::teaching::{TaughtPayload, UnsurePayload};

use super::rounding::{VERSION, rounded};
use super::words::{status_name, time, to_json};
use crate::bus::commands::{self, CommandError};
use crate::domain::camera::Negotiated;
use crate::domain::classification::{
    Answer, Classification, HeldLabel, ModelId, Ranked, Reason, SecondOpinion, Stable, Status, Timing,
};
use crate::domain::framing::Region;
use crate::domain::layout::ViewEntry;

/// What one frame shows (topic `classification`), or the label that holds (topic `state`).
#[derive(Serialize, JsonSchema)]
struct ClassificationPayload<'a> {
    /// Version of this format.
    v: u32,
    /// When the frame was captured: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    ts: String,
    /// Name of the camera.
    camera: &'a str,
    /// Name of the view, of a device that has several or one with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'a str>,
    /// Number of the frame since the daemon started.
    seq: u64,
    model: ModelPayload<'a>,
    /// How the label is to be read; "too_dark" and "covered" (it is of one colour) when no model has looked, "stale" when no frame has come for a while.
    #[schemars(extend("enum" = ["known", "unknown", "too_dark", "covered", "stale"]))]
    status: &'static str,
    /// `null` unless the status is "known".
    label: Option<&'a str>,
    /// Probability of the label, or of the most likely class.
    #[schemars(range(min = 0, max = 1))]
    confidence: f64,
    /// The most likely classes of the frame, most likely first.
    top: Vec<RankedPayload<'a>>,
    /// Of a model that was taught here with enough pictures: whether the picture is unlike all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    strange: Option<bool>,
    timing_ms: TimingPayload,
    /// Whether the answer is an earlier frame's, which showed the same.
    cached: bool,
    /// The file that a replayed frame comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    /// Only in the state: when the label began to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// Only in the state, of a model whose labels do not exclude each other: all that hold, most likely first. `label` is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<HeldPayload<'a>>>,
}

/// A label that holds beside others.
#[derive(Serialize, JsonSchema)]
struct HeldPayload<'a> {
    label: &'a str,
    #[schemars(range(min = 0, max = 1))]
    confidence: f64,
    /// When it began to hold: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    since: String,
}

/// What the accurate model says of a frame, beside what the fast one says of it (topic `accurate`).
#[derive(Serialize, JsonSchema)]
struct SecondOpinionPayload<'a> {
    #[serde(flatten)]
    accurate: ClassificationPayload<'a>,
    /// Why it was asked: it was time, the fast model was unsure, or somebody wanted to know.
    #[schemars(extend("enum" = ["interval", "unsure", "asked"]))]
    reason: &'static str,
    /// Whether both say the same, after groups are put together.
    agree: bool,
    fast: FastPayload<'a>,
}

/// What the fast model says of the same frame.
#[derive(Serialize, JsonSchema)]
struct FastPayload<'a> {
    model: ModelPayload<'a>,
    #[schemars(extend("enum" = ["known", "unknown"]))]
    status: &'static str,
    label: Option<&'a str>,
    #[schemars(range(min = 0, max = 1))]
    confidence: f64,
    top: Vec<RankedPayload<'a>>,
}

/// The model that answered.
#[derive(Serialize, JsonSchema)]
struct ModelPayload<'a> {
    name: &'a str,
    /// "fp32" or "int8".
    precision: String,
    /// Of its file.
    #[schemars(length(min = 64, max = 64))]
    sha256: &'a str,
}

/// A class and its probability.
#[derive(Serialize, JsonSchema)]
struct RankedPayload<'a> {
    label: &'a str,
    /// Index into the model's labels.
    class_id: usize,
    #[schemars(range(min = 0, max = 1))]
    confidence: f64,
}

/// Milliseconds that each stage took; `total` is from the frame's arrival to its label.
#[derive(Serialize, JsonSchema)]
struct TimingPayload {
    capture: f64,
    decode: f64,
    preprocess: f64,
    infer: f64,
    total: f64,
}

/// What the device is and how it is configured (topic `info`).
#[derive(Serialize, JsonSchema)]
pub struct InfoPayload {
    /// Version of this format.
    v: u32,
    /// What people call the device.
    pub name: String,
    /// Of glimpsed.
    pub version: &'static str,
    /// The board's name, or the processor's architecture.
    pub board: String,
    /// The models that label; none while the model cannot be loaded.
    pub models: Vec<InfoModelPayload>,
    /// The views, where they have names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub views: Vec<InfoViewPayload>,
    /// The models that `model/set` takes.
    pub available_models: Vec<String>,
    /// Each key of the configuration in effect: its value and where that comes from, without secrets.
    pub config: Value,
    /// A hash of `config` but for what tells devices apart (`device.id`, `device.name`, `mqtt.client_id`, `mqtt.username`): the same on
    /// devices with the same configuration.
    #[schemars(length(min = 16, max = 16))]
    pub config_hash: String,
    /// What is wrong with the configuration as it was edited last, or why its model cannot be loaded; `null` when it is in effect.
    pub config_error: Option<String>,
    /// Keys of the configuration that were edited and that only a new start puts into effect, such as `log.level`.
    pub restart_required: Vec<String>,
    /// What the camera's driver agreed to, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<CameraPayload>,
    /// Another device of the same id, which publishes on the same topics: what it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<String>,
    /// Over MQTT: unlike that of every other process, so that two devices of the same id notice each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
}

/// A model that labels.
#[derive(Serialize, JsonSchema)]
pub struct InfoModelPayload {
    /// "fast" labels the video, "accurate" gives second opinions.
    #[schemars(extend("enum" = ["fast", "accurate"]))]
    pub role: &'static str,
    pub name: String,
    /// "fp32" or "int8".
    pub precision: String,
    /// Why it is that, where the model has both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision_reason: Option<String>,
    /// Of its file.
    #[schemars(length(min = 64, max = 64))]
    pub sha256: String,
    /// Trained numbers.
    pub parameters: u64,
    /// Multiply-accumulate operations for one picture.
    pub macs: u64,
}

/// One question to one camera.
#[derive(Serialize, JsonSchema)]
pub struct InfoViewPayload {
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Name of the camera that it looks through.
    pub camera: String,
    /// Name of the model that labels it.
    pub model: String,
    /// The part of the picture, in fractions of it.
    pub region: RegionPayload,
}

/// A part of a picture, in fractions (0..1) of its width and height.
#[derive(Serialize, JsonSchema)]
pub struct RegionPayload {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl From<Region> for RegionPayload {
    fn from(Region { x, y, width, height }: Region) -> Self {
        Self { x, y, width, height }
    }
}

/// What the camera's driver agreed to.
#[derive(Serialize, JsonSchema)]
struct CameraPayload {
    /// The pixel format's four letters, such as `MJPG`.
    format: String,
    width: u32,
    height: u32,
    /// Frames a second; `null` where the driver does not say.
    fps: Option<f64>,
}

/// The answer to a request (topics `response/<name>`).
#[derive(Serialize, JsonSchema)]
struct ResponsePayload<'a> {
    #[schemars(extend("enum" = ["ok", "error"]))]
    status: &'static str,
    /// What was asked for; `null` with an error.
    data: &'a Value,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// `refused`: it would be again; `unavailable`: it may succeed in a moment; `failed`: something is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["refused", "unavailable", "failed", null]))]
    error_kind: Option<&'static str>,
    /// As it was in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<&'a Value>,
}

/// The JSON Schemas of the published payloads, by topic. Members may be added, so readers must ignore unknown ones.
pub fn schemas() -> [(&'static str, Schema); 10] {
    [
        ("accurate", schema_for!(SecondOpinionPayload<'static>)),
        ("classification", schema_for!(ClassificationPayload<'static>)),
        ("day", schema_for!(DayPayload<'static>)),
        ("event", schema_for!(EventPayload<'static>)),
        ("health", schema_for!(HealthPayload)),
        ("info", schema_for!(InfoPayload)),
        ("notice", schema_for!(NoticePayload<'static>)),
        ("response", schema_for!(ResponsePayload<'static>)),
        ("teach", schema_for!(TaughtPayload<'static>)),
        ("unsure", schema_for!(UnsurePayload)),
    ]
}

/// Adds the schemas to an interface's document.
pub fn define_schemas(generator: &mut SchemaGenerator) {
    generator.subschema_for::<ClassificationPayload<'static>>();
    generator.subschema_for::<DayPayload<'static>>();
    generator.subschema_for::<HealthPayload>();
    generator.subschema_for::<InfoPayload>();
    generator.subschema_for::<SecondOpinionPayload<'static>>();
}

impl InfoPayload {
    /// Without any part of the configuration yet.
    pub fn new(name: String, board: String) -> Self {
        Self {
            v: VERSION,
            name,
            version: env!("CARGO_PKG_VERSION"),
            board,
            models: Vec::new(),
            views: Vec::new(),
            available_models: Vec::new(),
            config: Value::Null,
            config_hash: String::new(),
            config_error: None,
            restart_required: Vec::new(),
            camera: None,
            twin: None,
            instance: None,
        }
    }

    /// Strings and numbers only: this cannot fail. Passwords in addresses, such as in the arguments of a camera's program, are masked.
    pub fn to_value(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        clean(&mut value);
        value
    }
}

/// Takes secrets and control characters out of all strings.
fn clean(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(safe) = leaving::clean(text) {
                *text = safe;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(members) => members.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Classes with their probabilities, as in every payload.
pub fn ranking_json(top: &[Ranked]) -> Value {
    serde_json::to_value(top.iter().map(ranked).collect::<Vec<_>>()).unwrap_or_default()
}

/// The format that the camera's driver agreed to, as a part of `info`.
pub fn camera_json(camera: &Negotiated) -> Value {
    let Negotiated { format, width, height, fps } = camera;
    let fps = fps.map(|fps| rounded(fps, 3));
    let payload = CameraPayload { format: format.clone(), width: *width, height: *height, fps };
    serde_json::to_value(payload).unwrap_or_default()
}

/// The answer to a request.
pub fn response_json(answer: &commands::Answer, transaction: Option<&Value>) -> String {
    let (status, data) = match answer {
        Ok(data) => ("ok", data),
        Err(_) => ("error", &Value::Null),
    };
    let text = answer.as_ref().err().map(ToString::to_string);
    let error = text.as_deref().map(leaving::clean);
    let error_kind = answer.as_ref().err().map(|error| match error {
        CommandError::Refused(_) => "refused",
        CommandError::Unavailable(_) => "unavailable",
        CommandError::Failed(_) => "failed",
    });
    to_json(&ResponsePayload { status, data, error: error.as_deref(), error_kind, transaction })
}

/// The raw answer for one frame.
pub fn classification_json(frame: &Classification) -> String {
    to_json(&frame_payload(frame))
}

/// The answer for a picture that was uploaded to a view, labelled `at` this time. It has the members of a frame's.
pub fn upload_value(answer: &Answer, view: &ViewEntry, at: Timestamp) -> Value {
    let (camera, view) = (view.camera.clone(), view.name.clone());
    let frame = Classification { camera, view, seq: 0, ts: at, answer: answer.clone(), cached: false, origin: None };
    // Strings and numbers only: serialising them cannot fail.
    serde_json::to_value(frame_payload(&frame)).unwrap_or_default()
}

/// The answers of both models for a frame.
pub fn second_opinion_value(opinion: &SecondOpinion) -> Value {
    let SecondOpinion { accurate, fast, reason, .. } = opinion;
    let fast = &fast.answer;
    let payload = SecondOpinionPayload {
        accurate: frame_payload(accurate),
        reason: match reason {
            Reason::Interval => "interval",
            Reason::Unsure => "unsure",
            Reason::Asked => "asked",
        },
        agree: opinion.agree(),
        fast: FastPayload {
            model: model_payload(&fast.model),
            status: status_name(fast.status),
            label: fast.label().map(|ranked| &*ranked.label),
            confidence: most(fast),
            top: fast.top.iter().map(ranked).collect(),
        },
    };
    // Strings and numbers only: serialising them cannot fail.
    serde_json::to_value(payload).unwrap_or_default()
}

/// Probability of the most likely class; 0 if there is none.
fn most(answer: &Answer) -> f64 {
    answer.top.first().map_or(0.0, |best| rounded(f64::from(best.confidence), 4))
}

fn frame_payload(frame: &Classification) -> ClassificationPayload<'_> {
    let answer = &frame.answer;
    let label = answer.label().map(|ranked| &*ranked.label);
    payload(frame, answer.status, label, answer.top.first().map_or(0.0, |best| best.confidence))
}

/// The stable label.
pub fn state_json(stable: &Stable) -> String {
    let mut payload = payload(&stable.frame, stable.status, stable.label.as_deref(), stable.confidence);
    payload.since = Some(time(stable.since));
    payload.labels = stable.labels.as_ref().map(|labels| labels.held.iter().map(held).collect());
    to_json(&payload)
}

fn payload<'a>(
    frame: &'a Classification,
    status: Status,
    label: Option<&'a str>,
    confidence: f32,
) -> ClassificationPayload<'a> {
    ClassificationPayload {
        v: VERSION,
        ts: time(frame.ts),
        camera: frame.camera.as_str(),
        view: frame.view.given(),
        seq: frame.seq,
        model: model_payload(&frame.answer.model),
        status: status_name(status),
        label,
        confidence: rounded(f64::from(confidence), 4),
        top: frame.answer.top.iter().map(ranked).collect(),
        strange: frame.answer.strange,
        timing_ms: timing(&frame.answer.timing),
        cached: frame.cached,
        source: frame.origin.as_deref(),
        since: None,
        labels: None,
    }
}

fn model_payload(model: &ModelId) -> ModelPayload<'_> {
    ModelPayload { name: &model.name, precision: model.precision.to_string(), sha256: &model.sha256 }
}

fn ranked(ranked: &Ranked) -> RankedPayload<'_> {
    RankedPayload {
        label: &ranked.label,
        class_id: ranked.class_id,
        confidence: rounded(f64::from(ranked.confidence), 4),
    }
}

fn held(held: &HeldLabel) -> HeldPayload<'_> {
    let confidence = rounded(f64::from(held.confidence), 4);
    HeldPayload { label: &held.label, confidence, since: time(held.since) }
}

fn timing(timing: &Timing) -> TimingPayload {
    TimingPayload {
        capture: rounded(timing.capture_ms, 3),
        decode: rounded(timing.decode_ms, 3),
        preprocess: rounded(timing.preprocess_ms, 3),
        infer: rounded(timing.infer_ms, 3),
        total: rounded(timing.total_ms, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::classification::tests_support::{frame, several, stable};

    #[test]
    fn a_known_frame_carries_its_label_and_an_unknown_one_null() {
        let parse =
            |label| serde_json::from_str::<serde_json::Value>(&classification_json(&frame(3, label))).expect("JSON");
        let known = parse(Some("cat"));
        assert_eq!(known["label"], "cat");
        assert_eq!(known["status"], "known");
        assert_eq!(known["confidence"], 0.9);
        assert_eq!(known["top"][0], serde_json::json!({ "label": "cat", "class_id": 7, "confidence": 0.9 }));
        let unknown = parse(None);
        assert!(unknown["label"].is_null());
        assert_eq!(unknown["status"], "unknown");
        assert_eq!(unknown["top"][0]["label"], "noise", "the raw top is there even so");
    }

    #[test]
    fn independent_labels_that_hold_are_all_told() {
        let parse = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
        let both = several(&["dog", "cat"], &["cat", "dog", "bird"]);
        let state = parse(state_json(&both));
        assert_eq!(state["label"], "dog");
        let first = serde_json::json!({ "label": "dog", "confidence": 0.9, "since": "1970-01-01T00:00:00.000Z" });
        assert_eq!((state["labels"].as_array().map(Vec::len), &state["labels"][0]), (Some(2), &first));
        assert_eq!(parse(crate::payload::event_json(&both, None))["labels"], serde_json::json!(["dog", "cat"]));
        assert_eq!(parse(state_json(&several(&[], &["cat"])))["labels"], serde_json::json!([]));
        assert!(parse(state_json(&stable(Some("cat")))).get("labels").is_none(), "of one label there is no list");
    }
}
