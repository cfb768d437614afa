//! From an ONNX graph to a network that is ready to run.

use super::fusion::Fusion;
use super::kernels::Kernels;
use super::layer::Layer;
use super::run::Network;
use crate::classifier::Classifier;
use crate::error::Error;
use crate::input::InputSpec;
use crate::native::unsupported::Unsupported;
use crate::onnx::Decoded;
use crate::tensor::Tensor;

/// A network that is ready to run, and what became known of it on the way.
pub(crate) struct Compiled {
    pub classifier: Box<dyn Classifier>,
    /// Multiply-accumulate operations for one picture.
    pub macs: u64,
    /// The number of outputs.
    pub classes: usize,
    /// Bytes of all results that are kept at the same time.
    pub result_bytes: u64,
    /// The name of the instruction set that it runs on.
    pub kernels: &'static str,
}

/// Compiles a graph for the kernels. Weights are read from the file when they are packed, so that they are never in
/// memory twice.
///
/// # Errors
/// When anything in the graph is beyond these kernels; the reason names it.
pub(crate) fn compile(model: Decoded, input: &InputSpec, kernels: Kernels) -> Result<Compiled, Unsupported> {
    let network = super::plan::plan(layers(model, input)?, input, kernels, Fusion::WhereWorthWhile)?;
    let (macs, classes, result_bytes) = (network.macs(), network.classes(), network.result_bytes());
    Ok(Compiled { macs, classes, result_bytes, kernels: kernels.name, classifier: Box::new(network) })
}

/// The layers of a graph after folding, recognition of integer arithmetic, and merging.
pub(super) fn layers(model: Decoded, input: &InputSpec) -> Result<Vec<Layer>, Unsupported> {
    let mut layers = super::operators::layers(model, input)?;
    super::folding::fold(&mut layers)?;
    super::quantised::recognise(&mut layers);
    super::folding::merge(&mut layers);
    Ok(layers)
}

impl Classifier for Network {
    fn run(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), Error> {
        self.evaluate(input, scores).map_err(|wrong| Error::Evaluation { cause: wrong.to_string() })
    }

    fn set_threads(&mut self, threads: usize) -> usize {
        self.share_among(threads)
    }
}
