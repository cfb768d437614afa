//! How words, times and objects are written in every payload.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::classification::Status;

/// The status in every payload and in the text on standard output.
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Known => "known",
        Status::Unknown => "unknown",
        Status::TooDark => "too_dark",
        Status::Covered => "covered",
        Status::Stale => "stale",
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(super) fn time(ts: Timestamp) -> String {
    ts.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

pub(super) fn to_json(payload: &impl Serialize) -> String {
    // Strings and numbers only: serialising them cannot fail.
    serde_json::to_string(payload).unwrap_or_default()
}
