//! 3x3 convolutions of floats by Winograd's algorithm, with a quarter or four ninths of the multiplications. See
//! [`super::kernels::winograd`].

use std::ops::Range;

use super::aligned::Aligned;
use super::convolution::{Source, Tiles, WEIGHT_BLOCK};
use super::element_type::{Inputs, Scratch, Worker};
use super::kernels::Kernels;
use super::kernels::operands::{Bounds, LANES, Offsets, Tile};
use super::kernels::winograd::{Form, Patch, Spot, Sums};
use super::layer::{Conv, Shape, Window};
use super::tensor_view::TensorView;

/// The largest number of tiles that are transformed before they are multiplied. Their transforms may not fit into the
/// second-level cache; but with fewer tiles the weights, which are as large, would be loaded into it more often.
const TILES: usize = 56;

/// The largest number of transformed weights, for tiles of four and of two. More would have to be loaded from memory
/// for every few tiles, which takes longer than the saved multiplications, and would occupy memory.
const MOST_OF_FOUR: usize = 640 << 10;
const MOST_OF_TWO: usize = 1152 << 10;

/// A 3x3 convolution with transformed weights.
#[derive(Debug)]
pub(super) struct Winograd {
    pub source: Source,
    form: Form,
    /// Channels of an input pixel that are multiplied. The stored channels beyond them may hold NaN.
    inputs: usize,
    /// `[position][panel][input channel][LANES]`
    weights: Aligned<f32>,
    bias: Vec<f32>,
    /// The initial values of a position's accumulators: zeros.
    start: Vec<f32>,
    bounds: Bounds,
}

/// How a convolution is best transformed, if that is worth it.
pub(super) fn form(conv: &Conv, output: Shape) -> Option<Form> {
    let Window { size, stride, dilation, .. } = conv.window;
    let is_square = size == [3, 3] && stride == [1, 1] && dilation == [1, 1];
    // The cost of the transforms is amortised over the channels, of which there must be enough on both sides.
    if !is_square || conv.groups != 1 || conv.inputs < LANES || conv.outputs < LANES {
        return None;
    }
    let pairs = conv.inputs.next_multiple_of(LANES).saturating_mul(conv.outputs.next_multiple_of(LANES));
    let grown = |form: Form| pairs.saturating_mul(form.positions());
    let tiled = |form: Form| output.height.div_ceil(form.outputs()) * output.width.div_ceil(form.outputs());
    let fits = [(Form::Four, MOST_OF_FOUR), (Form::Two, MOST_OF_TWO)].into_iter().filter(|&(form, most)| {
        grown(form) <= most && tiled(form) * form.positions() * 3 < output.pixels() * conv.window.taps() * 2
    });
    fits.map(|(form, _)| form).min_by_key(|&form| tiled(form) * form.positions())
}

impl Winograd {
    /// Without weights.
    pub(super) fn new(form: Form, source: Source, inputs: usize, mut bias: Vec<f32>, bounds: Bounds) -> Self {
        bias.resize(bias.len().next_multiple_of(LANES), 0.0);
        let weights = Aligned::zeros(form.positions() * bias.len() * inputs);
        Self { source, form, inputs, weights, start: vec![0.0; bias.len()], bias, bounds }
    }

    /// Transforms the weights of some outputs, which begin with a panel.
    pub(super) fn pack(&mut self, outputs: Range<usize>, weight: impl Fn(usize, usize, usize) -> f32) {
        let (panels, side) = (self.bias.len() / LANES, self.form.side());
        for first in outputs.clone().step_by(LANES) {
            let (panel, lanes) = (first / LANES, LANES.min(outputs.end - first));
            for input in 0..self.inputs {
                let mut taps = [[0.0; LANES]; 9];
                for lane in 0..lanes {
                    for (tap, numbers) in taps.iter_mut().enumerate() {
                        numbers[lane] = f64::from(weight(first + lane, input, tap));
                    }
                }
                let mut rows = [[[0.0; LANES]; 3]; 6];
                for (row, factors) in rows.iter_mut().zip(self.form.filter()) {
                    for (column, numbers) in row.iter_mut().enumerate() {
                        *numbers = weighted(factors, [taps[column], taps[3 + column], taps[6 + column]]);
                    }
                }
                for position in 0..self.form.positions() {
                    let numbers = weighted(&self.form.filter()[position % side], rows[position / side]);
                    let at = ((position * panels + panel) * self.inputs + input) * LANES;
                    for (to, number) in self.weights[at..at + LANES].iter_mut().zip(numbers) {
                        *to = number as f32;
                    }
                }
            }
        }
    }

    /// Output rows that are computed together.
    pub(super) fn rows_at_once(&self) -> usize {
        self.form.outputs()
    }

    /// Multiplications and additions for so many outputs.
    pub(super) fn operations(&self, outputs: usize) -> usize {
        outputs / self.form.outputs().pow(2) * self.form.positions() * self.inputs
    }

    /// Numbers that a thread needs room for.
    pub(super) fn space(&self) -> usize {
        TILES * self.form.positions() * (self.depth() + self.bias.len())
    }

    /// Elements of an input pixel.
    fn depth(&self) -> usize {
        self.source.input.stride
    }

    /// Pixels under a tile, or more.
    pub(super) fn offsets(&self) -> usize {
        self.form.positions()
    }

    /// Computes rows of the output from `first_row` on, as many as `out` has.
    pub(super) fn run(
        &self,
        worker: &mut Worker<f32>,
        space: &mut [f32],
        Inputs { picture, residual }: Inputs<f32>,
        output: TensorView,
        first_row: usize,
        out: &mut [f32],
    ) {
        let Worker { kernels, scratch: Scratch { offsets, .. }, .. } = worker;
        let (each, width) = (self.form.outputs(), output.shape.width);
        let rows = out.len() / (width * output.stride);
        let across = width.div_ceil(each);
        let tiles = rows.div_ceil(each) * across;
        // Row and column of a tile's first output, in `out`.
        let corner = |tile: usize| [tile / across * each, tile % across * each];
        let (pixels, sums) = space.split_at_mut(TILES * self.form.positions() * self.depth());
        for Range { start, end } in Tiles::new(tiles, TILES) {
            let count = end - start;
            for tile in start..end {
                let [row, column] = corner(tile);
                self.find(self.source.corner([first_row + row, column]), offsets);
                let patch = Patch { source: picture, offsets, channels: self.depth() };
                let to = &mut pixels[(tile - start) * self.depth()..];
                kernels.winograd_before(self.form, &patch, to, count * self.depth());
            }
            self.multiply(kernels, count, pixels, sums, offsets);
            for tile in start..end {
                let [row, column] = corner(tile);
                let spot = Spot {
                    row: width * output.stride,
                    pixel: output.stride,
                    seen: [each.min(rows - row), each.min(width - column)],
                };
                let at = (row * width + column) * output.stride;
                let sums = Sums {
                    source: &sums[(tile - start) * self.bias.len()..],
                    step: count * self.bias.len(),
                    bias: &self.bias,
                    bounds: self.bounds,
                    residual: residual.map(|residual| &residual[at..]),
                };
                kernels.winograd_after(self.form, &sums, &mut out[at..], spot);
            }
        }
    }

    /// Writes the offsets of the pixels of a tile's input patch.
    fn find(&self, corner: [isize; 2], offsets: &mut Vec<u32>) {
        let side = self.form.side();
        offsets.clear();
        offsets.extend((0..self.form.positions()).map(|at| self.source.tap(corner, [at / side, at % side]) as u32));
    }

    /// Multiplies the transformed pixels, `[position][tile][input channel]`, by the transformed weights:
    /// `[position][tile][output channel]`.
    fn multiply(&self, kernels: &Kernels, tiles: usize, pixels: &[f32], sums: &mut [f32], offsets: &mut Vec<u32>) {
        let (depth, outputs) = (self.depth(), self.bias.len());
        let groups = Tiles::new(tiles, kernels.layout.float_rows);
        offsets.clear();
        offsets.extend((0..=groups.fewest).map(|row| (row * depth) as u32));
        let steps = [groups.fewest, groups.fewest + 1].map(|rows| Offsets::new(&offsets[..rows]));
        let panels = (WEIGHT_BLOCK / (self.inputs * LANES * size_of::<f32>())).max(1) * LANES;
        for position in 0..self.form.positions() {
            let weights = &self.weights[position * outputs * self.inputs..][..outputs * self.inputs];
            for first in (0..outputs).step_by(panels) {
                let last = (first + panels).min(outputs);
                for Range { start, end } in groups {
                    let tile = Tile {
                        source: &pixels[(position * tiles + start) * depth..],
                        offsets: steps[end - start - groups.fewest],
                        rows: end - start,
                        taps: 1,
                        depth: self.inputs,
                        weights: &weights[first * self.inputs..last * self.inputs],
                        bias: &self.start[first..last],
                        narrow: false,
                    };
                    let to = &mut sums[(position * tiles + start) * outputs + first..];
                    kernels.tile_f32(&tile, Bounds::NONE, None, to, outputs);
                }
            }
        }
    }
}

/// The sum of three vectors, each times its factor.
fn weighted(factors: &[f64; 3], numbers: [[f64; LANES]; 3]) -> [f64; LANES] {
    let mut sum = [0.0; LANES];
    for (factor, numbers) in factors.iter().zip(&numbers) {
        for (sum, number) in sum.iter_mut().zip(numbers) {
            *sum += factor * number;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::constant::Constant;
    use crate::native::layer::Weights;
    use crate::onnx::pb::TensorProto;
    use crate::onnx::pb::tensor_proto::DataType;
    use proptest::prelude::*;

    /// The accepted error against a convolution in 64 bits, for up to 360 products of numbers up to 1. A direct
    /// convolution of such numbers has an error below 2e-5.
    fn tolerance(form: Form) -> f64 {
        match form {
            Form::Two => 1e-5,
            Form::Four => 4e-5,
        }
    }

    fn numbers(seed: u64, count: usize) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..count).map(|_| random.f32() * 2.0 - 1.0).collect()
    }

    fn place(height: usize, width: usize, channels: usize) -> TensorView {
        TensorView { buffer: 0, shape: Shape { height, width, channels }, stride: channels.next_multiple_of(LANES) }
    }

    proptest! {
        #[test]
        fn outputs_are_those_of_the_convolution_within_rounding(
            height in 3usize..12, width in 3usize..12, inputs in 1usize..40, outputs in 1usize..40,
            pads in prop::array::uniform4(0usize..3), four: bool, with_residual: bool, skipped in 0usize..3, seed: u64,
        ) {
            let form = if four { Form::Four } else { Form::Two };
            let window = Window { size: [3, 3], stride: [1, 1], dilation: [1, 1], pads };
            let input = place(height, width, inputs);
            let [rows, columns] = window.output(input.shape).expect("it fits");
            let output = place(rows, columns, outputs);
            // The first row of a thread's part.
            let first = (skipped * form.outputs()).min(rows - 1) / form.outputs() * form.outputs();
            let mut picture = numbers(seed, input.length());
            picture.resize(input.length() + input.stride, 0.0);
            let weights = numbers(seed ^ 1, outputs * inputs * 9);
            let bias = numbers(seed ^ 2, outputs);
            let residual = numbers(seed ^ 3, output.length());
            let bounds = Bounds { low: -2.0, high: 3.0 };
            let source = Source::new(window, input, 0);
            let weight = |output: usize, input: usize, tap: usize| weights[(output * inputs + input) * 9 + tap];
            let mut winograd = Winograd::new(form, source, inputs, bias.clone(), bounds);
            winograd.pack(0..outputs, weight);
            for kernels in Kernels::available() {
                let mut out = vec![9.0; (rows - first) * columns * output.stride];
                let mut space = vec![f32::NAN; winograd.space()];
                let at = first * columns * output.stride;
                let residual = with_residual.then_some(&residual[at..]);
                let mut worker = Worker { kernels: &kernels, scratch: &mut Scratch::default(), workspace: &mut [] };
                winograd.run(&mut worker, &mut space, Inputs { picture: &picture, residual }, output, first, &mut out);
                for (pixel, found) in out.chunks_exact(output.stride).enumerate() {
                    let corner = [first + pixel / columns, pixel % columns];
                    for channel in 0..outputs {
                        let mut sum = f64::from(bias[channel]);
                        for tap in window.each_tap() {
                            let place = winograd.source.tap(winograd.source.corner(corner), tap);
                            sum += (0..inputs).map(|input| f64::from(picture[place + input]) * f64::from(weight(channel, input, tap[0] * 3 + tap[1]))).sum::<f64>();
                        }
                        sum += residual.map_or(0.0, |residual| f64::from(residual[pixel * output.stride + channel]));
                        let expected = sum.clamp(-2.0, 3.0);
                        let lost = (f64::from(found[channel]) - expected).abs();
                        prop_assert!(lost < tolerance(form), "{}: {lost}", kernels.name);
                    }
                }
            }
        }
    }

    #[test]
    fn many_tiles_of_many_channels_are_those_of_the_convolution() {
        // More tiles than are transformed at once, and more weights than fit into a cache.
        let (side, inputs, outputs) = (30, 160, 200);
        let window = Window { size: [3, 3], stride: [1, 1], dilation: [1, 1], pads: [1; 4] };
        let (input, output) = (place(side, side, inputs), place(side, side, outputs));
        let mut picture = numbers(1, input.length());
        picture.resize(input.length() + input.stride, 0.0);
        let weights = numbers(2, outputs * inputs * 9);
        let weight = |output: usize, input: usize, tap: usize| weights[(output * inputs + input) * 9 + tap];
        for form in [Form::Two, Form::Four] {
            let source = Source::new(window, input, 0);
            let mut winograd = Winograd::new(form, source, inputs, vec![0.5; outputs], Bounds::NONE);
            winograd.pack(0..outputs, weight);
            let (mut out, mut space) = (vec![9.0; output.length()], vec![0.0; winograd.space()]);
            let kernels = Kernels::detect();
            let mut worker = Worker { kernels: &kernels, scratch: &mut Scratch::default(), workspace: &mut [] };
            winograd.run(&mut worker, &mut space, Inputs { picture: &picture, residual: None }, output, 0, &mut out);
            for (pixel, channel) in
                (0..side * side).step_by(7).flat_map(|pixel| (0..outputs).step_by(9).map(move |at| (pixel, at)))
            {
                let corner = winograd.source.corner([pixel / side, pixel % side]);
                let taps = window.each_tap().enumerate().map(|(tap, at)| (tap, winograd.source.tap(corner, at)));
                let products = taps.flat_map(|(tap, at)| (0..inputs).map(move |input| (tap, at + input, input)));
                let sum: f64 = products
                    .map(|(tap, at, input)| f64::from(picture[at]) * f64::from(weight(channel, input, tap)))
                    .sum();
                let lost = (f64::from(out[pixel * output.stride + channel]) - sum - 0.5).abs();
                // There are four times as many products as above.
                assert!(lost < 4.0 * tolerance(form), "{form:?}: {lost}");
            }
        }
    }

    fn conv(size: usize, inputs: usize, outputs: usize) -> Conv {
        let nothing = TensorProto { data_type: DataType::Float as i32, dims: vec![0], ..TensorProto::default() };
        Conv {
            window: Window { size: [size; 2], stride: [1, 1], dilation: [1, 1], pads: [size / 2; 4] },
            weights: Weights {
                constant: Constant::whole(nothing).expect("no floats"),
                scales: None,
                input_major: false,
            },
            outputs,
            inputs,
            groups: 1,
            bias: vec![0.0; outputs],
            gain: None,
        }
    }

    #[test]
    fn the_larger_form_is_for_few_weights_and_none_for_many() {
        let form = |conv: Conv, side| form(&conv, Shape { height: side, width: side, channels: conv.outputs });
        // The layers of ResNet-18.
        assert_eq!(form(conv(3, 64, 64), 56), Some(Form::Four));
        assert_eq!(form(conv(3, 128, 128), 28), Some(Form::Four));
        assert_eq!(form(conv(3, 256, 256), 14), Some(Form::Two));
        assert_eq!(form(conv(3, 512, 512), 7), None);
        // The network's input, other windows, and an output that is smaller than a tile.
        assert_eq!(form(conv(3, 3, 64), 224), None);
        assert_eq!(form(conv(5, 64, 64), 56), None);
        assert_eq!(form(conv(3, 64, 64), 1), None);
        let strided = Conv { window: Window { stride: [2, 2], ..conv(3, 64, 64).window }, ..conv(3, 64, 64) };
        assert_eq!(form(strided, 28), None);
        assert_eq!(form(Conv { groups: 2, ..conv(3, 64, 128) }, 56), None);
    }
}
