//! The order that each set of kernels wants int8 weights in, and packing them so.

use std::ops::Range;

use super::LANES;
use crate::infer::native::aligned::Aligned;

/// What a set of kernels wants its operands to be like.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Most pixels in a tile of floats.
    pub float_rows: usize,
    /// Most pixels in a tile of bytes.
    pub byte_rows: usize,
    /// How the int8 weights of a dense convolution lie.
    pub dense: Order,
    /// Bytes of a pixel that a dense int8 kernel reads at once.
    pub reads: usize,
    /// Bytes that each input takes where a dense int8 kernel puts those of its pixels in order first; else 0.
    pub arranged: usize,
    /// Subtracted from every byte before it is multiplied: 128 where only signed bytes can be multiplied with signed ones. The
    /// sums begin with what that takes away.
    pub minus: u8,
    /// Taps of a depthwise window whose int8 weights for one channel lie side by side.
    pub taps: usize,
}

/// The order of int8 weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `[panel][tap][depth / N][LANES][N]`: for each output channel the weights of N input channels lie side by side.
    Groups(usize),
    /// `[panel][quarter][tap][depth / 16][4][16]`: sixteen input channels for each of a quarter panel's output channels.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "NEON's"))]
    Quarters,
}

/// Packed weights of an int8 convolution, and what its sums begin with.
#[derive(Debug)]
pub struct PackedBytes {
    pub weights: Aligned<i8>,
    pub bias: Vec<i32>,
    /// No weight is -128, so that the sum of two products of signed bytes fits into 16 bits.
    pub narrow: bool,
}

impl Order {
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

impl Layout {
    /// Input channels that a dense int8 kernel multiplies for each tap, those that are none included.
    pub fn depth(&self, inputs: usize) -> usize {
        inputs.next_multiple_of(self.reads)
    }

    /// Bytes that a tile needs to put its inputs in order, if `length` are multiplied for each output.
    pub fn workspace(&self, length: usize) -> usize {
        length * self.byte_rows * self.arranged
    }

    /// `weight(output, input, tap)` for as many outputs as there are biases, where the inputs of an output are those of the
    /// `depth` channels read that `own(output)` says.
    pub fn pack_dense(
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

    /// `weight(channel, tap)` for as many channels as there are biases.
    pub fn pack_depthwise(&self, bias: &[i32], taps: usize, weight: impl Fn(usize, usize) -> i8) -> PackedBytes {
        let stored = bias.len().next_multiple_of(LANES);
        let mut weights = Aligned::zeros(taps.next_multiple_of(self.taps) * stored);
        let mut starts = vec![0; stored];
        for (channel, &bias) in bias.iter().enumerate() {
            let mut sum = 0;
            for tap in 0..taps {
                let weight = weight(channel, tap);
                weights[(tap / self.taps * stored + channel) * self.taps + tap % self.taps] = weight;
                sum += i64::from(weight);
            }
            starts[channel] = self.start(bias, sum);
        }
        PackedBytes { narrow: weights.iter().all(|&weight| weight != i8::MIN), weights, bias: starts }
    }

    /// What a channel's sum begins with if its weights add up to `sum`. Sums may wrap on the way; what they are in the end
    /// fits, as the planner made sure.
    fn start(&self, bias: i32, sum: i64) -> i32 {
        (i64::from(bias) + sum * i64::from(self.minus)) as i32
    }
}
