//! ONNX files: what their graph says of itself, where their weights are, and whether they are the ones that were meant.

mod file;
pub mod graph;
pub mod pb;
mod qoperator;
pub mod skeleton;

pub use file::{Decoded, OnnxFile};
