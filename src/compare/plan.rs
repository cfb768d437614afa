//! What is to be compared.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::view::View;
use crate::models::spec::ModelSpec;
use crate::preprocess::picture::RgbImage;

/// A picture and what it shows.
#[derive(Debug, Clone)]
pub struct Picture {
    pub name: String,
    pub content: Content,
    /// Labels that are right, any of them; none when that is not known.
    pub labels: Vec<String>,
}

/// Where a picture is.
#[derive(Debug, Clone)]
pub enum Content {
    File(PathBuf),
    /// And what of it is to be looked at.
    Rgb(RgbImage, View),
}

/// What is to be compared, and how thoroughly.
#[derive(Debug, Clone)]
pub struct Plan {
    pub models: Vec<ModelSpec>,
    pub pictures: Vec<Picture>,
    /// Where the pictures are from, for the report.
    pub source: String,
    /// The model that the others' answers are compared with; without it, the first.
    pub reference: Option<String>,
    /// Turns that each model takes.
    pub rounds: usize,
    /// Pictures in a turn, and the longest that a turn takes.
    pub runs: usize,
    pub time_a_turn: Duration,
    /// Whether everything else comes first.
    pub low_priority: bool,
}
