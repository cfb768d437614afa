//! What can be set while the daemon runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can be set while the daemon runs, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether the camera is looked through.
    pub enabled: bool,
    /// Name of the model that labels the video.
    pub model: String,
    /// Which of its files is wanted.
    pub precision: PrecisionChoice,
    /// Below this confidence (0..1) the answer is "unknown".
    pub threshold: f32,
    /// Whether a second model is asked now and then; `None` where its file is missing.
    pub accurate: Option<bool>,
}

/// Which of a model's two files labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    Auto,
    #[default]
    Fp32,
    Int8,
}

impl PrecisionChoice {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Fp32, Self::Int8];

    /// As it stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
        }
    }
}
