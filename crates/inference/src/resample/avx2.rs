//! Both passes of [`super`] with registers of 256 bits, for processors with AVX2: eight results of the second pass at once, and
//! thirty-two columns of the first.

use std::arch::x86_64::*;

use super::axis::Axis;
use super::operands::{DROPPED, HALF, POINT, Rows, taps};

/// Columns that are summed at once.
const BLOCK: usize = 32;

/// The first pass, for as many columns as there are whole blocks. Returns how many these are.
#[target_feature(enable = "avx2")]
pub(super) fn blend(rows: Rows, weights: &[i16], out: &mut [i16]) -> usize {
    let (blocks, _) = out.as_chunks_mut::<BLOCK>();
    for (index, block) in blocks.iter_mut().enumerate() {
        *block = sum(rows, weights, index * BLOCK);
    }
    blocks.len() * BLOCK
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum(rows: Rows, weights: &[i16], column: usize) -> [i16; BLOCK] {
    let zero = _mm256_setzero_si256();
    let bytes = |row: usize| rows.block::<BLOCK>(row, column).map_or(zero, bytemuck::cast);
    let mut sums = [_mm256_set1_epi32(HALF); 4];
    let mut add = |[first, second]: [__m256i; 2], weights: [i16; 2]| {
        let weights = _mm256_set1_epi32(bytemuck::cast(weights));
        let (low, high) = (_mm256_unpacklo_epi8(first, second), _mm256_unpackhi_epi8(first, second));
        let product = |pairs: __m256i| _mm256_madd_epi16(pairs, weights);
        sums[0] = _mm256_add_epi32(sums[0], product(_mm256_unpacklo_epi8(low, zero)));
        sums[1] = _mm256_add_epi32(sums[1], product(_mm256_unpackhi_epi8(low, zero)));
        sums[2] = _mm256_add_epi32(sums[2], product(_mm256_unpacklo_epi8(high, zero)));
        sums[3] = _mm256_add_epi32(sums[3], product(_mm256_unpackhi_epi8(high, zero)));
    };
    let (pairs, last) = weights.as_chunks::<2>();
    for (index, &weights) in pairs.iter().enumerate() {
        add([bytes(2 * index), bytes(2 * index + 1)], weights);
    }
    if let [weight] = last {
        add([bytes(2 * pairs.len()), zero], [*weight, 0]);
    }
    let [a, b, c, d] = sums.map(|sums| _mm256_srai_epi32::<{ DROPPED as i32 }>(sums));
    // The halves of a register stay apart: columns 0 to 7 and 16 to 23, then the others.
    let (first, second) = (_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    bytemuck::cast([_mm256_permute2x128_si256::<0x20>(first, second), _mm256_permute2x128_si256::<0x31>(first, second)])
}

/// The second pass, for as many results of four taps as there are whole eights. Returns how many these are.
///
/// # Safety
/// The axis lies in the line: see [`Axis::lies_in`].
#[target_feature(enable = "avx2")]
#[allow(unsafe_code, reason = "a check of each result's taps would take as long as the arithmetic")]
pub(super) unsafe fn squeeze(axis: &Axis, first: usize, line: &[i16], out: &mut [u8]) -> usize {
    let (eights, _) = out.as_chunks_mut::<8>();
    let (starts, _) = axis.starts().as_chunks::<8>();
    let (weights, _) = axis.weights().as_chunks::<4>();
    let (weights, _) = weights.as_chunks::<8>();
    for ((out, starts), weights) in eights.iter_mut().zip(starts).zip(weights) {
        let &[a, b, c, d, e, f, g, h] = starts;
        // SAFETY: the caller's promise.
        let at = |start: usize| unsafe { taps::<4>(line, first, start) };
        *out = eight([at(a), at(b), at(c), at(d), at(e), at(f), at(g), at(h)], weights);
    }
    8 * eights.len().min(starts.len())
}

#[target_feature(enable = "avx2")]
#[inline]
fn eight(numbers: [&[i16; 4]; 8], weights: &[[i16; 4]; 8]) -> [u8; 8] {
    let taps = |result: usize| -> i64 { bytemuck::cast(*numbers[result]) };
    // Two partial sums for each of the results 0, 1, 4 and 5, then for 2, 3, 6 and 7. They are added below.
    let numbers = [0, 2].map(|at| _mm256_set_epi64x(taps(at + 5), taps(at + 4), taps(at + 1), taps(at)));
    let [low, high]: [__m256i; 2] = bytemuck::cast(*weights);
    let weights = [_mm256_permute2x128_si256::<0x20>(low, high), _mm256_permute2x128_si256::<0x31>(low, high)];
    let first = _mm256_castsi256_ps(_mm256_madd_epi16(numbers[0], weights[0]));
    let second = _mm256_castsi256_ps(_mm256_madd_epi16(numbers[1], weights[1]));
    let even = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(first, second));
    let odd = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(first, second));
    let sums = _mm256_add_epi32(_mm256_add_epi32(even, odd), _mm256_set1_epi32(1 << (POINT - 1)));
    let words = _mm256_srai_epi32::<{ POINT as i32 }>(sums);
    let words = _mm256_packs_epi32(words, words);
    let bytes = _mm256_packus_epi16(words, words);
    let (low, high) = (_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
    bytemuck::cast([_mm_cvtsi128_si32(low), _mm_cvtsi128_si32(high)])
}
