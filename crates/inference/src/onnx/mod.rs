//! ONNX files: decoding them, the properties of their graph, the positions of their weights, and their hash.

mod file;
pub(crate) mod graph;
pub mod pb;
mod qoperator;
pub(crate) mod skeleton;
pub(crate) mod surgery;

pub(crate) use file::{Decoded, OnnxFile};
