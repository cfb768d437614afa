//! The intermediate representation of a network: layers with known shapes, without positions in memory.

use super::constant::Constant;

/// The shape of a result; a vector is one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Shape {
    /// The number of pixels.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// The quantisation of a tensor: `real = (byte - zero_point) * scale`. Signed bytes are stored with 128 added, to byte
/// and zero point alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quant {
    /// The scale.
    pub scale: f32,
    /// The zero point.
    pub zero_point: u8,
}

impl Quant {
    /// Quantises: the nearest byte, with halves rounded to even, as ONNX's QuantizeLinear.
    pub fn quantise(&self, value: f32) -> u8 {
        // `as` saturates, and converts NaN to 0.
        ((value / self.scale).round_ties_even() + f32::from(self.zero_point)) as u8
    }

    /// Dequantises.
    pub fn dequantise(&self, byte: u8) -> f32 {
        (f32::from(byte) - f32::from(self.zero_point)) * self.scale
    }
}

/// The element type of a layer's output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// Bytes with this quantisation.
    U8(Quant),
}

/// The window of a convolution or a pooling. All pairs are vertical, then horizontal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns.
    pub size: [usize; 2],
    /// Input pixels from one window to the next.
    pub stride: [usize; 2],
    /// Input pixels from one tap to the next.
    pub dilation: [usize; 2],
    /// The padding in pixels: top, left, bottom, right.
    pub pads: [usize; 4],
}

impl Window {
    /// The window of a pointwise (1x1) convolution.
    pub const POINT: Self = Self { size: [1, 1], stride: [1, 1], dilation: [1, 1], pads: [0; 4] };

    /// The number of taps.
    pub fn taps(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Rows and columns from the first tap to the last.
    pub fn reach(&self) -> [usize; 2] {
        self.distance([self.size[0] - 1, self.size[1] - 1])
    }

    /// Rows and columns from the first tap to this one.
    // Without `map`, which is not inlined here; the loop around it runs for every tap of every pixel.
    pub fn distance(&self, tap: [usize; 2]) -> [usize; 2] {
        [tap[0] * self.dilation[0], tap[1] * self.dilation[1]]
    }

    /// Row and column of each tap, in the order of the weights.
    pub fn each_tap(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [height, width] = self.size;
        (0..height).flat_map(move |row| (0..width).map(move |column| [row, column]))
    }

    /// Height and width of the output; `None` if the window is larger than the padded picture.
    pub fn output(&self, input: Shape) -> Option<[usize; 2]> {
        let side = |axis: usize, length: usize| Some(self.way(axis, length)? / self.stride[axis] + 1);
        Some([side(0, input.height)?, side(1, input.width)?])
    }

    /// Height and width of the output with ONNX's `ceil_mode`: the last window may reach beyond the padding, but must
    /// begin in the picture or in the padding before it.
    pub fn output_begun(&self, input: Shape) -> Option<[usize; 2]> {
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
pub struct Weights {
    /// The stored weights.
    pub constant: Constant,
    /// One scale, or one for each output channel, if the constant is quantised.
    pub scales: Option<Vec<f32>>,
    /// Whether the order is `[input][output]`, as in a matrix that is multiplied from the right. Otherwise it is ONNX's
    /// `[output][input][row][column]`.
    pub input_major: bool,
}

/// A convolution, or a matrix product as a convolution of one pixel.
#[derive(Debug, Clone)]
pub struct Conv {
    /// The window.
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
    /// Whether each output channel has an input channel of its own.
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.outputs && self.inputs == 1
    }

    /// The index of a weight in the constant. `input` is counted within the group.
    pub fn index(&self, output: usize, input: usize, tap: usize) -> usize {
        match self.weights.input_major {
            true => input * self.outputs + output,
            false => (output * self.inputs + input) * self.window.taps() + tap,
        }
    }
}

/// The kinds of pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// The maximum.
    Max,
    /// The mean.
    Average {
        /// Whether padding counts as zeros (`count_include_pad`).
        with_padding: bool,
    },
}

/// The operation of a layer.
#[derive(Debug, Clone)]
pub enum Op {
    /// The network's input.
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
pub struct Limits {
    /// The lower bound.
    pub low: f32,
    /// The upper bound.
    pub high: f32,
    /// Lower and upper bound of each channel; `None` if they are the same for all.
    pub channels: Option<Vec<[f32; 2]>>,
}

impl Limits {
    /// No bounds.
    pub const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY, channels: None };

    /// The same bounds for all channels.
    pub fn new(low: f32, high: f32) -> Self {
        Self { low, high, channels: None }
    }

    /// Bounds from the lower and upper bound of each channel.
    pub fn of_channels(channels: Vec<[f32; 2]>) -> Self {
        let low = channels.iter().fold(f32::INFINITY, |least, &[low, _]| least.min(low));
        let high = channels.iter().fold(f32::NEG_INFINITY, |most, &[_, high]| most.max(high));
        let differ = channels.iter().any(|&each| each != [low, high]);
        Self { low, high, channels: differ.then_some(channels) }
    }

    /// The bounds of both, applied one after the other: `clip(clip(x, self), outer)`.
    pub fn within(&self, outer: &Self) -> Self {
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

    /// Lower and upper bound of one channel.
    pub fn of(&self, channel: usize) -> [f32; 2] {
        self.channels.as_ref().map_or([self.low, self.high], |channels| channels[channel])
    }
}

/// A layer: an operation and its result.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The name of the result in the graph.
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
