//! A coarse brightness map of a picture: a cheap test for darkness and for change.

use super::colour::Colour;
use super::samples::Samples;
use crate::domain::framing::Region;

const COLUMNS: usize = 32;
const ROWS: usize = 24;

/// Pixels sampled per cell in each direction. The mean of 36 has a sixth of one pixel's noise.
const SAMPLES: usize = 6;

/// Cells whose columns are added up together, and the most bytes that they may have in a row: of a larger picture, less than half of
/// the bytes would be looked at.
const SPAN_CELLS: usize = 8;
const SPAN: usize = 512;

/// Difference of brightness between two cells of a picture that shows nothing. The darkest room has more.
const MOST_OF_NOTHING: f32 = 2.0;

/// The mean brightness of each of 32x24 cells, from 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct Thumbnail {
    cells: Box<[f32; COLUMNS * ROWS]>,
}

impl Default for Thumbnail {
    fn default() -> Self {
        Self { cells: Box::new([0.0; COLUMNS * ROWS]) }
    }
}

impl Thumbnail {
    /// Takes over another one's cells, without the heap.
    pub fn copy_from(&mut self, other: &Self) {
        self.cells.copy_from_slice(other.cells.as_slice());
    }

    /// Samples `region`, given in the picture's own orientation. A picture without pixels is black.
    pub fn take<'a>(&mut self, picture: impl Into<Samples<'a>>, region: Region) {
        let picture = picture.into();
        let window = region.pixels(picture.width, picture.height);
        self.cells.fill(0.0);
        let Some(group) = picture.groups().first() else { return };
        // Luma weight of each component: ITU-R BT.601 in 8-bit fixed point.
        let (shares, black) = match picture.colour {
            Colour::Rgb => ([77, 150, 29], 0),
            Colour::Grey | Colour::FullRange => ([256, 0, 0], 0),
            Colour::VideoRange => ([298, 0, 0], 16 * 298),
        };
        let mut sums = [0_i32; COLUMNS * ROWS];
        let down = positions::<{ ROWS * SAMPLES }>(window.y, window.height, [group.start, group.scale], group.height);
        for (component, share) in group.components().iter().zip(shares).filter(|(_, share)| *share > 0) {
            let range = [component.start, component.scale];
            let across = positions::<{ COLUMNS * SAMPLES }>(window.x, window.width, range, component.width);
            let across = across.map(|x| component.offset + x * component.step);
            for (sums, down) in sums.chunks_exact_mut(COLUMNS).zip(down.as_chunks::<SAMPLES>().0) {
                let lines = down.map(|y| group.row(y));
                for (sums, across) in sums.chunks_exact_mut(SPAN_CELLS).zip(across.chunks_exact(SPAN_CELLS * SAMPLES)) {
                    let columns = Columns::of(&lines, across);
                    for (sum, across) in sums.iter_mut().zip(across.chunks_exact(SAMPLES)) {
                        *sum += share * across.iter().map(|&at| columns.sum(at)).sum::<i32>();
                    }
                }
            }
        }
        let count = (SAMPLES * SAMPLES) as i32;
        for (cell, sum) in self.cells.iter_mut().zip(sums) {
            *cell = ((sum - count * black).max(0) as f32 / (256 * count) as f32).min(255.0);
        }
    }

    /// Mean brightness, from 0 to 255.
    pub fn mean(&self) -> f32 {
        self.cells.iter().sum::<f32>() / self.cells.len() as f32
    }

    /// Whether the picture is of one colour, as behind a covered lens.
    pub fn is_blank(&self) -> bool {
        let (least, most) =
            self.cells.iter().fold((f32::MAX, 0.0_f32), |(least, most), &cell| (least.min(cell), most.max(cell)));
        most - least < MOST_OF_NOTHING
    }

    /// Change of the cell that has changed most, from 0 to 255. The mean of all cells would miss a small object.
    pub fn largest_change(&self, before: &Self) -> f32 {
        self.cells.iter().zip(before.cells.iter()).map(|(now, before)| (now - before).abs()).fold(0.0, f32::max)
    }
}

/// The sums of the bytes of some lines, column by column.
#[allow(clippy::large_enum_variant, reason = "it is on the stack for a moment, one at a time")]
enum Columns<'a> {
    /// From this column on: a pass along the lines, which the compiler vectorises.
    Summed(usize, [u16; SPAN]),
    /// Where the columns are far apart.
    Lines(&'a [&'a [u8]; SAMPLES]),
}

impl<'a> Columns<'a> {
    /// `at`: the columns that are asked for, in ascending order.
    fn of(lines: &'a [&'a [u8]; SAMPLES], at: &[usize]) -> Self {
        let (first, last) = (at.first().copied().unwrap_or(0), at.last().copied().unwrap_or(0));
        let length = last + 1 - first;
        if length > SPAN {
            return Self::Lines(lines);
        }
        let mut sums = [0; SPAN];
        for line in lines {
            for (sum, &byte) in sums[..length].iter_mut().zip(line.get(first..).unwrap_or_default()) {
                *sum += u16::from(byte);
            }
        }
        Self::Summed(first, sums)
    }

    fn sum(&self, at: usize) -> i32 {
        match self {
            Self::Summed(first, sums) => sums.get(at - first).copied().unwrap_or(0).into(),
            Self::Lines(lines) => lines.iter().map(|line| i32::from(line.get(at).copied().unwrap_or(0))).sum(),
        }
    }
}

/// `N` positions spread evenly over `length` pixels from `start`, for a component that begins at a sample, has `scale`
/// samples per pixel, and ends at `end`.
fn positions<const N: usize>(start: usize, length: usize, [first, scale]: [f64; 2], end: usize) -> [usize; N] {
    std::array::from_fn(|index| {
        let pixel = start as f64 + (2 * index + 1) as f64 * length as f64 / (2 * N) as f64;
        ((first + pixel * scale) as usize).min(end.saturating_sub(1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::picture::RgbImage;

    fn grey(width: usize, height: usize, luma: impl Fn(usize, usize) -> u8) -> RgbImage {
        let pixels = (0..width * height).flat_map(|index| [luma(index % width, index / width); 3]).collect();
        RgbImage { width, height, pixels }
    }

    fn thumbnail(picture: &RgbImage, region: Region) -> Thumbnail {
        let mut thumbnail = Thumbnail::default();
        thumbnail.take(picture, region);
        thumbnail
    }

    #[test]
    fn brightness_is_that_of_the_picture_whatever_its_size() {
        for (width, height) in [(640, 480), (1, 1), (7, 2000), (33, 25)] {
            let mean = thumbnail(&grey(width, height, |_, _| 100), Region::default()).mean();
            assert!((mean - 100.0).abs() < 0.01, "{width}x{height}: {mean}");
        }
        assert_eq!(thumbnail(&RgbImage::default(), Region::default()).mean(), 0.0);
    }

    #[test]
    fn something_small_changes_a_cell_much_though_the_mean_hardly() {
        let before = thumbnail(&grey(640, 480, |_, _| 100), Region::default());
        let after =
            thumbnail(&grey(640, 480, |x, y| if x / 20 == 5 && y / 20 == 7 { 200 } else { 100 }), Region::default());
        assert!((after.largest_change(&before) - 100.0).abs() < 0.1);
        assert!((after.mean() - before.mean()).abs() < 0.2);
    }

    #[test]
    fn wide_and_narrow_pictures_are_added_up_alike() {
        for width in [64, 320, 2000] {
            let ramp = thumbnail(&grey(width, 48, |x, y| (x * 200 / width + y) as u8), Region::default());
            for (index, cell) in ramp.cells.iter().enumerate() {
                let (column, row) = (index % COLUMNS, index / COLUMNS);
                let exact = (column as f32 + 0.5) * 200.0 / COLUMNS as f32 + row as f32 * 2.0 + 0.5;
                // A step of the ramp is up to three and a half, and the picture of 64 columns has two of them in a cell.
                assert!((cell - exact).abs() < 4.0, "{width}: {index}: {cell}, {exact}");
            }
        }
    }

    #[test]
    fn only_the_region_counts() {
        let picture = grey(640, 480, |x, _| if x < 320 { 0 } else { 200 });
        let right = Region { x: 0.5, width: 0.5, ..Region::default() };
        assert!((thumbnail(&picture, right).mean() - 200.0).abs() < 0.1);
        assert!((thumbnail(&picture, Region::default()).mean() - 100.0).abs() < 0.1);
    }

    #[test]
    fn the_noise_of_a_sensor_stays_below_a_hand_s_change() {
        let mut random = fastrand::Rng::with_seed(7);
        // Uniform noise of +-9 has a standard deviation of 5.
        let noisy = |random: &mut fastrand::Rng| {
            let picture = grey(640, 480, |_, _| 0);
            let pixels = picture.pixels.chunks(3).flat_map(|_| [random.u8(91..=109); 3]).collect();
            thumbnail(&RgbImage { pixels, ..picture }, Region::default())
        };
        let (a, b) = (noisy(&mut random), noisy(&mut random));
        assert!(b.largest_change(&a) < 6.0, "{}", b.largest_change(&a));
    }
}
