//! Dense int8 with dot products of four bytes: the accumulators are six pixels by a panel of four registers, as for
//! floats.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::arrange::{CHANNELS, arrange};
use super::narrow::{Narrow, bound, load_floats};
use crate::native::kernels::operands::{GROUP, LANES, Requantise, TileU8, with_constant};

/// Registers in a panel.
const PANEL: usize = 4;

/// Adds to each lane of `sums` the product of its four weights and the four inputs in lane `LANE`.
// Inline assembly, because stable Rust has no intrinsic for it yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot<const LANE: i32>(sums: int32x4_t, weights: int8x16_t, inputs: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: arithmetic on registers; the function is compiled for, and called on, processors with dot products.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {weights:v}.16b, {inputs:v}.4b[{lane}]",
            sums = inout(vreg) sums, weights = in(vreg) weights, inputs = in(vreg) inputs, lane = const LANE,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}

/// # Safety
/// The processor has dot products; `tile.check` has seen the arguments; `workspace` holds [`super::registers::DOT`]'s
/// workspace for the tile.
#[target_feature(enable = "neon,dotprod")]
pub(crate) unsafe fn tile(
    tile: &TileU8,
    requantise: Requantise,
    workspace: &mut [u8],
    out: &mut [u8],
    row_stride: usize,
) {
    let (inputs, out) = (workspace.as_mut_ptr(), out.as_mut_ptr());
    with_constant!(tile.rows, [1 2 3 4 5 6], ROWS => unsafe {
        arrange::<ROWS>(tile, inputs);
        for panel in 0..tile.panels() {
            rows::<ROWS>(tile, panel, inputs.cast(), requantise, out, row_stride);
        }
    });
}

/// # Safety
/// A panel of weights can be read at `weights` for each lane up to this one.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn multiply<const LANE: i32, const ROWS: usize>(
    sums: &mut [[int32x4_t; PANEL]; ROWS],
    inputs: &[int8x16_t; ROWS],
    weights: *const i8,
) {
    for vector in 0..PANEL {
        let column = unsafe { vld1q_s8(weights.add(LANE as usize * LANES * GROUP + vector * 16)) };
        for row in 0..ROWS {
            sums[row][vector] = dot::<LANE>(sums[row][vector], column, inputs[row]);
        }
    }
}

/// # Safety
/// As [`tile`]; the tile has `ROWS` rows and a panel `panel`, `inputs` are what [`arrange`] made of them.
#[target_feature(enable = "neon,dotprod")]
unsafe fn rows<const ROWS: usize>(
    tile: &TileU8,
    panel: usize,
    mut inputs: *const i8,
    requantise: Requantise,
    out: *mut u8,
    row_stride: usize,
) {
    unsafe {
        let mut sums = [[vdupq_n_s32(0); PANEL]; ROWS];
        for vector in 0..PANEL {
            let bias = vld1q_s32(tile.bias.as_ptr().add(panel * LANES + vector * 4));
            for sums in &mut sums {
                sums[vector] = bias;
            }
        }
        let length = tile.taps * tile.depth;
        let mut weights = tile.weights.as_ptr().add(panel * length * LANES);
        for _ in 0..length / CHANNELS {
            let mut pixels = [vdupq_n_s8(0); ROWS];
            for row in 0..ROWS {
                pixels[row] = vld1q_s8(inputs.add(row * CHANNELS));
            }
            multiply::<0, ROWS>(&mut sums, &pixels, weights);
            multiply::<1, ROWS>(&mut sums, &pixels, weights);
            multiply::<2, ROWS>(&mut sums, &pixels, weights);
            multiply::<3, ROWS>(&mut sums, &pixels, weights);
            inputs = inputs.add(ROWS * CHANNELS);
            weights = weights.add(CHANNELS * LANES);
        }
        let narrow = Narrow::new(requantise.to);
        let (scales, out) = (load_floats(requantise.scale.as_ptr().add(panel * LANES)), out.add(panel * LANES));
        for (row, &sums) in sums.iter().enumerate() {
            vst1q_u8(out.add(row * row_stride), narrow.scaled(sums, scales));
        }
        bound(requantise.channels, panel * LANES, out, ROWS, row_stride);
    }
}
