//! The inner loops, one set for each instruction set, chosen when the model is loaded.
//!
//! Every set computes what [`scalar`] computes: it is the specification, and the tests compare the others with it. The
//! functions here are safe: each checks its slices against its arguments before it calls the unsafe loop behind it.
//!
//! Activations are channels-last. A pixel has [`stored`] channels, so that vectors of [`LANES`] channels never straddle
//! pixels; those beyond the real ones hold what the zero weights there make of them and are never looked at.

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

/// From an i32 sum to a quantised byte: `clamp(round(sum * scale + zero point))`, halves to even, as onnxruntime does it.
#[derive(Debug, Clone, Copy)]
pub struct Requantise<'a> {
    /// A factor for each output channel.
    pub scale: &'a [f32],
    pub zero_point: u8,
    pub low: u8,
    pub high: u8,
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
    tile_f32: unsafe fn(&TileF32, Bounds, Option<&[f32]>, &mut [f32], usize),
    tile_u8: unsafe fn(&TileU8, Requantise, &mut [u8], usize),
    span_f32: unsafe fn(&SpanF32, Bounds, &mut [f32]),
    span_u8: unsafe fn(&SpanU8, Requantise, &mut [u8]),
    quantise: unsafe fn(&[f32], Quant, (u8, u8), &mut [u8]),
    add_u8: unsafe fn([(&[u8], Quant); 2], Quant, (u8, u8), &mut [u8]),
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

    /// `clamp(round(value / scale) + zero point)`, halves to even.
    pub fn quantise(&self, input: &[f32], to: Quant, range: (u8, u8), out: &mut [u8]) {
        // SAFETY: safe code but for the instruction set, which `detect` found.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.quantise)(input, to, range, out);
        }
    }

    /// The sum of two quantised pictures.
    pub fn add_u8(&self, inputs: [(&[u8], Quant); 2], to: Quant, range: (u8, u8), out: &mut [u8]) {
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.add_u8)(inputs, to, range, out);
        }
    }
}
