//! The settings that can be changed at run time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::Name;

/// The current values of a view's settings that can be changed at run time.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub view: Name,
    /// Whether the camera's frames are labelled. A camera none of whose views is enabled is closed.
    pub enabled: bool,
    /// Name of the model that labels the camera's frames.
    pub model: String,
    /// Why the model cannot be used, if that is so: the view has none then.
    pub model_error: Option<String>,
    /// Which of the model's files is to be used.
    pub precision: PrecisionChoice,
    /// Below this confidence (0..1) the answer is "unknown".
    pub threshold: f32,
    /// Whether the accurate model gives second opinions; `None` if its file is missing.
    pub accurate: Option<bool>,
    /// At most so many frames a second are labelled; the file alone changes it.
    pub max_fps: Option<f64>,
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

    /// The value's spelling in the configuration file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
        }
    }
}
