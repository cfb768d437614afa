//! The layout of int8 weights for each set of kernels, and their packing.

use std::ops::Range;

use super::operands::LANES;
use crate::native::aligned::Aligned;

/// The layout of operands that a set of kernels expects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Most pixels in a tile of floats.
    pub float_rows: usize,
    /// The largest number of pixels in a tile of bytes.
    pub byte_rows: usize,
    /// The order of the int8 weights of a dense convolution.
    pub dense: Order,
    /// Bytes of a pixel that a dense int8 kernel reads at once.
    pub reads: usize,
    /// Workspace bytes per input byte, if a dense int8 kernel rearranges a tile's inputs first; else 0.
    pub arranged: usize,
    /// Whether a row of a window is read in place as a single tap, without a gather. What follows it in the picture is
    /// multiplied by weights of zero, which is faster if `reads` is small.
    pub rows_are_taps: bool,
    /// Subtracted from every byte before it is multiplied: 128 if the instructions multiply only signed bytes. The
    /// initial values of the accumulators compensate for it.
    pub minus: u8,
    /// The order of the int8 weights of a depthwise convolution.
    pub taps: Taps,
}

/// The order of int8 weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// `[panel][tap][depth / N][LANES][N]`: for each output channel the weights of N input channels lie side by side.
    Groups(usize),
    /// `[panel][quarter][tap][depth / 16][4][16]`: sixteen input channels for each of the four output channels of a
    /// quarter panel.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "NEON's"))]
    Quarters,
}

/// The order of the int8 weights of a depthwise convolution: `[group][channels][N]`, where a group has N taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taps {
    /// Row by row.
    InTurn(usize),
    /// The taps are grouped column by column, and a column has one group or more: `[group][channels / 64][4][16][N]`.
    /// Entry `q` of the four holds the channels `16 * block + 4 * q ..` of each of the four blocks of sixteen channels,
    /// four from each block, which is the order that interleaving bytes gives.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "AVX-512's"))]
    OfColumns(usize),
}

/// The packed weights of an int8 convolution, and the initial values of its accumulators.
#[derive(Debug)]
pub(crate) struct PackedBytes {
    pub weights: Aligned<i8>,
    /// The initial value of the accumulators of each stored output channel: its bias, plus [`Layout::minus`] times the
    /// sum of its weights.
    pub bias: Vec<i32>,
    /// No weight is -128, so that the sum of two products of signed bytes fits into 16 bits.
    pub narrow: bool,
}

impl Order {
    /// The index of the weight of an output channel, an input channel and a tap.
    fn position(self, taps: usize, depth: usize, [output, input, tap]: [usize; 3]) -> usize {
        let (panel, lane) = (output / LANES, output % LANES);
        match self {
            Self::Groups(group) => {
                ((panel * taps + tap) * depth + input / group * group) * LANES + lane * group + input % group
            }
            Self::Quarters => ((output / 4 * taps + tap) * depth + input / 16 * 16) * 4 + lane % 4 * 16 + input % 16,
        }
    }
}

/// Channels whose weights lie together in [`Taps::OfColumns`]: as many bytes as AVX-512's registers have.
pub(crate) const BLOCK: usize = 4 * LANES;

impl Taps {
    /// Weights for windows of so many rows and columns, those that are none included.
    pub(crate) fn count(self, [rows, columns]: [usize; 2], channels: usize) -> usize {
        match self {
            Self::InTurn(group) => (rows * columns).next_multiple_of(group) * channels,
            Self::OfColumns(group) => rows.next_multiple_of(group) * columns * channels.next_multiple_of(BLOCK),
        }
    }

    /// Where the weight of a channel at a tap is.
    pub(crate) fn position(self, [rows, columns]: [usize; 2], channels: usize, [channel, tap]: [usize; 2]) -> usize {
        match self {
            Self::InTurn(group) => (tap / group * channels + channel) * group + tap % group,
            Self::OfColumns(group) => {
                let at = tap % columns * rows.next_multiple_of(group) + tap / columns;
                let (block, quarter, lane) = (channel % BLOCK / LANES, channel % LANES / 4, channel % 4);
                let first = at / group * channels.next_multiple_of(BLOCK) + channel / BLOCK * BLOCK;
                (first + quarter * LANES + block * 4 + lane) * group + at % group
            }
        }
    }
}

impl Layout {
    /// Input channels that a dense int8 kernel multiplies for each tap, those that are none included.
    pub(crate) fn depth(&self, inputs: usize) -> usize {
        inputs.next_multiple_of(self.reads)
    }

    /// Bytes that a tile needs to put its inputs in order, if `length` are multiplied for each output.
    pub(crate) fn workspace(&self, length: usize) -> usize {
        length * self.byte_rows * self.arranged
    }

    /// `weight(output, input, tap)` for as many outputs as there are biases, where the inputs of an output are those of
    /// the
    /// `depth` channels read that `own(output)` says.
    pub(crate) fn pack_dense(
        &self,
        bias: &[i32],
        [depth, taps]: [usize; 2],
        own: impl Fn(usize) -> Range<usize>,
        weight: impl Fn(usize, usize, usize) -> i8,
    ) -> PackedBytes {
        let (outputs, depth) = (bias.len().next_multiple_of(LANES), self.depth(depth));
        let mut weights = Aligned::zeros(outputs * taps * depth);
        let mut starts = vec![0; outputs];
        for (output, &bias) in bias.iter().enumerate() {
            let mut sum = 0;
            for tap in 0..taps {
                for (input, read) in own(output).enumerate() {
                    let weight = weight(output, input, tap);
                    weights[self.dense.position(taps, depth, [output, read, tap])] = weight;
                    sum += i64::from(weight);
                }
            }
            starts[output] = self.start(bias, sum);
        }
        PackedBytes { narrow: weights.iter().all(|&weight| weight != i8::MIN), weights, bias: starts }
    }

    /// `weight(channel, tap)` for as many channels as there are biases and windows of so many rows and columns.
    pub(crate) fn pack_depthwise(
        &self,
        bias: &[i32],
        size: [usize; 2],
        weight: impl Fn(usize, usize) -> i8,
    ) -> PackedBytes {
        let stored = bias.len().next_multiple_of(LANES);
        let mut weights = Aligned::zeros(self.taps.count(size, stored));
        let mut starts = vec![0; stored];
        for (channel, &bias) in bias.iter().enumerate() {
            let mut sum = 0;
            for tap in 0..size[0] * size[1] {
                let weight = weight(channel, tap);
                weights[self.taps.position(size, stored, [channel, tap])] = weight;
                sum += i64::from(weight);
            }
            starts[channel] = self.start(bias, sum);
        }
        PackedBytes { narrow: weights.iter().all(|&weight| weight != i8::MIN), weights, bias: starts }
    }

    /// The initial value of an accumulator, if the weights of its channel add up to `sum`. Accumulators may wrap in
    /// between; the planner has checked that the final values fit into 32 bits.
    fn start(&self, bias: i32, sum: i64) -> i32 {
        (i64::from(bias) + sum * i64::from(self.minus)) as i32
    }
}
