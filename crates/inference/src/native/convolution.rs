//! Splits convolutions into calls of the kernels: tiles of output pixels for dense ones, spans of a row for depthwise
//! ones.

use std::ops::Range;

use super::element_type::{ElementType, Inputs, Operands, Scratch, Worker};
use super::kernels::operands::{LANES, MAX_PANELS, MAX_ROWS, Offsets, Span, Tile};
use super::layer::{Shape, Window};
use crate::native::tensor_view::TensorView;

/// Bytes of weights that stay in the second-level cache while all pixels are multiplied with them: half of the smallest
/// such cache that the supported boards have for each core (256 KB).
pub(super) const WEIGHT_BLOCK: usize = 128 << 10;

/// Elements that the gather (im2col) copies at once.
const AT_ONCE: usize = 16;

/// The input of a convolution: its window and its tensor view.
#[derive(Debug)]
pub(super) struct Source {
    pub window: Window,
    /// The input tensor.
    pub input: TensorView,
    /// The value of the padding: zero, or the zero point.
    pub outside: u8,
    /// The number of input rows in memory, which form a ring buffer: row `r` is at `r % kept`.
    pub kept: usize,
}

/// A dense (or grouped) convolution.
#[derive(Debug)]
pub(super) struct Dense<N: ElementType> {
    pub source: Source,
    /// Channels of an input pixel that are multiplied; with a gather, elements of a whole gathered window.
    pub depth: usize,
    /// For a grouped convolution the first input channel of each panel; empty if all panels read the same channels.
    pub firsts: Vec<u32>,
    /// How the window is gathered (im2col) before it is multiplied as a single tap; `None` without a gather.
    pub gathered: Option<Gathered>,
    /// Packed weights, and the epilogue.
    pub epilogue: N::Epilogue,
}

/// How a window is gathered: its pixels are copied side by side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gathered {
    /// Numbers from one row of the window to the next.
    pub row: usize,
    /// Whether the kernels can multiply `row` elements as a single tap: then the rows of a window inside of the picture
    /// are read in place, without a gather.
    pub rows_are_taps: bool,
}

/// A depthwise convolution.
#[derive(Debug)]
pub(super) struct Depthwise<N: ElementType> {
    pub source: Source,
    /// Packed weights, and the epilogue.
    pub epilogue: N::Epilogue,
}

impl Source {
    /// All of the picture is there.
    pub(super) fn new(window: Window, input: TensorView, outside: u8) -> Self {
        Self { window, input, outside, kept: input.shape.height }
    }

    /// The index of the first element behind the picture, where one pixel or row of padding is stored.
    fn outside_at(&self) -> usize {
        self.kept * self.input.shape.width * self.input.stride
    }

    pub(super) fn fill_outside<N: ElementType>(&self, buffer: &mut [N], length: usize) {
        buffer[self.outside_at()..][..length].fill(N::of_byte(self.outside));
    }

    /// Row and column of the first tap of an output pixel; negative where it is in the padding.
    pub(super) fn corner(&self, pixel: [usize; 2]) -> [isize; 2] {
        let Window { stride: [down, right], pads: [top, left, ..], .. } = self.window;
        [(pixel[0] * down) as isize - top as isize, (pixel[1] * right) as isize - left as isize]
    }

    /// The index of the first element of an input pixel, which must be in the picture.
    fn at(&self, [row, column]: [isize; 2]) -> isize {
        let kept = self.kept as isize;
        let row = if row < kept { row } else { row % kept };
        (row * self.input.shape.width as isize + column) * self.input.stride as isize
    }

    /// Whether all taps of the window with this corner are in the picture.
    fn is_inside(&self, [row, column]: [isize; 2]) -> bool {
        let ([rows, columns], Shape { height, width, .. }) = (self.window.reach(), self.input.shape);
        row >= 0 && column >= 0 && row as usize + rows < height && column as usize + columns < width
    }

    /// Where a tap begins, or what stands for it outside of the picture.
    pub(super) fn tap(&self, corner: [isize; 2], tap: [usize; 2]) -> usize {
        let [down, right] = self.window.distance(tap);
        let (row, column) = (corner[0] + down as isize, corner[1] + right as isize);
        let Shape { height, width, .. } = self.input.shape;
        let seen = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
        if seen { self.at([row, column]) as usize } else { self.outside_at() }
    }

    /// The output columns whose windows cross neither the left nor the right edge.
    fn inner_columns(&self, width: usize) -> Range<usize> {
        let Window { stride, pads, .. } = &self.window;
        let first = pads[1].div_ceil(stride[1]).min(width);
        let reach = self.window.reach()[1];
        let end = (self.input.shape.width + pads[1]).checked_sub(reach + 1).map_or(0, |last| last / stride[1] + 1);
        first..end.clamp(first, width)
    }
}

/// Splits a number of pixels into tiles of nearly the same size: seven tiles of seven pixels are faster than six of
/// eight and one of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    next: usize,
    pixels: usize,
    /// Pixels of a tile; the first tiles may have one more.
    pub fewest: usize,
    /// The number of tiles to come that have one more.
    more: usize,
}

impl Tiles {
    pub(super) fn new(pixels: usize, most: usize) -> Self {
        let tiles = pixels.div_ceil(most).max(1);
        Self { next: 0, pixels, fewest: pixels / tiles, more: pixels % tiles }
    }
}

impl Iterator for Tiles {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let (start, more) = (self.next, usize::from(self.more > 0));
        if start == self.pixels {
            return None;
        }
        self.next += self.fewest + more;
        self.more -= more;
        Some(start..self.next)
    }
}

/// A thread's part of a dense convolution: all channels of some pixels, or some panels of all pixels.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub pixels: Range<usize>,
    /// The panels of output channels.
    pub panels: Range<usize>,
}

impl<N: ElementType> Dense<N> {
    /// Elements that stand for what lies outside of the picture: one pixel, and what is read behind a row that is a
    /// tap.
    pub(super) fn tail(&self) -> usize {
        let stride = self.source.input.stride;
        let row = self.gathered.filter(|gathered| gathered.rows_are_taps).map_or(0, |gathered| gathered.row);
        stride.max(row.saturating_sub(self.source.window.size[1] * stride))
    }

    /// Taps that the kernels see.
    pub(super) fn taps(&self) -> usize {
        if self.gathered.is_some() { 1 } else { self.source.window.taps() }
    }

    /// All panels of output channels.
    pub(super) fn panels(&self, output: TensorView) -> Range<usize> {
        0..output.stride / LANES
    }

    /// Computes a part of the output, tile by tile. `out` is what the part takes of it.
    pub(super) fn compute(
        &self,
        worker: &mut Worker<N>,
        Inputs { picture, residual }: Inputs<N>,
        output: TensorView,
        part: Part,
        out: &mut [N],
    ) {
        let Operands { picture, weights, bias, narrow } = N::operands(&self.epilogue, picture);
        let Worker { kernels, scratch: Scratch { offsets, gathered }, workspace } = worker;
        let most_rows = N::rows(&kernels.layout);
        let (taps, depth) = (self.taps(), self.depth);
        let panel_length = taps * depth * LANES;
        let block = match self.firsts.is_empty() {
            true => (WEIGHT_BLOCK / (panel_length * size_of::<N::Weight>())).max(1).next_multiple_of(MAX_PANELS),
            false => 1,
        };
        let tiles = Tiles::new(part.pixels.len(), most_rows);
        // With a 1x1 window of stride 1 all tiles have the same offsets.
        let points = self.gathered.is_none() && self.firsts.is_empty() && self.source.window == Window::POINT;
        let (stride, mut steps) = (self.source.input.stride, [0; MAX_ROWS]);
        steps.iter_mut().enumerate().for_each(|(row, step)| *step = (row * stride) as u32);
        let steps = [tiles.fewest, tiles.fewest + 1].map(|rows| Offsets::new(&steps[..rows.min(MAX_ROWS)]));
        for first in part.panels.clone().step_by(block) {
            let last = (first + block).min(part.panels.end);
            for pixels in tiles {
                let [start, end] = [pixels.start, pixels.end].map(|pixel| part.pixels.start + pixel);
                let rows = end - start;
                let (source, taps, depth) = match self.gathered {
                    None if points => (&picture[start * stride..], taps, depth),
                    None => {
                        self.find_taps(output, start..end, offsets);
                        if let Some(&channel) = self.firsts.get(first) {
                            offsets.iter_mut().for_each(|offset| *offset += channel);
                        }
                        (picture, taps, depth)
                    }
                    Some(Gathered { row, rows_are_taps: true }) if self.find_rows(output, start..end, offsets) => {
                        (picture, self.source.window.size[0], row)
                    }
                    Some(Gathered { row, .. }) => {
                        (self.gather(picture, output, start..end, row, (offsets, gathered)), taps, depth)
                    }
                };
                let weights = &weights[first * panel_length..last * panel_length];
                let bias = &bias[first * LANES..last * LANES];
                let offsets = if points { steps[rows - tiles.fewest] } else { Offsets::new(offsets) };
                let tile = Tile { source, offsets, rows, taps, depth, weights, bias, narrow };
                let at = (start - part.pixels.start) * output.stride + (first - part.panels.start) * LANES;
                let range = at..at + (rows - 1) * output.stride + (last - first) * LANES;
                let residual = residual.map(|residual| &residual[range.clone()]);
                let out = (&mut out[range], output.stride);
                N::tile(kernels, workspace, &self.epilogue, &tile, first * LANES, residual, out);
            }
        }
    }

    /// Writes the offsets of the rows of the pixels' windows, and returns true, if all windows are in the picture. A
    /// row of pixels with few channels is multiplied like a single pixel with many.
    fn find_rows(&self, output: TensorView, pixels: Range<usize>, offsets: &mut Vec<u32>) -> bool {
        let (source, window) = (&self.source, &self.source.window);
        offsets.clear();
        if window.dilation != [1, 1] || !self.corners(output, pixels.clone()).all(|corner| source.is_inside(corner)) {
            return false;
        }
        let pitch = source.input.shape.width * source.input.stride;
        for row in 0..window.size[0] {
            let starts = self.corners(output, pixels.clone()).map(|corner| source.at(corner) as usize + row * pitch);
            offsets.extend(starts.map(|start| start as u32));
        }
        true
    }

    /// Numbers that are put side by side for a tile.
    pub(super) fn gathered_at_most(&self) -> usize {
        self.depth * MAX_ROWS + AT_ONCE
    }

    /// Gathers the windows of the output pixels (im2col): the pixels of each window side by side, `row_length` elements
    /// from one row of a window to the next.
    fn gather<'a>(
        &self,
        picture: &[N],
        output: TensorView,
        pixels: Range<usize>,
        row_length: usize,
        (offsets, gathered): (&mut Vec<u32>, &'a mut Vec<N>),
    ) -> &'a [N] {
        let (source, window) = (&self.source, &self.source.window);
        let stride = source.input.stride;
        let length = window.size[1] * stride;
        // Elements beyond a row's last tap may be left from another tile, and are multiplied with weights of zero.
        // Elements that are copied beyond the end of a window's row are so too, or are overwritten by the next row or
        // pixel.
        gathered.resize(pixels.len() * self.depth + AT_ONCE, N::default());
        let pitch = source.input.shape.width * stride;
        for (pixel, corner) in self.corners(output, pixels.clone()).enumerate() {
            let gathered = &mut gathered[pixel * self.depth..];
            if source.is_inside(corner) && window.dilation == [1, 1] {
                let picture = &picture[source.at(corner) as usize..];
                for row in 0..window.size[0] {
                    copy(&picture[row * pitch..], &mut gathered[row * row_length..], length);
                }
            } else {
                for tap in window.each_tap() {
                    let at = tap[0] * row_length + tap[1] * stride;
                    gathered[at..at + stride].copy_from_slice(&picture[source.tap(corner, tap)..][..stride]);
                }
            }
        }
        offsets.clear();
        offsets.extend((0..pixels.len()).map(|row| (row * self.depth) as u32));
        gathered
    }

    /// The corners (first taps) of consecutive output pixels.
    fn corners(&self, output: TensorView, pixels: Range<usize>) -> impl Iterator<Item = [isize; 2]> + use<'_, N> {
        let width = output.shape.width;
        let (mut row, mut column) = (pixels.start / width, pixels.start % width);
        pixels.map(move |_| {
            let corner = self.source.corner([row, column]);
            column += 1;
            if column == width {
                (row, column) = (row + 1, 0);
            }
            corner
        })
    }

    /// Writes the offsets of all taps of the output pixels, as `[taps][pixels]`.
    fn find_taps(&self, output: TensorView, pixels: Range<usize>, offsets: &mut Vec<u32>) {
        let source = &self.source;
        offsets.clear();
        let mut corners = [[0; 2]; MAX_ROWS];
        let corners = &mut corners[..pixels.len()];
        for (to, corner) in corners.iter_mut().zip(self.corners(output, pixels)) {
            *to = corner;
        }
        let all_inside = corners.iter().all(|&corner| source.is_inside(corner));
        for tap in source.window.each_tap() {
            if all_inside {
                let [down, right] = source.window.distance(tap);
                let from_corner = source.at([down as isize, right as isize]);
                offsets.extend(corners.iter().map(|&corner| (source.at(corner) + from_corner) as u32));
            } else {
                offsets.extend(corners.iter().map(|&corner| source.tap(corner, tap) as u32));
            }
        }
    }
}

/// Copies `length` elements, and perhaps up to [`AT_ONCE`] - 1 of those behind them.
fn copy<N: ElementType>(from: &[N], to: &mut [N], length: usize) {
    for at in (0..length).step_by(AT_ONCE) {
        let (from, to) = (&from[at..], &mut to[at..]);
        // A copy of a small constant length is compiled to moves instead of a call.
        match (from.first_chunk::<AT_ONCE>(), to.first_chunk_mut::<AT_ONCE>()) {
            (Some(from), Some(to)) => *to = *from,
            _ => to[..AT_ONCE.min(length - at)].copy_from_slice(&from[..AT_ONCE.min(length - at)]),
        }
    }
}

impl<N: ElementType> Depthwise<N> {
    /// A row, because a span moves along the outside as it moves along the picture.
    pub(super) fn tail(&self) -> usize {
        (self.source.input.shape.width + self.source.window.size[1]) * self.source.input.stride
    }

    /// Computes rows of the output, which `out` has room for.
    pub(super) fn compute(
        &self,
        worker: &mut Worker<N>,
        picture: &[N],
        output: TensorView,
        rows: Range<usize>,
        out: &mut [N],
    ) {
        let Operands { picture, weights, bias, narrow } = N::operands(&self.epilogue, picture);
        let Worker { kernels, scratch: Scratch { offsets, .. }, .. } = worker;
        let source = &self.source;
        let channels = source.input.stride;
        let inner = source.inner_columns(output.shape.width);
        let Window { size, stride, dilation, .. } = source.window;
        let step = stride[1] * channels;
        let ahead = if dilation[1] == 1 { stride[1] } else { 0 };
        for row in rows.clone() {
            let mut column = 0;
            while column < output.shape.width {
                let pixels = if inner.start == column { inner.len().max(1) } else { 1 };
                let corner = source.corner([row, column]);
                offsets.clear();
                offsets.extend(source.window.each_tap().map(|tap| source.tap(corner, tap) as u32));
                let span =
                    Span { source: picture, size, offsets, step, ahead, pixels, channels, weights, bias, narrow };
                let at = ((row - rows.start) * output.shape.width + column) * channels;
                N::span(kernels, &self.epilogue, &span, &mut out[at..at + pixels * channels]);
                column += pixels;
            }
        }
    }
}
