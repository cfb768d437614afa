//! ONNX files: what their graph says of itself, where their weights are, and whether they are the ones that were meant.

mod file;
pub(crate) mod graph;
pub mod pb;
mod qoperator;
pub(crate) mod skeleton;

pub(crate) use file::{Decoded, OnnxFile};
