//! A network as a flat list of steps, and how they are executed. Nothing is allocated here.

use super::kernels::{Bounds, Kernels, LANES, MAX_PANELS, MAX_ROWS, MAX_TAPS, Requantise, Span, Tile};
use super::layer::{PoolKind, Quant, Shape, Window};
use super::pointwise;
use crate::label::softmax;
use crate::models::spec::Layout;
use crate::preprocess::Tensor;

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
    F32 { weights: Vec<f32>, bias: Vec<f32>, bounds: Bounds },
    U8 { weights: Vec<i8>, bias: Vec<i32>, scale: Vec<f32>, zero_point: u8, low: u8, high: u8 },
}

#[derive(Debug)]
pub struct Dense {
    pub source: Source,
    /// Channels of a pixel that are multiplied.
    pub depth: usize,
    pub finish: Finish,
}

#[derive(Debug)]
pub struct Depthwise {
    pub source: Source,
    pub finish: Finish,
}

#[derive(Debug)]
pub enum Job {
    Input(Layout),
    Dense(Dense),
    Depthwise(Depthwise),
    Clip(Bounds),
    AddF32(Bounds),
    AddU8 { a: Quant, b: Quant, to: Quant, range: (u8, u8) },
    PoolF32(PoolKind, Window, Bounds),
    PoolU8 { kind: PoolKind, window: Window, from: Quant, to: Quant, range: (u8, u8) },
    ConcatF32,
    ConcatU8,
    Softmax,
    Quantise { to: Quant, range: (u8, u8) },
    Dequantise(Quant),
    Table(Box<[u8; 256]>),
}

#[derive(Debug)]
pub struct Step {
    pub job: Job,
    pub inputs: Vec<Place>,
    pub output: Place,
}

/// Ready to run; belongs to one thread.
pub struct Network {
    kernels: Kernels,
    steps: Vec<Step>,
    floats: Vec<Vec<f32>>,
    bytes: Vec<Vec<u8>>,
    offsets: Vec<u32>,
    classes: usize,
    macs: u64,
}

impl Network {
    pub fn new(
        kernels: Kernels,
        steps: Vec<Step>,
        floats: Vec<usize>,
        bytes: Vec<usize>,
        classes: usize,
        macs: u64,
    ) -> Self {
        let windows = steps.iter().map(|step| match &step.job {
            Job::Dense(dense) => dense.source.window.taps(),
            _ => MAX_TAPS,
        });
        let offsets = Vec::with_capacity(windows.max().unwrap_or(0) * MAX_ROWS);
        let floats = floats.into_iter().map(|length| vec![0.0; length]).collect();
        let bytes = bytes.into_iter().map(|length| vec![0; length]).collect();
        Self { kernels, steps, floats, bytes, offsets, classes, macs }
    }

    pub fn macs(&self) -> u64 {
        self.macs
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// # Errors
    /// When the input is of another size or type than the network's.
    pub fn evaluate(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), String> {
        let Self { kernels, steps, floats, bytes, offsets, .. } = self;
        for step in steps.iter() {
            step.run(kernels, input, floats, bytes, offsets)?;
        }
        scores.clear();
        if let Some(last) = steps.last() {
            scores.extend_from_slice(&floats[last.output.buffer][..self.classes]);
        }
        Ok(())
    }
}

impl Step {
    fn run(
        &self,
        kernels: &Kernels,
        tensor: &Tensor,
        floats: &mut [Vec<f32>],
        bytes: &mut [Vec<u8>],
        offsets: &mut Vec<u32>,
    ) -> Result<(), String> {
        let length = self.output.length();
        let input = |at: usize| self.inputs[at].buffer;
        // A step's output is taken out of its pool while the step runs, so that inputs can be borrowed beside it.
        let mut to_floats = |work: &mut dyn FnMut(&mut [Vec<f32>], &mut [f32])| {
            let mut out = std::mem::take(&mut floats[self.output.buffer]);
            work(floats, &mut out[..length]);
            floats[self.output.buffer] = out;
        };
        let to_bytes = |bytes: &mut [Vec<u8>], work: &mut dyn FnMut(&mut [Vec<u8>], &mut [u8])| {
            let mut out = std::mem::take(&mut bytes[self.output.buffer]);
            work(bytes, &mut out[..length]);
            bytes[self.output.buffer] = out;
        };
        match &self.job {
            Job::Input(layout) => match tensor {
                Tensor::F32(values) => {
                    check_input(values.len(), self.output.shape)?;
                    to_floats(&mut |_, out| pointwise::interleave(values, *layout, self.output, out));
                }
                Tensor::U8(values) => {
                    check_input(values.len(), self.output.shape)?;
                    to_bytes(bytes, &mut |_, out| pointwise::interleave(values, *layout, self.output, out));
                }
            },
            Job::Dense(dense) => match &dense.finish {
                Finish::F32 { weights, bias, bounds } => to_floats(&mut |floats, out| {
                    dense.source.fill_outside(&mut floats[input(0)], dense.tail(), 0.0);
                    let residual = self.inputs.get(1).map(|place| &floats[place.buffer][..length]);
                    let work = Work { dense, output: self.output, source: &floats[input(0)], weights, bias };
                    work.run(offsets, out, |tile, at, out, stride| {
                        kernels.tile_f32(tile, *bounds, residual.map(|residual| &residual[at..]), out, stride);
                    });
                }),
                Finish::U8 { weights, bias, scale, zero_point, low, high } => to_bytes(bytes, &mut |bytes, out| {
                    dense.source.fill_outside(&mut bytes[input(0)], dense.tail(), dense.source.outside);
                    let work = Work { dense, output: self.output, source: &bytes[input(0)], weights, bias };
                    let whole = Requantise { scale, zero_point: *zero_point, low: *low, high: *high };
                    work.run(offsets, out, |tile, at, out, stride| {
                        let channel = at % stride;
                        let scale = &scale[channel..channel + tile.bias.len()];
                        kernels.tile_u8(tile, Requantise { scale, ..whole }, out, stride);
                    });
                }),
            },
            Job::Depthwise(depthwise) => {
                let Source { input: place, outside, .. } = &depthwise.source;
                let tail = depthwise.tail();
                match &depthwise.finish {
                    Finish::F32 { weights, bias, bounds } => to_floats(&mut |floats, out| {
                        depthwise.source.fill_outside(&mut floats[input(0)], tail, 0.0);
                        let source = &floats[input(0)];
                        depthwise.run(self.output, offsets, |offsets, at, pixels, step| {
                            let channels = place.stride;
                            let span = Span { source, offsets, step, pixels, channels, weights, bias };
                            kernels.span_f32(&span, *bounds, &mut out[at..at + pixels * channels]);
                        });
                    }),
                    Finish::U8 { weights, bias, scale, zero_point, low, high } => to_bytes(bytes, &mut |bytes, out| {
                        depthwise.source.fill_outside(&mut bytes[input(0)], tail, *outside);
                        let source = &bytes[input(0)];
                        let requantise = Requantise { scale, zero_point: *zero_point, low: *low, high: *high };
                        depthwise.run(self.output, offsets, |offsets, at, pixels, step| {
                            let channels = place.stride;
                            let span = Span { source, offsets, step, pixels, channels, weights, bias };
                            kernels.span_u8(&span, requantise, &mut out[at..at + pixels * channels]);
                        });
                    }),
                }
            }
            Job::Clip(bounds) => to_floats(&mut |floats, out| pointwise::clip(&floats[input(0)], *bounds, out)),
            Job::AddF32(bounds) => {
                to_floats(&mut |floats, out| pointwise::add_f32(&floats[input(0)], &floats[input(1)], *bounds, out));
            }
            Job::AddU8 { a, b, to, range } => to_bytes(bytes, &mut |bytes, out| {
                kernels.add_u8([(&bytes[input(0)], *a), (&bytes[input(1)], *b)], *to, *range, out);
            }),
            Job::PoolF32(kind, window, bounds) => to_floats(&mut |floats, out| {
                pointwise::pool_f32(&floats[input(0)], self.inputs[0], *kind, window, *bounds, self.output, out);
            }),
            Job::PoolU8 { kind, window, from, to, range } => to_bytes(bytes, &mut |bytes, out| {
                let source = (&bytes[input(0)][..], self.inputs[0], *from);
                pointwise::pool_u8(source, *kind, window, *to, *range, self.output, out);
            }),
            Job::ConcatF32 => to_floats(&mut |floats, out| {
                pointwise::concat(
                    self.inputs.iter().map(|place| (&floats[place.buffer][..], *place)),
                    self.output,
                    out,
                );
            }),
            Job::ConcatU8 => to_bytes(bytes, &mut |bytes, out| {
                pointwise::concat(self.inputs.iter().map(|place| (&bytes[place.buffer][..], *place)), self.output, out);
            }),
            Job::Softmax => to_floats(&mut |floats, out| {
                out.copy_from_slice(&floats[input(0)][..length]);
                softmax(&mut out[..self.output.shape.channels]);
            }),
            Job::Quantise { to, range } => {
                to_bytes(bytes, &mut |_, out| kernels.quantise(&floats[input(0)], *to, *range, out));
            }
            Job::Dequantise(from) => to_floats(&mut |_, out| pointwise::dequantise(&bytes[input(0)], *from, out)),
            Job::Table(table) => to_bytes(bytes, &mut |bytes, out| {
                for (out, &byte) in out.iter_mut().zip(&bytes[input(0)]) {
                    *out = table[usize::from(byte)];
                }
            }),
        }
        Ok(())
    }
}

fn check_input(found: usize, shape: Shape) -> Result<(), String> {
    let expected = shape.pixels() * shape.channels;
    match found == expected {
        true => Ok(()),
        false => Err(format!("its input has {expected} numbers, not {found}")),
    }
}

impl Source {
    /// The first element behind the picture.
    fn outside_at(&self) -> usize {
        self.input.length()
    }

    fn fill_outside<T: Copy>(&self, buffer: &mut [T], length: usize, value: T) {
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
    fn inner_columns(&self, width: usize) -> std::ops::Range<usize> {
        let Window { size, stride, dilation, pads } = &self.window;
        let first = pads[1].div_ceil(stride[1]).min(width);
        let reach = dilation[1] * (size[1] - 1);
        let end = (self.input.shape.width + pads[1]).checked_sub(reach + 1).map_or(0, |last| last / stride[1] + 1);
        first..end.clamp(first, width)
    }
}

/// A dense convolution, tile by tile.
struct Work<'a, T, W, S> {
    dense: &'a Dense,
    output: Place,
    source: &'a [T],
    weights: &'a [W],
    bias: &'a [S],
}

impl<T, W, S> Work<'_, T, W, S> {
    /// Calls `kernel(tile, where its output begins, the output from there on, from one row of it to the next)`.
    fn run<O>(
        &self,
        offsets: &mut Vec<u32>,
        out: &mut [O],
        mut kernel: impl FnMut(&Tile<T, W, S>, usize, &mut [O], usize),
    ) {
        let taps = self.dense.source.window.taps();
        let panel_length = taps * self.dense.depth * LANES;
        let panels = self.bias.len() / LANES;
        let block = (WEIGHT_BLOCK / (panel_length * size_of::<W>())).max(1).next_multiple_of(MAX_PANELS);
        let pixels = self.output.shape.pixels();
        // Rows of about the same number: seven tiles of seven are faster than six of eight and one of one.
        let tiles = pixels.div_ceil(MAX_ROWS);
        for first in (0..panels).step_by(block) {
            let last = (first + block).min(panels);
            for tile in 0..tiles {
                let (start, end) = (tile * pixels / tiles, (tile + 1) * pixels / tiles);
                self.find_taps(start, end - start, offsets);
                let at = start * self.output.stride + first * LANES;
                let tile = Tile {
                    source: self.source,
                    offsets,
                    rows: end - start,
                    taps,
                    depth: self.dense.depth,
                    weights: &self.weights[first * panel_length..last * panel_length],
                    bias: &self.bias[first * LANES..last * LANES],
                };
                let length = (end - start - 1) * self.output.stride + (last - first) * LANES;
                kernel(&tile, at, &mut out[at..at + length], self.output.stride);
            }
        }
    }

    fn find_taps(&self, start: usize, rows: usize, offsets: &mut Vec<u32>) {
        let source = &self.dense.source;
        let Window { size, .. } = source.window;
        offsets.clear();
        if source.window == Window::POINT {
            offsets.extend((start..start + rows).map(|pixel| (pixel * source.input.stride) as u32));
            return;
        }
        let width = self.output.shape.width;
        for tap in (0..size[0]).flat_map(|row| (0..size[1]).map(move |column| [row, column])) {
            let (mut row, mut column) = (start / width, start % width);
            for _ in 0..rows {
                offsets.push(source.tap([row, column], tap).unwrap_or(source.outside_at()) as u32);
                column += 1;
                if column == width {
                    (row, column) = (row + 1, 0);
                }
            }
        }
    }
}

impl Dense {
    /// Elements that stand for what lies outside of the picture: one pixel.
    pub fn tail(&self) -> usize {
        self.source.input.stride
    }
}

impl Depthwise {
    /// A row, because a span moves along the outside as it moves along the picture.
    pub fn tail(&self) -> usize {
        (self.source.input.shape.width + self.source.window.size[1]) * self.source.input.stride
    }

    /// Calls `kernel(offsets of the taps, where the output begins, pixels, from one pixel's taps to the next one's)`.
    fn run(&self, output: Place, offsets: &mut Vec<u32>, mut kernel: impl FnMut(&[u32], usize, usize, usize)) {
        let source = &self.source;
        let inner = source.inner_columns(output.shape.width);
        let step = source.window.stride[1] * source.input.stride;
        for row in 0..output.shape.height {
            let mut column = 0;
            while column < output.shape.width {
                let pixels = if inner.start == column { inner.len().max(1) } else { 1 };
                let Window { size, .. } = source.window;
                offsets.clear();
                for tap in (0..size[0]).flat_map(|row| (0..size[1]).map(move |column| [row, column])) {
                    offsets.push(source.tap([row, column], tap).unwrap_or(source.outside_at()) as u32);
                }
                kernel(offsets, (row * output.shape.width + column) * output.stride, pixels, step);
                column += pixels;
            }
        }
    }
}
