//! Our own inference for convolutional classifiers: read, fuse, lay out, then run a flat list of kernel calls.
//!
//! `read` turns the ONNX graph into layers or says what it cannot run; `fuse` folds normalisation, activations,
//! additions and the quantisation around a layer into it; `plan` packs the weights and gives every result a buffer;
//! `run` executes. The loops are in `kernels`. `docs/kernels.md` explains the design.

mod aligned;
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
mod place;
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

use self::fusion::Joining;
use self::kernels::Kernels;
use self::layer::Layer;
use self::run::Network;
use crate::classifier::Classifier;
use crate::error::Error;
use crate::input::InputSpec;
use crate::native::unsupported::Unsupported;
use crate::onnx::Decoded;
use crate::tensor::Tensor;

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
    let network = self::plan::plan(layers(model, input)?, input, kernels, Joining::WhereWorthWhile)?;
    let (macs, classes, result_bytes) = (network.macs(), network.classes(), network.result_bytes());
    Ok(Compiled { macs, classes, result_bytes, kernels: kernels.name, classifier: Box::new(network) })
}

/// What is to be laid out, as few layers as it can be.
fn layers(model: Decoded, input: &InputSpec) -> Result<Vec<Layer>, Unsupported> {
    let mut layers = self::read::layers(model, input)?;
    self::folding::fold(&mut layers)?;
    self::quantised::recognise(&mut layers);
    self::folding::merge(&mut layers);
    Ok(layers)
}

impl Classifier for Network {
    fn run(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), Error> {
        self.evaluate(input, scores).map_err(|cause| Error::Evaluation { cause })
    }

    fn set_threads(&mut self, threads: usize) -> usize {
        self.share_among(threads)
    }
}
