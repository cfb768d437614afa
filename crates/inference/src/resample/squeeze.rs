//! The second pass of [`super`]: along a row, a few neighbours for each number of the result, four results at once. The scalar loop is
//! also the reference for the tests.

use super::axis::Axis;
use super::operands::{POINT, taps};

/// The horizontal pass for a `line` that begins with the source's value `first`. Results whose taps lie outside of
/// `line` are left out.
#[allow(unsafe_code, reason = "a check of each result's taps would take as long as the arithmetic")]
pub fn squeeze(axis: &Axis, first: usize, line: &[i16], out: &mut [u8]) {
    match axis.taps() {
        // SAFETY: the axis lies in the line.
        4 if axis.lies_in(first, line.len()) => unsafe {
            let done = wide(axis, first, line, out);
            by::<4>(axis, done, first, line, out);
        },
        8 if axis.lies_in(first, line.len()) => unsafe { by::<8>(axis, 0, first, line, out) },
        taps => {
            let weights = axis.weights().chunks_exact(taps.max(1));
            for ((out, &start), weights) in out.iter_mut().zip(axis.starts()).zip(weights) {
                let numbers = start.checked_sub(first).and_then(|start| line.get(start..start + taps));
                if let Some(numbers) = numbers {
                    *out = plain(numbers, weights);
                }
            }
        }
    }
}

/// The results of an axis with four taps, eight at once: as many as longer registers can take. Returns how many these are.
///
/// # Safety
/// The axis lies in the line: see [`Axis::lies_in`].
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that were asked for")]
unsafe fn wide(axis: &Axis, first: usize, line: &[i16], out: &mut [u8]) -> usize {
    if !is_x86_feature_detected!("avx2") {
        return 0;
    }
    // SAFETY: the processor has AVX2; the rest is the caller's promise.
    unsafe { super::avx2::squeeze(axis, first, line, out) }
}

#[cfg(not(target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "as on x86-64")]
unsafe fn wide(_: &Axis, _: usize, _: &[i16], _: &mut [u8]) -> usize {
    0
}

/// `N` taps for each result, from the result `done` on.
///
/// # Safety
/// The axis lies in the line: see [`Axis::lies_in`].
#[allow(unsafe_code, reason = "a check of each result's taps would take as long as the arithmetic")]
unsafe fn by<const N: usize>(axis: &Axis, done: usize, first: usize, line: &[i16], out: &mut [u8]) {
    // SAFETY: the caller's promise.
    let taps = |start: usize| unsafe { taps::<N>(line, first, start) };
    let after = |length: usize| done.min(length);
    let (weights, _) = axis.weights().as_chunks::<N>();
    let (weights, starts) = (&weights[after(weights.len())..], &axis.starts()[after(axis.starts().len())..]);
    let length = out.len();
    let (fours, rest) = out[after(length)..].as_chunks_mut::<4>();
    let (starts, last_starts) = starts.as_chunks::<4>();
    let (weights_of_fours, last_weights) = weights.as_chunks::<4>();
    for ((out, starts), weights) in fours.iter_mut().zip(starts).zip(weights_of_fours) {
        // Unrolled, because `map` of an array is not inlined.
        let &[a, b, c, d] = starts;
        *out = four([taps(a), taps(b), taps(c), taps(d)], weights);
    }
    for ((out, &start), weights) in rest.iter_mut().zip(last_starts).zip(last_weights) {
        *out = plain(taps(start), weights);
    }
}

fn plain(numbers: &[i16], weights: &[i16]) -> u8 {
    let products = numbers.iter().zip(weights).map(|(&number, &weight)| i32::from(number) * i32::from(weight));
    ((products.sum::<i32>() + (1 << (POINT - 1))) >> POINT).clamp(0, 255) as u8
}

/// Four values from `at`, in one register.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn quad<const N: usize>(numbers: &[i16; N], at: usize) -> u64 {
    bytemuck::cast([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]])
}

/// `N` is a multiple of 4.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that every such processor has")]
#[inline(always)]
fn four<const N: usize>(numbers: [&[i16; N]; 4], weights: &[[i16; N]; 4]) -> [u8; 4] {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { four_sse2(numbers, weights) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn four_sse2<const N: usize>(numbers: [&[i16; N]; 4], weights: &[[i16; N]; 4]) -> [u8; 4] {
    use std::arch::x86_64::*;
    let two = |low: u64, high: u64| _mm_set_epi64x(high.cast_signed(), low.cast_signed());
    // Two partial sums for each of the results 0 and 1, then for 2 and 3. They are added below.
    let mut halves = [_mm_setzero_si128(); 2];
    for at in (0..N).step_by(4) {
        for (half, result) in halves.iter_mut().zip([0, 2]) {
            let numbers = two(quad(numbers[result], at), quad(numbers[result + 1], at));
            let weights = two(quad(&weights[result], at), quad(&weights[result + 1], at));
            *half = _mm_add_epi32(*half, _mm_madd_epi16(numbers, weights));
        }
    }
    let (low, high) = (_mm_castsi128_ps(halves[0]), _mm_castsi128_ps(halves[1]));
    let even = _mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(low, high));
    let odd = _mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(low, high));
    let sums = _mm_add_epi32(_mm_add_epi32(even, odd), _mm_set1_epi32(1 << (POINT - 1)));
    let words = _mm_srai_epi32::<{ POINT as i32 }>(sums);
    let words = _mm_packs_epi32(words, words);
    _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_le_bytes()
}

/// `N` is a multiple of 4.
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, reason = "instructions that every such processor has")]
#[inline(always)]
fn four<const N: usize>(numbers: [&[i16; N]; 4], weights: &[[i16; N]; 4]) -> [u8; 4] {
    // SAFETY: NEON is part of 64-bit Arm.
    unsafe { four_neon(numbers, weights) }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
#[inline]
fn four_neon<const N: usize>(numbers: [&[i16; N]; 4], weights: &[[i16; N]; 4]) -> [u8; 4] {
    use std::arch::aarch64::*;
    let mut sums = [vdupq_n_s32(0); 4];
    for at in (0..N).step_by(4) {
        for (result, sum) in sums.iter_mut().enumerate() {
            let numbers = vcreate_s16(quad(numbers[result], at));
            *sum = vmlal_s16(*sum, numbers, vcreate_s16(quad(&weights[result], at)));
        }
    }
    let [a, b, c, d] = sums;
    let sums = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
    let words = vqmovun_s32(vrshrq_n_s32::<{ POINT as i32 }>(sums));
    let bytes = vqmovn_u16(vcombine_u16(words, words));
    vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)).to_le_bytes()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn four<const N: usize>(numbers: [&[i16; N]; 4], weights: &[[i16; N]; 4]) -> [u8; 4] {
    std::array::from_fn(|at| plain(numbers[at], &weights[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::{KEPT, Key};
    use proptest::prelude::*;

    fn numbers<const N: usize>() -> impl Strategy<Value = [[i16; N]; 4]> {
        // What the first pass can leave.
        prop::array::uniform4(prop::array::uniform::<_, N>(0..=255_i16 << KEPT))
    }

    fn weights<const N: usize>() -> impl Strategy<Value = [[i16; N]; 4]> {
        prop::array::uniform4(prop::array::uniform::<_, N>(-2000..6000_i16))
    }

    proptest! {
        #[test]
        fn four_at_once_are_what_each_alone_is(numbers in numbers::<8>(), weights in weights::<8>()) {
            let eight = four(numbers.each_ref(), &weights);
            prop_assert_eq!(eight, std::array::from_fn(|at| plain(&numbers[at], &weights[at])));
            let halves = |of: [[i16; 8]; 4]| of.map(|of| [of[0], of[1], of[2], of[3]]);
            let (numbers, weights) = (halves(numbers), halves(weights));
            let found = four(numbers.each_ref(), &weights);
            prop_assert_eq!(found, std::array::from_fn(|at| plain(&numbers[at], &weights[at])));
        }
    }

    #[test]
    fn the_same_size_gives_the_same_numbers() {
        let mut axis = Axis::default();
        axis.set(Key { start: 0.0, length: 6.0, source: 6, result: 6 });
        let line: Vec<i16> = [1, 2, 3, 40, 250, 255, 0, 0, 0, 0].iter().map(|number| number << KEPT).collect();
        let mut out = [0; 6];
        squeeze(&axis, 0, &line, &mut out);
        assert_eq!(out, [1, 2, 3, 40, 250, 255]);
    }

    #[test]
    fn results_of_any_number_are_what_each_alone_is() {
        for result in [3, 7, 8, 13, 224] {
            let mut axis = Axis::default();
            axis.set(Key { start: 1.0, length: 300.0, source: 302, result });
            let line: Vec<i16> = (0..512_i32).map(|at| ((at * 7919 % 256) << KEPT) as i16).collect();
            let mut out = vec![0; result];
            squeeze(&axis, 0, &line, &mut out);
            let taps = axis.taps();
            for (at, &found) in out.iter().enumerate() {
                let from = axis.starts()[at];
                assert_eq!(
                    found,
                    plain(&line[from..from + taps], &axis.weights()[at * taps..][..taps]),
                    "{at} of {result}"
                );
            }
        }
    }

    #[test]
    fn results_whose_taps_are_not_there_are_left_out() {
        for source in [20, 60] {
            let mut axis = Axis::default();
            axis.set(Key { start: 0.0, length: source as f64, source, result: 10 });
            let line: Vec<i16> = (0..source as i16 + 8).map(|at| at << KEPT).collect();
            let (mut whole, mut part) = ([0; 10], [0; 10]);
            squeeze(&axis, 0, &line, &mut whole);
            squeeze(&axis, 4, &line[4..source / 2], &mut part);
            let inside = |at: usize| (4..=source / 2 - axis.taps()).contains(&axis.starts()[at]);
            assert!((0..10).any(inside));
            assert_eq!(part, std::array::from_fn(|at| if inside(at) { whole[at] } else { 0 }), "{source}");
        }
    }
}
