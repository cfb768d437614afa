//! Our own inference for convolutional classifiers: read, fuse, lay out, then run a flat list of kernel calls.
//!
//! `read` turns the ONNX graph into layers or says what it cannot run; `fuse` folds normalisation, activations,
//! additions and the quantisation around a layer into it; `plan` packs the weights and gives every result a buffer;
//! `run` executes. The loops are in `kernels`. `docs/kernels.md` explains the design.

mod aligned;
mod constant;
mod crew;
mod fuse;
mod join;
pub mod kernels;
mod layer;
mod number;
mod pack;
#[cfg(test)]
mod parity;
mod plan;
mod pointwise;
mod pooled;
mod quantised;
mod read;
mod run;
mod strip;
mod team;
#[cfg(test)]
mod tests;
mod weights;
mod windows;
mod winograd;

use super::onnx::Decoded;
use super::{Classifier, ModelError};
use crate::models::spec::InputSpec;
use crate::preprocess::Tensor;
use join::Joining;
use kernels::Kernels;
use layer::Layer;
use run::Network;

/// Why a graph is left to the general backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unsupported {
    reason: String,
    is_unreadable: bool,
}

impl Unsupported {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreadable: false }
    }

    /// What is wrong is the disk, and not the graph.
    pub fn unreadable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreadable: true }
    }

    pub fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }
}

/// A network that is ready to run, and what became known of it on the way.
pub struct Compiled {
    pub classifier: Box<dyn Classifier>,
    /// Multiply-accumulate operations for one picture.
    pub macs: u64,
    pub classes: usize,
    /// Of all results that are kept at the same time.
    pub result_bytes: u64,
    /// The instruction set that it runs on.
    pub kernels: &'static str,
}

/// Weights are read from the file when they are packed, so that they are never in memory twice.
///
/// # Errors
/// When anything in the graph is beyond these kernels; the reason names it.
pub fn compile(model: Decoded, input: &InputSpec, kernels: Kernels) -> Result<Compiled, Unsupported> {
    let network = plan::plan(layers(model, input)?, input, kernels, Joining::WhereWorthWhile)?;
    let (macs, classes, result_bytes) = (network.macs(), network.classes(), network.result_bytes());
    Ok(Compiled { macs, classes, result_bytes, kernels: kernels.name, classifier: Box::new(network) })
}

/// What is to be laid out, as few layers as it can be.
fn layers(model: Decoded, input: &InputSpec) -> Result<Vec<Layer>, Unsupported> {
    let mut layers = read::layers(model, input)?;
    fuse::fold(&mut layers)?;
    quantised::recognise(&mut layers);
    fuse::merge(&mut layers);
    Ok(layers)
}

impl Classifier for Network {
    fn run(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), ModelError> {
        self.evaluate(input, scores).map_err(|cause| ModelError::Evaluation { cause })
    }

    fn set_threads(&mut self, threads: usize) -> usize {
        self.share_among(threads)
    }
}
