//! Dense int8 without dot products. Each accumulator is a register of partial sums over the input channels.
//!
//! The sum of two products of signed bytes fits into 16 bits, unless both are -128 times -128. So if no weight is -128,
//! three instructions multiply and add sixteen channels: one multiplies eight channels, one multiplies and adds the
//! other eight, and one adds the 16-bit sums in pairs to the 32-bit accumulators. Otherwise four instructions are
//! needed. Before that, the bytes of a tile are rearranged and made signed once for all output channels, of which four
//! are computed at a time.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::aarch64::*;

use super::arrange::{CHANNELS, arrange};
use super::narrow::{Narrow, bound};
use crate::native::kernels::operands::{LANES, Requantise, TileU8, with_constant};

/// Output channels that are computed at once.
const OUTPUTS: usize = 4;

/// # Safety
/// `tile.check` has seen the arguments; `workspace` holds [`super::registers::BYTES`]'s workspace for the tile.
pub(crate) unsafe fn tile(
    tile: &TileU8,
    requantise: Requantise,
    workspace: &mut [u8],
    out: &mut [u8],
    row_stride: usize,
) {
    let (inputs, out) = (workspace.as_mut_ptr(), out.as_mut_ptr());
    with_constant!(tile.rows, [1 2 3 4], ROWS => unsafe {
        arrange::<ROWS>(tile, inputs);
        match tile.narrow {
            true => rows::<ROWS, true>(tile, requantise, inputs, out, row_stride),
            false => rows::<ROWS, false>(tile, requantise, inputs, out, row_stride),
        }
        for channel in (0..tile.panels() * LANES).step_by(LANES) {
            bound(requantise.channels, channel, out.add(channel), ROWS, row_stride);
        }
    });
}

/// # Safety
/// As [`tile`]; the tile has `ROWS` rows, `inputs` are what [`arrange`] made of them, and no weight is -128 if `PAIRS`.
unsafe fn rows<const ROWS: usize, const PAIRS: bool>(
    tile: &TileU8,
    requantise: Requantise,
    inputs: *const u8,
    out: *mut u8,
    row_stride: usize,
) {
    let narrow = Narrow::new(requantise.to);
    for first in (0..tile.panels() * LANES).step_by(OUTPUTS) {
        unsafe {
            let weights = tile.weights.as_ptr().add(first * tile.taps * tile.depth);
            let bias = tile.bias.as_ptr().add(first);
            let sums = sums::<ROWS, PAIRS>(tile.taps * tile.depth, inputs.cast(), weights, bias);
            let scale = vld1q_f32(requantise.scale.as_ptr().add(first));
            store(sums, scale, narrow, out.add(first), row_stride);
        }
    }
}

/// The sums of four output channels for each row, over `length` inputs.
///
/// # Safety
/// `ROWS * length` inputs, four times as many weights and four biases can be read; `length` is a multiple of 16.
#[inline(always)]
unsafe fn sums<const ROWS: usize, const PAIRS: bool>(
    length: usize,
    mut inputs: *const i8,
    mut weights: *const i8,
    bias: *const i32,
) -> [int32x4_t; ROWS] {
    unsafe {
        let mut sums = [[vdupq_n_s32(0); OUTPUTS]; ROWS];
        for output in 0..OUTPUTS {
            // One of the partial sums starts at the bias.
            let start = vsetq_lane_s32::<0>(*bias.add(output), vdupq_n_s32(0));
            for sums in &mut sums {
                sums[output] = start;
            }
        }
        for _ in 0..length / CHANNELS {
            let mut pixels = [vdupq_n_s8(0); ROWS];
            for row in 0..ROWS {
                pixels[row] = vld1q_s8(inputs.add(row * CHANNELS));
            }
            for output in 0..OUTPUTS {
                let weight = vld1q_s8(weights.add(output * CHANNELS));
                for row in 0..ROWS {
                    let sum = &mut sums[row][output];
                    let low = vmull_s8(vget_low_s8(pixels[row]), vget_low_s8(weight));
                    if PAIRS {
                        *sum = vpadalq_s16(*sum, vmlal_high_s8(low, pixels[row], weight));
                    } else {
                        *sum = vpadalq_s16(vpadalq_s16(*sum, low), vmull_high_s8(pixels[row], weight));
                    }
                }
            }
            inputs = inputs.add(ROWS * CHANNELS);
            weights = weights.add(OUTPUTS * CHANNELS);
        }
        let mut totals = [vdupq_n_s32(0); ROWS];
        for (total, [a, b, c, d]) in totals.iter_mut().zip(sums) {
            *total = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
        }
        totals
    }
}

/// Requantises the sums, and stores four bytes for each of up to four rows.
///
/// # Safety
/// They can be written at `out` and every `row_stride` after it.
#[inline(always)]
unsafe fn store<const ROWS: usize>(
    sums: [int32x4_t; ROWS],
    scale: float32x4_t,
    narrow: Narrow,
    out: *mut u8,
    row_stride: usize,
) {
    unsafe {
        let mut four = [sums[0]; 4];
        for row in 1..ROWS {
            four[row] = sums[row];
        }
        let bytes = vreinterpretq_u32_u8(narrow.scaled(four, [scale; 4]));
        // The address of a tile's outputs may be unaligned.
        out.cast::<u32>().write_unaligned(vgetq_lane_u32::<0>(bytes));
        if ROWS > 1 {
            out.add(row_stride).cast::<u32>().write_unaligned(vgetq_lane_u32::<1>(bytes));
        }
        if ROWS > 2 {
            out.add(2 * row_stride).cast::<u32>().write_unaligned(vgetq_lane_u32::<2>(bytes));
        }
        if ROWS > 3 {
            out.add(3 * row_stride).cast::<u32>().write_unaligned(vgetq_lane_u32::<3>(bytes));
        }
    }
}
