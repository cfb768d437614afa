//! What a network is fed with, and what its numbers mean.

use serde::{Deserialize, Serialize};

/// What runs a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Our own kernels where they can run the whole network on this processor, else tract.
    #[default]
    Auto,
    Native,
    Tract,
}

/// What was declared about the input; `None` means: read it from the file, or use the usual.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InputHints {
    /// Height and width in pixels.
    pub size: Option<[usize; 2]>,
    pub mean: Option<[f32; 3]>,
    pub std: Option<[f32; 3]>,
    pub layout: Option<Layout>,
    pub channels: Option<ChannelOrder>,
    pub fit: Option<FitChoice>,
    /// Shorter side in pixels before the centre crop.
    pub resize: Option<usize>,
    pub scores: Option<Scores>,
}

impl InputHints {
    /// These hints, and where they say nothing, `fallback`'s.
    pub fn or(self, fallback: Self) -> Self {
        Self {
            size: self.size.or(fallback.size),
            mean: self.mean.or(fallback.mean),
            std: self.std.or(fallback.std),
            layout: self.layout.or(fallback.layout),
            channels: self.channels.or(fallback.channels),
            fit: self.fit.or(fallback.fit),
            resize: self.resize.or(fallback.resize),
            scores: self.scores.or(fallback.scores),
        }
    }
}

/// Order of a tensor's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Layout {
    Nchw,
    Nhwc,
}

/// Order of the colour channels in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChannelOrder {
    Rgb,
    Bgr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FitChoice {
    Crop,
    Stretch,
}

/// How a picture of any proportions becomes the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Shorter side to this many pixels, then the centre.
    Crop { shorter_px: usize },
    /// The whole picture, out of proportion.
    Stretch,
}

/// What the model's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scores {
    Logits,
    /// Probabilities that already add up to one.
    Softmax,
}

/// Element type of the input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    F32,
    U8,
}

/// Everything that preprocessing needs to know; a batch of one is implied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputSpec {
    pub height: usize,
    pub width: usize,
    pub layout: Layout,
    pub element: Element,
    pub channels: ChannelOrder,
    /// `(pixel / 255 - mean) / std`, by colour (red, green, blue); not used for [`Element::U8`], which takes pixels as they are.
    pub mean: [f32; 3],
    pub std: [f32; 3],
    pub fit: Fit,
}

impl InputSpec {
    /// The whole picture as bytes, red, green and blue by turns.
    pub fn stretched(width: usize, height: usize) -> Self {
        Self {
            height,
            width,
            layout: Layout::Nhwc,
            element: Element::U8,
            channels: ChannelOrder::Rgb,
            mean: [0.0; 3],
            std: [1.0; 3],
            fit: Fit::Stretch,
        }
    }

    /// Number of elements of the tensor.
    pub fn len(&self) -> usize {
        3 * self.height * self.width
    }

    /// Never: sizes of zero are refused when the model is loaded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimensions in the tensor's own order.
    pub fn shape(&self) -> [usize; 4] {
        match self.layout {
            Layout::Nchw => [1, 3, self.height, self.width],
            Layout::Nhwc => [1, self.height, self.width, 3],
        }
    }
}
