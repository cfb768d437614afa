//! What every backend makes of a file.

use crate::error::Error;
use crate::tensor::Tensor;

/// Runs a network. One value belongs to one thread.
pub trait Classifier: Send {
    /// Fills `scores` with the network's output, one number per class, background class included.
    ///
    /// # Errors
    /// When the network cannot be evaluated on this tensor.
    fn run(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), Error>;

    /// Shares each picture among so many threads from now on, where it can; returns among how many.
    fn set_threads(&mut self, _threads: usize) -> usize {
        1
    }
}
