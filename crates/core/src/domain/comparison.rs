//! The report of a model comparison, in the form that scripts, the broker and the web page receive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a comparison is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    /// The model that is measured.
    pub model: String,
    /// Steps; all take about as long as a picture or a turn.
    pub done: usize,
    pub total: usize,
}

/// The models side by side.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Of glimpsed.
    pub version: &'static str,
    /// When it was finished: RFC 3339, UTC.
    pub ts: String,
    pub device: Device,
    pub pictures: Pictures,
    /// The model that the others are compared with.
    pub reference: String,
    /// Turns that each model took.
    pub rounds: usize,
    pub models: Vec<Row>,
    pub advice: Vec<Advice>,
}

/// Where it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Device {
    pub board: String,
    pub processor: String,
    pub cores: usize,
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pictures {
    pub source: String,
    pub count: usize,
    /// Those of which it is known what they show.
    pub labelled: usize,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    pub name: String,
    /// Why there is nothing else to tell of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(flatten)]
    pub figures: Option<Figures>,
}

/// What its file says of it, which need not be measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    pub precision: String,
    pub backend: String,
    pub sha256: String,
    pub file_bytes: u64,
    /// Trained numbers.
    pub parameters: u64,
    /// Multiply-accumulate operations for one picture.
    pub macs: u64,
    /// Those with weights.
    pub layers: usize,
    pub residual: bool,
}

/// What was measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Figures {
    #[serde(flatten)]
    pub facts: Facts,
    /// Twice the multiply-accumulates: a multiplication and an addition each.
    pub flops: u64,
    /// Median of the turns.
    pub load_ms: f64,
    pub infer_ms: Latency,
    /// Median time to make the model's input of a picture of 640x480.
    pub preprocess_ms: f64,
    /// Of a process that loads the model and labels pictures; the program itself is in it.
    pub peak_memory_bytes: Option<u64>,
    /// `null` where it is not known what the pictures show.
    pub accuracy: Option<Accuracy>,
    /// Pictures of which it says the same first as the reference model; `null` without pictures.
    pub agreement: Option<Share>,
    /// What it says of the first picture, most likely first.
    pub top: Vec<Guess>,
    /// Pictures that could not be labelled, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

/// Milliseconds for one inference.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Latency {
    pub p50: f64,
    pub p95: f64,
    pub runs: usize,
    /// How many runs took how long.
    pub histogram: Vec<Bin>,
}

/// One bar of the histogram: the number of runs that took at least `from_ms`, and less than the next bin's.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Bin {
    pub from_ms: f64,
    pub runs: usize,
}

/// How often what the picture shows was named first, and among the first five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Accuracy {
    pub top1: usize,
    pub top5: usize,
    pub of: usize,
}

/// How many of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Share {
    pub same: usize,
    pub of: usize,
}

/// A class and its probability.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Guess {
    pub label: String,
    pub class_id: usize,
    pub confidence: f64,
}

/// A model and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Advice {
    /// "fastest", "most accurate", "smallest" or "balanced".
    pub kind: &'static str,
    pub model: String,
    pub reason: String,
}
