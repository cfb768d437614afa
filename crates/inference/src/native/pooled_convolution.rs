//! A convolution fused with global average pooling. Some channels of all pixels are computed at a time, and averaged
//! while they are in the first-level cache.

use std::ops::Range;

use super::convolution::{Dense, Part};
use super::element_type::{ElementType, Inputs, Worker};
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

/// Whether what a convolution makes of this shape is so small that some channels of it stay in the cache, and has so
/// many that threads can share them.
pub(super) fn is_worth_while(made: Shape, element_bytes: usize) -> bool {
    made.pixels().saturating_mul(PANELS * LANES * element_bytes) <= MOST && made.channels >= FEWEST
}

/// A convolution fused with global average pooling.
#[derive(Debug)]
pub(super) struct Pooled<N: ElementType> {
    conv: Dense<N>,
    /// The tensor view that the convolution's output would have.
    made: TensorView,
    mean: N::Mean,
}

impl<N: ElementType> Pooled<N> {
    pub(super) fn new(conv: Dense<N>, made: TensorView, mean: N::Mean) -> Self {
        Self { conv, made, mean }
    }

    pub(super) fn conv(&self) -> &Dense<N> {
        &self.conv
    }

    /// Numbers that a thread needs room for.
    pub(super) fn space(&self) -> usize {
        self.made.shape.pixels() * self.made.stride.min(PANELS * LANES)
    }

    /// Multiplications and additions for all of it.
    pub(super) fn operations(&self) -> usize {
        self.made.length() * self.conv.taps() * self.conv.depth
    }

    /// Computes the means of some panels.
    pub(super) fn compute(
        &self,
        worker: &mut Worker<N>,
        space: &mut [N],
        picture: &[N],
        panels: Range<usize>,
        out: &mut [N],
    ) {
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
