//! The models side by side on one picture of the camera, on this device.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::typed::LabelRules;
use crate::frame::{Encoding, Frame, RawFormat};
use crate::infer::Model;
use crate::infer::labeller::Labeller;
use crate::models::spec::ModelSpec;
use crate::preprocess::View;
use crate::preprocess::decode::RgbImage;
use crate::sinks::{ranking_json, rounded};

/// How often each model labels the picture, after a first time that does not count.
const RUNS: usize = 20;

/// A model that is slow gets no more time than this.
const TIME_A_MODEL: Duration = Duration::from_secs(5);

/// Loads one model after another, labels the picture with each and says what came of it and how long it took. The daemon
/// labels meanwhile, so these times are those of a busy device.
pub fn side_by_side(models: &[ModelSpec], picture: RgbImage, view: View, rules: &LabelRules) -> Value {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let encoding = Encoding::Raw { format: RawFormat::Rgb, width, height };
    let frame = Frame::from_bytes(encoding, picture.pixels);
    let models: Vec<Value> = models
        .iter()
        .map(|spec| {
            measure(spec, &frame, view, rules).unwrap_or_else(|cause| json!({ "name": spec.name, "error": cause }))
        })
        .collect();
    json!({ "width": width, "height": height, "models": models })
}

fn measure(spec: &ModelSpec, frame: &Frame, view: View, rules: &LabelRules) -> Result<Value, String> {
    let start = Instant::now();
    let model = Model::load(spec).map_err(|cause| cause.to_string())?;
    let load_ms = rounded(start.elapsed().as_secs_f64() * 1000.0, 3);
    let mut labeller = Labeller::new(model, view, rules);
    let mut answer = labeller.label(frame).map_err(|cause| cause.to_string())?;
    let (mut times, start) = (Vec::with_capacity(RUNS), Instant::now());
    while times.is_empty() || (times.len() < RUNS && start.elapsed() < TIME_A_MODEL) {
        answer = labeller.label(frame).map_err(|cause| cause.to_string())?;
        times.push(answer.timing.infer_ms);
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| rounded(times[(times.len() * percent / 100).min(times.len() - 1)], 3);
    let inspection = &labeller.model().inspection;
    Ok(json!({
        "name": spec.name,
        "precision": inspection.precision.to_string(),
        "backend": inspection.backend,
        "file_bytes": inspection.file_bytes,
        "parameters": inspection.parameters,
        "macs": inspection.macs,
        "load_ms": load_ms,
        "infer_ms": { "p50": at(50), "p95": at(95), "runs": times.len() },
        "top": ranking_json(&answer.top),
    }))
}
