//! What a model file contains: the figures of `glimpsed models inspect`.

use serde::Serialize;

use crate::input::{InputSpec, Scores};

/// Read from the graph, not from a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    pub path: String,
    pub sha256: String,
    pub file_bytes: u64,
    /// Operator set of the default ONNX domain.
    pub opset: i64,
    pub producer: String,
    pub precision: Precision,
    /// Trained numbers: weights and biases of the layers, and what batch normalisation adds.
    pub parameters: u64,
    /// Multiply-accumulate operations for one picture, in convolutions and matrix products.
    pub macs: u64,
    /// Convolutions and matrix products: the layers that have weights.
    pub layers: usize,
    /// Whether the output of a layer is added to that of an earlier one.
    pub residual: bool,
    /// What it needs to run, roughly: the weights and the results that are kept at the same time. The program itself has
    /// some 10 MB, and loading takes up to three times the file for a moment.
    pub memory_bytes: u64,
    pub input: InputSpec,
    /// The output tensor's shape with a batch of one.
    pub output: Vec<usize>,
    pub classes: usize,
    pub scores: Scores,
    /// Operators and how often each occurs, most frequent first.
    pub operators: Vec<(String, usize)>,
    /// What runs it on this machine.
    pub backend: String,
    /// Why it is not the native kernels, where it is not.
    pub not_native: Option<String>,
}

/// In what arithmetic the file's weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    Fp32,
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
