//! Which file a model is, and what its file does not say of itself.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::threads::Threads;
use crate::models::labels::LabelSource;

/// A model as the configuration and the catalogue describe it, before its file has been read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    pub name: String,
    pub path: PathBuf,
    pub labels: LabelSource,
    /// Lower-case hexadecimal; the file must hash to it.
    pub sha256: Option<String>,
    pub input: InputHints,
    pub backend: Backend,
    /// For the native kernels.
    #[serde(default)]
    pub threads: Threads,
    /// The same network quantised to 8 bits, with the same labels and input.
    pub int8: Option<Quantised>,
}

impl ModelSpec {
    /// The quantised file under the same name, if there is one.
    pub fn quantised(&self) -> Option<Self> {
        let Quantised { path, sha256 } = self.int8.clone()?;
        Some(Self { path, sha256, int8: None, ..self.clone() })
    }
}

/// A quantised file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantised {
    pub path: PathBuf,
    /// As in [`ModelSpec`].
    pub sha256: Option<String>,
}

/// Families of models that scale their input alike: `imagenet` (torchvision, timm and the ONNX Model Zoo) by mean and
/// deviation of ImageNet's colours, `inception` (and TensorFlow's MobileNets) to -1..1, `efficientnet-lite` by
/// (byte - 127) / 128, `unit` to 0..1, `bytes` not at all (0..255), `caffe` 0..255 less ImageNet's mean, blue first.
// No documentation of single variants: the schema would have another form than that of the other choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    Imagenet,
    Inception,
    EfficientnetLite,
    Unit,
    Bytes,
    Caffe,
}

impl Family {
    /// What its models are fed with.
    pub fn hints(self) -> InputHints {
        const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
        const BYTE: f32 = 1.0 / 255.0;
        let (mean, std) = match self {
            Self::Imagenet => (MEAN, [0.229, 0.224, 0.225]),
            Self::Inception => ([0.5; 3], [0.5; 3]),
            Self::EfficientnetLite => ([127.0 / 255.0; 3], [128.0 / 255.0; 3]),
            Self::Unit => ([0.0; 3], [1.0; 3]),
            Self::Bytes => ([0.0; 3], [BYTE; 3]),
            // 123.68, 116.779 and 103.939 of 255.
            Self::Caffe => ([0.485_02, 0.457_957, 0.407_604], [BYTE; 3]),
        };
        let channels = (self == Self::Caffe).then_some(ChannelOrder::Bgr);
        InputHints { mean: Some(mean), std: Some(std), channels, ..InputHints::default() }
    }
}

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

/// `path` as seen from the directory of the file that names it.
pub fn resolve(base: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { base.join(path) }
}
