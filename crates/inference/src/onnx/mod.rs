//! ONNX files: decoding them, the properties of their graph, the positions of their weights, and their hash.

mod file;
pub mod graph;
pub mod pb;
mod qoperator;
pub mod skeleton;

pub use file::{Decoded, OnnxFile};
