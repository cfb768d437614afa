//! What the inner loops work on. Each checks its own slices against its arguments.

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
pub(super) use with_constant;

/// Channels that a pixel of `channels` takes in memory.
pub(crate) fn stored(channels: usize) -> usize {
    if channels <= GROUP { GROUP } else { channels.next_multiple_of(LANES) }
}

/// What happens to a sum before it is stored, in this order: the addition, then the bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub low: f32,
    pub high: f32,
}

impl Bounds {
    pub(crate) const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };
}

/// From steps of a scale to a byte: `clamp(round(steps) + zero point)`, halves to even, as ONNX has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToByte {
    pub zero_point: u8,
    pub low: u8,
    pub high: u8,
}

/// From an i32 sum to a byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requantise<'a> {
    /// What makes steps of a sum, for each output channel.
    pub scale: &'a [f32],
    pub to: ToByte,
    /// Where the output channels have bounds of their own; they are within those of `to`.
    pub channels: Option<ByteBounds<'a>>,
}

/// The lowest and the highest byte of each output channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteBounds<'a> {
    pub low: &'a [u8],
    pub high: &'a [u8],
}

impl Requantise<'_> {
    /// # Panics
    /// When it is not for so many output channels; the planner never makes such a one.
    pub(super) fn check(&self, channels: usize) {
        assert!(self.scale.len() == channels);
        assert!(self.channels.is_none_or(|ByteBounds { low, high }| low.len() == channels && high.len() == channels));
    }
}

/// Where things begin. The furthest is found once, so that tiles that look at the same distances need not ask each
/// time.
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

/// Up to [`MAX_ROWS`] pixels of a dense convolution, all their output channels.
#[derive(Debug)]
pub(crate) struct Tile<'a, T, W, S> {
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
pub(super) fn reach(count: usize, step: usize, length: usize) -> Option<usize> {
    (count - 1).checked_mul(step)?.checked_add(length)
}

impl<T, W, S> Tile<'_, T, W, S> {
    pub(super) fn panels(&self) -> usize {
        self.bias.len() / LANES
    }

    /// # Panics
    /// When a slice is shorter than the arguments say; the planner never makes such a tile.
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

/// A run of output pixels of a depthwise convolution, none of whose windows crosses the left or right edge.
#[derive(Debug)]
pub(crate) struct Span<'a, T, W, S> {
    pub source: &'a [T],
    /// Rows and columns of the window.
    pub size: [usize; 2],
    /// Where each tap of the first output pixel begins in `source`, row by row.
    pub offsets: &'a [u32],
    /// From one output pixel's taps to the next one's.
    pub step: usize,
    /// By how many columns a window is ahead of the one before it, the others being the same, or at least holding the
    /// same; then a row's taps lie pixel by pixel behind its first one, or all that lies there is the same. 0 where no
    /// two windows share columns.
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

/// Two quantised pictures that are added: `a * factors[0] + b * factors[1] - shift` are the steps of the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum<'a> {
    pub(super) a: &'a [u8],
    pub(super) b: &'a [u8],
    pub(super) factors: [f32; 2],
    pub(super) shift: f32,
}
