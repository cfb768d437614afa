//! Compares every set of kernels that this processor can run with the specification.

use super::operands::*;
use super::winograd::*;
use super::*;
use crate::native::layer::Quant;
use proptest::prelude::*;

/// Pseudo-random values that depend on the seed alone.
fn numbers<T>(seed: u64, count: usize, mut of: impl FnMut(&mut fastrand::Rng) -> T) -> Vec<T> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| of(&mut random)).collect()
}

fn float(random: &mut fastrand::Rng) -> f32 {
    random.f32() * 2.0 - 1.0
}

fn byte(random: &mut fastrand::Rng) -> u8 {
    random.u8(..)
}

/// Bytes of which many are extreme, for which sums in 16 bits would overflow.
fn extreme(random: &mut fastrand::Rng) -> u8 {
    if random.bool() { [0, 1, 127, 128, 129, 255][random.usize(..6)] } else { random.u8(..) }
}

/// The accepted difference between sums of up to 400 products in another order.
const TOLERANCE: f32 = 1e-4;

/// Floats with an occasional NaN, which bounds replace.
fn float_or_nan(random: &mut fastrand::Rng) -> f32 {
    if random.u8(..16) == 0 { f32::NAN } else { float(random) }
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= TOLERANCE)
}

/// All sets of kernels except the specification.
fn vector_kernels() -> Vec<Kernels> {
    let kernels: Vec<_> = Kernels::available().filter(Kernels::are_fast).collect();
    if kernels.is_empty() {
        #[allow(clippy::print_stderr, reason = "a test that proves nothing has to say so")]
        {
            eprintln!("SKIPPED: this processor has only the portable kernels, so this test proved nothing");
        }
    }
    kernels
}

/// The unpacked weights of an int8 convolution, and its epilogue.
struct Integers {
    weights: Vec<i8>,
    bias: Vec<i32>,
    scale: Vec<f32>,
    to: ToByte,
    channels: Option<[Vec<u8>; 2]>,
}

impl Integers {
    /// Random values, with `each` weights for each output channel.
    fn random(seed: u64, outputs: usize, each: usize, smallest: i8, zero_point: u8) -> Self {
        let stored = outputs.next_multiple_of(LANES);
        let low = numbers(seed ^ 5, stored, |random| random.u8(3..130));
        let high = numbers(seed ^ 6, stored, |random| random.u8(130..250));
        Self {
            weights: numbers(seed ^ 2, outputs * each, |random| (extreme(random) as i8).max(smallest)),
            bias: numbers(seed ^ 3, outputs, |random| random.i32(-100_000..100_000)),
            scale: numbers(seed ^ 4, stored, |random| random.f32() / 1000.0),
            to: ToByte { zero_point, low: 3, high: 250 },
            channels: (seed.is_multiple_of(2)).then_some([low, high]),
        }
    }

    fn requantise(&self) -> Requantise<'_> {
        let channels = self.channels.as_ref().map(|[low, high]| ByteBounds { low, high });
        Requantise { scale: &self.scale, to: self.to, channels }
    }
}

#[test]
fn the_portable_kernels_are_always_there_and_come_last() {
    let names: Vec<&str> = Kernels::available().map(|kernels| kernels.name).collect();
    assert_eq!(names.last(), Some(&"portable"));
    assert_eq!(Kernels::detect().name, names[0]);
}

proptest! {
    #[test]
    fn tiles_of_floats_are_as_specified(
        rows in 1..=MAX_ROWS, panels in 1usize..6, depth in 1usize..20, taps in 1usize..10,
        seed: u64, with_residual: bool,
    ) {
        let source = numbers(seed, 40 * depth + 200, float);
        let weights = numbers(seed ^ 2, panels * taps * depth * LANES, float);
        let bias = numbers(seed ^ 3, panels * LANES, float_or_nan);
        let stride = panels * LANES + 16;
        let residual = numbers(seed ^ 4, rows * stride, float);
        let residual = with_residual.then_some(&residual[..]);
        let bounds = Bounds { low: -1.0, high: 1.5 };
        for kernels in vector_kernels() {
            let rows = rows.min(kernels.layout.float_rows);
            let offsets = numbers(seed ^ 1, taps * rows, |random| random.u32(..40) * depth as u32);
            let tile = Tile { source: &source, offsets: Offsets::new(&offsets), rows, taps, depth, weights: &weights, bias: &bias, narrow: false };
            let residual = residual.map(|residual| &residual[..rows * stride]);
            let (mut expected, mut found) = (vec![9.0; rows * stride], vec![9.0; rows * stride]);
            scalar::KERNELS.tile_f32(&tile, bounds, residual, &mut expected, stride);
            kernels.tile_f32(&tile, bounds, residual, &mut found, stride);
            prop_assert!(close(&expected, &found), "{}", kernels.name);
        }
    }

    #[test]
    fn winograd_transformations_are_the_same_for_vectors_of_any_width(
        four: bool, panels in 1usize..4, rows in 1usize..5, columns in 1usize..5, seed: u64, with_residual: bool,
    ) {
        let form = if four { Form::Four } else { Form::Two };
        let (channels, step) = (panels * LANES, panels * LANES + 16);
        let source = numbers(seed, 40 * channels, float_or_nan);
        let offsets = numbers(seed ^ 1, form.positions(), |random| random.u32(..40) * channels as u32);
        let patch = Patch { source: &source, offsets: &offsets, channels };
        let sums = numbers(seed ^ 2, form.positions() * step, float_or_nan);
        let (bias, residual) = (numbers(seed ^ 3, channels, float), numbers(seed ^ 4, 16 * step, float));
        let seen = [rows.min(form.outputs()), columns.min(form.outputs())];
        let (spot, bounds) = (Spot { row: 4 * step, pixel: step, seen }, Bounds { low: -1.0, high: 1.5 });
        let residual = with_residual.then_some(&residual[..]);
        let sums = Sums { source: &sums, step, bias: &bias, bounds, residual };
        let answer = |kernels: &Kernels| {
            let (mut before, mut after) = (vec![9.0; form.positions() * step], vec![9.0; 16 * step]);
            kernels.winograd_before(form, &patch, &mut before, step);
            kernels.winograd_after(form, &sums, &mut after, spot);
            let bits = |numbers: Vec<f32>| numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            // The bits of NaNs may differ.
            before.iter_mut().filter(|number| number.is_nan()).for_each(|number| *number = f32::NAN);
            (bits(before), bits(after))
        };
        for kernels in vector_kernels() {
            prop_assert_eq!(answer(&scalar::KERNELS), answer(&kernels), "{}", kernels.name);
        }
    }

    #[test]
    fn tiles_of_bytes_are_exactly_as_specified(
        rows in 1..=MAX_ROWS, panels in 1usize..6, inputs in 1usize..70, taps in 1usize..10, seed: u64, zero_point: u8,
        smallest in prop::sample::select(vec![-128i8, -127]),
    ) {
        let outputs = panels * LANES - seed as usize % LANES;
        let stored = inputs.next_multiple_of(LANES);
        let source = numbers(seed, 40 * stored, extreme);
        let numbers_of = Integers::random(seed, outputs, inputs * taps, smallest, zero_point);
        let stride = panels * LANES + 16;
        let answer = |kernels: &Kernels, rows: usize| {
            let offsets = numbers(seed ^ 1, taps * rows, |random| random.u32(..40) * stored as u32);
            let packed = kernels.layout.pack_dense(&numbers_of.bias, [inputs, taps], |_| 0..inputs, |output, input, tap| {
                numbers_of.weights[(output * inputs + input) * taps + tap]
            });
            let tile = Tile {
                source: &source, offsets: Offsets::new(&offsets), rows, taps, depth: kernels.layout.depth(inputs),
                weights: &packed.weights, bias: &packed.bias, narrow: packed.narrow,
            };
            let mut out = vec![9; rows * stride];
            let mut workspace = vec![7; kernels.layout.workspace(taps * tile.depth)];
            kernels.tile_u8(&tile, numbers_of.requantise(), &mut workspace, &mut out, stride);
            // The padding behind the last channel holds arbitrary values.
            out.chunks_exact_mut(stride).for_each(|row| row[outputs..panels * LANES].fill(0));
            out
        };
        for kernels in vector_kernels() {
            let rows = rows.min(kernels.layout.byte_rows);
            prop_assert_eq!(answer(&scalar::KERNELS, rows), answer(&kernels, rows), "{}", kernels.name);
        }
    }

    #[test]
    fn spans_of_floats_are_as_specified(
        pixels in 1usize..20, blocks in 1usize..11, size in sizes(), seed: u64, stride in 1usize..3, neighbours: bool,
    ) {
        let (taps, channels) = (size[0] * size[1], blocks * LANES);
        let weights = numbers(seed ^ 2, taps * channels, float);
        let bias = numbers(seed ^ 3, channels, float_or_nan);
        let offsets = window(seed, size, channels, neighbours);
        let (step, bounds) = (stride * channels, Bounds { low: 0.0, high: 6.0 });
        let source = numbers(seed, seen(&offsets, size, [(pixels - 1) * step, channels], neighbours), float);
        let span = Span {
            source: &source, size, offsets: &offsets, step, ahead: if neighbours { stride } else { 0 }, pixels, channels,
            weights: &weights, bias: &bias, narrow: false,
        };
        let mut expected = vec![9.0; pixels * channels];
        scalar::KERNELS.span_f32(&span, bounds, &mut expected);
        for kernels in vector_kernels() {
            let mut found = vec![9.0; pixels * channels];
            kernels.span_f32(&span, bounds, &mut found);
            prop_assert!(close(&expected, &found), "{}", kernels.name);
        }
    }

    #[test]
    fn spans_of_bytes_are_exactly_as_specified(
        pixels in 1usize..20, blocks in 1usize..11, size in sizes(), seed: u64, zero_point: u8, stride in 1usize..3,
        neighbours: bool, smallest in prop::sample::select(vec![-128i8, -127]),
    ) {
        let (taps, channels) = (size[0] * size[1], blocks * LANES);
        let offsets = window(seed, size, channels, neighbours);
        let source = numbers(seed, seen(&offsets, size, [(pixels - 1) * stride * channels, channels], neighbours), extreme);
        let numbers_of = Integers::random(seed, channels, taps, smallest, zero_point);
        let answer = |kernels: &Kernels| {
            let packed = kernels.layout.pack_depthwise(&numbers_of.bias, size, |channel, tap| numbers_of.weights[channel * taps + tap]);
            let span = Span {
                source: &source, size, offsets: &offsets, step: stride * channels,
                ahead: if neighbours { stride } else { 0 }, pixels, channels,
                weights: &packed.weights, bias: &packed.bias, narrow: packed.narrow,
            };
            let mut out = vec![9; pixels * channels];
            kernels.span_u8(&span, numbers_of.requantise(), &mut out);
            out
        };
        let expected = answer(&scalar::KERNELS);
        for kernels in vector_kernels() {
            prop_assert_eq!(&expected, &answer(&kernels), "{}", kernels.name);
        }
    }

    #[test]
    fn quantising_and_adding_are_exactly_as_specified(
        count in 0usize..100, seed: u64, zero_point: u8, scale in 0.01f32..2.0,
    ) {
        let to = ToByte { zero_point, low: 2, high: 251 };
        let floats = numbers(seed, count, |random| match random.u8(..20) {
            0 => [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30][random.usize(..5)],
            _ => float(random) * 300.0,
        });
        let (a, b) = (numbers(seed ^ 1, count, byte), numbers(seed ^ 2, count, byte));
        let inputs = [(&a[..], Quant { scale: 0.11, zero_point: 7 }), (&b[..], Quant { scale: 0.23, zero_point: 130 })];
        for kernels in vector_kernels() {
            let (mut expected, mut found) = (vec![0; count], vec![0; count]);
            scalar::KERNELS.quantise(&floats, scale, to, &mut expected);
            kernels.quantise(&floats, scale, to, &mut found);
            prop_assert_eq!(&expected, &found, "{}", kernels.name);
            scalar::KERNELS.add_u8(inputs, scale, to, &mut expected);
            kernels.add_u8(inputs, scale, to, &mut found);
            prop_assert_eq!(&expected, &found, "{}", kernels.name);
        }
    }
}

/// Sizes of windows, mostly those that have kernels of their own.
fn sizes() -> impl Strategy<Value = [usize; 2]> {
    prop_oneof![Just([3, 3]), Just([5, 5]), prop::array::uniform2(1usize..6)]
}

/// The number of elements of a source that a span reads.
fn seen(offsets: &[u32], [_, columns]: [usize; 2], [moved, channels]: [usize; 2], neighbours: bool) -> usize {
    let furthest = |step: usize| offsets.iter().step_by(step).max().map_or(0, |&furthest| furthest as usize);
    let rows = if neighbours { furthest(columns) + columns * channels } else { 0 };
    moved + rows.max(furthest(1) + channels)
}

/// The offsets of a window's taps: beside one another, as in a picture, or at random.
fn window(seed: u64, [rows, columns]: [usize; 2], channels: usize, neighbours: bool) -> Vec<u32> {
    let tap = |at: usize| (at / columns * 9 + at % columns) * channels;
    match neighbours {
        true => (0..rows * columns).map(|at| tap(at) as u32).collect(),
        false => numbers(seed ^ 1, rows * columns, |random| random.u32(..80) * channels as u32),
    }
}
