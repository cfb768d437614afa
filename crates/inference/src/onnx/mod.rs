//! ONNX files: decoding them, the properties of their graph, the positions of their weights, and their hash.

pub(crate) mod constants;
mod ends;
pub(crate) mod extent;
mod file;
pub(crate) mod graph;
pub(crate) mod metadata;
mod one_picture;
mod outputs;
pub mod pb;
mod qoperator;
pub(crate) mod skeleton;
mod stored;
pub(crate) mod surgery;
pub(crate) mod widen;

pub(crate) use file::{Decoded, OnnxFile};
pub(crate) use stored::Stored;
