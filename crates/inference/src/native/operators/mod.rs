//! From an ONNX graph to layers: names become indices, shapes are inferred, and constants are not copied.

mod arithmetic;
mod arrangement;
mod attributes;
mod graph;
mod quantisation;

pub(super) use graph::layers;
