//! Floats: six pixels by a panel of four registers are 24 accumulators. The pixels' inputs take six more registers, the
//! weights two.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::aarch64::*;

use super::registers::anew;
use crate::native::kernels::operands::{Bounds, LANES, SpanF32, TileF32, with_constant};
use crate::native::kernels::{scalar, winograd};

/// Floats in a register.
const WIDTH: usize = 4;

/// Registers in a panel.
const PANEL: usize = LANES / WIDTH;

/// # Safety
/// `tile.check` has seen the arguments.
pub(crate) unsafe fn tile(
    tile: &TileF32,
    bounds: Bounds,
    residual: Option<&[f32]>,
    out: &mut [f32],
    row_stride: usize,
) {
    let residual = residual.map_or(std::ptr::null(), <[f32]>::as_ptr);
    for panel in 0..tile.panels() {
        with_constant!(tile.rows, [1 2 3 4 5 6], ROWS => unsafe {
            rows::<ROWS>(tile, panel, bounds, residual, out.as_mut_ptr(), row_stride);
        });
    }
}

/// Adds the products of one lane of each row's inputs and the weights of that input channel.
///
/// # Safety
/// A panel of weights can be read at `weights`.
#[inline(always)]
unsafe fn multiply<const LANE: i32, const ROWS: usize>(
    sums: &mut [[float32x4_t; PANEL]; ROWS],
    inputs: &[float32x4_t; ROWS],
    weights: *const f32,
) {
    for vector in 0..PANEL {
        let column = unsafe { vld1q_f32(weights.add(LANE as usize * LANES + vector * WIDTH)) };
        for row in 0..ROWS {
            sums[row][vector] = unsafe { vfmaq_laneq_f32::<LANE>(sums[row][vector], column, inputs[row]) };
        }
    }
}

/// # Safety
/// As [`tile`]; the tile has `ROWS` rows and a panel `panel`, `residual` is null or as long as `out`.
unsafe fn rows<const ROWS: usize>(
    tile: &TileF32,
    panel: usize,
    bounds: Bounds,
    residual: *const f32,
    out: *mut f32,
    row_stride: usize,
) {
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); PANEL]; ROWS];
        for vector in 0..PANEL {
            let bias = vld1q_f32(tile.bias.as_ptr().add(panel * LANES + vector * WIDTH));
            for sums in &mut sums {
                sums[vector] = bias;
            }
        }
        let mut weights = tile.weights.as_ptr().add(panel * tile.taps * tile.depth * LANES);
        for tap in 0..tile.taps {
            let mut pixels = [tile.source.as_ptr(); ROWS];
            for row in 0..ROWS {
                pixels[row] = pixels[row].add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
            }
            let mut inputs = [vdupq_n_f32(0.0); ROWS];
            for channel in (0..tile.depth / WIDTH * WIDTH).step_by(WIDTH) {
                for row in 0..ROWS {
                    inputs[row] = vld1q_f32(pixels[row].add(channel));
                }
                multiply::<0, ROWS>(&mut sums, &inputs, weights);
                multiply::<1, ROWS>(&mut sums, &inputs, weights);
                multiply::<2, ROWS>(&mut sums, &inputs, weights);
                multiply::<3, ROWS>(&mut sums, &inputs, weights);
                weights = weights.add(WIDTH * LANES);
            }
            let rest = tile.depth % WIDTH;
            if rest > 0 {
                for row in 0..ROWS {
                    inputs[row] = vld1q_f32(pixels[row].add(tile.depth - rest));
                }
                multiply::<0, ROWS>(&mut sums, &inputs, weights);
                if rest > 1 {
                    multiply::<1, ROWS>(&mut sums, &inputs, weights);
                }
                if rest > 2 {
                    multiply::<2, ROWS>(&mut sums, &inputs, weights);
                }
                weights = weights.add(rest * LANES);
            }
        }
        let (low, high) = (vdupq_n_f32(bounds.low), vdupq_n_f32(bounds.high));
        for (row, sums) in sums.iter().enumerate() {
            for (vector, &sum) in sums.iter().enumerate() {
                let at = row * row_stride + panel * LANES + vector * WIDTH;
                let sum = if residual.is_null() { sum } else { vaddq_f32(sum, vld1q_f32(residual.add(at))) };
                vst1q_f32(out.add(at), vminnmq_f32(vmaxnmq_f32(sum, low), high));
            }
        }
    }
}

/// # Safety
/// `span.check` has seen the arguments.
pub(crate) unsafe fn span(span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
    let ahead = if span.pixels == 1 { 0 } else { span.ahead };
    let out_at = out.as_mut_ptr();
    unsafe {
        // The numbers of windows and vectors are chosen so that weights and accumulators fit into registers.
        match (span.size, ahead) {
            ([3, 3], 1) => columns::<3, 1, 2, 2>(span, bounds, out_at),
            ([3, 3], 2) => columns::<3, 2, 2, 2>(span, bounds, out_at),
            ([5, 5], 1) => columns::<5, 1, 2, 1>(span, bounds, out_at),
            ([5, 5], 2) => columns::<5, 2, 2, 1>(span, bounds, out_at),
            _ if span.offsets.len() == 9 => taps::<9, 2>(span, bounds, out_at),
            _ if span.offsets.len() == 25 => taps::<25, 1>(span, bounds, out_at),
            _ => scalar::KERNELS.span_f32(span, bounds, out),
        }
    }
}

/// Windows of `SIDE` rows and columns, each `AHEAD` columns ahead of the one before it. `WINDOWS` of them are computed
/// at once, for `VECTORS` registers of channels.
///
/// # Safety
/// As [`span`]; the span's windows are such.
unsafe fn columns<const SIDE: usize, const AHEAD: usize, const WINDOWS: usize, const VECTORS: usize>(
    span: &SpanF32,
    bounds: Bounds,
    out: *mut f32,
) {
    unsafe {
        for channel in (0..span.channels).step_by(VECTORS * WIDTH) {
            let mut weights = [[[vdupq_n_f32(0.0); VECTORS]; SIDE]; SIDE];
            let mut rows = [span.source.as_ptr(); SIDE];
            for row in 0..SIDE {
                rows[row] = rows[row].add(*span.offsets.as_ptr().add(row * SIDE) as usize + channel);
                for column in 0..SIDE {
                    for vector in 0..VECTORS {
                        let at = (row * SIDE + column) * span.channels + channel + vector * WIDTH;
                        weights[row][column][vector] = vld1q_f32(span.weights.as_ptr().add(at));
                    }
                }
            }
            let bias = span.bias.as_ptr().add(channel);
            let mut out = out.add(channel);
            for _ in 0..span.pixels / WINDOWS {
                windows::<SIDE, AHEAD, WINDOWS, VECTORS>(span.channels, &rows, &weights, bias, bounds, out);
                for row in 0..SIDE {
                    // Not read after the last pixel, when it may point beyond the picture.
                    rows[row] = anew(rows[row].wrapping_add(WINDOWS * span.step));
                }
                out = out.wrapping_add(WINDOWS * span.channels);
            }
            for _ in 0..span.pixels % WINDOWS {
                windows::<SIDE, AHEAD, 1, VECTORS>(span.channels, &rows, &weights, bias, bounds, out);
                for row in 0..SIDE {
                    rows[row] = anew(rows[row].wrapping_add(span.step));
                }
                out = out.wrapping_add(span.channels);
            }
        }
    }
}

/// Computes `WINDOWS` neighbouring windows. They share columns, and each loaded column is multiplied for each window
/// that it belongs to.
///
/// # Safety
/// As [`columns`]; there are `WINDOWS` at `rows` and `out`.
#[inline(always)]
unsafe fn windows<const SIDE: usize, const AHEAD: usize, const WINDOWS: usize, const VECTORS: usize>(
    channels: usize,
    rows: &[*const f32; SIDE],
    weights: &[[[float32x4_t; VECTORS]; SIDE]; SIDE],
    bias: *const f32,
    bounds: Bounds,
    out: *mut f32,
) {
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); VECTORS]; WINDOWS];
        for vector in 0..VECTORS {
            let bias = vld1q_f32(bias.add(vector * WIDTH));
            for window in 0..WINDOWS {
                sums[window][vector] = bias;
            }
        }
        for row in 0..SIDE {
            for window in 0..WINDOWS {
                // Earlier columns of this window have been loaded for the window before it.
                let new = if window == 0 { 0 } else { SIDE - AHEAD };
                for column in window * AHEAD + new..window * AHEAD + SIDE {
                    let at = rows[row].add(column * channels);
                    for vector in 0..VECTORS {
                        let input = vld1q_f32(at.add(vector * WIDTH));
                        for other in 0..WINDOWS {
                            let tap = column.wrapping_sub(other * AHEAD);
                            if tap < SIDE {
                                sums[other][vector] = vfmaq_f32(sums[other][vector], input, weights[row][tap][vector]);
                            }
                        }
                    }
                }
            }
        }
        let (low, high) = (vdupq_n_f32(bounds.low), vdupq_n_f32(bounds.high));
        for window in 0..WINDOWS {
            for vector in 0..VECTORS {
                let bounded = vminnmq_f32(vmaxnmq_f32(sums[window][vector], low), high);
                vst1q_f32(out.add(window * channels + vector * WIDTH), bounded);
            }
        }
    }
}

/// # Safety
/// As [`span`]; the span has `TAPS` taps.
unsafe fn taps<const TAPS: usize, const VECTORS: usize>(span: &SpanF32, bounds: Bounds, out: *mut f32) {
    unsafe {
        let (low, high) = (vdupq_n_f32(bounds.low), vdupq_n_f32(bounds.high));
        for channel in (0..span.channels).step_by(VECTORS * WIDTH) {
            let mut weights = [[vdupq_n_f32(0.0); VECTORS]; TAPS];
            let mut inputs = [span.source.as_ptr(); TAPS];
            let mut bias = [vdupq_n_f32(0.0); VECTORS];
            for vector in 0..VECTORS {
                bias[vector] = vld1q_f32(span.bias.as_ptr().add(channel + vector * WIDTH));
            }
            for tap in 0..TAPS {
                inputs[tap] = inputs[tap].add(span.offsets[tap] as usize + channel);
                for vector in 0..VECTORS {
                    let at = tap * span.channels + channel + vector * WIDTH;
                    weights[tap][vector] = vld1q_f32(span.weights.as_ptr().add(at));
                }
            }
            for pixel in 0..span.pixels {
                let mut sums = bias;
                for tap in 0..TAPS {
                    for vector in 0..VECTORS {
                        let input = vld1q_f32(inputs[tap].add(pixel * span.step + vector * WIDTH));
                        sums[vector] = vfmaq_f32(sums[vector], input, weights[tap][vector]);
                    }
                }
                for vector in 0..VECTORS {
                    let bounded = vminnmq_f32(vmaxnmq_f32(sums[vector], low), high);
                    vst1q_f32(out.add(pixel * span.channels + channel + vector * WIDTH), bounded);
                }
            }
        }
    }
}

pub(crate) const WINOGRAD: winograd::Loops =
    winograd::Loops { before: winograd::before::<float32x4_t>, after: winograd::after::<float32x4_t> };

// SAFETY of all of it: every processor of this architecture has NEON.
impl winograd::Vector for float32x4_t {
    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn all(value: f32) -> Self {
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { vst1q_f32(to, self) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        unsafe { vaddq_f32(self, other) }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        unsafe { vsubq_f32(self, other) }
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        unsafe { vmulq_n_f32(self, factor) }
    }

    #[inline(always)]
    fn within(self, low: Self, high: Self) -> Self {
        unsafe { vminnmq_f32(vmaxnmq_f32(self, low), high) }
    }
}
