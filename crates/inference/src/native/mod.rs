//! The native backend for convolutional classifiers: it compiles an ONNX graph to a flat list of kernel calls.
//!
//! `read` turns the graph into layers, or reports what is not supported. `folding` folds batch normalisation, padding,
//! activations and additions into convolutions, and `quantised` recognises integer arithmetic. `plan` joins layers
//! (`fusion`), packs the weights (`pack`) and assigns a buffer to every result. `run` executes the list. The inner
//! loops are in `kernels`. `docs/kernels.md` explains the design.

mod aligned;
mod compile;
mod constant;
mod convolution;
mod element;
mod folding;
mod fusion;
mod inverted_residual;
pub mod kernels;
mod layer;
mod pack;
#[cfg(test)]
mod parity;
mod tensor_view;
mod plan;
mod pointwise;
pub mod pool;
mod pooled;
mod quantised;
mod read;
mod run;
#[cfg(test)]
mod tests;
mod unsupported;
mod weights;
mod winograd;
mod workspace;

pub use compile::compile;
