//! What is made of frames: which are looked at, by which models, and what is concluded.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::interval::Interval;
use crate::decide::rules::DisagreementChoice;

/// A second opinion: another model looks at single frames, now and then.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawAccurate {
    /// Ask a second model.
    pub enabled: bool,
    /// Name of that model.
    pub model: String,
    /// Longest time between two second opinions; `0s` asks only when the fast model is unsure, or on request.
    pub every: Interval,
    /// Ask also when the fast model is unsure.
    pub when_unsure: bool,
    /// The fast model is unsure when its two best answers are closer than this (0..1); 0 never.
    pub unsure_margin: f64,
    /// The fast model is unsure when the entropy of its answer, from 0 (certain) to 1 (no idea), is above this; 1 never.
    pub unsure_entropy: f64,
    /// The second model works on frames at most this share of the time (0..1).
    pub max_duty: f64,
    /// Which label holds where the two disagree: `fast`, `accurate`, or neither (`unknown`).
    pub disagreement: DisagreementChoice,
}

impl Default for RawAccurate {
    fn default() -> Self {
        Self {
            enabled: false,
            model: "resnet-18".into(),
            every: Interval::from_secs(30),
            when_unsure: true,
            unsure_margin: 0.1,
            unsure_entropy: 0.6,
            max_duty: 0.1,
            disagreement: DisagreementChoice::default(),
        }
    }
}

/// From scores to a label.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawLabels {
    /// How many labels to publish with each answer.
    pub top_k: u32,
    /// Below this confidence (0..1) the answer for a frame is `unknown`.
    pub unknown_below: f64,
    /// How the answers of several frames become one: `none`, `exponential` (by `half_life`) or `window` (by `window`).
    pub smoothing: SmoothingChoice,
    /// After this time a frame counts half as much.
    pub half_life: Interval,
    /// The number of frames that are averaged, with equal weights.
    pub window: u32,
    /// What a label needs (0..1) to become the stable one. Default: `unknown_below`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enter: Option<f64>,
    /// What the stable label needs (0..1) to remain it. Default: half of `enter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<f64>,
    /// By how much (0..1) another label must be ahead of the stable one to replace it.
    pub margin: f64,
    /// How many frames in a row must agree before the stable label changes, at one to ten frames a second.
    pub consecutive: u32,
    /// The stable label does not change again before this time has passed.
    pub hold: Interval,
    /// Only these labels and groups can be the stable label; empty allows all.
    pub allow: Vec<String>,
    /// These labels and groups are never the stable label.
    pub deny: Vec<String>,
    /// Classes that count as one label: `imagenet` for the built-in groups, or a TOML file of your own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<PathBuf>,
}

impl Default for RawLabels {
    fn default() -> Self {
        Self {
            top_k: 3,
            unknown_below: 0.2,
            smoothing: SmoothingChoice::default(),
            half_life: Interval::from_millis(500),
            window: 5,
            enter: None,
            keep: None,
            margin: 0.1,
            consecutive: 3,
            hold: Interval::from_secs(0),
            allow: Vec::new(),
            deny: Vec::new(),
            groups: None,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SmoothingChoice {
    None,
    #[default]
    Exponential,
    Window,
}

/// The part of the picture that is looked at, in fractions of the picture as people see it (after `rotate`).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawRoi {
    /// Left edge, from 0 to 1.
    pub x: f64,
    /// Upper edge, from 0 to 1.
    pub y: f64,
    /// Width, up to 1.
    pub width: f64,
    /// Height, up to 1.
    pub height: f64,
}

impl Default for RawRoi {
    fn default() -> Self {
        Self { x: 0.0, y: 0.0, width: 1.0, height: 1.0 }
    }
}

/// Which frames are worth the model's time.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawGate {
    /// A picture whose mean brightness (0..255) is below this is `too_dark`, and one that is brighter but of one colour `covered`; 0 never.
    pub min_luma: f64,
    /// A picture no part of which has changed in brightness by this much (0..255) gets the last answer again; 0 never.
    pub min_change: f64,
    /// At most so many frames a second are labelled; the others are dropped before they are decoded. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<f64>,
}

impl Default for RawGate {
    fn default() -> Self {
        Self { min_luma: 10.0, min_change: 6.0, max_fps: None }
    }
}

/// Answers that serve again.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCache {
    /// How many uploaded pictures' answers are kept.
    pub entries: u32,
    /// The picture is looked at again after this long, even if it has not changed.
    pub ttl: Interval,
}

impl Default for RawCache {
    fn default() -> Self {
        Self { entries: 64, ttl: Interval::from_secs(5) }
    }
}

/// How much of the processor labelling may take.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawPipeline {
    /// Frames of all views are labelled at most this share of the time (0..1); 1 does not limit it.
    pub max_duty: f64,
}

impl Default for RawPipeline {
    fn default() -> Self {
        Self { max_duty: 1.0 }
    }
}

/// What a board that grows too warm does about it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawThermal {
    /// From this temperature on (degrees Celsius) fewer frames are labelled: half, a quarter, an eighth.
    pub soft_c: f64,
    /// From this temperature on no frames are labelled.
    pub hard_c: f64,
}

impl Default for RawThermal {
    fn default() -> Self {
        Self { soft_c: 75.0, hard_c: 84.0 }
    }
}
