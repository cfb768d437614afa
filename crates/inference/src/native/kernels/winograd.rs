//! The transforms of Winograd's convolution, for 3x3 windows of stride 1. Outputs are computed in square tiles.
//!
//! `y = A' [(G g G') * (B' d B)] A`: the input patch `d` of a tile and the weights `g` are transformed to the same
//! number of positions. They are multiplied position by position, summed over the input channels, and transformed back
//! (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). The matrices follow from interpolation
//! points. For tiles of two they are 0, 1, -1 and infinity. For tiles of four they are 0, infinity, and the square
//! roots of 1/2 and of 2 with both signs, which have smaller rounding errors than integers, because they are each
//! other's inverses. The code is generic over vectors of any width.

#![allow(unsafe_code, reason = "loads and stores; every pointer is inside of what `Kernels` has checked")]
#![allow(clippy::needless_range_loop, reason = "constant indices put small arrays into registers; iterators do not")]

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::operands::Bounds;

/// The size of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Two,
    /// 4x4 outputs: F(4x4, 3x3).
    Four,
}

impl Form {
    pub(crate) const fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Pixels under a tile along each side.
    pub(crate) const fn side(self) -> usize {
        self.outputs() + 2
    }

    /// Products for each pair of channels, which a direct convolution has nine times as many of as outputs.
    pub(crate) const fn positions(self) -> usize {
        self.side() * self.side()
    }

    /// `G`: what the three weights of a row or a column become.
    pub(crate) const fn filter(self) -> &'static [[f64; 3]] {
        use std::f64::consts::SQRT_2;
        match self {
            Self::Two => &[[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]],
            Self::Four => &[
                [1.0, 0.0, 0.0],
                [-2.0 / 3.0, -SQRT_2 / 3.0, -1.0 / 3.0],
                [-2.0 / 3.0, SQRT_2 / 3.0, -1.0 / 3.0],
                [1.0 / 6.0, SQRT_2 / 6.0, 1.0 / 3.0],
                [1.0 / 6.0, -SQRT_2 / 6.0, 1.0 / 3.0],
                [0.0, 0.0, 1.0],
            ],
        }
    }
}

/// The input patch of a tile.
#[derive(Debug)]
pub(crate) struct Patch<'a> {
    pub source: &'a [f32],
    /// The offset of each pixel, row by row.
    pub offsets: &'a [u32],
    /// Channels of a pixel.
    pub channels: usize,
}

/// The sums of a tile over the input channels, and its epilogue.
#[derive(Debug)]
pub(crate) struct Sums<'a> {
    /// Those of a position follow one another.
    pub source: &'a [f32],
    /// Elements from one position to the next.
    pub step: usize,
    /// One bias for each output channel.
    pub bias: &'a [f32],
    /// The bounds of the outputs.
    pub bounds: Bounds,
    /// Added to the outputs, in the same layout.
    pub residual: Option<&'a [f32]>,
}

/// The layout of a tile's outputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    /// From one row to the next.
    pub row: usize,
    /// Elements from one pixel to the next.
    pub pixel: usize,
    /// Rows and columns of the tile that are in the picture.
    pub seen: [usize; 2],
}

/// The transforms of a set of kernels.
#[derive(Clone, Copy)]
pub(crate) struct Loops {
    pub before: unsafe fn(Form, &Patch, &mut [f32], usize),
    /// The transform of the sums; see [`after`].
    pub after: unsafe fn(Form, &Sums, &mut [f32], Spot),
}

/// Floats that are calculated with at once.
pub(crate) trait Vector: Copy {
    /// Divides [`super::operands::LANES`].
    const WIDTH: usize;

    /// A vector with the same value in all lanes.
    fn all(value: f32) -> Self;

    /// # Safety
    /// `WIDTH` floats can be read.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// `WIDTH` floats can be written.
    unsafe fn store(self, to: *mut f32);

    fn plus(self, other: Self) -> Self;

    fn minus(self, other: Self) -> Self;

    fn times(self, factor: f32) -> Self;

    /// Bounds each lane; NaN becomes `low`.
    fn within(self, low: Self, high: Self) -> Self;
}

/// A vector of one lane.
impl Vector for f32 {
    const WIDTH: usize = 1;

    #[inline(always)]
    fn all(value: f32) -> Self {
        value
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { *from }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { *to = self }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        self * factor
    }

    #[inline(always)]
    fn within(self, low: Self, high: Self) -> Self {
        self.max(low).min(high)
    }
}

/// The one-dimensional transforms of a form, along a row or a column.
trait Sides<const SIDE: usize, const OUTPUTS: usize> {
    /// Multiplies by `B'`.
    fn before<V: Vector>(pixels: [V; SIDE]) -> [V; SIDE];

    /// Multiplies by `A'`.
    fn after<V: Vector>(sums: [V; SIDE]) -> [V; OUTPUTS];
}

struct Two;

impl Sides<4, 2> for Two {
    #[inline(always)]
    fn before<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 4] {
        [a.minus(c), b.plus(c), c.minus(b), b.minus(d)]
    }

    #[inline(always)]
    fn after<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 2] {
        [a.plus(b).plus(c), b.minus(c).minus(d)]
    }
}

struct Four;

impl Sides<6, 4> for Four {
    #[inline(always)]
    fn before<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 6] {
        let (near, near_odd) = (e.minus(c.times(2.0)), d.minus(b.times(2.0)).times(FRAC_1_SQRT_2));
        let (far, far_odd) = (e.minus(c.times(0.5)), d.minus(b.times(0.5)).times(SQRT_2));
        [
            a.minus(c.times(2.5)).plus(e),
            near.plus(near_odd),
            near.minus(near_odd),
            far.plus(far_odd),
            far.minus(far_odd),
            b.minus(d.times(2.5)).plus(f),
        ]
    }

    #[inline(always)]
    fn after<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
        let (sum, difference) = (b.plus(c), b.minus(c));
        let (far_sum, far_difference) = (d.plus(e), d.minus(e));
        [
            a.plus(sum).plus(far_sum),
            difference.plus(far_difference.times(2.0)).times(FRAC_1_SQRT_2),
            sum.times(0.5).plus(far_sum.times(2.0)),
            difference.times(0.5).plus(far_difference.times(4.0)).times(FRAC_1_SQRT_2).plus(f),
        ]
    }
}

/// Transforms an input patch: `out[position * step ..]` becomes the position's value for each channel.
///
/// # Safety
/// The processor has `V`'s instructions, and `Kernels::winograd_before` has seen the arguments.
#[inline(always)]
pub(crate) unsafe fn before<V: Vector>(form: Form, patch: &Patch, out: &mut [f32], step: usize) {
    unsafe {
        match form {
            Form::Two => before_in::<V, Two, 4, 2>(patch, out.as_mut_ptr(), step),
            Form::Four => before_in::<V, Four, 6, 4>(patch, out.as_mut_ptr(), step),
        }
    }
}

/// # Safety
/// As [`before`].
#[inline(always)]
unsafe fn before_in<V: Vector, S: Sides<SIDE, OUTPUTS>, const SIDE: usize, const OUTPUTS: usize>(
    patch: &Patch,
    out: *mut f32,
    step: usize,
) {
    let offsets = patch.offsets.as_ptr();
    let mut channel = 0;
    while channel < patch.channels {
        unsafe {
            let source = patch.source.as_ptr().add(channel);
            let mut columns = [[V::all(0.0); SIDE]; SIDE];
            for column in 0..SIDE {
                let mut pixels = [V::all(0.0); SIDE];
                for row in 0..SIDE {
                    pixels[row] = V::load(source.add(*offsets.add(row * SIDE + column) as usize));
                }
                columns[column] = S::before(pixels);
            }
            for row in 0..SIDE {
                let mut pixels = [V::all(0.0); SIDE];
                for column in 0..SIDE {
                    pixels[column] = columns[column][row];
                }
                let positions = S::before(pixels);
                for column in 0..SIDE {
                    positions[column].store(out.add((row * SIDE + column) * step + channel));
                }
            }
        }
        channel += V::WIDTH;
    }
}

/// Transforms the sums of a tile back, and writes those outputs that are in the picture to `out`.
///
/// # Safety
/// The processor has `V`'s instructions, and `Kernels::winograd_after` has seen the arguments.
#[inline(always)]
pub(crate) unsafe fn after<V: Vector>(form: Form, sums: &Sums, out: &mut [f32], spot: Spot) {
    unsafe {
        match form {
            Form::Two => after_in::<V, Two, 4, 2>(sums, out.as_mut_ptr(), spot),
            Form::Four => after_in::<V, Four, 6, 4>(sums, out.as_mut_ptr(), spot),
        }
    }
}

/// # Safety
/// As [`after`].
#[inline(always)]
unsafe fn after_in<V: Vector, S: Sides<SIDE, OUTPUTS>, const SIDE: usize, const OUTPUTS: usize>(
    sums: &Sums,
    out: *mut f32,
    spot: Spot,
) {
    let residual = sums.residual.map_or(std::ptr::null(), <[f32]>::as_ptr);
    let (low, high) = (V::all(sums.bounds.low), V::all(sums.bounds.high));
    let mut channel = 0;
    while channel < sums.bias.len() {
        unsafe {
            let source = sums.source.as_ptr().add(channel);
            let bias = V::load(sums.bias.as_ptr().add(channel));
            let mut columns = [[V::all(0.0); OUTPUTS]; SIDE];
            for column in 0..SIDE {
                let mut positions = [V::all(0.0); SIDE];
                for row in 0..SIDE {
                    positions[row] = V::load(source.add((row * SIDE + column) * sums.step));
                }
                columns[column] = S::after(positions);
            }
            for row in 0..OUTPUTS {
                if row >= spot.seen[0] {
                    break;
                }
                let mut positions = [V::all(0.0); SIDE];
                for column in 0..SIDE {
                    positions[column] = columns[column][row];
                }
                let outputs = S::after(positions);
                for column in 0..OUTPUTS {
                    if column < spot.seen[1] {
                        let at = row * spot.row + column * spot.pixel + channel;
                        let mut output = outputs[column].plus(bias);
                        if !residual.is_null() {
                            output = output.plus(V::load(residual.add(at)));
                        }
                        output.within(low, high).store(out.add(at));
                    }
                }
            }
        }
        channel += V::WIDTH;
    }
}
