//! The function table of one instruction set's kernels, and its safe interface.

use super::layout::Layout;
use super::operands::{
    Bounds, GROUP, LANES, Offsets, Requantise, SpanF32, SpanU8, Sum, TileF32, TileU8, ToByte, reach,
};
use super::winograd::{self, Form, Patch, Spot, Sums};
use crate::native::layer::Quant;

/// The kernels (inner loops) of one instruction set.
// The functions are unsafe because only a processor with that instruction set can run them, and because they rely on
// what `Tile::check` and `Span::check` have checked.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// The name of the instruction set, such as `avx2`; `portable` for plain Rust.
    pub name: &'static str,
    pub(in crate::native) layout: Layout,
    pub(super) tile_f32: TileF32Loop,
    pub(super) tile_u8: unsafe fn(&TileU8, Requantise, &mut [u8], &mut [u8], usize),
    pub(super) span_f32: unsafe fn(&SpanF32, Bounds, &mut [f32]),
    pub(super) span_u8: unsafe fn(&SpanU8, Requantise, &mut [u8]),
    pub(super) quantise: unsafe fn(&[f32], f32, ToByte, &mut [u8]),
    pub(super) add_u8: unsafe fn(&Sum, ToByte, &mut [u8]),
    pub(super) winograd: winograd::Loops,
}

type TileF32Loop = unsafe fn(&TileF32, Bounds, Option<&[f32]>, &mut [f32], usize);

impl Kernels {
    /// Computes a tile: `out[row * row_stride ..]` becomes the row's sums, plus `residual` at the same index, bounded.
    ///
    /// # Panics
    /// When a slice is too short for the arguments, as in the other methods for tiles, spans and transforms.
    pub(in crate::native) fn tile_f32(
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

    /// Computes a tile: `out[row * row_stride ..]` becomes the row's requantised sums. `workspace` has at least
    /// [`Layout::workspace`] bytes.
    pub(in crate::native) fn tile_u8(
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

    /// Computes a span: `out` becomes the pixels' sums, bounded.
    pub(in crate::native) fn span_f32(&self, span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
        span.check(out.len(), span.offsets.len() * span.channels);
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.span_f32)(span, bounds, out);
        }
    }

    /// Computes a span: `out` becomes the pixels' requantised sums.
    pub(in crate::native) fn span_u8(&self, span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
        span.check(out.len(), self.layout.taps.count(span.size, span.channels));
        requantise.check(span.channels);
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.span_u8)(span, requantise, out);
        }
    }

    /// Transforms the input patch of a tile: `out[position * step ..]` becomes the position's value for each channel.
    pub(in crate::native) fn winograd_before(&self, form: Form, patch: &Patch, out: &mut [f32], step: usize) {
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

    /// Transforms the sums of a tile back: `out` becomes the tile's outputs.
    pub(in crate::native) fn winograd_after(&self, form: Form, sums: &Sums, out: &mut [f32], spot: Spot) {
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

    /// Quantises floats with this scale, as many as both slices have.
    pub(in crate::native) fn quantise(&self, input: &[f32], scale: f32, to: ToByte, out: &mut [u8]) {
        // SAFETY: safe code but for the instruction set, which `detect` found.
        #[allow(unsafe_code, reason = "the one way into a kernel")]
        unsafe {
            (self.quantise)(input, scale, to, out);
        }
    }

    /// Adds two quantised pictures; `scale` is that of the sum.
    pub(in crate::native) fn add_u8(&self, inputs: [(&[u8], Quant); 2], scale: f32, to: ToByte, out: &mut [u8]) {
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
