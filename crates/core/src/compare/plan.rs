//! The plan of a comparison.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::framing::Framing;
use crate::models::spec::ModelSpec;
use crate::preprocess::picture::RgbImage;

/// A picture with its labels.
#[derive(Debug, Clone)]
pub struct Picture {
    pub name: String,
    pub content: Content,
    /// Correct labels, of which any counts; empty if unknown.
    pub labels: Vec<String>,
}

/// The content of a picture.
#[derive(Debug, Clone)]
pub enum Content {
    File(PathBuf),
    /// With the rotation and region to apply.
    Rgb(RgbImage, Framing),
}

/// The subjects and the effort of a comparison.
#[derive(Debug, Clone)]
pub struct Plan {
    pub models: Vec<ModelSpec>,
    pub pictures: Vec<Picture>,
    /// Origin of the pictures, for the report.
    pub source: String,
    /// The reference for the others' agreement; the first model by default.
    pub reference: Option<String>,
    /// Turns per model.
    pub rounds: usize,
    /// Runs per turn, and the longest duration of a turn.
    pub runs: usize,
    pub time_a_turn: Duration,
    /// Whether to run at low priority.
    pub low_priority: bool,
}
