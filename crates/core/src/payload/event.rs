//! A change of the label, and what people are told of it.

use schemars::JsonSchema;
use serde::Serialize;

use super::rounding::{VERSION, rounded};
use super::words::{status_name, time, to_json};
use crate::domain::classification::Stable;

/// Another label holds (topic `event`).
#[derive(Serialize, JsonSchema)]
pub(super) struct EventPayload<'a> {
    /// Version of this format.
    v: u32,
    #[schemars(extend("const" = "label_changed"))]
    event_type: &'static str,
    /// When the frame that decided it was captured: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    ts: String,
    camera: &'a str,
    /// Name of the view, of a device that has several or one with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'a str>,
    seq: u64,
    #[schemars(extend("enum" = ["known", "unknown", "too_dark", "covered"]))]
    status: &'static str,
    /// `null` when nothing is likely enough any more.
    label: Option<&'a str>,
    /// The label before; `null` when there was none.
    previous: Option<&'a str>,
    /// Of a model whose labels do not exclude each other: all that hold now, most likely first.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<&'a str>>,
    #[schemars(range(min = 0, max = 1))]
    confidence: f64,
}

/// What a web server is told (`[[notify]]`): the members of `event`, of the change that it is about, and what is told of it.
#[derive(Serialize, JsonSchema)]
pub(super) struct NoticePayload<'a> {
    #[serde(flatten)]
    event: EventPayload<'a>,
    notice: About<'a>,
}

/// What a notice tells.
#[derive(Clone, Copy, Serialize, JsonSchema)]
pub struct About<'a> {
    /// What people call the device.
    pub device: &'a str,
    /// The rule: "appears", "leaves", "first of the day", or "held for 5m".
    pub when: &'a str,
    /// The label that it is about, which of "leaves" is the former one.
    pub label: &'a str,
    pub title: &'a str,
    pub text: &'a str,
}

/// A change of the stable label.
pub fn event_json(now: &Stable, before: Option<&str>) -> String {
    to_json(&EventPayload::of(now, before))
}

impl<'a> EventPayload<'a> {
    pub(super) fn of(now: &'a Stable, before: Option<&'a str>) -> Self {
        Self {
            v: VERSION,
            event_type: "label_changed",
            ts: time(now.frame.ts),
            camera: now.frame.camera.as_str(),
            view: now.frame.view.given(),
            seq: now.frame.seq,
            status: status_name(now.status),
            label: now.label.as_deref(),
            previous: before,
            labels: now.labels.as_ref().map(|labels| labels.held.iter().map(|held| &*held.label).collect()),
            confidence: rounded(f64::from(now.confidence), 4),
        }
    }
}

/// The body of a request to a web server.
pub fn notice_json(now: &Stable, before: Option<&str>, about: About<'_>) -> String {
    to_json(&NoticePayload { event: EventPayload::of(now, before), notice: about })
}
