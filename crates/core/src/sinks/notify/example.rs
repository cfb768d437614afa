//! A notice that is sent to see whether it arrives.

use std::sync::Arc;

use super::compose::{Titles, in_words};
use super::deliver::{Refusal, send};
use crate::config::typed::{Config, Notify};
use crate::decide::notices::{Occasion, When};
use crate::domain::classification::{Answer, Classification, ModelId, Stable, Status, Timing, Top};
use glimpsed_base::clock::{Clock, SystemClock};
use glimpsed_inference::Precision;

/// The label of a rule for all labels.
const LABEL: &str = "example";

/// Sends what the rule would tell of its label now.
///
/// # Errors
/// Why it was not taken.
pub async fn send_example(config: &Config, rule: &Notify) -> Result<(), Refusal> {
    send(&rule.to, &in_words(rule, &Titles::of(config), &occasion(config, rule))).await
}

fn occasion(config: &Config, rule: &Notify) -> Occasion {
    let view = rule.rule.view.as_ref().and_then(|name| config.view(name)).unwrap_or(config.first());
    let label: Arc<str> = rule.rule.label.clone().unwrap_or_else(|| LABEL.into());
    let ts = SystemClock::new().wall();
    let model = ModelId { name: view.model.name.clone(), precision: Precision::Fp32, sha256: String::new() };
    let leaves = rule.rule.when == When::Leaves;
    let status = if leaves { Status::Unknown } else { Status::Known };
    let answer = Answer { model: Arc::new(model), status, top: Top::new(), strange: None, timing: Timing::default() };
    let frame = Classification {
        camera: view.camera.clone(),
        view: view.name.clone(),
        seq: 0,
        ts,
        answer,
        cached: false,
        origin: None,
    };
    let (now, before) = if leaves { (None, Some(label.clone())) } else { (Some(label.clone()), None) };
    let now = Stable { frame, status, label: now, confidence: if leaves { 0.0 } else { 1.0 }, since: ts, labels: None };
    Occasion { label, now, before }
}
