//! Our own inference for convolutional classifiers: read, fuse, lay out, then run a flat list of kernel calls.
//!
//! `read` turns the ONNX graph into layers or says what it cannot run; `fuse` folds normalisation, activations,
//! additions and the quantisation around a layer into it; `plan` packs the weights and gives every result a buffer;
//! `run` executes. The loops are in `kernels`. `docs/kernels.md` explains the design.

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
mod tensor_view;
#[cfg(test)]
mod tests;
pub(crate) mod thread_pool;
mod unsupported;
mod weights;
mod winograd;
mod workspace;

pub(crate) use compile::compile;
