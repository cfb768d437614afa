//! The intermediate representation of a network: layers with known shapes, without positions in memory.

use super::constant::Constant;

/// The shape of a result; a vector is one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Shape {
    pub(super) fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// The quantisation of a tensor: `real = (byte - zero_point) * scale`. Signed bytes are stored with 128 added, to byte
/// and zero point alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quant {
    pub scale: f32,
    /// The zero point.
    pub zero_point: u8,
}

impl Quant {
    /// The byte that is nearest to `value`, halves to even, as ONNX's QuantizeLinear has it.
    pub(super) fn quantise(&self, value: f32) -> u8 {
        // `as` saturates, and makes a NaN 0.
        ((value / self.scale).round_ties_even() + f32::from(self.zero_point)) as u8
    }

    pub(super) fn dequantise(&self, byte: u8) -> f32 {
        (f32::from(byte) - f32::from(self.zero_point)) * self.scale
    }
}

/// The element type of a layer's output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Element {
    F32,
    /// Bytes with this quantisation.
    U8(Quant),
}

/// The window of a convolution or a pooling. All pairs are vertical, then horizontal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub size: [usize; 2],
    /// Input pixels from one window to the next.
    pub stride: [usize; 2],
    /// Input pixels from one tap to the next.
    pub dilation: [usize; 2],
    /// The padding in pixels: top, left, bottom, right.
    pub pads: [usize; 4],
}

impl Window {
    /// One pixel.
    pub(super) const POINT: Self = Self { size: [1, 1], stride: [1, 1], dilation: [1, 1], pads: [0; 4] };

    pub(super) fn taps(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Rows and columns from the first tap to the last.
    pub(super) fn reach(&self) -> [usize; 2] {
        self.distance([self.size[0] - 1, self.size[1] - 1])
    }

    /// Rows and columns from the first tap to this one.
    // Not with `map`, which is not inlined, in a loop that runs for every tap of every pixel.
    pub(super) fn distance(&self, tap: [usize; 2]) -> [usize; 2] {
        [tap[0] * self.dilation[0], tap[1] * self.dilation[1]]
    }

    /// Row and column of each tap, in the order of the weights.
    pub(super) fn each_tap(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [height, width] = self.size;
        (0..height).flat_map(move |row| (0..width).map(move |column| [row, column]))
    }

    /// Height and width of the output; `None` where the window does not fit in.
    pub(super) fn output(&self, input: Shape) -> Option<[usize; 2]> {
        let side = |axis: usize, length: usize| Some(self.way(axis, length)? / self.stride[axis] + 1);
        Some([side(0, input.height)?, side(1, input.width)?])
    }

    /// The same if the last window may reach beyond the padding, as ONNX's `ceil_mode` has it; it begins in the picture
    /// or in what is padded before.
    pub(super) fn output_begun(&self, input: Shape) -> Option<[usize; 2]> {
        let side = |axis: usize, length: usize| {
            let last = self.way(axis, length)?.div_ceil(self.stride[axis]);
            let begins = last * self.stride[axis] < length + self.pads[axis];
            Some(if begins { last + 1 } else { last })
        };
        Some([side(0, input.height)?, side(1, input.width)?])
    }

    /// How far a window can move along an axis, in pixels.
    fn way(&self, axis: usize, length: usize) -> Option<usize> {
        let extent = self.dilation[axis].checked_mul(self.size[axis].checked_sub(1)?)?.checked_add(1)?;
        let padded = length.checked_add(self.pads[axis])?.checked_add(self.pads[axis + 2])?;
        padded.checked_sub(extent)
    }
}

/// The weights of a convolution.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub constant: Constant,
    /// One scale, or one for each output channel, if the constant is quantised.
    pub scales: Option<Vec<f32>>,
    /// Whether the order is `[input][output]`, as in a matrix that is multiplied from the right. Otherwise it is ONNX's
    /// `[output][input][row][column]`.
    pub input_major: bool,
}

/// A convolution, or a matrix product as a convolution of one pixel.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    pub window: Window,
    /// The weights.
    pub weights: Weights,
    /// Output channels.
    pub outputs: usize,
    /// Input channels of one group.
    pub inputs: usize,
    /// Groups of channels.
    pub groups: usize,
    /// One bias for each output channel.
    pub bias: Vec<f32>,
    /// A factor for each output channel, from batch normalisation.
    pub gain: Option<Vec<f32>>,
}

impl Conv {
    pub(super) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.outputs && self.inputs == 1
    }

    /// The weight of an output and an input channel at a tap, before its scale.
    pub(super) fn index(&self, output: usize, input: usize, tap: usize) -> usize {
        match self.weights.input_major {
            true => input * self.outputs + output,
            false => (output * self.inputs + input) * self.window.taps() + tap,
        }
    }
}

/// The kinds of pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolKind {
    Max,
    /// The mean.
    Average {
        /// Whether padding counts as zeros (`count_include_pad`).
        with_padding: bool,
    },
}

/// The operation of a layer.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Input,
    /// A convolution; a second input is added to its result.
    Conv(Box<Conv>),
    /// `gain * x + shift` for each channel; it is folded into the convolution before it, if possible.
    Affine {
        /// The factor of each channel.
        gain: Vec<f32>,
        /// The summand of each channel.
        shift: Vec<f32>,
    },
    /// Zero padding: top, left, bottom, right. It is folded into the windows after it.
    Pad([usize; 4]),
    /// Nothing but the layer's bounds.
    Clip,
    /// The sum of two results of the same shape.
    Add,
    /// The inputs' channels one after the other.
    Concat,
    /// A pooling.
    Pool(PoolKind, Window),
    /// A softmax over the channels of one pixel.
    Softmax,
    /// From floats to bytes.
    Quantise,
    /// From bytes to floats.
    Dequantise,
    /// A look-up table from byte to byte.
    Table(Box<[u8; 256]>),
}

/// The bounds of a result. If they differ between channels, `low` is the lowest and `high` the highest of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    pub low: f32,
    /// The upper bound.
    pub high: f32,
    /// Lower and upper bound of each channel; `None` if they are the same for all.
    pub channels: Option<Vec<[f32; 2]>>,
}

impl Limits {
    pub(super) const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY, channels: None };

    pub(super) fn new(low: f32, high: f32) -> Self {
        Self { low, high, channels: None }
    }

    /// Low and high of each channel.
    pub(super) fn of_channels(channels: Vec<[f32; 2]>) -> Self {
        let low = channels.iter().fold(f32::INFINITY, |least, &[low, _]| least.min(low));
        let high = channels.iter().fold(f32::NEG_INFINITY, |most, &[_, high]| most.max(high));
        let differ = channels.iter().any(|&each| each != [low, high]);
        Self { low, high, channels: differ.then_some(channels) }
    }

    /// Both, these first: `clip(clip(x, self), outer)`.
    pub(super) fn within(&self, outer: &Self) -> Self {
        let bounded = |inner: [f32; 2], outer: [f32; 2]| inner.map(|bound| bound.clamp(outer[0], outer[1]));
        let channels = self.channels.as_ref().or(outer.channels.as_ref()).map_or(0, Vec::len);
        match channels {
            0 => {
                let [low, high] = bounded(self.of(0), outer.of(0));
                Self::new(low, high)
            }
            _ => Self::of_channels((0..channels).map(|channel| bounded(self.of(channel), outer.of(channel))).collect()),
        }
    }

    /// Low and high of one channel.
    pub(super) fn of(&self, channel: usize) -> [f32; 2] {
        self.channels.as_ref().map_or([self.low, self.high], |channels| channels[channel])
    }
}

/// A layer: an operation and its result.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub name: String,
    /// The operation.
    pub op: Op,
    /// The indices of the inputs, which are earlier layers.
    pub inputs: Vec<usize>,
    /// The shape of the result.
    pub shape: Shape,
    /// The element type of the result.
    pub element: Element,
    /// The bounds of the result, for any operation.
    pub limits: Limits,
}

impl Layer {
    /// Frees the weights. The layer keeps its shape, which later layers need.
    pub(super) fn free_weights(&mut self) {
        // The operation without weights; a planned layer's is not looked at again.
        self.op = Op::Clip;
    }
}
