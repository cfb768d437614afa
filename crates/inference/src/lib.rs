//! Runs ONNX image classifiers on a CPU.
//!
//! [`load`] reads and checks a file, and compiles it for the native kernels if they support the whole network.
//! Otherwise tract runs it, if the feature `tract` is on.

#![deny(missing_docs)]

mod classifier;
mod error;
mod half;
mod hash;
mod input;
mod inspection;
mod load;
mod native;
mod onnx;
pub mod resample;
mod scores;
mod source;
mod teach;
mod tensor;
#[cfg(feature = "tract")]
mod tract;
mod wide;

pub use crate::native::thread_pool::MAX_THREADS;
pub use classifier::Classifier;
pub use error::Error;
pub use hash::{hex, sha256_of, sha256_of_all};
pub use input::{Backend, ChannelOrder, Element, Fit, FitChoice, InputHints, InputSpec, Layout, Scores};
pub use inspection::{Declared, Inspection, Precision};
pub use load::{Loaded, declared, load, load_onto};
pub use native::kernels::Kernels;
pub use onnx::pb;
pub use scores::{End, sigmoid, softmax};
pub use source::Source;
pub use teach::{LastMatrix, OwnMatrix, load_vector, with_last_matrix};
pub use tensor::Tensor;
pub use wide::widened;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
