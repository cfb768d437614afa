//! Dense int8 without dot products: each sum is a register of partial sums over the input channels.
//!
//! Two products of signed bytes fit into 16 bits, unless both are -128 times -128; so where no weight is -128, three
//! instructions multiply and add sixteen pairs: the products of eight channels, those of eight more on top of them, and
//! both to the sums in 32 bits. Otherwise it is four. Four output channels at a time, so that the weights are loaded once
//! for all pixels and the pixels once for four outputs.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::aarch64::*;

use super::narrow::Narrow;
use crate::infer::native::kernels::{LANES, Requantise, TileU8, with_constant};

/// Output channels that are worked on at once.
const OUTPUTS: usize = 4;

/// # Safety
/// `tile.check` has seen the arguments.
pub unsafe fn tile(tile: &TileU8, requantise: Requantise, out: &mut [u8], row_stride: usize) {
    let out = out.as_mut_ptr();
    with_constant!(tile.rows, [1 2 3 4], ROWS => unsafe {
        match tile.narrow {
            true => rows::<ROWS, true>(tile, requantise, out, row_stride),
            false => rows::<ROWS, false>(tile, requantise, out, row_stride),
        }
    });
}

/// # Safety
/// As [`tile`]; the tile has `ROWS` rows, and no weight is -128 if `PAIRS`.
unsafe fn rows<const ROWS: usize, const PAIRS: bool>(
    tile: &TileU8,
    requantise: Requantise,
    out: *mut u8,
    row_stride: usize,
) {
    let narrow = Narrow::new(requantise.to);
    for first in (0..tile.panels() * LANES).step_by(OUTPUTS) {
        unsafe {
            let sums = sums::<ROWS, PAIRS>(tile, first);
            let scale = vld1q_f32(requantise.scale.as_ptr().add(first));
            store(sums, scale, narrow, out.add(first), row_stride);
        }
    }
}

/// The sums of output channels `first..first + OUTPUTS` for each row.
///
/// # Safety
/// As [`tile`]; the tile has `ROWS` rows and these channels.
#[inline(always)]
unsafe fn sums<const ROWS: usize, const PAIRS: bool>(tile: &TileU8, first: usize) -> [int32x4_t; ROWS] {
    unsafe {
        let mut sums = [[vdupq_n_s32(0); OUTPUTS]; ROWS];
        let sign = vdupq_n_u8(0x80);
        let mut weights = tile.weights.as_ptr().add(first * tile.taps * tile.depth);
        for tap in 0..tile.taps {
            let mut pixels = [tile.source.as_ptr(); ROWS];
            for row in 0..ROWS {
                pixels[row] = pixels[row].add(tile.offsets[tap * ROWS + row] as usize);
            }
            for channel in (0..tile.depth / 16 * 16).step_by(16) {
                let mut inputs = [vdupq_n_s8(0); ROWS];
                for row in 0..ROWS {
                    inputs[row] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(pixels[row].add(channel)), sign));
                }
                for output in 0..OUTPUTS {
                    let weight = vld1q_s8(weights.add(output * 16));
                    for row in 0..ROWS {
                        let sum = &mut sums[row][output];
                        let low = vmull_s8(vget_low_s8(inputs[row]), vget_low_s8(weight));
                        if PAIRS {
                            *sum = vpadalq_s16(*sum, vmlal_high_s8(low, inputs[row], weight));
                        } else {
                            *sum = vpadalq_s16(vpadalq_s16(*sum, low), vmull_high_s8(inputs[row], weight));
                        }
                    }
                }
                weights = weights.add(OUTPUTS * 16);
            }
            if !tile.depth.is_multiple_of(16) {
                let mut inputs = [vdup_n_s8(0); ROWS];
                for row in 0..ROWS {
                    let bytes = vld1_u8(pixels[row].add(tile.depth - 8));
                    inputs[row] = vreinterpret_s8_u8(veor_u8(bytes, vget_low_u8(sign)));
                }
                for output in 0..OUTPUTS {
                    let weight = vld1_s8(weights.add(output * 8));
                    for row in 0..ROWS {
                        sums[row][output] = vpadalq_s16(sums[row][output], vmull_s8(inputs[row], weight));
                    }
                }
                weights = weights.add(OUTPUTS * 8);
            }
        }
        let bias = vld1q_s32(tile.bias.as_ptr().add(first));
        let mut totals = [bias; ROWS];
        for (total, [a, b, c, d]) in totals.iter_mut().zip(sums) {
            *total = vaddq_s32(*total, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
        }
        totals
    }
}

/// Four bytes for each row, of which there are up to four.
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
        four[..ROWS].copy_from_slice(&sums);
        let bytes = vreinterpretq_u32_u8(narrow.scaled(four, [scale; 4]));
        vst1q_lane_u32::<0>(out.cast(), bytes);
        if ROWS > 1 {
            vst1q_lane_u32::<1>(out.add(row_stride).cast(), bytes);
        }
        if ROWS > 2 {
            vst1q_lane_u32::<2>(out.add(2 * row_stride).cast(), bytes);
        }
        if ROWS > 3 {
            vst1q_lane_u32::<3>(out.add(3 * row_stride).cast(), bytes);
        }
    }
}
