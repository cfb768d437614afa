//! Depthwise int8: the products of two taps are added in 16 bits if they fit (see [`super::bytes`]), and the sums in 32
//! bits.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::narrow::{Narrow, bound, load_floats};
use super::registers::{BYTES, anew};
use crate::native::kernels::operands::{LANES, Requantise, SpanU8};
use crate::native::kernels::scalar;

/// # Safety
/// `span.check` has seen the arguments.
pub(crate) unsafe fn span(span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
    unsafe {
        match (span.offsets.len(), span.narrow) {
            (9, true) => taps::<9, true>(span, requantise, out.as_mut_ptr()),
            (9, false) => taps::<9, false>(span, requantise, out.as_mut_ptr()),
            (25, true) => taps::<25, true>(span, requantise, out.as_mut_ptr()),
            (25, false) => taps::<25, false>(span, requantise, out.as_mut_ptr()),
            _ => scalar::span_u8(span, requantise, &BYTES, out),
        }
    }
}

/// # Safety
/// As [`span`]; the span has `TAPS` taps.
unsafe fn taps<const TAPS: usize, const PAIRS: bool>(span: &SpanU8, requantise: Requantise, out: *mut u8) {
    unsafe {
        let narrow = Narrow::new(requantise.to);
        for channel in (0..span.channels).step_by(LANES) {
            let mut weights = [vdupq_n_s8(0); TAPS];
            let mut offsets = [0; TAPS];
            for tap in 0..TAPS {
                offsets[tap] = span.offsets[tap] as usize + channel;
                weights[tap] = vld1q_s8(span.weights.as_ptr().add(tap * span.channels + channel));
            }
            let scales = load_floats(requantise.scale.as_ptr().add(channel));
            let bias = span.bias.as_ptr().add(channel);
            let bias = [vld1q_s32(bias), vld1q_s32(bias.add(4)), vld1q_s32(bias.add(8)), vld1q_s32(bias.add(12))];
            let mut source = span.source.as_ptr();
            for pixel in 0..span.pixels {
                let mut sums = bias;
                // Nested loops, because the compiler would not unroll a single one of twelve pairs.
                for eight in 0..TAPS / 8 {
                    for pair in 0..4 {
                        let tap = eight * 8 + pair * 2;
                        let (first, second) = (signed(source.add(offsets[tap])), signed(source.add(offsets[tap + 1])));
                        let low = vmull_s8(vget_low_s8(first), vget_low_s8(weights[tap]));
                        let high = multiply_high(first, weights[tap]);
                        if PAIRS {
                            let low = vmlal_s8(low, vget_low_s8(second), vget_low_s8(weights[tap + 1]));
                            add(&mut sums, low, multiply_high_onto(high, second, weights[tap + 1]));
                        } else {
                            add(&mut sums, low, high);
                            let low = vmull_s8(vget_low_s8(second), vget_low_s8(weights[tap + 1]));
                            add(&mut sums, low, multiply_high(second, weights[tap + 1]));
                        }
                    }
                }
                // The last tap, as their number is odd.
                let (last, weights) = (signed(source.add(offsets[TAPS - 1])), weights[TAPS - 1]);
                add(&mut sums, vmull_s8(vget_low_s8(last), vget_low_s8(weights)), multiply_high(last, weights));
                vst1q_u8(out.add(pixel * span.channels + channel), narrow.scaled(sums, scales));
                // Not read after the last pixel, when it may point beyond the picture.
                source = anew(source.wrapping_add(span.step));
            }
            bound(requantise.channels, channel, out.add(channel), span.pixels, span.channels);
        }
    }
}

/// Loads bytes and subtracts 128.
///
/// # Safety
/// Sixteen can be read at `from`.
#[inline(always)]
unsafe fn signed(from: *const u8) -> int8x16_t {
    unsafe { vreinterpretq_s8_u8(veorq_u8(vld1q_u8(from), vdupq_n_u8(0x80))) }
}

/// # Safety
/// None beyond that of every kernel.
#[inline(always)]
unsafe fn add(sums: &mut [int32x4_t; 4], low: int16x8_t, high: int16x8_t) {
    unsafe {
        sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
        sums[1] = vaddw_high_s16(sums[1], low);
        sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
        sums[3] = vaddw_high_s16(sums[3], high);
    }
}

/// `vmull_high_s8` as an instruction; the next function is `vmlal_high_s8`. With the intrinsics the compiler would move
/// the upper halves of the weights out of the loop, for which there are not enough registers.
#[inline(always)]
fn multiply_high(inputs: int8x16_t, weights: int8x16_t) -> int16x8_t {
    let products;
    // SAFETY: arithmetic on registers.
    unsafe {
        asm!(
            "smull2 {products:v}.8h, {inputs:v}.16b, {weights:v}.16b",
            products = lateout(vreg) products, inputs = in(vreg) inputs, weights = in(vreg) weights,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    products
}

#[inline(always)]
fn multiply_high_onto(products: int16x8_t, inputs: int8x16_t, weights: int8x16_t) -> int16x8_t {
    let mut products = products;
    // SAFETY: as above.
    unsafe {
        asm!(
            "smlal2 {products:v}.8h, {inputs:v}.16b, {weights:v}.16b",
            products = inout(vreg) products, inputs = in(vreg) inputs, weights = in(vreg) weights,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    products
}
