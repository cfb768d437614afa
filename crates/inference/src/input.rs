//! The input of a network, and the meaning of its output.

use serde::{Deserialize, Serialize};

/// The backend that runs a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The native kernels if they support the whole network and have vector instructions for this processor, else
    /// tract.
    #[default]
    Auto,
    /// The native kernels; a network that they do not support is refused.
    Native,
    /// tract.
    Tract,
}

/// The declared properties of the input and the output, which complete those in the file; `None` for what the file says, or
/// else the default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InputHints {
    /// Height and width in pixels.
    pub size: Option<[usize; 2]>,
    /// See [`InputSpec::mean`]. There is no default for inputs of floats.
    pub mean: Option<[f32; 3]>,
    /// See [`InputSpec::std`]. There is no default for inputs of floats.
    pub std: Option<[f32; 3]>,
    /// The order of the dimensions; by default that in which the channels have the length 3.
    pub layout: Option<Layout>,
    /// The order of the colour channels; RGB by default.
    pub channels: Option<ChannelOrder>,
    /// How the picture is fitted; cropped by default.
    pub fit: Option<FitChoice>,
    /// The shorter side in pixels before the centre crop; by default the input's longer side times 256 / 224, rounded
    /// up.
    pub resize: Option<usize>,
    /// What the output's numbers mean; by default what the graph ends in.
    pub scores: Option<Scores>,
    /// The name of the output, where a file has several; by default the one that has a number for each label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The number of labels, by which one of several outputs is chosen; by default that of the file's own labels, or else
    /// ImageNet's.
    #[serde(skip)]
    pub labels: Option<usize>,
}

impl InputHints {
    /// These hints, with `fallback`'s where they are `None`.
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
            output: self.output.or(fallback.output),
            labels: self.labels.or(fallback.labels),
        }
    }
}

/// The order of a tensor's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Layout {
    /// Batch, channels, height, width.
    Nchw,
    /// Batch, height, width, channels.
    Nhwc,
}

/// The order of the colour channels in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Brightness alone, as ITU-R BT.601 weighs the colours.
    Gray,
    /// Red, green, blue and an alpha that is always opaque.
    Rgba,
    /// Blue, green, red and an alpha that is always opaque.
    Bgra,
}

impl ChannelOrder {
    /// The number of channels.
    pub fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }
}

/// How a picture is fitted to the input, as the configuration names it; see [`Fit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FitChoice {
    /// A centre crop.
    Crop,
    /// The whole picture, with its aspect ratio changed.
    Stretch,
}

/// How a picture of any aspect ratio is fitted to the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// The picture is scaled to a shorter side, and its centre is cropped to the input's size.
    Crop {
        /// The shorter side in pixels.
        shorter_px: usize,
    },
    /// The whole picture is scaled to the input's size, with its aspect ratio changed.
    Stretch,
}

/// The meaning of the network's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scores {
    /// Logits of classes that exclude each other, of which [`softmax`](crate::softmax) makes probabilities.
    Logits,
    /// Probabilities of classes that exclude each other, which add up to one.
    Softmax,
    /// Probabilities of classes that are independent of each other: any number of them may be true of a picture.
    Sigmoid,
    /// The probability `p` of the second of two classes; that of the first is `1 - p`.
    Binary,
    /// Logits of independent classes, or of the second of two, of which [`sigmoid`](crate::sigmoid) makes probabilities.
    SigmoidLogits,
}

impl Scores {
    /// As the configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::Binary => "binary",
            Self::SigmoidLogits => "sigmoid-logits",
        }
    }
}

impl std::fmt::Display for Scores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The element type of the input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// 32-bit floats, normalised with mean and standard deviation.
    F32,
    /// Bytes: the pixels as they are, 0 to 255.
    U8,
}

/// The input of a network and its preprocessing. The batch size is one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputSpec {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// The order of the dimensions.
    pub layout: Layout,
    /// The element type.
    pub element: Element,
    /// The order of the colour channels.
    pub channels: ChannelOrder,
    /// The mean of red, green and blue in `(pixel / 255 - mean) / std`, where a pixel is 0 to 255. It is not used for
    /// [`Element::U8`].
    pub mean: [f32; 3],
    /// The standard deviation of red, green and blue in the same formula. It is not used for [`Element::U8`].
    pub std: [f32; 3],
    /// How a picture is fitted to the input's size.
    pub fit: Fit,
}

impl InputSpec {
    /// The input for a picture that is scaled to this size in pixels, as interleaved RGB bytes.
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

    /// The number of elements of the tensor.
    pub fn len(&self) -> usize {
        self.channels.count() * self.height * self.width
    }

    /// Whether the tensor has no elements. Loading refuses such a model.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tensor's dimensions in the order of `layout`.
    pub fn shape(&self) -> [usize; 4] {
        match self.layout {
            Layout::Nchw => [1, self.channels.count(), self.height, self.width],
            Layout::Nhwc => [1, self.height, self.width, self.channels.count()],
        }
    }
}
