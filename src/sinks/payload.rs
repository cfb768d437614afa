//! The JSON that goes out. These types are the wire format; the domain's own are in [`crate::label`].

use jiff::Timestamp;
use serde::Serialize;

use crate::label::{Classification, Negotiated, Ranked, Stable, Status, Timing};

/// Grows only when a reader of the old format would misread the new one.
const VERSION: u32 = 1;

/// The only camera there is, until a device can have several.
const CAMERA: &str = "main";

#[derive(Serialize)]
struct ClassificationPayload<'a> {
    v: u32,
    ts: String,
    camera: &'static str,
    seq: u64,
    model: ModelPayload<'a>,
    status: &'static str,
    label: Option<&'a str>,
    confidence: f64,
    top: Vec<RankedPayload<'a>>,
    timing_ms: TimingPayload,
    cached: bool,
    /// The file that a replayed frame comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    /// Only in the state: when the label began to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

#[derive(Serialize)]
struct ModelPayload<'a> {
    name: &'a str,
    precision: String,
    sha256: &'a str,
}

#[derive(Serialize)]
struct RankedPayload<'a> {
    label: &'a str,
    class_id: usize,
    confidence: f64,
}

#[derive(Serialize)]
struct TimingPayload {
    capture: f64,
    decode: f64,
    preprocess: f64,
    infer: f64,
    total: f64,
}

/// What the camera's driver agreed to, as a part of `info`.
pub fn camera_json(camera: &Negotiated) -> serde_json::Value {
    serde_json::json!({
        "format": camera.format,
        "width": camera.width,
        "height": camera.height,
        "fps": camera.fps.map(|fps| rounded(fps, 3)),
    })
}

/// The raw answer for one frame.
pub fn classification_json(frame: &Classification) -> String {
    let label = frame.label();
    to_json(&payload(
        frame,
        frame.status,
        label.map(|ranked| &*ranked.label),
        frame.top.first().map_or(0.0, |best| best.confidence),
    ))
}

/// The label that holds.
pub fn state_json(stable: &Stable) -> String {
    let mut payload = payload(&stable.frame, stable.status, stable.label.as_deref(), stable.confidence);
    payload.since = Some(time(stable.since));
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
        camera: CAMERA,
        seq: frame.seq,
        model: ModelPayload {
            name: &frame.model.name,
            precision: frame.model.precision.to_string(),
            sha256: &frame.model.sha256,
        },
        status: status_name(status),
        label,
        confidence: rounded(f64::from(confidence), 4),
        top: frame.top.iter().map(ranked).collect(),
        timing_ms: timing(&frame.timing),
        cached: false,
        source: frame.origin.as_deref(),
        since: None,
    }
}

/// As it stands in every payload and in the text on standard output.
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Known => "known",
        Status::Unknown => "unknown",
    }
}

fn ranked(ranked: &Ranked) -> RankedPayload<'_> {
    RankedPayload {
        label: &ranked.label,
        class_id: ranked.class_id,
        confidence: rounded(f64::from(ranked.confidence), 4),
    }
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

/// RFC 3339 in UTC with milliseconds.
fn time(ts: Timestamp) -> String {
    ts.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10f64.powi(digits);
    (value * factor).round() / factor
}

fn to_json(payload: &ClassificationPayload<'_>) -> String {
    // Strings and numbers only: serialising them cannot fail.
    serde_json::to_string(payload).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::tests_support::frame;

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
}
