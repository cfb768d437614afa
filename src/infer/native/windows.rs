//! Convolutions taken apart into what the kernels do at once: tiles of pixels, and spans of a row.

use std::ops::Range;

use super::aligned::Aligned;
use super::kernels::{Bounds, GROUP, LANES, MAX_PANELS, MAX_ROWS, PackedBytes, Span, Tile, ToByte};
use super::layer::{Shape, Window};

/// Bytes of weights that stay in the second-level cache while all pixels are multiplied with them: half of the smallest
/// such cache that the supported boards have for each core (256 KB).
const WEIGHT_BLOCK: usize = 128 << 10;

/// Where a result lies.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub buffer: usize,
    pub shape: Shape,
    /// From one pixel to the next.
    pub stride: usize,
}

impl Place {
    /// Elements of the picture.
    pub fn length(&self) -> usize {
        self.shape.pixels() * self.stride
    }
}

/// What a window looks at.
#[derive(Debug)]
pub struct Source {
    pub window: Window,
    pub input: Place,
    /// What lies outside of the picture: zero, or the zero point.
    pub outside: u8,
}

/// Packed weights, and what happens to the sums.
#[derive(Debug)]
pub enum Finish {
    F32 { weights: Aligned<f32>, bias: Vec<f32>, bounds: Bounds },
    U8 { packed: PackedBytes, scale: Vec<f32>, to: ToByte },
}

#[derive(Debug)]
pub struct Dense {
    pub source: Source,
    /// Channels of a pixel that are multiplied; of a whole window's pixels where it is gathered.
    pub depth: usize,
    /// Whether the pixels of a window are put side by side before they are multiplied, as if it had one tap.
    pub gathered: bool,
    pub finish: Finish,
}

#[derive(Debug)]
pub struct Depthwise {
    pub source: Source,
    pub finish: Finish,
}

impl Source {
    /// The first element behind the picture.
    fn outside_at(&self) -> usize {
        self.input.length()
    }

    pub fn fill_outside<T: Copy>(&self, buffer: &mut [T], length: usize, value: T) {
        if self.window.pads != [0; 4] {
            buffer[self.outside_at()..][..length].fill(value);
        }
    }

    /// Where the tap of an output pixel begins, if it is in the picture.
    fn tap(&self, pixel: [usize; 2], tap: [usize; 2]) -> Option<usize> {
        let Window { stride, dilation, pads, .. } = &self.window;
        let row = (pixel[0] * stride[0] + tap[0] * dilation[0]).checked_sub(pads[0])?;
        let column = (pixel[1] * stride[1] + tap[1] * dilation[1]).checked_sub(pads[1])?;
        let Shape { height, width, .. } = self.input.shape;
        (row < height && column < width).then(|| (row * width + column) * self.input.stride)
    }

    /// The output columns whose windows lie between the left and the right edge.
    fn inner_columns(&self, width: usize) -> Range<usize> {
        let Window { stride, pads, .. } = &self.window;
        let first = pads[1].div_ceil(stride[1]).min(width);
        let reach = self.window.reach()[1];
        let end = (self.input.shape.width + pads[1]).checked_sub(reach + 1).map_or(0, |last| last / stride[1] + 1);
        first..end.clamp(first, width)
    }
}

/// What a convolution looks at and is multiplied with.
pub struct Operands<'a, T, W, S> {
    pub picture: &'a [T],
    pub weights: &'a [W],
    pub bias: &'a [S],
    /// See [`PackedBytes::narrow`].
    pub narrow: bool,
}

/// Room for what is found out about a tile before it is multiplied.
#[derive(Debug)]
pub struct Scratch<T> {
    pub offsets: Vec<u32>,
    pub gathered: Vec<T>,
}

impl Dense {
    /// Elements that stand for what lies outside of the picture: one pixel.
    pub fn tail(&self) -> usize {
        self.source.input.stride
    }

    /// Calls `kernel(tile, where in the output its first row begins and its last one ends)` for tiles of at most `most_rows`.
    pub fn run<T: Copy + Default, W, S>(
        &self,
        operands: Operands<T, W, S>,
        output: Place,
        most_rows: usize,
        scratch: &mut Scratch<T>,
        mut kernel: impl FnMut(&Tile<T, W, S>, Range<usize>),
    ) {
        let Operands { picture, weights, bias, narrow } = operands;
        let (taps, depth) = (if self.gathered { 1 } else { self.source.window.taps() }, self.depth);
        let panel_length = taps * depth * LANES;
        let panels = bias.len() / LANES;
        let block = (WEIGHT_BLOCK / (panel_length * size_of::<W>())).max(1).next_multiple_of(MAX_PANELS);
        let pixels = output.shape.pixels();
        // Rows of about the same number: seven tiles of seven are faster than six of eight and one of one.
        let tiles = pixels.div_ceil(most_rows);
        for first in (0..panels).step_by(block) {
            let last = (first + block).min(panels);
            for tile in 0..tiles {
                let (start, end) = (tile * pixels / tiles, (tile + 1) * pixels / tiles);
                let rows = end - start;
                let Scratch { offsets, gathered } = &mut *scratch;
                self.find_taps(output, start, rows, offsets);
                let source = if self.gathered { self.gather(picture, rows, offsets, gathered) } else { picture };
                let weights = &weights[first * panel_length..last * panel_length];
                let bias = &bias[first * LANES..last * LANES];
                let tile = Tile { source, offsets, rows, taps, depth, weights, bias, narrow };
                let at = start * output.stride + first * LANES;
                kernel(&tile, at..at + (rows - 1) * output.stride + (last - first) * LANES);
            }
        }
    }

    /// Puts the pixels that the taps of each row look at side by side; they have [`GROUP`] numbers.
    fn gather<'a, T: Copy + Default>(
        &self,
        picture: &[T],
        rows: usize,
        offsets: &mut Vec<u32>,
        gathered: &'a mut Vec<T>,
    ) -> &'a [T] {
        gathered.clear();
        gathered.resize(rows * self.depth, T::default());
        for (row, gathered) in gathered.chunks_exact_mut(self.depth).enumerate() {
            let of_row = offsets.iter().skip(row).step_by(rows);
            // With a constant length a copy is an instruction and not a call.
            for (pixel, &offset) in gathered.as_chunks_mut::<GROUP>().0.iter_mut().zip(of_row) {
                pixel.copy_from_slice(&picture[offset as usize..][..GROUP]);
            }
        }
        offsets.clear();
        offsets.extend((0..rows).map(|row| (row * self.depth) as u32));
        gathered
    }

    fn find_taps(&self, output: Place, start: usize, rows: usize, offsets: &mut Vec<u32>) {
        let source = &self.source;
        offsets.clear();
        if source.window == Window::POINT {
            offsets.extend((start..start + rows).map(|pixel| (pixel * source.input.stride) as u32));
            return;
        }
        let (width, window) = (output.shape.width, &source.window);
        // The rows' first taps; what is left of the picture or above it is negative.
        let (mut row, mut column) = (start / width, start % width);
        let mut corners = [[0; 2]; MAX_ROWS];
        for corner in &mut corners[..rows] {
            *corner = [row, column].map(|at| at as isize);
            for axis in 0..2 {
                corner[axis] = corner[axis] * window.stride[axis] as isize - window.pads[axis] as isize;
            }
            column += 1;
            if column == width {
                (row, column) = (row + 1, 0);
            }
        }
        let Shape { height, width, .. } = source.input.shape;
        let (sides, reach) = ([height as isize, width as isize], window.reach().map(|reach| reach as isize));
        let stride = source.input.stride as isize;
        let at = |[row, column]: [isize; 2]| (row * sides[1] + column) * stride;
        let corners = &corners[..rows];
        let inside = |corner: &[isize; 2]| (0..2).all(|axis| (0..sides[axis] - reach[axis]).contains(&corner[axis]));
        let all_inside = corners.iter().all(inside);
        for tap in window.each_tap() {
            let tap = [tap[0] * window.dilation[0], tap[1] * window.dilation[1]].map(|at| at as isize);
            if all_inside {
                let from_corner = at(tap);
                offsets.extend(corners.iter().map(|&corner| (at(corner) + from_corner) as u32));
                continue;
            }
            offsets.extend(corners.iter().map(|corner| {
                let pixel = [corner[0] + tap[0], corner[1] + tap[1]];
                let seen = (0..2).all(|axis| (0..sides[axis]).contains(&pixel[axis]));
                if seen { at(pixel) as u32 } else { source.outside_at() as u32 }
            }));
        }
    }
}

impl Depthwise {
    /// A row, because a span moves along the outside as it moves along the picture.
    pub fn tail(&self) -> usize {
        (self.source.input.shape.width + self.source.window.size[1]) * self.source.input.stride
    }

    /// Calls `kernel(span, where its pixels lie in the output)`.
    pub fn run<T, W, S>(
        &self,
        operands: Operands<T, W, S>,
        output: Place,
        offsets: &mut Vec<u32>,
        mut kernel: impl FnMut(&Span<T, W, S>, Range<usize>),
    ) {
        let Operands { picture, weights, bias, narrow } = operands;
        let source = &self.source;
        let channels = source.input.stride;
        let inner = source.inner_columns(output.shape.width);
        let step = source.window.stride[1] * channels;
        for row in 0..output.shape.height {
            let mut column = 0;
            while column < output.shape.width {
                let pixels = if inner.start == column { inner.len().max(1) } else { 1 };
                offsets.clear();
                for tap in source.window.each_tap() {
                    offsets.push(source.tap([row, column], tap).unwrap_or(source.outside_at()) as u32);
                }
                let span = Span { source: picture, offsets, step, pixels, channels, weights, bias, narrow };
                let at = (row * output.shape.width + column) * channels;
                kernel(&span, at..at + pixels * channels);
                column += pixels;
            }
        }
    }
}
