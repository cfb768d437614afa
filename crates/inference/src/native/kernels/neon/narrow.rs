//! Quantisation, requantisation and quantised addition.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of the slices")]

use std::arch::aarch64::*;

use crate::native::kernels::operands::{ByteBounds, LANES, Sum, ToByte};
use crate::native::kernels::scalar;

/// [`scalar::to_byte`] for sixteen values at a time.
///
/// The bounds are applied to the byte after the zero point was added, which gives the same result: every conversion
/// saturates, and rounding preserves the order.
#[derive(Clone, Copy)]
pub(crate) struct Narrow {
    low: uint8x16_t,
    high: uint8x16_t,
    zero_point: int16x8_t,
}

impl Narrow {
    #[inline(always)]
    pub(crate) fn new(ToByte { zero_point, low, high }: ToByte) -> Self {
        // SAFETY: every processor of this architecture has NEON.
        unsafe { Self { low: vdupq_n_u8(low), high: vdupq_n_u8(high), zero_point: vdupq_n_s16(i16::from(zero_point)) } }
    }

    /// Quantises values in units of the scale. Halves are rounded to even; NaN counts as 0.
    #[inline(always)]
    pub(crate) fn narrow(self, steps: [float32x4_t; 4]) -> uint8x16_t {
        // SAFETY: as above.
        unsafe {
            let [a, b, c, d] = steps;
            let words = [
                vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(a)), vcvtnq_s32_f32(b)),
                vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(c)), vcvtnq_s32_f32(d)),
            ];
            let [low, high] = [vqaddq_s16(words[0], self.zero_point), vqaddq_s16(words[1], self.zero_point)];
            let bytes = vqmovun_high_s16(vqmovun_s16(low), high);
            vminq_u8(vmaxq_u8(bytes, self.low), self.high)
        }
    }

    /// Requantises sums with their scales.
    #[inline(always)]
    pub(crate) fn scaled(self, sums: [int32x4_t; 4], scales: [float32x4_t; 4]) -> uint8x16_t {
        // SAFETY: as above.
        unsafe {
            let mut steps = scales;
            for (steps, sum) in steps.iter_mut().zip(sums) {
                *steps = vmulq_f32(vcvtq_f32_s32(sum), *steps);
            }
            self.narrow(steps)
        }
    }
}

/// Applies the bounds of sixteen channels to stored bytes of `pixels` pixels, `step` bytes apart, if there are any. It
/// is a pass of its own, because few networks have such bounds.
///
/// # Safety
/// There are bounds for `channel` and fifteen after it, or none at all; the bytes of these channels can be read and
/// written from `at` on, for `pixels` pixels that are `step` bytes apart.
#[inline]
pub(crate) unsafe fn bound(channels: Option<ByteBounds>, channel: usize, at: *mut u8, pixels: usize, step: usize) {
    let Some(ByteBounds { low, high }) = channels else { return };
    unsafe {
        let (low, high) = (vld1q_u8(low.as_ptr().add(channel)), vld1q_u8(high.as_ptr().add(channel)));
        for pixel in 0..pixels {
            let at = at.add(pixel * step);
            vst1q_u8(at, vminq_u8(vmaxq_u8(vld1q_u8(at), low), high));
        }
    }
}

/// Four registers of floats.
///
/// # Safety
/// Sixteen floats can be read at `from`.
#[inline(always)]
pub(crate) unsafe fn load_floats(from: *const f32) -> [float32x4_t; 4] {
    unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
}

/// # Safety
/// None beyond that of every kernel.
pub(crate) unsafe fn quantise(input: &[f32], scale: f32, to: ToByte, out: &mut [u8]) {
    let length = out.len().min(input.len()) / LANES * LANES;
    let narrow = Narrow::new(to);
    for at in (0..length).step_by(LANES) {
        unsafe {
            // NaN becomes the lower bound, as in the specification.
            let (divisor, lowest) = (vdupq_n_f32(scale), vdupq_n_f32(f32::from(to.low) - f32::from(to.zero_point)));
            let mut steps = load_floats(input.as_ptr().add(at));
            for steps in &mut steps {
                *steps = vmaxnmq_f32(vdivq_f32(*steps, divisor), lowest);
            }
            vst1q_u8(out.as_mut_ptr().add(at), narrow.narrow(steps));
        }
    }
    scalar::quantise(&input[length..], scale, to, &mut out[length..]);
}

/// # Safety
/// None beyond that of every kernel.
pub(crate) unsafe fn add_u8(sum: &Sum, to: ToByte, out: &mut [u8]) {
    let length = out.len().min(sum.a.len()).min(sum.b.len()) / LANES * LANES;
    let narrow = Narrow::new(to);
    for at in (0..length).step_by(LANES) {
        unsafe {
            let (a, b) = (floats(sum.a.as_ptr().add(at)), floats(sum.b.as_ptr().add(at)));
            let mut steps = a;
            for vector in 0..4 {
                // Not fused, as in the specification.
                let added = vaddq_f32(vmulq_n_f32(a[vector], sum.factors[0]), vmulq_n_f32(b[vector], sum.factors[1]));
                steps[vector] = vsubq_f32(added, vdupq_n_f32(sum.shift));
            }
            vst1q_u8(out.as_mut_ptr().add(at), narrow.narrow(steps));
        }
    }
    let rest = Sum { a: &sum.a[length..], b: &sum.b[length..], ..*sum };
    scalar::add_u8(&rest, to, &mut out[length..]);
}

/// Loads sixteen bytes as floats.
///
/// # Safety
/// They can be read at `from`.
#[inline(always)]
unsafe fn floats(from: *const u8) -> [float32x4_t; 4] {
    unsafe {
        let bytes = vld1q_u8(from);
        let words = [vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes)];
        [
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(words[0]))),
            vcvtq_f32_u32(vmovl_high_u16(words[0])),
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(words[1]))),
            vcvtq_f32_u32(vmovl_high_u16(words[1])),
        ]
    }
}
