//! The operands of the kernels. Each checks its own slices against its arguments.

/// Output channels in a panel of packed weights.
pub(crate) const LANES: usize = 16;

/// Most pixels in a tile of any set of kernels.
pub(crate) const MAX_ROWS: usize = 14;

/// Most panels that one call works on.
pub(crate) const MAX_PANELS: usize = 2;

/// Numbers in a pixel are a multiple of this.
pub(crate) const GROUP: usize = 4;

/// Most taps of a depthwise window: 5x5.
pub(crate) const MAX_TAPS: usize = 25;

/// Evaluates an expression with a constant equal to a variable, so that arrays of that length are kept in registers.
/// Nothing is evaluated for a value that is not listed; the kernels' checks accept only listed values.
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
pub(super) use with_constant;

/// Channels that a pixel of `channels` takes in memory.
pub(crate) fn stored(channels: usize) -> usize {
    if channels <= GROUP { GROUP } else { channels.next_multiple_of(LANES) }
}

/// The bounds of a result of floats. The epilogue of a convolution first adds the residual and then applies them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub low: f32,
    /// The upper bound.
    pub high: f32,
}

impl Bounds {
    pub(crate) const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };
}

/// The quantisation of a value in units of the scale (steps): `clamp(round(steps) + zero_point, low, high)`, with
/// halves rounded to even, as ONNX's QuantizeLinear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToByte {
    pub zero_point: u8,
    /// The lowest byte.
    pub low: u8,
    /// The highest byte.
    pub high: u8,
}

/// The requantisation of an i32 sum to a byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requantise<'a> {
    /// What makes steps of a sum, for each output channel.
    pub scale: &'a [f32],
    /// Zero point and bounds of the output.
    pub to: ToByte,
    /// The bounds of each output channel, which are within those of `to`; `None` if those of `to` hold for all.
    pub channels: Option<ByteBounds<'a>>,
}

/// The lowest and the highest byte of each output channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteBounds<'a> {
    pub low: &'a [u8],
    /// The highest bytes.
    pub high: &'a [u8],
}

impl Requantise<'_> {
    /// # Panics
    /// When it is not for `channels` output channels; the planner ensures that it is.
    pub(super) fn check(&self, channels: usize) {
        assert!(self.scale.len() == channels);
        assert!(self.channels.is_none_or(|ByteBounds { low, high }| low.len() == channels && high.len() == channels));
    }
}

/// Offsets into a slice, with their maximum, which is computed once for all tiles that share the offsets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offsets<'a> {
    pub(super) each: &'a [u32],
    pub(super) furthest: usize,
}

impl<'a> Offsets<'a> {
    pub(crate) fn new(each: &'a [u32]) -> Self {
        Self { each, furthest: each.iter().fold(0, |furthest, &offset| furthest.max(offset)) as usize }
    }
}

impl std::ops::Deref for Offsets<'_> {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        self.each
    }
}

/// A tile of a dense convolution: up to [`MAX_ROWS`] output pixels, with as many output channels as there are biases.
#[derive(Debug)]
pub(crate) struct Tile<'a, T, W, S> {
    pub source: &'a [T],
    /// `[taps][rows]`: the offset in `source` of the input pixel of each tap of each output pixel.
    pub offsets: Offsets<'a>,
    /// Output pixels.
    pub rows: usize,
    /// Taps.
    pub taps: usize,
    /// Channels of an input pixel that are multiplied.
    pub depth: usize,
    /// `[panel][tap][depth][LANES]`; int8 in the order of the kernels' [`Layout`](super::layout::Layout).
    pub weights: &'a [W],
    /// The initial value of the accumulators of each stored output channel.
    pub bias: &'a [S],
    /// See [`PackedBytes::narrow`](super::layout::PackedBytes::narrow); ignored for floats.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "only NEON multiplies in 16 bits"))]
    pub narrow: bool,
}

/// The number of elements up to the end of the last of `count` runs of `length` elements that begin `step` apart;
/// `None` if it overflows.
pub(super) fn reach(count: usize, step: usize, length: usize) -> Option<usize> {
    (count - 1).checked_mul(step)?.checked_add(length)
}

impl<T, W, S> Tile<'_, T, W, S> {
    /// The number of panels of output channels.
    pub(super) fn panels(&self) -> usize {
        self.bias.len() / LANES
    }

    /// Checks the slices, an output of `out` elements with a row stride, and kernels for at most `most_rows` rows that
    /// read `reads` elements at once.
    ///
    /// # Panics
    /// When a slice is shorter than the arguments say; the planner ensures that none is.
    pub(super) fn check(&self, out: usize, row_stride: usize, most_rows: usize, reads: usize) {
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

pub(crate) type TileF32<'a> = Tile<'a, f32, f32, f32>;
pub(crate) type TileU8<'a> = Tile<'a, u8, i8, i32>;

/// A span of a depthwise convolution: consecutive output pixels of a row. If there are several, none of their windows
/// crosses the left or right edge.
#[derive(Debug)]
pub(crate) struct Span<'a, T, W, S> {
    pub source: &'a [T],
    /// Rows and columns of the window.
    pub size: [usize; 2],
    /// The offset in `source` of each tap of the first output pixel, row by row.
    pub offsets: &'a [u32],
    /// Elements from one output pixel's taps to the next one's.
    pub step: usize,
    /// By how many columns a window is ahead of the one before it, if the kernels may reuse the columns that both have.
    /// Then the taps of a row must be contiguous pixels behind the row's first tap, or padding of one value. 0 if
    /// windows must not share columns.
    pub ahead: usize,
    /// Output pixels.
    pub pixels: usize,
    /// Stored channels.
    pub channels: usize,
    /// `[tap][channels]`; int8 in the order of the kernels' [`Layout::taps`](super::layout::Layout::taps).
    pub weights: &'a [W],
    /// The initial value of the accumulators of each stored channel.
    pub bias: &'a [S],
    /// See [`PackedBytes::narrow`](super::layout::PackedBytes::narrow); ignored for floats.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "only NEON multiplies in 16 bits"))]
    pub narrow: bool,
}

impl<T, W, S> Span<'_, T, W, S> {
    /// Checks the slices, an output of `out` elements, and that there are exactly `weights` weights.
    ///
    /// # Panics
    /// When a slice is shorter than the arguments say; the planner ensures that none is.
    pub(super) fn check(&self, out: usize, weights: usize) {
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

pub(crate) type SpanF32<'a> = Span<'a, f32, f32, f32>;
pub(crate) type SpanU8<'a> = Span<'a, u8, i8, i32>;

/// A quantised addition: `a * factors[0] + b * factors[1] - shift` is the sum in units of its scale (steps).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum<'a> {
    pub(super) a: &'a [u8],
    pub(super) b: &'a [u8],
    pub(super) factors: [f32; 2],
    pub(super) shift: f32,
}
