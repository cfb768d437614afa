//! What was taught of a view, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::rounding::VERSION;
use crate::domain::teaching::TeachingState;

/// What was taught of a view so far (topic `teach/state`).
#[derive(Serialize, JsonSchema)]
pub(super) struct TaughtPayload<'a> {
    /// Version of this format.
    v: u32,
    /// The number of pictures that are kept.
    pictures: usize,
    /// In the order of the labels.
    classes: Vec<TaughtClassPayload<'a>>,
    /// How good what was learnt is, such as "about 19 in 20"; `null` before it was learnt, or with too few pictures to tell.
    right: Option<&'a str>,
    /// Whether the model that was written is what was learnt; `null` before that was looked at.
    written: Option<bool>,
}

/// A label with its pictures.
#[derive(Serialize, JsonSchema)]
struct TaughtClassPayload<'a> {
    label: &'a str,
    pictures: usize,
}

/// The frames that a taught model is not sure of, and that wait for somebody to say what they show (topic `unsure`). The pictures are
/// on the page, never here.
#[derive(Serialize, JsonSchema)]
pub(super) struct UnsurePayload {
    /// Version of this format.
    v: u32,
    count: usize,
    /// When the newest was seen: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    newest: Option<String>,
}

/// The payload of `teach/state`.
pub fn taught_json(state: &TeachingState) -> String {
    json(&TaughtPayload {
        v: VERSION,
        pictures: state.pictures(),
        classes: state
            .classes
            .iter()
            .map(|(label, pictures)| TaughtClassPayload { label, pictures: *pictures })
            .collect(),
        right: state.right.as_deref(),
        written: state.written,
    })
}

/// The payload of `unsure`.
pub fn unsure_json(state: &TeachingState) -> String {
    json(&UnsurePayload {
        v: VERSION,
        count: state.unsure,
        newest: state.newest_unsure.map(|newest| newest.to_string()),
    })
}

/// Strings and numbers only: serialising them cannot fail.
fn json(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).unwrap_or_default()
}
