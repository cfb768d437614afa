//! AVX2 with FMA: Haswell, Zen and their successors.
//!
//! A panel is two registers of eight lanes. Six rows are twelve sums, which leaves four of the sixteen registers for the
//! weights and one input.

#![allow(unsafe_code, reason = "intrinsics; every pointer is inside of what `check` has seen")]
#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

use std::arch::x86_64::*;

use super::layout::{Layout, Order};
use super::{
    Bounds, ByteBounds, Form, GROUP, Kernels, LANES, Patch, Requantise, SpanF32, SpanU8, Spot, Sum, Sums, TileF32,
    TileU8, ToByte, scalar, winograd, with_constant,
};

/// Lanes of 32 bits in a register.
const WIDTH: usize = 8;

/// Registers in a panel.
const PANEL: usize = LANES / WIDTH;

/// Input channels that one instruction multiplies for each lane.
const PAIR: usize = 2;

const LAYOUT: Layout = Layout {
    float_rows: 6,
    byte_rows: 6,
    dense: Order::Groups(PAIR),
    reads: GROUP,
    arranges: false,
    minus: 0,
    taps: PAIR,
};

/// These kernels, where the processor has what they need.
pub fn kernels() -> Option<Kernels> {
    let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    has.then_some(Kernels {
        name: "avx2",
        layout: LAYOUT,
        tile_f32,
        tile_u8,
        span_f32,
        span_u8,
        quantise,
        add_u8,
        winograd: WINOGRAD,
    })
}

/// # Safety
/// The processor has the features; `tile.check` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_f32(tile: &TileF32, bounds: Bounds, residual: Option<&[f32]>, out: &mut [f32], row_stride: usize) {
    let residual = residual.map_or(std::ptr::null(), <[f32]>::as_ptr);
    for panel in 0..tile.panels() {
        with_constant!(tile.rows, [1 2 3 4 5 6], ROWS => unsafe {
            rows_f32::<ROWS>(tile, panel, bounds, residual, out.as_mut_ptr(), row_stride);
        });
    }
}

/// # Safety
/// As [`tile_f32`]; the tile has `ROWS` rows and a panel `panel`, `residual` is null or as long as `out`.
#[target_feature(enable = "avx2,fma")]
unsafe fn rows_f32<const ROWS: usize>(
    tile: &TileF32,
    panel: usize,
    bounds: Bounds,
    residual: *const f32,
    out: *mut f32,
    row_stride: usize,
) {
    unsafe {
        let mut sums = [[_mm256_setzero_ps(); PANEL]; ROWS];
        for vector in 0..PANEL {
            let bias = _mm256_loadu_ps(tile.bias.as_ptr().add(panel * LANES + vector * WIDTH));
            for sums in &mut sums {
                sums[vector] = bias;
            }
        }
        let mut weights = tile.weights.as_ptr().add(panel * tile.taps * tile.depth * LANES);
        for tap in 0..tile.taps {
            let mut pixels = [tile.source.as_ptr(); ROWS];
            for row in 0..ROWS {
                pixels[row] = pixels[row].add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
            }
            for channel in 0..tile.depth {
                let column = [_mm256_loadu_ps(weights), _mm256_loadu_ps(weights.add(WIDTH))];
                for row in 0..ROWS {
                    let input = _mm256_broadcast_ss(&*pixels[row].add(channel));
                    for vector in 0..PANEL {
                        sums[row][vector] = _mm256_fmadd_ps(input, column[vector], sums[row][vector]);
                    }
                }
                weights = weights.add(LANES);
            }
        }
        let (low, high) = (_mm256_set1_ps(bounds.low), _mm256_set1_ps(bounds.high));
        for (row, sums) in sums.iter().enumerate() {
            for (vector, &sum) in sums.iter().enumerate() {
                let at = row * row_stride + panel * LANES + vector * WIDTH;
                let sum = if residual.is_null() { sum } else { _mm256_add_ps(sum, _mm256_loadu_ps(residual.add(at))) };
                _mm256_storeu_ps(out.add(at), _mm256_min_ps(_mm256_max_ps(sum, low), high));
            }
        }
    }
}

/// # Safety
/// The processor has the features; `tile.check` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_u8(tile: &TileU8, requantise: Requantise, _workspace: &mut [u8], out: &mut [u8], row_stride: usize) {
    for panel in 0..tile.panels() {
        with_constant!(tile.rows, [1 2 3 4 5 6], ROWS => unsafe {
            rows_u8::<ROWS>(tile, panel, requantise, out.as_mut_ptr(), row_stride);
        });
    }
}

/// Two input channels at a time, widened to 16 bits: products of bytes, added in 32 bits, cannot overflow, whereas the
/// instruction that multiplies bytes saturates in 16.
///
/// # Safety
/// As [`tile_u8`]; the tile has `ROWS` rows and a panel `panel`.
#[target_feature(enable = "avx2,fma")]
unsafe fn rows_u8<const ROWS: usize>(
    tile: &TileU8,
    panel: usize,
    requantise: Requantise,
    out: *mut u8,
    row_stride: usize,
) {
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); PANEL]; ROWS];
        for vector in 0..PANEL {
            let bias = _mm256_loadu_si256(tile.bias.as_ptr().add(panel * LANES + vector * WIDTH).cast());
            for sums in &mut sums {
                sums[vector] = bias;
            }
        }
        let mut weights = tile.weights.as_ptr().add(panel * tile.taps * tile.depth * LANES);
        for tap in 0..tile.taps {
            let mut pixels = [tile.source.as_ptr(); ROWS];
            for row in 0..ROWS {
                pixels[row] = pixels[row].add(*tile.offsets.as_ptr().add(tap * ROWS + row) as usize);
            }
            for channel in (0..tile.depth).step_by(PAIR) {
                let column = [widened_weights(weights), widened_weights(weights.add(WIDTH * PAIR))];
                for row in 0..ROWS {
                    let pair = pixels[row].add(channel).cast::<i16>().read_unaligned();
                    let input = _mm256_cvtepu8_epi16(_mm_set1_epi16(pair));
                    for vector in 0..PANEL {
                        let products = _mm256_madd_epi16(input, column[vector]);
                        sums[row][vector] = _mm256_add_epi32(sums[row][vector], products);
                    }
                }
                weights = weights.add(LANES * PAIR);
            }
        }
        let narrow = Narrow::new(requantise.to);
        let scales = load_scales(requantise.scale.as_ptr().add(panel * LANES));
        for (row, &sums) in sums.iter().enumerate() {
            let bytes = bounded(narrow.scaled(sums, scales), requantise.channels, panel * LANES);
            _mm_storeu_si128(out.add(row * row_stride + panel * LANES).cast(), bytes);
        }
    }
}

/// Sixteen bytes within the bounds that their channels have.
///
/// # Safety
/// There are bounds for `channel` and fifteen after it, or none at all.
#[inline(always)]
pub unsafe fn bounded(bytes: __m128i, bounds: Option<ByteBounds>, channel: usize) -> __m128i {
    let Some(ByteBounds { low, high }) = bounds else { return bytes };
    unsafe {
        let low = _mm_loadu_si128(low.as_ptr().add(channel).cast());
        let high = _mm_loadu_si128(high.as_ptr().add(channel).cast());
        _mm_min_epu8(_mm_max_epu8(bytes, low), high)
    }
}

/// Sixteen weights as words.
///
/// # Safety
/// They can be read at `from`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn widened_weights(from: *const i8) -> __m256i {
    unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
}

/// # Safety
/// Sixteen floats can be read at `from`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load_scales(from: *const f32) -> [__m256; PANEL] {
    unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(WIDTH))] }
}

/// What [`scalar::to_byte`] does, sixteen at a time.
#[derive(Clone, Copy)]
struct Narrow {
    low: __m256,
    high: __m256,
    zero_point: __m256i,
}

impl Narrow {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(ToByte { zero_point, low, high }: ToByte) -> Self {
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
        // Packing works within halves; the quarters are put in order between its two steps.
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(a, b));
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
    }

    /// Bounded, rounded to even, the zero point added.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn whole(self, steps: __m256) -> __m256i {
        // What is no number becomes the lower bound: the second operand is taken then.
        let bounded = _mm256_min_ps(_mm256_max_ps(steps, self.low), self.high);
        _mm256_add_epi32(_mm256_cvtps_epi32(bounded), self.zero_point)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn scaled(self, sums: [__m256i; PANEL], scales: [__m256; PANEL]) -> __m128i {
        let [a, b] = [_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])];
        self.narrow([_mm256_mul_ps(a, scales[0]), _mm256_mul_ps(b, scales[1])])
    }
}

/// # Safety
/// The processor has the features; `span.check` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
unsafe fn span_f32(span: &SpanF32, bounds: Bounds, out: &mut [f32]) {
    unsafe {
        match span.offsets.len() {
            9 => taps_f32::<9>(span, bounds, out.as_mut_ptr()),
            25 => taps_f32::<25>(span, bounds, out.as_mut_ptr()),
            _ => scalar::KERNELS.span_f32(span, bounds, out),
        }
    }
}

/// # Safety
/// As [`span_f32`]; the span has `TAPS` taps.
#[target_feature(enable = "avx2,fma")]
unsafe fn taps_f32<const TAPS: usize>(span: &SpanF32, bounds: Bounds, out: *mut f32) {
    unsafe {
        let (low, high) = (_mm256_set1_ps(bounds.low), _mm256_set1_ps(bounds.high));
        for channel in (0..span.channels).step_by(WIDTH) {
            let mut inputs = [span.source.as_ptr(); TAPS];
            for tap in 0..TAPS {
                inputs[tap] = inputs[tap].add(span.offsets[tap] as usize + channel);
            }
            let bias = _mm256_loadu_ps(span.bias.as_ptr().add(channel));
            let weights = span.weights.as_ptr().add(channel);
            for pixel in 0..span.pixels {
                let mut sum = bias;
                for tap in 0..TAPS {
                    let weight = _mm256_loadu_ps(weights.add(tap * span.channels));
                    sum = _mm256_fmadd_ps(_mm256_loadu_ps(inputs[tap].add(pixel * span.step)), weight, sum);
                }
                let bounded = _mm256_min_ps(_mm256_max_ps(sum, low), high);
                _mm256_storeu_ps(out.add(pixel * span.channels + channel), bounded);
            }
        }
    }
}

/// # Safety
/// The processor has the features; `span.check` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
unsafe fn span_u8(span: &SpanU8, requantise: Requantise, out: &mut [u8]) {
    unsafe {
        match span.offsets.len() {
            9 => taps_u8::<9>(span, requantise, out.as_mut_ptr()),
            25 => taps_u8::<25>(span, requantise, out.as_mut_ptr()),
            _ => scalar::span_u8(span, requantise, &LAYOUT, out),
        }
    }
}

/// Two taps at a time: their bytes are interleaved and widened, so that one instruction multiplies both and adds them.
///
/// # Safety
/// As [`span_u8`]; the span has `TAPS` taps, an odd number.
#[target_feature(enable = "avx2,fma")]
unsafe fn taps_u8<const TAPS: usize>(span: &SpanU8, requantise: Requantise, out: *mut u8) {
    unsafe {
        let narrow = Narrow::new(requantise.to);
        for channel in (0..span.channels).step_by(LANES) {
            let mut inputs = [span.source.as_ptr(); TAPS];
            for tap in 0..TAPS {
                inputs[tap] = inputs[tap].add(span.offsets[tap] as usize + channel);
            }
            let scales = load_scales(requantise.scale.as_ptr().add(channel));
            let bias = span.bias.as_ptr().add(channel).cast::<__m256i>();
            let bias = [_mm256_loadu_si256(bias), _mm256_loadu_si256(bias.add(1))];
            for pixel in 0..span.pixels {
                let mut sums = bias;
                for tap in (0..TAPS).step_by(PAIR) {
                    let first = _mm_loadu_si128(inputs[tap].add(pixel * span.step).cast());
                    // The weights of the tap that the last one lacks are zero.
                    let second = match tap + 1 < TAPS {
                        true => _mm_loadu_si128(inputs[tap + 1].add(pixel * span.step).cast()),
                        false => first,
                    };
                    let weights = span.weights.as_ptr().add((tap / PAIR * span.channels + channel) * PAIR);
                    let low = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
                    let high = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second));
                    let products = [
                        _mm256_madd_epi16(low, widened_weights(weights)),
                        _mm256_madd_epi16(high, widened_weights(weights.add(WIDTH * PAIR))),
                    ];
                    sums = [_mm256_add_epi32(sums[0], products[0]), _mm256_add_epi32(sums[1], products[1])];
                }
                let bytes = bounded(narrow.scaled(sums, scales), requantise.channels, channel);
                _mm_storeu_si128(out.add(pixel * span.channels + channel).cast(), bytes);
            }
        }
    }
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx2,fma")]
unsafe fn quantise(input: &[f32], scale: f32, to: ToByte, out: &mut [u8]) {
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
unsafe fn add_u8(sum: &Sum, to: ToByte, out: &mut [u8]) {
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

const WINOGRAD: winograd::Loops = winograd::Loops { before: winograd_before, after: winograd_after };

/// # Safety
/// The processor has the features; `Kernels::winograd_before` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
unsafe fn winograd_before(form: Form, patch: &Patch, out: &mut [f32], step: usize) {
    unsafe { winograd::before::<__m256>(form, patch, out, step) }
}

/// # Safety
/// The processor has the features; `Kernels::winograd_after` has seen the arguments.
#[target_feature(enable = "avx2,fma")]
unsafe fn winograd_after(form: Form, sums: &Sums, out: &mut [f32], spot: Spot) {
    unsafe { winograd::after::<__m256>(form, sums, out, spot) }
}

// SAFETY of all of it: only the two functions above calculate with these vectors, and they have the features.
impl winograd::Vector for __m256 {
    const WIDTH: usize = 8;

    #[inline(always)]
    fn all(value: f32) -> Self {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        unsafe { _mm256_sub_ps(self, other) }
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        unsafe { _mm256_mul_ps(self, _mm256_set1_ps(factor)) }
    }

    #[inline(always)]
    fn within(self, low: Self, high: Self) -> Self {
        unsafe { _mm256_min_ps(_mm256_max_ps(self, low), high) }
    }
}
