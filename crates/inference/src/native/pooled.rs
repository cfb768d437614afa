//! A convolution fused with global average pooling. Some channels of all pixels are computed at a time, and averaged
//! while they are in the first-level cache.

use std::ops::Range;

use super::convolution::{Dense, Part};
use super::element::{Inputs, ElementType, Worker};
use super::kernels::operands::LANES;
use super::layer::Shape;
use super::tensor_view::TensorView;

/// Panels of output channels that are computed at a time.
const PANELS: usize = 4;

/// The largest intermediate result in bytes. The supported boards have first-level caches of 32 KB; twice that, the
/// second level is still fast enough.
const MOST: usize = 64 << 10;

/// The smallest number of channels, so that several threads can share them.
const FEWEST: usize = 2 * PANELS * LANES;

/// Whether the fusion is faster for a convolution with this output: some of its channels fit into the cache, and there
/// are enough of them for several threads.
pub fn is_worth_while(made: Shape, element_bytes: usize) -> bool {
    made.pixels().saturating_mul(PANELS * LANES * element_bytes) <= MOST && made.channels >= FEWEST
}

/// A convolution fused with global average pooling.
#[derive(Debug)]
pub struct Pooled<N: ElementType> {
    conv: Dense<N>,
    /// The tensor view that the convolution's output would have.
    made: TensorView,
    mean: N::Mean,
}

impl<N: ElementType> Pooled<N> {
    /// `made` is the tensor view that the convolution's output would have.
    pub fn new(conv: Dense<N>, made: TensorView, mean: N::Mean) -> Self {
        Self { conv, made, mean }
    }

    /// The convolution.
    pub fn conv(&self) -> &Dense<N> {
        &self.conv
    }

    /// Elements of a thread's intermediate result.
    pub fn space(&self) -> usize {
        self.made.shape.pixels() * self.made.stride.min(PANELS * LANES)
    }

    /// Multiply-accumulate operations for the whole output.
    pub fn operations(&self) -> usize {
        self.made.length() * self.conv.taps() * self.conv.depth
    }

    /// Computes the means of some panels.
    pub fn compute(&self, worker: &mut Worker<N>, space: &mut [N], picture: &[N], panels: Range<usize>, out: &mut [N]) {
        let firsts = panels.step_by(PANELS);
        for (first, out) in firsts.zip(out.chunks_mut(PANELS * LANES)) {
            let some =
                TensorView { shape: Shape { channels: out.len(), ..self.made.shape }, stride: out.len(), ..self.made };
            let part = Part { pixels: 0..some.shape.pixels(), panels: first..first + out.len() / LANES };
            let space = &mut space[..some.length()];
            self.conv.compute(worker, Inputs { picture, residual: None }, some, part, space);
            N::means((space, some), &self.mean, out);
        }
    }
}
