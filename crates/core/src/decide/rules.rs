//! The rules that decisions follow, as the configuration sets them.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::groups::Groups;
use super::stable::Debounce;
use crate::domain::classification::Answering;

#[derive(Debug, Clone, PartialEq)]
pub struct LabelRules {
    pub top_k: usize,
    /// Below this confidence (0..1) the answer for a frame is "unknown".
    pub unknown_below: f32,
    pub smoothing: Smoothing,
    /// Confidence (0..1) a label needs to become the stable one; `None`: `unknown_below`.
    pub enter: Option<f32>,
    /// Confidence (0..1) the stable label needs to remain; `None`: half of that to become it.
    pub keep: Option<f32>,
    pub margin: f32,
    pub debounce: Debounce,
    pub filter: LabelFilter,
}

impl LabelRules {
    /// How the answer for a single frame is derived.
    pub fn answering(&self) -> Answering {
        Answering { top_k: self.top_k, unknown_below: self.unknown_below }
    }

    pub fn enter(&self) -> f32 {
        self.enter.unwrap_or(self.unknown_below)
    }

    /// The confidence to remain stable, at most that to become stable.
    pub fn keep(&self) -> f32 {
        self.keep.unwrap_or(self.enter() / 2.0).min(self.enter())
    }
}

/// How the answers of several frames are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smoothing {
    None,
    /// An exponential moving average: a frame's weight halves in this time.
    Exponential {
        half_life: Duration,
    },
    /// A moving average over this many frames.
    Window {
        frames: usize,
    },
}

/// Which labels can become the stable one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelFilter {
    /// Empty: all labels.
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    pub groups: Arc<Groups>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DisagreementChoice {
    #[default]
    Fast,
    Accurate,
    Unknown,
}
