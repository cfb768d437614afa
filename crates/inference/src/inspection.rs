//! The properties of a model file, as `glimpsed models inspect` shows them.

use serde::Serialize;

use crate::input::{InputHints, InputSpec, Scores};
use crate::scores::End;

/// The properties of a model file. They are read from its graph, except for those that depend on the backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The file's path.
    pub path: String,
    /// The SHA-256 in lower-case hexadecimal: of the file, or of the file followed by that of its weights.
    pub sha256: String,
    /// The file's length in bytes, with that of its weights.
    pub file_bytes: u64,
    /// The name of the file beside it that holds weights, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_file: Option<String>,
    /// Version of the operator set of the default ONNX domain; 0 if the file names none.
    pub opset: i64,
    /// The program that wrote the file, as it names itself.
    pub producer: String,
    /// Whether the network is quantised.
    pub precision: Precision,
    /// The number of trained parameters: weights and biases of the layers, and the constants of batch normalisation.
    pub parameters: u64,
    /// Multiply-accumulate operations (MACs) for one picture, in convolutions and matrix products.
    pub macs: u64,
    /// The number of convolutions and matrix products, which are the layers with weights.
    pub layers: usize,
    /// Whether there is a residual connection: an addition of two results that both depend on the picture.
    pub residual: bool,
    /// An estimate of the memory that the network needs to run, in bytes: the weights, and the results that are kept at
    /// the same time. The program itself has some 10 MB, and loading takes up to three times the file for a moment.
    pub memory_bytes: u64,
    /// The input and its preprocessing.
    pub input: InputSpec,
    /// The output tensor's shape with a batch of one.
    pub output: Vec<usize>,
    /// The number of classes, a background class included.
    pub classes: usize,
    /// What the output's numbers mean: as it was declared, or as the graph says; logits where both leave it open.
    pub scores: Scores,
    /// What the end of the graph says of them.
    pub end: End,
    /// What the file says of itself beside its graph.
    pub declared: Declared,
    /// The operators and how often each occurs, most frequent first.
    pub operators: Vec<(String, usize)>,
    /// The backend that runs it on this machine, such as `native (avx2)` or `tract`.
    pub backend: String,
    /// Why the native kernels do not run it; `None` if they do.
    pub not_native: Option<String>,
}

/// What a file says of itself beside its graph, in its metadata.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Declared {
    /// The names of the classes in class order; empty if it names none.
    pub labels: Vec<String>,
    /// Where it names them, such as "metadata `names`".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_from: Option<String>,
    /// What it was trained to do, such as `classify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Who made it, where its input follows from that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    /// Which properties of its input it says, each with where.
    pub input: Vec<String>,
    /// Those properties, which complete the ones that are declared elsewhere.
    #[serde(skip)]
    pub hints: InputHints,
}

/// The arithmetic of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    Fp32,
    /// Quantised to 8-bit integers, in whole or in part.
    Int8,
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
        })
    }
}
