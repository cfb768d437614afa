//! The inverse discrete cosine transform (IDCT) to a reduced size.
//!
//! A block of 8x8 coefficients becomes NxN pixels: only the NxN lowest frequencies are evaluated, at N points along
//! each side. The result is the low-passed and resampled picture, for a fraction of the work.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

/// From a zigzag index (T.81, figure A.6) to `8 * horizontal frequency + vertical frequency`.
#[rustfmt::skip]
pub(super) const ORDER: [u8; 64] = [
     0,  8,  1,  2,  9, 16, 24, 17, 10,  3,  4, 11, 18, 25, 32, 40,
    33, 26, 19, 12,  5,  6, 13, 20, 27, 34, 41, 48, 56, 49, 42, 35,
    28, 21, 14,  7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30,
    23, 31, 38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
];

/// `waves[point][frequency]`, for the sizes from 1 to 8.
pub(super) struct Waves([[[f32; 8]; 8]; 9]);

impl Default for Waves {
    fn default() -> Self {
        let mut waves = [[[0.0; 8]; 8]; 9];
        for (size, waves) in waves.iter_mut().enumerate().skip(1) {
            for (point, waves) in waves.iter_mut().enumerate().take(size) {
                for (frequency, value) in waves.iter_mut().enumerate().take(size) {
                    let angle = (2 * point + 1) as f32 * frequency as f32 * PI / (2 * size) as f32;
                    *value = angle.cos() / 2.0 * if frequency == 0 { FRAC_1_SQRT_2 } else { 1.0 };
                }
            }
        }
        Self(waves)
    }
}

/// Writes the NxN pixels of a block to `out`, whose rows are `stride` apart.
///
/// `block[8 * u + v]` is the coefficient of the horizontal frequency `u` and the vertical one `v`.
pub(super) type Inverse = fn(&Waves, &[f32; 64], &mut [u8], usize);

/// For blocks of `size` pixels; sizes beyond 1 to 8 are taken for 8.
pub(super) fn inverse(size: usize) -> Inverse {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return avx2::inverse(size);
    }
    match size {
        1 => inverse_of::<1, 4>,
        2 => inverse_of::<2, 4>,
        3 => inverse_of::<3, 4>,
        4 => inverse_of::<4, 4>,
        5 => inverse_of::<5, 8>,
        6 => inverse_of::<6, 8>,
        7 => inverse_of::<7, 8>,
        _ => inverse_of::<8, 8>,
    }
}

/// The same transform, compiled for vectors of 256 bits.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "functions for processors that have certain instructions")]
mod avx2 {
    use super::{Inverse, Waves, inverse_of};

    /// Only for processors with AVX2. Blocks of up to four pixels do not become faster.
    pub(super) fn inverse(size: usize) -> Inverse {
        match size {
            1 => inverse_of::<1, 4>,
            2 => inverse_of::<2, 4>,
            3 => inverse_of::<3, 4>,
            4 => inverse_of::<4, 4>,
            5 => wide::<5>,
            6 => wide::<6>,
            7 => wide::<7>,
            _ => wide::<8>,
        }
    }

    fn wide<const N: usize>(waves: &Waves, block: &[f32; 64], out: &mut [u8], stride: usize) {
        // SAFETY: `super::inverse` returns this function only if the processor has AVX2.
        unsafe { compiled::<N>(waves, block, out, stride) }
    }

    #[target_feature(enable = "avx2")]
    fn compiled<const N: usize>(waves: &Waves, block: &[f32; 64], out: &mut [u8], stride: usize) {
        inverse_of::<N, 8>(waves, block, out, stride);
    }
}

/// A block that has its constant part alone.
pub(super) fn fill(constant: f32, size: usize, out: &mut [u8], stride: usize) {
    let byte = to_byte(constant / 8.0);
    for row in out.chunks_mut(stride).take(size) {
        row[..size].fill(byte);
    }
}

/// `LANES` is 4 or 8, and at least `N`. Plain loops, because the compiler does not inline zipped iterators of short
/// arrays here.
#[allow(clippy::needless_range_loop, reason = "see above")]
#[inline(always)]
fn inverse_of<const N: usize, const LANES: usize>(waves: &Waves, block: &[f32; 64], out: &mut [u8], stride: usize) {
    let waves = &waves.0[N];
    // First along the rows, with one vertical frequency in each lane. Even basis functions are symmetric about the
    // middle and odd ones antisymmetric, so the products of both halves are computed once.
    let mut rows = [[0.0_f32; LANES]; N];
    for point in 0..N.div_ceil(2) {
        let (mut even, mut odd) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for frequency in 0..N {
            let wave = waves[point][frequency];
            let sum = if frequency % 2 == 0 { &mut even } else { &mut odd };
            let coefficients = &block[8 * frequency..8 * frequency + LANES];
            for lane in 0..LANES {
                sum[lane] += wave * coefficients[lane];
            }
        }
        for lane in 0..LANES {
            rows[point][lane] = even[lane] + odd[lane];
            rows[N - 1 - point][lane] = even[lane] - odd[lane];
        }
    }
    // `rows` is `[pixel column][vertical frequency]`. It is transposed, and then transformed along the columns with one
    // pixel column in each lane.
    let mut columns = [[0.0_f32; LANES]; N];
    for point in 0..N {
        for frequency in 0..N {
            columns[frequency][point] = rows[point][frequency];
        }
    }
    for point in 0..N {
        let mut pixels = [0.0_f32; LANES];
        for frequency in 0..N {
            let wave = waves[point][frequency];
            for lane in 0..LANES {
                pixels[lane] += wave * columns[frequency][lane];
            }
        }
        let out = &mut out[point * stride..][..N];
        for lane in 0..N {
            out[lane] = to_byte(pixels[lane]);
        }
    }
}

/// Rounds `value + 128` to the nearest byte. Adding 2^23 leaves the rounded number in the low bits; `as` would also
/// check for values that cannot occur here.
#[inline(always)]
fn to_byte(value: f32) -> u8 {
    let value = value + 128.0;
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    (value + 8_388_608.0).to_bits() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transform as T.81, A.3.3 defines it.
    fn reference(block: &[f32; 64], x: usize, y: usize) -> f64 {
        let part = |point: usize, frequency: usize| {
            let scale = if frequency == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
            scale * ((2 * point + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0).cos()
        };
        let terms = (0..64).map(|at| f64::from(block[at]) * part(x, at / 8) * part(y, at % 8));
        terms.sum::<f64>() / 4.0 + 128.0
    }

    fn block(seed: u64) -> [f32; 64] {
        let mut random = fastrand::Rng::with_seed(seed);
        std::array::from_fn(|at| {
            (random.f32() - 0.5) * if at == 0 { 800.0 } else { 300.0 / (1 + at / 8 + at % 8) as f32 }
        })
    }

    #[test]
    fn the_full_size_is_the_standard_s_transform() {
        let waves = Waves::default();
        for seed in 0..50 {
            let (block, mut out) = (block(seed), [0; 64]);
            inverse(8)(&waves, &block, &mut out, 8);
            for (at, &byte) in out.iter().enumerate() {
                let expected = reference(&block, at % 8, at / 8).clamp(0.0, 255.0);
                assert!((f64::from(byte) - expected).abs() < 0.51, "{at}: {byte} for {expected}");
            }
        }
    }

    #[test]
    fn a_smaller_size_shows_a_slow_wave_where_it_is() {
        let waves = Waves::default();
        for size in 2..=8 {
            // Half a period from left to right, made brighter by the DC coefficient.
            let mut block = [0.0; 64];
            (block[0], block[8]) = (80.0, 400.0);
            let mut out = vec![0; size * size];
            inverse(size)(&waves, &block, &mut out, size);
            for (at, &byte) in out.iter().enumerate() {
                let place = (at % size) as f64 + 0.5;
                let wave = 400.0 / 8.0 * std::f64::consts::SQRT_2 * (place * std::f64::consts::PI / size as f64).cos();
                let expected = (138.0 + wave).clamp(0.0, 255.0);
                assert!((f64::from(byte) - expected).abs() < 0.51, "{size}, {at}: {byte} for {expected}");
            }
        }
    }

    #[test]
    fn a_constant_block_is_filled_with_what_the_transform_gives() {
        let waves = Waves::default();
        for size in 1..=8 {
            for constant in [-1100.0, -13.0, 0.0, 4.0, 500.0, 1100.0] {
                let mut block = [0.0; 64];
                block[0] = constant;
                let (mut found, mut expected) = (vec![0; size * size], vec![1; size * size]);
                fill(constant, size, &mut found, size);
                inverse(size)(&waves, &block, &mut expected, size);
                assert_eq!(found, expected, "{size}, {constant}");
            }
        }
    }
}
