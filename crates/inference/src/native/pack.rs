//! Weight packing: weights in the order in which the kernels read them, and the epilogues of convolutions.

use std::ops::Range;

use super::aligned::Aligned;
use super::convolution::{Dense, Depthwise, Gathered, Source};
use super::element_type::{ByteEpilogue, FloatEpilogue};
use super::kernels::layout::{Layout, PackedBytes};
use super::kernels::operands::{Bounds, GROUP, LANES, MAX_TAPS, ToByte};
use super::kernels::winograd::Form;
use super::layer::{Conv, Element, Layer, Op, Quant};
use super::step::Job;
use super::tensor_view::TensorView;
use super::unsupported::Unsupported;
use super::weights::{factors, for_each_block};
use super::winograd::{self, Winograd};

/// The largest number of packed weights of all layers: a gigabyte of floats.
const MAX_WEIGHTS: usize = 1 << 28;

/// Packs a convolution of floats.
///
/// # Errors
/// When its weights cannot be read.
pub(super) fn floats(
    conv: &Conv,
    bounds: Bounds,
    inputs: &[(TensorView, Element)],
    output: TensorView,
) -> Result<Job, Unsupported> {
    let source = Source::new(conv.window, inputs[0].0, 0);
    if has_spans(conv, source.input) {
        return Ok(Job::DepthwiseF32(depthwise_f32(conv, bounds, source)?));
    }
    Ok(match winograd::form(conv, output.shape) {
        Some(form) => Job::Winograd(winograd_f32(conv, bounds, source, form)?),
        None => Job::DenseF32(dense_f32(conv, bounds, source)?),
    })
}

/// Packs an int8 convolution, from and to these quantisations.
///
/// # Errors
/// When its weights are no bytes, or its sums would not fit.
pub(super) fn bytes(
    conv: &Conv,
    [from, to]: [Quant; 2],
    layer: &Layer,
    layout: &Layout,
    inputs: &[(TensorView, Element)],
) -> Result<Job, Unsupported> {
    let weights = conv.weights.constant.bytes()?;
    let epilogue = requantised(conv, &weights, from, to, layer)?;
    let source = Source::new(conv.window, inputs[0].0, from.zero_point);
    Ok(match has_spans(conv, source.input) {
        true => Job::DepthwiseU8(depthwise_u8(conv, &weights, epilogue, layout, source)),
        false => Job::DenseU8(dense_u8(conv, &weights, epilogue, layout, source)),
    })
}

/// Whether the depthwise kernels can run the convolution. Otherwise it runs as a dense one, with zeros as the other
/// weights.
fn has_spans(conv: &Conv, input: TensorView) -> bool {
    conv.is_depthwise() && conv.window.taps() <= MAX_TAPS && input.stride.is_multiple_of(LANES)
}

/// Looked at before anything is packed: many layers may share one small constant, and each packs its own.
pub(super) fn refuse_enormous(layers: &[Layer], layout: &Layout) -> Result<(), Unsupported> {
    let packed = layers.iter().filter_map(|layer| match &layer.op {
        Op::Conv(conv) => {
            let depth = match layer.element {
                Element::U8(_) => layout.depth(widest(conv)),
                Element::F32 => widest(conv).next_multiple_of(GROUP),
            };
            let form = winograd::form(conv, layer.shape).filter(|_| layer.element == Element::F32);
            let taps = form.map_or(conv.window.taps(), Form::positions);
            Some([conv.outputs.next_multiple_of(LANES), depth, taps])
        }
        _ => None,
    });
    let total = packed.map(|sides| sides.into_iter().fold(1, usize::saturating_mul)).fold(0, usize::saturating_add);
    match total <= MAX_WEIGHTS {
        true => Ok(()),
        false => Err(Unsupported::new("its weights are enormous")),
    }
}

/// The largest number of input channels that the output channels of a panel read together.
fn widest(conv: &Conv) -> usize {
    let panels = (0..conv.outputs).step_by(LANES);
    panels.map(|first| seen_from(conv, first).len()).max().unwrap_or(0)
}

/// The input channels of the panel that begins with output channel `first`.
fn seen_from(conv: &Conv, first: usize) -> Range<usize> {
    let each = conv.outputs / conv.groups;
    let last = (first + LANES).min(conv.outputs) - 1;
    first / each * conv.inputs..(last / each + 1) * conv.inputs
}

/// The input channels that each panel reads. The panels of a grouped convolution read those of their own groups; if a
/// panel has several groups, the weights between different groups are zero.
struct Reads {
    /// See [`Dense::firsts`].
    firsts: Vec<u32>,
    depth: usize,
}

impl Reads {
    /// `round` rounds a number of channels up to one that the kernels can read.
    fn new(conv: &Conv, round: impl Fn(usize) -> usize) -> Self {
        let channels = conv.inputs * conv.groups;
        let depth = round(widest(conv));
        if conv.groups == 1 || depth >= channels {
            return Self { firsts: Vec::new(), depth: channels };
        }
        let panels = (0..conv.outputs).step_by(LANES);
        // The last panel also reads channels of other groups before its own, so that it does not read beyond the last
        // channel.
        let firsts = panels.map(|first| seen_from(conv, first).start.min(channels - depth) as u32).collect();
        Self { firsts, depth }
    }

    /// The channels of an output channel's own group, relative to the first channel that its panel reads.
    fn own(&self, conv: &Conv, output: usize) -> Range<usize> {
        let first = self.firsts.get(output / LANES).map_or(0, |&first| first as usize);
        let start = output / (conv.outputs / conv.groups) * conv.inputs - first;
        start..start + conv.inputs
    }
}

/// Pads per-channel values to the number of stored channels, a multiple of [`LANES`].
fn padded<T: Copy>(values: impl IntoIterator<Item = T>, rest: T) -> Vec<T> {
    let mut padded: Vec<T> = values.into_iter().collect();
    padded.resize(padded.len().next_multiple_of(LANES), rest);
    padded
}

/// Whether the pixels of a window are put side by side: short ones of floats, which are the picture's own.
pub(super) fn gathers_floats(conv: &Conv, stored: usize) -> bool {
    conv.groups == 1 && stored < LANES
}

fn dense_f32(conv: &Conv, bounds: Bounds, source: Source) -> Result<Dense<f32>, Unsupported> {
    let reads = Reads::new(conv, |depth| depth.next_multiple_of(GROUP));
    // Float kernels accept any depth, so a row of a window can be a tap.
    let row = conv.window.size[1] * source.input.stride;
    let gathered = gathers_floats(conv, source.input.stride).then_some(Gathered { row, rows_are_taps: true });
    // `step`: packed weights per tap and output channel. `length`: those of the whole window.
    let step = if gathered.is_some() { source.input.stride } else { reads.depth };
    let length = conv.window.taps() * step;
    let mut weights = Aligned::zeros(conv.outputs.next_multiple_of(LANES) * length);
    let panels: &mut [f32] = &mut weights;
    for_each_block(conv, |block| {
        for output in block.outputs.clone() {
            let panel = output / LANES * length * LANES + output % LANES;
            for tap in 0..conv.window.taps() {
                for (input, read) in reads.own(conv, output).enumerate() {
                    panels[panel + (tap * step + read) * LANES] = block.weight(output, input, tap);
                }
            }
        }
    })?;
    let epilogue = FloatEpilogue { weights, bias: padded(conv.bias.iter().copied(), 0.0), bounds };
    let depth = if gathered.is_some() { length } else { reads.depth };
    Ok(Dense { source, depth, firsts: reads.firsts, gathered, epilogue })
}

fn winograd_f32(conv: &Conv, bounds: Bounds, source: Source, form: Form) -> Result<Winograd, Unsupported> {
    let mut winograd = Winograd::new(form, source, conv.inputs, conv.bias.clone(), bounds);
    for_each_block(conv, |block| {
        winograd.pack(block.outputs.clone(), |output, input, tap| block.weight(output, input, tap));
    })?;
    Ok(winograd)
}

fn depthwise_f32(conv: &Conv, bounds: Bounds, source: Source) -> Result<Depthwise<f32>, Unsupported> {
    let stored = conv.outputs.next_multiple_of(LANES);
    let mut weights = Aligned::zeros(conv.window.taps() * stored);
    for_each_block(conv, |block| {
        for channel in block.outputs.clone() {
            for tap in 0..conv.window.taps() {
                weights[tap * stored + channel] = block.weight(channel, 0, tap);
            }
        }
    })?;
    let epilogue = FloatEpilogue { weights, bias: padded(conv.bias.iter().copied(), 0.0), bounds };
    Ok(Depthwise { source, epilogue })
}

/// The epilogue of an int8 convolution, with biases as integers and without the weights.
struct Requantised {
    scale: Vec<f32>,
    bias: Vec<i32>,
    to: ToByte,
    /// The lowest and the highest byte of each channel; `None` if those of `to` hold for all.
    channels: Option<[Vec<u8>; 2]>,
}

/// The requantisation of an int8 convolution: `sum(x * w) * (from.scale * weight scale / to.scale)` is the result in
/// steps of `to`. The bias is added to the sum as an integer, less the input's zero point times the sum of the weights.
fn requantised(conv: &Conv, weights: &[u8], from: Quant, to: Quant, layer: &Layer) -> Result<Requantised, Unsupported> {
    let factors = factors(conv);
    let mut bias = Vec::with_capacity(conv.outputs);
    for output in 0..conv.outputs {
        let all = (0..conv.inputs).flat_map(|input| (0..conv.window.taps()).map(move |tap| (input, tap)));
        let sum: i64 = all.map(|(input, tap)| i64::from(weights[conv.index(output, input, tap)] as i8)).sum();
        let step = f64::from(from.scale * factors[output]);
        let offset =
            if conv.bias[output] == 0.0 { 0.0 } else { (f64::from(conv.bias[output]) / step).round_ties_even() };
        let total = offset - (sum * i64::from(from.zero_point)) as f64;
        // Each product is at most 255 * 128, and the sum with the bias must not overflow. The bias of a channel with
        // tiny weights may be too large for that. It is clamped if this changes the result by at most half a step; else
        // the layer is refused.
        let most = (conv.inputs * conv.window.taps()) as f64 * 255.0 * 128.0;
        let room = f64::from(i32::MAX) - most;
        if room < 0.0 {
            return Err(Unsupported::new(format!("`{}` has sums beyond 32 bits", layer.name)));
        }
        let lost = (total - total.clamp(-room, room)).abs() * step.abs() / f64::from(to.scale);
        if lost.is_nan() || lost > 0.5 {
            return Err(Unsupported::new(format!("`{}` has sums beyond 32 bits", layer.name)));
        }
        bias.push(total.clamp(-room, room) as i32);
    }
    let scale = padded(factors.iter().map(|factor| from.scale * factor / to.scale), 0.0);
    let channels = layer
        .limits
        .channels
        .as_ref()
        .map(|channels| [0, 1].map(|end| padded(channels.iter().map(|bounds| to.quantise(bounds[end])), 0)));
    Ok(Requantised { scale, bias, to: to_byte(to, layer), channels })
}

fn dense_u8(conv: &Conv, values: &[u8], epilogue: Requantised, layout: &Layout, source: Source) -> Dense<u8> {
    let mut reads = Reads::new(conv, |depth| layout.depth(depth));
    reads.depth = layout.depth(reads.depth);
    let weight = |output, input, tap| values[conv.index(output, input, tap)] as i8;
    // Windows are gathered if a pixel has fewer bytes than the kernels read at once, as those of the network's input.
    let ([rows, columns], stored) = (conv.window.size, source.input.stride);
    let gathered = (stored < layout.reads).then(|| {
        let rows_are_taps = layout.rows_are_taps;
        let row = columns * stored;
        Gathered { row: if rows_are_taps { row.next_multiple_of(layout.reads) } else { row }, rows_are_taps }
    });
    let (depth, packed) = match gathered {
        Some(Gathered { row, .. }) => {
            let length = rows * row;
            let depth = length.next_multiple_of(layout.reads);
            let side_by_side = |output, at: usize, _| {
                let (own, column, channel) = (reads.own(conv, output), at % row / stored, at % row % stored);
                match column < columns && own.contains(&channel) {
                    true => weight(output, channel - own.start, at / row * columns + column),
                    false => 0,
                }
            };
            (depth, layout.pack_dense(&epilogue.bias, [depth, 1], |_| 0..length, side_by_side))
        }
        None => {
            let own = |output| reads.own(conv, output);
            (reads.depth, layout.pack_dense(&epilogue.bias, [reads.depth, rows * columns], own, weight))
        }
    };
    Dense { source, depth, gathered, epilogue: epilogue.with(packed), firsts: reads.firsts }
}

fn depthwise_u8(conv: &Conv, values: &[u8], epilogue: Requantised, layout: &Layout, source: Source) -> Depthwise<u8> {
    let weight = |channel, tap| values[conv.index(channel, 0, tap)] as i8;
    let packed = layout.pack_depthwise(&epilogue.bias, conv.window.size, weight);
    Depthwise { source, epilogue: epilogue.with(packed) }
}

impl Requantised {
    fn with(self, packed: PackedBytes) -> ByteEpilogue {
        ByteEpilogue { packed, scale: self.scale, to: self.to, channels: self.channels, added: None }
    }
}

/// The layer's bounds as bytes.
pub(super) fn to_byte(to: Quant, layer: &Layer) -> ToByte {
    ToByte { zero_point: to.zero_point, low: to.quantise(layer.limits.low), high: to.quantise(layer.limits.high) }
}
