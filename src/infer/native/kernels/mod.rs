//! The inner loops, one set for each instruction set, chosen when the model is loaded.
//!
//! Every set computes what [`scalar`] computes: it is the specification, and the tests compare the others with it. The
//! functions here are safe: each checks its slices against its arguments before it calls the unsafe loop behind it.
//!
//! Activations are channels-last. A pixel has [`stored`] channels, so that vectors of [`LANES`] channels never straddle
//! pixels; those beyond the real ones hold anything, and weights of zero meet them.

#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod scalar;

use super::layer::Quant;

/// Output channels in a panel of packed weights.
pub const LANES: usize = 16;

/// Most pixels in a tile.
pub const MAX_ROWS: usize = 8;

/// Most panels that one call works on.
pub const MAX_PANELS: usize = 3;

/// Input channels that an int8 kernel multiplies at once.
pub const GROUP: usize = 4;

/// Most taps of a depthwise window: 5x5.
pub const MAX_TAPS: usize = 25;

/// Channels that a pixel of `channels` takes in memory.
pub fn stored(channels: usize) -> usize {
    if channels <= GROUP { GROUP } else { channels.next_multiple_of(LANES) }
}

/// What happens to a sum before it is stored, in this order: the addition, then the bounds.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub low: f32,
    pub high: f32,
}

/// From steps of a scale to a byte: `clamp(round(steps) + zero point)`, halves to even, as ONNX has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToByte {
    pub zero_point: u8,
    pub low: u8,
    pub high: u8,
}

/// From an i32 sum to a byte.
#[derive(Debug, Clone, Copy)]
pub struct Requantise<'a> {
    /// What makes steps of a sum, for each output channel.
    pub scale: &'a [f32],
    pub to: ToByte,
}

/// Up to [`MAX_ROWS`] pixels of a dense convolution, all their output channels.
#[derive(Debug)]
pub struct Tile<'a, T, W, S> {
    pub source: &'a [T],
    /// `[taps][rows]`: where in `source` the input pixel of each tap of each output pixel begins.
    pub offsets: &'a [u32],
    pub rows: usize,
    pub taps: usize,
    /// Channels of an input pixel that are multiplied.
    pub depth: usize,
    /// `[panel][tap][depth][LANES]`, for int8 `[panel][tap][depth / GROUP][LANES][GROUP]`.
    pub weights: &'a [W],
    /// One for every stored output channel.
    pub bias: &'a [S],
}

impl<T, W, S> Tile<'_, T, W, S> {
    fn panels(&self) -> usize {
        self.bias.len() / LANES
    }

    /// # Panics
    /// When a slice is shorter than the arguments say; the planner never makes such a tile.
    fn check(&self, out: usize, row_stride: usize, group: usize) {
        let panels = self.panels();
        assert!(
            (1..=MAX_ROWS).contains(&self.rows) && self.bias.len() == panels * LANES && row_stride >= panels * LANES
        );
        assert!(self.depth.is_multiple_of(group) && self.taps > 0 && self.depth > 0);
        assert!(self.offsets.len() == self.taps * self.rows);
        assert!(self.weights.len() == panels * self.taps * self.depth * LANES);
        let furthest = self.offsets.iter().fold(0, |furthest, &offset| furthest.max(offset)) as usize;
        assert!(furthest + self.depth <= self.source.len());
        assert!(out >= (self.rows - 1) * row_stride + panels * LANES);
    }
}

pub type TileF32<'a> = Tile<'a, f32, f32, f32>;
pub type TileU8<'a> = Tile<'a, u8, i8, i32>;

/// A run of output pixels of a depthwise convolution, none of whose windows crosses the left or right edge.
#[derive(Debug)]
pub struct Span<'a, T, W, S> {
    pub source: &'a [T],
    /// Where each tap of the first output pixel begins in `source`.
    pub offsets: &'a [u32],
    /// From one output pixel's taps to the next one's.
    pub step: usize,
    pub pixels: usize,
    /// Stored channels.
    pub channels: usize,
    /// `[tap][channels]`; for int8 `[ceil(taps / GROUP)][channels][GROUP]`.
    pub weights: &'a [W],
    pub bias: &'a [S],
}

impl<T, W, S> Span<'_, T, W, S> {
    /// # Panics
    /// When a slice is shorter than the arguments say; the planner never makes such a span.
    fn check(&self, out: usize, taps: usize) {
        assert!(self.channels.is_multiple_of(LANES) && self.bias.len() == self.channels && self.pixels > 0);
        assert!(
            !self.offsets.is_empty() && self.offsets.len() <= MAX_TAPS && self.weights.len() == taps * self.channels
        );
        let furthest = self.offsets.iter().fold(0, |furthest, &offset| furthest.max(offset)) as usize;
        assert!(furthest + (self.pixels - 1) * self.step + self.channels <= self.source.len());
        assert!(out >= self.pixels * self.channels);
    }
}

pub type SpanF32<'a> = Span<'a, f32, f32, f32>;
pub type SpanU8<'a> = Span<'a, u8, i8, i32>;

/// The inner loops of one instruction set. The fields are unsafe because a processor without that set cannot run them, and
/// because they take what [`Tile::check`] and [`Span::check`] have seen for granted.
#[derive(Clone, Copy)]
pub struct Kernels {
    pub name: &'static str,
    tile_f32: TileF32Loop,
    tile_u8: unsafe fn(&TileU8, Requantise, &mut [u8], usize),
    span_f32: unsafe fn(&SpanF32, Bounds, &mut [f32]),
    span_u8: unsafe fn(&SpanU8, Requantise, &mut [u8]),
    quantise: unsafe fn(&[f32], f32, ToByte, &mut [u8]),
    add_u8: unsafe fn(&Sum, ToByte, &mut [u8]),
}

type TileF32Loop = unsafe fn(&TileF32, Bounds, Option<&[f32]>, &mut [f32], usize);

/// Two quantised pictures that are added: `a * factors[0] + b * factors[1] - shift` are the steps of the result.
#[derive(Debug, Clone, Copy)]
pub struct Sum<'a> {
    a: &'a [u8],
    b: &'a [u8],
    factors: [f32; 2],
    shift: f32,
}

impl Kernels {
    /// The fastest that this processor has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(kernels) = avx512::kernels() {
            return kernels;
        }
        scalar::KERNELS
    }

    /// Whether these are vector kernels; the portable ones are a specification, not something to run a camera with.
    pub fn are_fast(&self) -> bool {
        self.name != scalar::KERNELS.name
    }

    /// `out[row * row_stride ..]` becomes the row's sums plus `residual`'s at the same place, bounded.
    pub fn tile_f32(
        &self,
        tile: &TileF32,
        bounds: Bounds,
        residual: Option<&[f32]>,
        out: &mut [f32],
        row_stride: usize,
    ) {
        tile.check(out.len(), row_stride, 1);
        assert!(residual.is_none_or(|residual| residual.len() >= out.len()));
        // SAFETY: the slices were checked, and `detect` took this set because the processor has it.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.tile_f32)(tile, bounds, residual, out, row_stride);
        }
    }

    /// `out[row * row_stride ..]` becomes the row's requantised sums.
    pub fn tile_u8(&self, tile: &TileU8, requantise: Requantise, out: &mut [u8], row_stride: usize) {
        tile.check(out.len(), row_stride, GROUP);
        assert!(requantise.scale.len() == tile.bias.len());
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.tile_u8)(tile, requantise, out, row_stride);
        }
    }

    /// `out` becomes the pixels' sums, bounded.
    pub fn span_f32(&self, span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
        span.check(out.len(), span.offsets.len());
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.span_f32)(span, bounds, out);
        }
    }

    /// `out` becomes the pixels' requantised sums.
    pub fn span_u8(&self, span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
        span.check(out.len(), span.offsets.len().next_multiple_of(GROUP));
        assert!(requantise.scale.len() == span.channels);
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.span_u8)(span, requantise, out);
        }
    }

    /// Bytes for floats of which a step is `scale`.
    pub fn quantise(&self, input: &[f32], scale: f32, to: ToByte, out: &mut [u8]) {
        // SAFETY: safe code but for the instruction set, which `detect` found.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.quantise)(input, scale, to, out);
        }
    }

    /// The sum of two quantised pictures, in steps of `scale`.
    pub fn add_u8(&self, inputs: [(&[u8], Quant); 2], scale: f32, to: ToByte, out: &mut [u8]) {
        let factors = inputs.map(|(_, quant)| quant.scale / scale);
        let zeros = inputs.map(|(_, quant)| f32::from(quant.zero_point));
        let [(a, _), (b, _)] = inputs;
        let sum = Sum { a, b, factors, shift: zeros[0] * factors[0] + zeros[1] * factors[1] };
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.add_u8)(&sum, to, out);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Every set of kernels against the specification.

    use super::*;
    use proptest::prelude::*;

    /// Repeatable numbers of any kind.
    fn numbers<T>(seed: u64, count: usize, mut of: impl FnMut(&mut fastrand::Rng) -> T) -> Vec<T> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..count).map(|_| of(&mut random)).collect()
    }

    fn float(random: &mut fastrand::Rng) -> f32 {
        random.f32() * 2.0 - 1.0
    }

    fn byte(random: &mut fastrand::Rng) -> u8 {
        random.u8(..)
    }

    /// The sum of up to 400 products in another order.
    const TOLERANCE: f32 = 1e-4;

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() <= TOLERANCE)
    }

    /// Where this processor has vector kernels; elsewhere the portable ones would be compared with themselves.
    fn vector_kernels() -> Option<Kernels> {
        let kernels = Some(Kernels::detect()).filter(Kernels::are_fast);
        if kernels.is_none() {
            #[allow(clippy::print_stderr, reason = "a test that proves nothing has to say so")]
            {
                eprintln!("SKIPPED: this processor has only the portable kernels, so this test proved nothing");
            }
        }
        kernels
    }

    proptest! {
        #[test]
        fn tiles_of_floats_are_as_specified(
            rows in 1..=MAX_ROWS, panels in 1usize..6, depth in 1usize..20, taps in 1usize..10,
            seed: u64, with_residual: bool,
        ) {
            let Some(kernels) = vector_kernels() else { return Ok(()) };
            let source = numbers(seed, 40 * depth + 200, float);
            let offsets = numbers(seed ^ 1, taps * rows, |random| random.u32(..40) * depth as u32);
            let weights = numbers(seed ^ 2, panels * taps * depth * LANES, float);
            let bias = numbers(seed ^ 3, panels * LANES, float);
            let stride = panels * LANES + 16;
            let residual = numbers(seed ^ 4, rows * stride, float);
            let residual = with_residual.then_some(&residual[..]);
            let tile = Tile { source: &source, offsets: &offsets, rows, taps, depth, weights: &weights, bias: &bias };
            let bounds = Bounds { low: -1.0, high: 1.5 };
            let (mut expected, mut found) = (vec![9.0; rows * stride], vec![9.0; rows * stride]);
            scalar::KERNELS.tile_f32(&tile, bounds, residual, &mut expected, stride);
            kernels.tile_f32(&tile, bounds, residual, &mut found, stride);
            prop_assert!(close(&expected, &found));
        }

        #[test]
        fn tiles_of_bytes_are_exactly_as_specified(
            rows in 1..=MAX_ROWS, panels in 1usize..6, groups in 1usize..8, taps in 1usize..10, seed: u64, zero_point: u8,
        ) {
            let Some(kernels) = vector_kernels() else { return Ok(()) };
            let depth = groups * GROUP;
            let source = numbers(seed, 41 * depth, byte);
            let offsets = numbers(seed ^ 1, taps * rows, |random| random.u32(..40) * depth as u32);
            let weights = numbers(seed ^ 2, panels * taps * depth * LANES, |random| random.i8(..));
            let bias = numbers(seed ^ 3, panels * LANES, |random| random.i32(-100_000..100_000));
            let scale = numbers(seed ^ 4, panels * LANES, |random| random.f32() / 1000.0);
            let stride = panels * LANES + 16;
            let tile = Tile { source: &source, offsets: &offsets, rows, taps, depth, weights: &weights, bias: &bias };
            let requantise = Requantise { scale: &scale, to: ToByte { zero_point, low: 3, high: 250 } };
            let (mut expected, mut found) = (vec![9; rows * stride], vec![9; rows * stride]);
            scalar::KERNELS.tile_u8(&tile, requantise, &mut expected, stride);
            kernels.tile_u8(&tile, requantise, &mut found, stride);
            prop_assert_eq!(expected, found);
        }

        #[test]
        fn spans_are_as_specified(
            pixels in 1usize..20, blocks in 1usize..11, side in 2usize..6, seed: u64, zero_point: u8, stride in 1usize..3,
        ) {
            let Some(kernels) = vector_kernels() else { return Ok(()) };
            let (taps, channels) = (side * side, blocks * LANES);
            let length = (40 + pixels * stride) * channels;
            let offsets = numbers(seed ^ 1, taps, |random| random.u32(..40) * channels as u32);
            let (step, bounds) = (stride * channels, Bounds { low: 0.0, high: 6.0 });

            let (source, weights) = (numbers(seed, length, float), numbers(seed ^ 2, taps * channels, float));
            let bias = numbers(seed ^ 3, channels, float);
            let span = Span { source: &source, offsets: &offsets, step, pixels, channels, weights: &weights, bias: &bias };
            let (mut expected, mut found) = (vec![9.0; pixels * channels], vec![9.0; pixels * channels]);
            scalar::KERNELS.span_f32(&span, bounds, &mut expected);
            kernels.span_f32(&span, bounds, &mut found);
            prop_assert!(close(&expected, &found));

            let source = numbers(seed, length, byte);
            // What stands in for the taps that complete the last group is zero, as the planner makes it.
            let mut weights = numbers(seed ^ 2, taps.next_multiple_of(GROUP) * channels, |random| random.i8(..));
            for (at, weight) in weights.iter_mut().enumerate() {
                if at / (channels * GROUP) * GROUP + at % GROUP >= taps {
                    *weight = 0;
                }
            }
            let bias = numbers(seed ^ 3, channels, |random| random.i32(-100_000..100_000));
            let scale = numbers(seed ^ 4, channels, |random| random.f32() / 1000.0);
            let span = Span { source: &source, offsets: &offsets, step, pixels, channels, weights: &weights, bias: &bias };
            let requantise = Requantise { scale: &scale, to: ToByte { zero_point, low: 0, high: 240 } };
            let (mut expected, mut found) = (vec![9; pixels * channels], vec![9; pixels * channels]);
            scalar::KERNELS.span_u8(&span, requantise, &mut expected);
            kernels.span_u8(&span, requantise, &mut found);
            prop_assert_eq!(expected, found);
        }

        #[test]
        fn quantising_and_adding_are_exactly_as_specified(count in 0usize..100, seed: u64, zero_point: u8, scale in 0.01f32..2.0) {
            let Some(kernels) = vector_kernels() else { return Ok(()) };
            let to = ToByte { zero_point, low: 2, high: 251 };
            let floats = numbers(seed, count, |random| float(random) * 300.0);
            let (mut expected, mut found) = (vec![0; count], vec![0; count]);
            scalar::KERNELS.quantise(&floats, scale, to, &mut expected);
            kernels.quantise(&floats, scale, to, &mut found);
            prop_assert_eq!(&expected, &found);
            let (a, b) = (numbers(seed ^ 1, count, byte), numbers(seed ^ 2, count, byte));
            let inputs = [(&a[..], Quant { scale: 0.11, zero_point: 7 }), (&b[..], Quant { scale: 0.23, zero_point: 130 })];
            scalar::KERNELS.add_u8(inputs, scale, to, &mut expected);
            kernels.add_u8(inputs, scale, to, &mut found);
            prop_assert_eq!(&expected, &found);
        }
    }
}
