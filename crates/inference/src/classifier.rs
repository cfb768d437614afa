//! The interface of every backend.

use crate::error::Error;
use crate::tensor::Tensor;

/// A network that is ready to run. One value belongs to one thread at a time.
pub trait Classifier: Send {
    /// Evaluates the network and replaces the contents of `scores` by its output, one number per class, a background
    /// class included. What the numbers mean is [`Scores`](crate::Scores) of the inspection.
    ///
    /// # Errors
    /// When the network cannot be evaluated on this tensor, for example because the tensor has another length than the
    /// network's input.
    fn run(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), Error>;

    /// Computes each picture with this many threads from now on, the calling one included, if the backend supports it.
    /// Returns the number that is used.
    fn set_threads(&mut self, _threads: usize) -> usize {
        1
    }
}
