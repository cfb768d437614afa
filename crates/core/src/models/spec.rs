//! A model's file, and the properties that its file does not state.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::threads::Threads;
use crate::models::labels::LabelSource;
use glimpsed_inference::{Backend, ChannelOrder, InputHints};

/// A model as the configuration and the catalogue describe it, before its file has been read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    pub name: String,
    pub path: PathBuf,
    pub labels: LabelSource,
    /// Whether the first class is a background class, which has no label; `None`: as [`ModelSpec::has_background`] says.
    #[serde(default)]
    pub background: Option<bool>,
    /// Lower-case hexadecimal; the file must hash to it.
    pub sha256: Option<String>,
    pub input: InputHints,
    pub backend: Backend,
    /// Only the native kernels use more than one.
    #[serde(default)]
    pub threads: Threads,
    /// What it was taught with, if that was on this device. It can share its network with others of the same base.
    #[serde(default)]
    pub taught: Option<TaughtWith>,
    /// The int8 variant: the same network quantised to 8 bits, with the same labels and input.
    pub int8: Option<Quantised>,
}

/// What a model was taught with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaughtWith {
    /// The file of the pictures' vectors.
    pub vectors: PathBuf,
    /// A picture whose nearest vector has a smaller cosine is strange; `None`: too few pictures to tell.
    pub strange_below: Option<f32>,
}

/// The classes of TensorFlow's ImageNet models, which put a background class before the 1000.
const IMAGENET_WITH_BACKGROUND: usize = 1001;

impl ModelSpec {
    /// Whether the first of so many classes, of which `labelled` have a label, is a background class. A label that is missing by mistake
    /// would shift all others, so only a key or ImageNet's own number declares one. `None`: the numbers do not match.
    pub fn has_background(&self, classes: usize, labelled: usize) -> Option<bool> {
        match classes.checked_sub(labelled) {
            Some(0) if self.background != Some(true) => Some(false),
            Some(1) if self.background.unwrap_or(classes == IMAGENET_WITH_BACKGROUND) => Some(true),
            _ => None,
        }
    }

    /// How its files are on the disk now, to see whether they have changed. Looks at the disk.
    pub fn files(&self) -> FileStates {
        let labels = match &self.labels {
            LabelSource::File(path) => Some(path),
            LabelSource::ImageNet | LabelSource::Own(_) => None,
        };
        let quantised = self.int8.as_ref().map(|quantised| &quantised.path);
        // PyTorch and onnx name the file of a model's weights so, unless they are told otherwise.
        let weights = [".data", "_data"].map(|end| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        });
        let state = |path: &PathBuf| {
            let metadata = path.metadata().ok()?;
            Some((metadata.len(), metadata.modified().ok()))
        };
        [Some(&self.path), quantised, labels].into_iter().flatten().chain(&weights).map(state).collect()
    }

    /// The model of a file that no table describes: it has what the file says of itself, and the defaults.
    pub fn of_file(path: &Path) -> Self {
        Self {
            name: path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            path: path.to_owned(),
            labels: LabelSource::Own(path.to_owned()),
            background: None,
            sha256: None,
            input: InputHints::default(),
            backend: Backend::Auto,
            threads: Threads::default(),
            taught: None,
            int8: None,
        }
    }

    /// The quantised file under the same name, if there is one.
    pub fn quantised(&self) -> Option<Self> {
        let Quantised { path, sha256 } = self.int8.clone()?;
        Some(Self { path, sha256, int8: None, ..self.clone() })
    }
}

/// Length and time of change of each file of a model; `None` if it is not there.
pub type FileStates = Vec<Option<(u64, Option<SystemTime>)>>;

/// The file of an int8 variant.
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
    /// The input normalisation of its models.
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
