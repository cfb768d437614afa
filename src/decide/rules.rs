//! What the decisions go by; the configuration makes these.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::groups::Groups;
use crate::domain::classification::Answering;

#[derive(Debug, Clone, PartialEq)]
pub struct LabelRules {
    pub top_k: usize,
    /// Below it the answer for a frame is "unknown".
    pub unknown_below: f32,
    pub smoothing: Smoothing,
    /// What a label needs to become the stable one; `None`: as much as `unknown_below`.
    pub enter: Option<f32>,
    /// What the stable label needs to remain it; `None`: half as much as to become it.
    pub keep: Option<f32>,
    pub margin: f32,
    pub consecutive: u32,
    pub hold: Duration,
    pub filter: LabelFilter,
}

impl LabelRules {
    /// What the answer for a single frame is made of.
    pub fn answering(&self) -> Answering {
        Answering { top_k: self.top_k, unknown_below: self.unknown_below }
    }

    pub fn enter(&self) -> f32 {
        self.enter.unwrap_or(self.unknown_below)
    }

    /// Never more than a label needs to become the stable one.
    pub fn keep(&self) -> f32 {
        self.keep.unwrap_or(self.enter() / 2.0).min(self.enter())
    }
}

/// How the answers of several frames become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smoothing {
    None,
    /// A frame's weight halves in this time.
    Exponential {
        half_life: Duration,
    },
    /// So many frames count alike.
    Window {
        frames: usize,
    },
}

/// Which labels there are to choose from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelFilter {
    /// Empty: all.
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
