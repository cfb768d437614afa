//! The first pass of [`super`]: across rows, a weighted sum for each column.

use super::operands::{DROPPED, HALF, Rows};

/// Columns that are summed at once, in registers.
const BLOCK: usize = 16;

/// Sums as many rows as there are `weights`, column by column, and keeps [`super::KEPT`] fractional bits. The weights add up to
/// [`super::ONE`].
pub fn blend(rows: Rows, weights: &[i16], out: &mut [i16]) {
    let used = weights.iter().rposition(|weight| *weight != 0).map_or(0, |last| last + 1);
    let weights = &weights[..used];
    let mut at = wide(rows, weights, out);
    let (blocks, rest) = out[at..].as_chunks_mut::<BLOCK>();
    for block in blocks {
        *block = sum(rows, weights, at);
        at += BLOCK;
    }
    for (column, out) in rest.iter_mut().enumerate() {
        let byte = |row: usize| rows.bytes.get(row * rows.stride + at + column).copied().unwrap_or(0);
        let products = weights.iter().enumerate().map(|(row, &weight)| i32::from(byte(row)) * i32::from(weight));
        *out = ((products.sum::<i32>() + HALF) >> DROPPED) as i16;
    }
}

/// As many columns as longer registers can take. Returns how many these are.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that were asked for")]
fn wide(rows: Rows, weights: &[i16], out: &mut [i16]) -> usize {
    if !is_x86_feature_detected!("avx2") {
        return 0;
    }
    // SAFETY: the processor has AVX2.
    unsafe { super::avx2::blend(rows, weights, out) }
}

#[cfg(not(target_arch = "x86_64"))]
fn wide(_: Rows, _: &[i16], _: &mut [i16]) -> usize {
    0
}

/// The block of columns from `column`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that every such processor has")]
#[inline(always)]
fn sum(rows: Rows, weights: &[i16], column: usize) -> [i16; BLOCK] {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { sum_sse2(rows, weights, column) }
}

/// Two rows at a time: one instruction multiplies pairs of 16 bits and adds both products.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn sum_sse2(rows: Rows, weights: &[i16], column: usize) -> [i16; BLOCK] {
    use std::arch::x86_64::*;
    let zero = _mm_setzero_si128();
    let bytes = |row: usize| rows.block::<BLOCK>(row, column).map_or(zero, bytemuck::cast);
    let mut sums = [_mm_set1_epi32(HALF); 4];
    let mut add = |[first, second]: [__m128i; 2], weights: [i16; 2]| {
        let weights = _mm_set1_epi32(bytemuck::cast(weights));
        let (low, high) = (_mm_unpacklo_epi8(first, second), _mm_unpackhi_epi8(first, second));
        sums[0] = _mm_add_epi32(sums[0], _mm_madd_epi16(_mm_unpacklo_epi8(low, zero), weights));
        sums[1] = _mm_add_epi32(sums[1], _mm_madd_epi16(_mm_unpackhi_epi8(low, zero), weights));
        sums[2] = _mm_add_epi32(sums[2], _mm_madd_epi16(_mm_unpacklo_epi8(high, zero), weights));
        sums[3] = _mm_add_epi32(sums[3], _mm_madd_epi16(_mm_unpackhi_epi8(high, zero), weights));
    };
    let (pairs, last) = weights.as_chunks::<2>();
    for (index, &weights) in pairs.iter().enumerate() {
        add([bytes(2 * index), bytes(2 * index + 1)], weights);
    }
    if let [weight] = last {
        add([bytes(2 * pairs.len()), zero], [*weight, 0]);
    }
    let [a, b, c, d] = sums.map(|sums| _mm_srai_epi32::<{ DROPPED as i32 }>(sums));
    bytemuck::cast([_mm_packs_epi32(a, b), _mm_packs_epi32(c, d)])
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn sum(rows: Rows, weights: &[i16], column: usize) -> [i16; BLOCK] {
    plain(rows, weights, column)
}

/// What the compiler vectorises for Arm, and the reference for the tests.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn plain(rows: Rows, weights: &[i16], column: usize) -> [i16; BLOCK] {
    let mut sums = [HALF; BLOCK];
    for (row, &weight) in weights.iter().enumerate() {
        let Some(block) = rows.block::<BLOCK>(row, column) else { continue };
        for (sum, byte) in sums.iter_mut().zip(block) {
            // Both factors are of 16 bits, so that the vector instruction for that applies.
            *sum += i32::from(weight) * i32::from(i16::from(byte));
        }
    }
    sums.map(|sum| (sum >> DROPPED) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::{KEPT, ONE};
    use proptest::prelude::*;

    const STRIDE: usize = 61;
    const WIDTH: usize = 53;

    /// Up to nine rows, and weights that add up to 1.
    fn parts() -> impl Strategy<Value = (Vec<u8>, Vec<i16>)> {
        (1..=9_usize).prop_flat_map(|count| {
            let bytes = prop::collection::vec(any::<u8>(), STRIDE * count);
            (bytes, prop::collection::vec(0..=(ONE / count as i32) as i16, count))
        })
    }

    proptest! {
        #[test]
        fn each_column_is_its_weighted_sum((bytes, mut weights) in parts()) {
            weights[0] += (ONE - weights.iter().map(|&weight| i32::from(weight)).sum::<i32>()) as i16;
            let rows = Rows { bytes: &bytes, stride: STRIDE };
            let mut out = [0; WIDTH];
            blend(rows, &weights, &mut out);
            for (column, &found) in out.iter().enumerate() {
                let product = |(row, &weight): (usize, &i16)| f64::from(bytes[row * STRIDE + column]) * f64::from(weight);
                let exact = weights.iter().enumerate().map(product).sum::<f64>() / f64::from(1 << DROPPED);
                prop_assert!((f64::from(found) - exact).abs() <= 0.5, "{column}: {found}, {exact}");
            }
            for column in [0, 16, 37] {
                prop_assert_eq!(sum(rows, &weights, column), plain(rows, &weights, column));
                let mut longer = [0; WIDTH];
                let at = wide(Rows { bytes: &bytes[column..], ..rows }, &weights, &mut longer[column..]);
                prop_assert_eq!(&longer[column..column + at], &out[column..column + at]);
            }
        }
    }

    #[test]
    fn what_is_beyond_the_end_counts_as_nothing() {
        let mut out = [7; 20];
        blend(Rows { bytes: &[200; 20], stride: 20 }, &[8192, 8192], &mut out);
        assert_eq!(out, [100 << KEPT; 20]);
        blend(Rows { bytes: &[], stride: 20 }, &[0, 0], &mut out);
        assert_eq!(out, [0; 20]);
    }
}
