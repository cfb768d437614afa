//! The inner loops, one set for each instruction set, chosen when the model is loaded.
//!
//! Every set computes what [`scalar`] computes: it is the specification, and the tests compare the others with it. The
//! functions here are safe: each checks its slices against its arguments before it calls the unsafe loop behind it.
//!
//! Activations are channels-last. A pixel has [`stored`] channels, so that vectors of [`LANES`] channels never straddle
//! pixels; those beyond the real ones hold anything, and weights of zero meet them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod layout;
#[cfg(target_arch = "aarch64")]
mod neon;
pub mod scalar;
#[cfg(test)]
mod tests;
mod winograd;

pub use self::layout::{Layout, PackedBytes};
pub use self::winograd::{Form, Patch, Spot, Sums};
use super::layer::Quant;

/// Output channels in a panel of packed weights.
pub const LANES: usize = 16;

/// Most pixels in a tile of any set of kernels.
pub const MAX_ROWS: usize = 14;

/// Most panels that one call works on.
pub const MAX_PANELS: usize = 2;

/// Numbers in a pixel are a multiple of this.
pub const GROUP: usize = 4;

/// Most taps of a depthwise window: 5x5.
pub const MAX_TAPS: usize = 25;

/// Evaluates an expression with a constant of the value that a variable has, so that arrays of that length are
/// registers. A value that is not listed does nothing; what the kernels' checks let through is listed.
macro_rules! with_constant {
    ($value:expr, [$($constant:literal)+], $name:ident => $call:expr) => {
        match $value {
            $($constant => {
                const $name: usize = $constant;
                $call
            })+
            _ => {}
        }
    };
}
use with_constant;

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

impl Bounds {
    pub const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };
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
    /// Where the output channels have bounds of their own; they are within those of `to`.
    pub channels: Option<ByteBounds<'a>>,
}

/// The lowest and the highest byte of each output channel.
#[derive(Debug, Clone, Copy)]
pub struct ByteBounds<'a> {
    pub low: &'a [u8],
    pub high: &'a [u8],
}

impl Requantise<'_> {
    /// # Panics
    /// When it is not for so many output channels; the planner never makes such a one.
    fn check(&self, channels: usize) {
        assert!(self.scale.len() == channels);
        assert!(self.channels.is_none_or(|ByteBounds { low, high }| low.len() == channels && high.len() == channels));
    }
}

/// Where things begin. The furthest is found once, so that tiles that look at the same distances need not ask each time.
#[derive(Debug, Clone, Copy)]
pub struct Offsets<'a> {
    each: &'a [u32],
    furthest: usize,
}

impl<'a> Offsets<'a> {
    pub fn new(each: &'a [u32]) -> Self {
        Self { each, furthest: each.iter().fold(0, |furthest, &offset| furthest.max(offset)) as usize }
    }
}

impl std::ops::Deref for Offsets<'_> {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        self.each
    }
}

/// Up to [`MAX_ROWS`] pixels of a dense convolution, all their output channels.
#[derive(Debug)]
pub struct Tile<'a, T, W, S> {
    pub source: &'a [T],
    /// `[taps][rows]`: where in `source` the input pixel of each tap of each output pixel begins.
    pub offsets: Offsets<'a>,
    pub rows: usize,
    pub taps: usize,
    /// Channels of an input pixel that are multiplied.
    pub depth: usize,
    /// `[panel][tap][depth][LANES]`; int8 in the order of the kernels' [`Layout`].
    pub weights: &'a [W],
    /// One for every stored output channel.
    pub bias: &'a [S],
    /// See [`PackedBytes::narrow`]; nothing for floats.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "only NEON multiplies in 16 bits"))]
    pub narrow: bool,
}

/// Elements up to the end of the last of `count` runs of `length` that begin `step` apart; `None` beyond all memory.
fn reach(count: usize, step: usize, length: usize) -> Option<usize> {
    (count - 1).checked_mul(step)?.checked_add(length)
}

impl<T, W, S> Tile<'_, T, W, S> {
    fn panels(&self) -> usize {
        self.bias.len() / LANES
    }

    /// # Panics
    /// When a slice is shorter than the arguments say; the planner never makes such a tile.
    fn check(&self, out: usize, row_stride: usize, most_rows: usize, reads: usize) {
        let panels = self.panels();
        assert!(
            (1..=most_rows).contains(&self.rows) && self.bias.len() == panels * LANES && row_stride >= panels * LANES
        );
        assert!(self.taps > 0 && self.depth > 0);
        assert!(self.offsets.len() == self.taps * self.rows);
        assert!(self.weights.len() == panels * self.taps * self.depth * LANES);
        assert!(self.offsets.furthest + self.depth.next_multiple_of(reads) <= self.source.len());
        assert!(reach(self.rows, row_stride, panels * LANES).is_some_and(|needed| needed <= out));
    }
}

pub type TileF32<'a> = Tile<'a, f32, f32, f32>;
pub type TileU8<'a> = Tile<'a, u8, i8, i32>;

/// A run of output pixels of a depthwise convolution, none of whose windows crosses the left or right edge.
#[derive(Debug)]
pub struct Span<'a, T, W, S> {
    pub source: &'a [T],
    /// Rows and columns of the window.
    pub size: [usize; 2],
    /// Where each tap of the first output pixel begins in `source`, row by row.
    pub offsets: &'a [u32],
    /// From one output pixel's taps to the next one's.
    pub step: usize,
    /// By how many columns a window is ahead of the one before it, the others being the same, or at least holding the
    /// same; then a row's taps lie pixel by pixel behind its first one, or all that lies there is the same. 0 where no two
    /// windows share columns.
    pub ahead: usize,
    pub pixels: usize,
    /// Stored channels.
    pub channels: usize,
    /// `[tap][channels]`; for int8 as the kernels' [`Layout::taps`] says.
    pub weights: &'a [W],
    pub bias: &'a [S],
    /// See [`PackedBytes::narrow`]; nothing for floats.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "only NEON multiplies in 16 bits"))]
    pub narrow: bool,
}

impl<T, W, S> Span<'_, T, W, S> {
    /// # Panics
    /// When a slice is shorter than the arguments say; the planner never makes such a span.
    fn check(&self, out: usize, weights: usize) {
        assert!(self.channels.is_multiple_of(LANES) && self.bias.len() == self.channels && self.pixels > 0);
        assert!(!self.offsets.is_empty() && self.offsets.len() <= MAX_TAPS && self.weights.len() == weights);
        assert!(self.offsets.len() == self.size[0] * self.size[1]);
        let furthest = Offsets::new(self.offsets).furthest;
        let seen = reach(self.pixels, self.step, self.channels).and_then(|seen| seen.checked_add(furthest));
        assert!(seen.is_some_and(|needed| needed <= self.source.len()));
        if self.ahead > 0 {
            assert!(self.ahead.checked_mul(self.channels) == Some(self.step));
            let columns = self.size[1];
            let first = (0..self.size[0]).fold(0, |furthest, row| furthest.max(self.offsets[row * columns])) as usize;
            let seen = reach(self.pixels, self.step, columns * self.channels).and_then(|seen| seen.checked_add(first));
            assert!(seen.is_some_and(|needed| needed <= self.source.len()));
        }
        assert!(reach(self.pixels, self.channels, self.channels).is_some_and(|needed| needed <= out));
    }
}

pub type SpanF32<'a> = Span<'a, f32, f32, f32>;
pub type SpanU8<'a> = Span<'a, u8, i8, i32>;

/// The inner loops of one instruction set.
// The fields are unsafe because a processor without that set cannot run them, and because they take what `Tile::check`
// and
// `Span::check` have seen for granted.
#[derive(Clone, Copy)]
pub struct Kernels {
    pub name: &'static str,
    pub(super) layout: Layout,
    tile_f32: TileF32Loop,
    tile_u8: unsafe fn(&TileU8, Requantise, &mut [u8], &mut [u8], usize),
    span_f32: unsafe fn(&SpanF32, Bounds, &mut [f32]),
    span_u8: unsafe fn(&SpanU8, Requantise, &mut [u8]),
    quantise: unsafe fn(&[f32], f32, ToByte, &mut [u8]),
    add_u8: unsafe fn(&Sum, ToByte, &mut [u8]),
    winograd: self::winograd::Loops,
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
        Self::available().next().unwrap_or(self::scalar::KERNELS)
    }

    /// All that this processor can run, the fastest first and the portable ones last.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let sets = {
            let ([avx512_vnni, avx512], [avx_vnni, avx2]) = (self::avx512::kernels(), self::avx2::kernels());
            [avx512_vnni, avx_vnni, avx512, avx2]
        };
        #[cfg(target_arch = "aarch64")]
        let sets = self::neon::kernels();
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let sets = [None];
        sets.into_iter().flatten().chain([self::scalar::KERNELS])
    }

    /// Whether these are vector kernels; the portable ones are a specification, not something to run a camera with.
    pub fn are_fast(&self) -> bool {
        self.name != self::scalar::KERNELS.name
    }

    /// `out[row * row_stride ..]` becomes the row's sums plus `residual`'s at the same place, bounded.
    pub(super) fn tile_f32(
        &self,
        tile: &TileF32,
        bounds: Bounds,
        residual: Option<&[f32]>,
        out: &mut [f32],
        row_stride: usize,
    ) {
        tile.check(out.len(), row_stride, self.layout.float_rows, GROUP);
        assert!(residual.is_none_or(|residual| residual.len() >= out.len()));
        // SAFETY: the slices were checked, and `detect` took this set because the processor has it.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.tile_f32)(tile, bounds, residual, out, row_stride);
        }
    }

    /// `out[row * row_stride ..]` becomes the row's requantised sums. `workspace` is as long as [`Layout::workspace`]
    /// says.
    pub(super) fn tile_u8(
        &self,
        tile: &TileU8,
        requantise: Requantise,
        workspace: &mut [u8],
        out: &mut [u8],
        row_stride: usize,
    ) {
        tile.check(out.len(), row_stride, self.layout.byte_rows, self.layout.reads);
        assert!(workspace.len() >= self.layout.workspace(tile.taps * tile.depth));
        assert!(tile.depth == self.layout.depth(tile.depth));
        requantise.check(tile.bias.len());
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.tile_u8)(tile, requantise, workspace, out, row_stride);
        }
    }

    /// `out` becomes the pixels' sums, bounded.
    pub(super) fn span_f32(&self, span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
        span.check(out.len(), span.offsets.len() * span.channels);
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.span_f32)(span, bounds, out);
        }
    }

    /// `out` becomes the pixels' requantised sums.
    pub(super) fn span_u8(&self, span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
        span.check(out.len(), self.layout.taps.count(span.size, span.channels));
        requantise.check(span.channels);
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.span_u8)(span, requantise, out);
        }
    }

    /// `out[position * step ..]` becomes the position's number for each channel of what lies under a tile.
    pub(super) fn winograd_before(&self, form: Form, patch: &Patch, out: &mut [f32], step: usize) {
        let Patch { source, offsets, channels } = *patch;
        assert!(channels > 0 && channels.is_multiple_of(LANES) && offsets.len() == form.positions());
        assert!(Offsets::new(offsets).furthest + channels <= source.len());
        assert!(reach(form.positions(), step, channels).is_some_and(|needed| needed <= out.len()));
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.winograd.before)(form, patch, out, step);
        }
    }

    /// `out` becomes a tile's outputs.
    pub(super) fn winograd_after(&self, form: Form, sums: &Sums, out: &mut [f32], spot: Spot) {
        let (channels, [rows, columns]) = (sums.bias.len(), spot.seen);
        assert!(channels > 0 && channels.is_multiple_of(LANES));
        assert!(reach(form.positions(), sums.step, channels).is_some_and(|needed| needed <= sums.source.len()));
        assert!((1..=form.outputs()).contains(&rows) && (1..=form.outputs()).contains(&columns));
        let row = reach(columns, spot.pixel, channels);
        let needed = row.and_then(|row| reach(rows, spot.row, row));
        assert!(needed.is_some_and(|needed| needed <= out.len()));
        assert!(sums.residual.is_none_or(|residual| residual.len() >= out.len()));
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.winograd.after)(form, sums, out, spot);
        }
    }

    /// Bytes for floats of which a step is `scale`.
    pub(super) fn quantise(&self, input: &[f32], scale: f32, to: ToByte, out: &mut [u8]) {
        // SAFETY: safe code but for the instruction set, which `detect` found.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.quantise)(input, scale, to, out);
        }
    }

    /// The sum of two quantised pictures, in steps of `scale`.
    pub(super) fn add_u8(&self, inputs: [(&[u8], Quant); 2], scale: f32, to: ToByte, out: &mut [u8]) {
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
