//! Reads the weights of a convolution of floats for packing, a block of output channels at a time.

use std::ops::Range;

use super::kernels::operands::LANES;
use super::layer::Conv;
use super::unsupported::Unsupported;

/// The number of weights in a block, rounded down to whole panels, at least one: a block and its packed form fit into a
/// small second-level cache.
const BLOCK: usize = 16 << 10;

/// The weights of some output channels.
pub(super) struct Block<'a> {
    conv: &'a Conv,
    values: &'a [f32],
    factors: &'a [f32],
    /// The output channels; whole panels, except for the last block.
    pub outputs: Range<usize>,
    /// The output channel of the first value.
    first: usize,
}

impl Block<'_> {
    /// The weight of an output and an input channel at a tap, multiplied with its scale.
    pub(super) fn weight(&self, output: usize, input: usize, tap: usize) -> f32 {
        self.values[self.conv.index(output - self.first, input, tap)] * self.factors[output]
    }
}

/// Calls `pack` with each block of the weights.
///
/// # Errors
/// When they cannot be read.
pub(super) fn for_each_block(conv: &Conv, mut pack: impl FnMut(&Block)) -> Result<(), Unsupported> {
    let (factors, constant) = (factors(conv), &conv.weights.constant);
    let each = conv.inputs * conv.window.taps();
    let mut buffer = Vec::new();
    if conv.weights.input_major {
        let values = &constant.floats_of(0..conv.outputs * each, &mut buffer)?;
        pack(&Block { conv, values, factors: &factors, outputs: 0..conv.outputs, first: 0 });
        return Ok(());
    }
    let at_once = (BLOCK / each.max(1) / LANES * LANES).max(LANES);
    for first in (0..conv.outputs).step_by(at_once) {
        let outputs = first..(first + at_once).min(conv.outputs);
        let values = &constant.floats_of(first * each..outputs.end * each, &mut buffer)?;
        pack(&Block { conv, values, factors: &factors, outputs, first });
    }
    Ok(())
}

/// What an output channel's weights are multiplied with: its scale and its gain.
pub(super) fn factors(conv: &Conv) -> Vec<f32> {
    let scale = |channel: usize| match conv.weights.scales.as_deref() {
        None => 1.0,
        Some(&[scale]) => scale,
        Some(scales) => scales[channel],
    };
    (0..conv.outputs).map(|channel| scale(channel) * conv.gain.as_ref().map_or(1.0, |gain| gain[channel])).collect()
}
