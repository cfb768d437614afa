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
mod element_type;
mod folding;
mod fusion;
mod inverted_residual;
pub(crate) mod kernels;
mod layer;
mod operators;
mod pack;
#[cfg(test)]
mod parity;
mod plan;
mod pointwise;
mod pooled_convolution;
mod quantised;
mod run;
mod step;
mod tensor_view;
#[cfg(test)]
mod tests;
pub(crate) mod thread_pool;
mod unsupported;
mod weights;
mod winograd;
mod workspace;

pub(crate) use compile::compile;
