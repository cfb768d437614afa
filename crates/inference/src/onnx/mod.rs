//! ONNX files: decoding them, the properties of their graph, the positions of their weights, and their hash.

pub(crate) mod constants;
mod ends;
mod file;
pub(crate) mod graph;
mod outputs;
pub mod pb;
mod qoperator;
pub(crate) mod skeleton;
pub(crate) mod surgery;

pub(crate) use file::{Decoded, OnnxFile};
