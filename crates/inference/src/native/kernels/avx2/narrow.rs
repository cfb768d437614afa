//! Quantisation, requantisation and quantised addition.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of the slices")]

use std::arch::x86_64::*;

use super::registers::{PANEL, WIDTH};
use crate::native::kernels::operands::{ByteBounds, LANES, Sum, ToByte};
use crate::native::kernels::scalar;

/// # Safety
/// Sixteen floats can be read at `from`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn load_scales(from: *const f32) -> [__m256; PANEL] {
    unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(WIDTH))] }
}

/// [`scalar::to_byte`] for sixteen values at a time.
#[derive(Clone, Copy)]
pub(crate) struct Narrow {
    low: __m256,
    high: __m256,
    zero_point: __m256i,
}

impl Narrow {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn new(ToByte { zero_point, low, high }: ToByte) -> Self {
        let zero = f32::from(zero_point);
        Self {
            low: _mm256_set1_ps(f32::from(low) - zero),
            high: _mm256_set1_ps(f32::from(high) - zero),
            zero_point: _mm256_set1_epi32(i32::from(zero_point)),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn narrow(self, steps: [__m256; PANEL]) -> __m128i {
        let [a, b] = [self.whole(steps[0]), self.whole(steps[1])];
        // Packing works within each half of a register, so the quarters are put in order between the two steps.
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(a, b));
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
    }

    /// Quantises values in units of the scale to bytes in 32-bit lanes: bounded, with halves rounded to even, plus the
    /// zero point.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn whole(self, steps: __m256) -> __m256i {
        // What is no number becomes the lower bound: the second operand is taken then.
        let bounded = _mm256_min_ps(_mm256_max_ps(steps, self.low), self.high);
        _mm256_add_epi32(_mm256_cvtps_epi32(bounded), self.zero_point)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn scaled(self, sums: [__m256i; PANEL], scales: [__m256; PANEL]) -> __m128i {
        let [a, b] = [_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])];
        self.narrow([_mm256_mul_ps(a, scales[0]), _mm256_mul_ps(b, scales[1])])
    }
}

/// Applies the bounds of sixteen channels to stored bytes of `pixels` pixels, `step` bytes apart, if there are any.
///
/// It is a pass of its own: few networks have such bounds, and a branch at each store cost the other networks a fifth
/// of their time.
///
/// # Safety
/// The processor has the features. There are bounds for `channel` and fifteen after it, or none at all; the bytes of
/// these channels can be read and written from `at` on, for `pixels` pixels that are `step` bytes apart.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn bound(channels: Option<ByteBounds>, channel: usize, at: *mut u8, pixels: usize, step: usize) {
    let Some(ByteBounds { low, high }) = channels else { return };
    unsafe {
        let low = _mm_loadu_si128(low.as_ptr().add(channel).cast());
        let high = _mm_loadu_si128(high.as_ptr().add(channel).cast());
        for pixel in 0..pixels {
            let at: *mut __m128i = at.add(pixel * step).cast();
            _mm_storeu_si128(at, _mm_min_epu8(_mm_max_epu8(_mm_loadu_si128(at), low), high));
        }
    }
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn quantise(input: &[f32], scale: f32, to: ToByte, out: &mut [u8]) {
    let length = out.len().min(input.len()) / LANES * LANES;
    let (divisor, narrow) = (_mm256_set1_ps(scale), Narrow::new(to));
    for at in (0..length).step_by(LANES) {
        unsafe {
            let [a, b] = load_scales(input.as_ptr().add(at));
            let bytes = narrow.narrow([_mm256_div_ps(a, divisor), _mm256_div_ps(b, divisor)]);
            _mm_storeu_si128(out.as_mut_ptr().add(at).cast(), bytes);
        }
    }
    scalar::quantise(&input[length..], scale, to, &mut out[length..]);
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn add_u8(sum: &Sum, to: ToByte, out: &mut [u8]) {
    let length = out.len().min(sum.a.len()).min(sum.b.len()) / LANES * LANES;
    let (shift, narrow) = (_mm256_set1_ps(sum.shift), Narrow::new(to));
    let (factor_a, factor_b) = (_mm256_set1_ps(sum.factors[0]), _mm256_set1_ps(sum.factors[1]));
    for at in (0..length).step_by(LANES) {
        unsafe {
            let mut steps = [_mm256_setzero_ps(); PANEL];
            for (vector, steps) in steps.iter_mut().enumerate() {
                let at = at + vector * WIDTH;
                let (a, b) = (sum.a.as_ptr().add(at), sum.b.as_ptr().add(at));
                let a = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(a.cast())));
                let b = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(b.cast())));
                // Not fused, as in the specification.
                let added = _mm256_add_ps(_mm256_mul_ps(a, factor_a), _mm256_mul_ps(b, factor_b));
                *steps = _mm256_sub_ps(added, shift);
            }
            _mm_storeu_si128(out.as_mut_ptr().add(at).cast(), narrow.narrow(steps));
        }
    }
    let rest = Sum { a: &sum.a[length..], b: &sum.b[length..], ..*sum };
    scalar::add_u8(&rest, to, &mut out[length..]);
}
