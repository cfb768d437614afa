//! What devices publish, as a client of another machine reads it: untrusted, and perhaps of another version.

use glimpsed_base::leaving;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::device::{Presence, Said};

/// A description with the configuration of many views has some 30 KB.
pub(super) const MAX_PAYLOAD: usize = 128 << 10;

/// The longest text that is kept, in bytes.
pub(super) const MAX_TEXT: usize = 160;

/// How much of a text is looked at to make that of it, in bytes.
const MAX_LOOKED_AT: usize = 4 << 10;

/// What is kept of a list.
const MAX_ITEMS: usize = 16;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Info {
    pub name: Option<String>,
    pub version: Option<String>,
    pub board: Option<String>,
    pub config_hash: Option<String>,
    #[serde(default)]
    pub models: Vec<InfoModel>,
    #[serde(default)]
    pub views: Vec<InfoView>,
    pub twin: Option<String>,
    pub instance: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct InfoModel {
    pub role: String,
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct InfoView {
    pub name: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Health {
    pub uptime_s: Option<u64>,
    pub temperature_c: Option<f64>,
    pub fps: Option<f64>,
    #[serde(default)]
    pub overwritten: u64,
    #[serde(default)]
    pub damaged: u64,
    #[serde(default)]
    pub failed: u64,
    #[serde(default)]
    pub problems: Vec<String>,
    pub mqtt: Option<HealthMqtt>,
    pub http: Option<HealthHttp>,
}

impl Health {
    /// Whether a board can say so. What cannot be would be the warmest or the fastest of all.
    ///
    /// # Errors
    /// Which number it is, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        const CELSIUS: std::ops::RangeInclusive<f64> = -100.0..=250.0;
        const FPS: std::ops::RangeInclusive<f64> = 0.0..=1e5;
        for (name, number, range) in [("temperature_c", self.temperature_c, CELSIUS), ("fps", self.fps, FPS)] {
            if let Some(number) = number.filter(|number| !range.contains(number)) {
                return Err(format!("`{name}` is {number:e}, and can be {} to {}", range.start(), range.end()));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct HealthHttp {
    #[serde(default)]
    pub listening: bool,
    pub address: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct HealthMqtt {
    #[serde(default)]
    pub dropped_events: u64,
    pub twin: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub ts: Option<String>,
    pub status: String,
    pub label: Option<String>,
    pub confidence: Option<f64>,
}

impl State {
    pub(super) fn said(self) -> Said {
        Said {
            label: self.label.map(|label| text(&label)),
            status: text(&self.status),
            confidence: self.confidence,
            at: self.ts.and_then(|ts| ts.parse::<Timestamp>().ok()),
        }
    }
}

/// A text that is safe to show, and short.
pub(super) fn text(text: &str) -> String {
    // What is cleaned is bounded, too: looking for secrets takes its time.
    leaving::short_line(&text[..text.floor_char_boundary(MAX_LOOKED_AT)], MAX_TEXT).into_owned()
}

/// The first texts of a list.
pub(super) fn texts<'a>(list: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    list.into_iter().take(MAX_ITEMS).map(|item| text(item)).collect()
}

/// Reads a payload in JSON.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    if payload.len() > MAX_PAYLOAD {
        return Err(format!("it has {} bytes, and at most {MAX_PAYLOAD} are read", payload.len()));
    }
    serde_json::from_slice(payload).map_err(|error| text(&error.to_string()))
}

/// The payload of `status`.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn presence(payload: &[u8]) -> Result<Presence, String> {
    match payload {
        b"online" => Ok(Presence::Online),
        b"offline" => Ok(Presence::Offline),
        other => {
            let begin = String::from_utf8_lossy(&other[..other.len().min(40)]).into_owned();
            Err(format!("it is `{}`, neither `online` nor `offline`", text(&begin)))
        }
    }
}
