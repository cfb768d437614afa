//! Lays a network out: which results share a buffer, and the weights in the order that the kernels read them in.

use super::Unsupported;
use super::aligned::Aligned;
use super::kernels::{Bounds, GROUP, Kernels, LANES, Layout, MAX_TAPS, PackedBytes, ToByte};
use super::layer::{Conv, Element, Layer, Op, Quant};
use super::run::{Job, Network, Step};
use super::windows::{Dense, Depthwise, Finish, Place, Source};
use crate::models::spec::InputSpec;

/// Numbers in all results that are needed at the same time; more do not fit on the boards this is for.
const MAX_RESULTS: usize = 1 << 27;

/// Packed weights of all layers: a gigabyte of floats.
const MAX_WEIGHTS: usize = 1 << 28;

/// # Errors
/// When a layer has no kernel after all.
pub fn plan(layers: &[Layer], spec: &InputSpec, kernels: Kernels) -> Result<Network, Unsupported> {
    let output = layers.len() - 1;
    let needed = last_uses(layers);
    if layers[output].element != Element::F32 || layers[output].shape.pixels() != 1 {
        return Err(Unsupported::new("its output is not one float for each class"));
    }
    let mut planner = Planner { places: vec![None; layers.len()], floats: Pool::default(), bytes: Pool::default() };
    let mut steps = Vec::new();
    refuse_enormous_weights(layers, &kernels.layout)?;
    let mut macs = 0_u64;
    for index in 0..layers.len() {
        if needed[index].is_none() {
            continue;
        }
        let layer = &layers[index];
        let inputs: Vec<(Place, Element)> = (layer.inputs.iter())
            .map(|&input| planner.places[input].map(|place| (place, layers[input].element)))
            .collect::<Option<_>>()
            .ok_or_else(|| Unsupported::new(format!("`{}` uses what was never computed", layer.name)))?;
        let place = planner.place(layer, &inputs);
        planner.places[index] = Some(place);
        if let Op::Conv(conv) = &layer.op {
            let each = conv.outputs * conv.inputs * conv.window.taps();
            macs = macs.saturating_add(layer.shape.pixels() as u64 * each as u64);
        }
        let job = job(layer, spec, &kernels.layout, &inputs, place)?;
        planner.widen(&job, &inputs);
        steps.push(Step { job, inputs: inputs.into_iter().map(|(place, _)| place).collect(), output: place });
        planner.free_until(layers, &needed, index);
    }
    let results: usize = planner.floats.lengths.iter().chain(&planner.bytes.lengths).sum();
    if results > MAX_RESULTS {
        return Err(Unsupported::new(format!("its results need {results} numbers at once")));
    }
    let classes = layers[output].shape.channels;
    Ok(Network::new(kernels, steps, [planner.floats.lengths, planner.bytes.lengths], classes, macs))
}

/// For every layer that the output needs, the last one that uses it; the output's own is beyond the end.
fn last_uses(layers: &[Layer]) -> Vec<Option<usize>> {
    let mut last = vec![None; layers.len()];
    if let Some(output) = last.last_mut() {
        *output = Some(usize::MAX);
    }
    for index in (0..layers.len()).rev() {
        if last[index].is_some() {
            for &input in &layers[index].inputs {
                last[input] = last[input].max(Some(index));
            }
        }
    }
    last
}

/// Buffers of one element type, shared by results that are never needed at the same time.
#[derive(Default)]
struct Pool {
    lengths: Vec<usize>,
    free: Vec<usize>,
}

impl Pool {
    /// The free buffer that fits best; a smaller one grows.
    fn take(&mut self, length: usize) -> usize {
        let best = (0..self.free.len()).min_by_key(|&at| {
            let has = self.lengths[self.free[at]];
            (has < length, has.abs_diff(length))
        });
        let buffer = match best {
            Some(at) => self.free.swap_remove(at),
            None => {
                self.lengths.push(0);
                self.lengths.len() - 1
            }
        };
        self.lengths[buffer] = self.lengths[buffer].max(length);
        buffer
    }
}

struct Planner {
    places: Vec<Option<Place>>,
    floats: Pool,
    bytes: Pool,
}

impl Planner {
    fn place(&mut self, layer: &Layer, inputs: &[(Place, Element)]) -> Place {
        let stride = match (&layer.op, inputs) {
            (Op::Input, _) => layer.shape.channels.next_multiple_of(GROUP),
            // These work on numbers one by one, wherever they lie.
            (Op::Quantise | Op::Dequantise | Op::Table(_) | Op::Clip, [(input, _), ..]) => input.stride,
            _ => layer.shape.channels.next_multiple_of(LANES),
        };
        let length = layer.shape.pixels() * stride;
        let buffer = match layer.element {
            Element::F32 => self.floats.take(length),
            Element::U8(_) => self.bytes.take(length),
        };
        Place { buffer, shape: layer.shape, stride }
    }

    /// Behind the picture that a window looks at there is room for what lies outside of it.
    fn widen(&mut self, job: &Job, inputs: &[(Place, Element)]) {
        let Some((place, element)) = inputs.first() else { return };
        let tail = match job {
            Job::Dense(dense) => dense.tail(),
            Job::Depthwise(depthwise) => depthwise.tail(),
            _ => return,
        };
        let lengths = if *element == Element::F32 { &mut self.floats.lengths } else { &mut self.bytes.lengths };
        lengths[place.buffer] = lengths[place.buffer].max(place.length() + tail);
    }

    /// Gives back what no layer after `index` uses.
    fn free_until(&mut self, layers: &[Layer], needed: &[Option<usize>], index: usize) {
        let mut done: Vec<usize> =
            layers[index].inputs.iter().copied().filter(|&input| needed[input] == Some(index)).collect();
        done.sort_unstable();
        done.dedup();
        for input in done {
            let Some(place) = self.places[input] else { continue };
            match layers[input].element {
                Element::F32 => self.floats.free.push(place.buffer),
                Element::U8(_) => self.bytes.free.push(place.buffer),
            }
        }
    }
}

fn job(
    layer: &Layer,
    spec: &InputSpec,
    layout: &Layout,
    inputs: &[(Place, Element)],
    output: Place,
) -> Result<Job, Unsupported> {
    let bounds = Bounds { low: layer.low, high: layer.high };
    let quants: Option<Vec<Quant>> = inputs
        .iter()
        .map(|(_, element)| match element {
            Element::U8(quant) => Some(*quant),
            Element::F32 => None,
        })
        .collect();
    let quants = quants.filter(|quants| !quants.is_empty());
    let refuse = |cause: &str| Err(Unsupported::new(format!("`{}` {cause}", layer.name)));
    // Additions go through memory from end to end; only the picture itself has pixels of another length.
    let added = match &layer.op {
        Op::Add | Op::Softmax => inputs,
        _ => inputs.get(1..).unwrap_or_default(),
    };
    if !matches!(layer.op, Op::Concat) && added.iter().any(|(place, _)| place.stride != output.stride) {
        return refuse("adds the input itself");
    }
    Ok(match (&layer.op, layer.element) {
        (Op::Input, _) => Job::Input(spec.layout),
        (Op::Conv(conv), Element::F32) if conv.is_depthwise() => {
            Job::Depthwise(depthwise_f32(conv, bounds, inputs, layer)?)
        }
        (Op::Conv(conv), Element::F32) => Job::Dense(dense_f32(conv, bounds, inputs)),
        (Op::Conv(conv), Element::U8(to)) => {
            let from = quants.and_then(|quants| quants.first().copied());
            let from = from.ok_or_else(|| Unsupported::new(format!("`{}` mixes floats and bytes", layer.name)))?;
            let finish = requantised(conv, from, to, layer)?;
            let source = source(conv, inputs, from.zero_point);
            match conv.is_depthwise() {
                true => Job::Depthwise(depthwise_u8(conv, finish, layout, source, layer)?),
                false => Job::Dense(dense_u8(conv, finish, layout, source)),
            }
        }
        (Op::Clip, Element::F32) => Job::Clip(bounds),
        (Op::Add, Element::F32) => Job::AddF32(bounds),
        (Op::Add, Element::U8(to)) => match quants.as_deref() {
            Some(&[a, b]) => Job::AddU8 { inputs: [a, b], scale: to.scale, to: to_byte(to, layer) },
            _ => return refuse("mixes floats and bytes"),
        },
        (Op::Pool(kind, window), Element::F32) => Job::PoolF32(*kind, *window, bounds),
        (Op::Pool(kind, window), Element::U8(to)) => match quants.as_deref() {
            Some(&[from]) => {
                Job::PoolU8 { kind: *kind, window: *window, from, scale: to.scale, to: to_byte(to, layer) }
            }
            _ => return refuse("mixes floats and bytes"),
        },
        (Op::Concat, Element::F32) => Job::ConcatF32,
        (Op::Concat, Element::U8(to)) if layer.low <= to.dequantise(0) && layer.high >= to.dequantise(u8::MAX) => {
            Job::ConcatU8
        }
        (Op::Softmax, _) => Job::Softmax,
        (Op::Quantise, Element::U8(to)) => Job::Quantise { scale: to.scale, to: to_byte(to, layer) },
        (Op::Dequantise, _) => match quants.as_deref() {
            Some(&[from]) => Job::Dequantise(from),
            _ => return refuse("dequantises floats"),
        },
        (Op::Table(table), _) => Job::Table(table.clone()),
        _ => {
            return Err(Unsupported::new(format!(
                "`{}` has no kernel at {}x{}",
                layer.name, output.shape.height, output.shape.width
            )));
        }
    })
}

/// Looked at before anything is packed: many layers may share one small constant, and each packs its own.
fn refuse_enormous_weights(layers: &[Layer], layout: &Layout) -> Result<(), Unsupported> {
    let packed = layers.iter().filter_map(|layer| match &layer.op {
        Op::Conv(conv) => {
            let depth = match conv.weights.constant.bytes() {
                Some(_) => layout.depth(conv.inputs),
                None => conv.inputs.next_multiple_of(GROUP),
            };
            Some([conv.outputs.next_multiple_of(LANES), depth, conv.window.taps()])
        }
        _ => None,
    });
    let total = packed.map(|sides| sides.into_iter().fold(1, usize::saturating_mul)).fold(0, usize::saturating_add);
    match total <= MAX_WEIGHTS {
        true => Ok(()),
        false => Err(Unsupported::new("its weights are enormous")),
    }
}

/// The layer's bounds as bytes.
fn to_byte(to: Quant, layer: &Layer) -> ToByte {
    ToByte { zero_point: to.zero_point, low: to.quantise(layer.low), high: to.quantise(layer.high) }
}

fn source(conv: &Conv, inputs: &[(Place, Element)], outside: u8) -> Source {
    Source { window: conv.window, input: inputs[0].0, outside }
}

/// A vector's worth of numbers for every 16 channels, the rest zero.
fn padded<T: Copy + Default>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut padded: Vec<T> = values.into_iter().collect();
    padded.resize(padded.len().next_multiple_of(LANES), T::default());
    padded
}

/// What an output channel's weights are multiplied with: its scale and its gain.
fn factors(conv: &Conv) -> Vec<f32> {
    let scale = |channel: usize| match conv.weights.scales.as_deref() {
        None => 1.0,
        Some(&[scale]) => scale,
        Some(scales) => scales[channel],
    };
    (0..conv.outputs).map(|channel| scale(channel) * conv.gain.as_ref().map_or(1.0, |gain| gain[channel])).collect()
}

fn dense_f32(conv: &Conv, bounds: Bounds, inputs: &[(Place, Element)]) -> Dense {
    let factors = factors(conv);
    let values = conv.weights.constant.floats();
    let (taps, depth) = (conv.window.taps(), conv.inputs);
    let mut weights = Aligned::zeros(conv.outputs.next_multiple_of(LANES) * taps * depth);
    let panels: &mut [f32] = &mut weights;
    for (output, factor) in factors.iter().enumerate() {
        let panel = output / LANES * taps * depth * LANES + output % LANES;
        for tap in 0..taps {
            for input in 0..depth {
                panels[panel + (tap * depth + input) * LANES] = values[conv.index(output, input, tap)] * factor;
            }
        }
    }
    let finish = Finish::F32 { weights, bias: padded(conv.bias.iter().copied()), bounds };
    Dense { source: source(conv, inputs, 0), depth, gathered: false, finish }
}

fn depthwise_f32(
    conv: &Conv,
    bounds: Bounds,
    inputs: &[(Place, Element)],
    layer: &Layer,
) -> Result<Depthwise, Unsupported> {
    check_depthwise(conv, inputs[0].0, layer)?;
    let (factors, stored) = (factors(conv), conv.outputs.next_multiple_of(LANES));
    let values = conv.weights.constant.floats();
    let mut weights = Aligned::zeros(conv.window.taps() * stored);
    for channel in 0..conv.outputs {
        for tap in 0..conv.window.taps() {
            weights[tap * stored + channel] = values[conv.index(channel, 0, tap)] * factors[channel];
        }
    }
    let finish = Finish::F32 { weights, bias: padded(conv.bias.iter().copied()), bounds };
    Ok(Depthwise { source: source(conv, inputs, 0), finish })
}

fn check_depthwise(conv: &Conv, input: Place, layer: &Layer) -> Result<(), Unsupported> {
    match conv.window.taps() <= MAX_TAPS && input.stride.is_multiple_of(LANES) {
        true => Ok(()),
        false => {
            Err(Unsupported::new(format!("`{}` is a depthwise convolution of a size that has no kernel", layer.name)))
        }
    }
}

/// Scales and biases of an integer convolution; the weights are still missing.
struct Requantised {
    scale: Vec<f32>,
    bias: Vec<i32>,
    to: ToByte,
}

/// `(sum of x * w) * (from * weight scale / to)` is the result in steps of `to`; the bias joins the sum as an integer, and
/// so does what the zero point of the input adds to every sum.
fn requantised(conv: &Conv, from: Quant, to: Quant, layer: &Layer) -> Result<Requantised, Unsupported> {
    let factors = factors(conv);
    let weights = conv.weights.constant.bytes();
    let weights = weights.ok_or_else(|| Unsupported::new(format!("`{}` has weights that are no bytes", layer.name)))?;
    let mut bias = Vec::with_capacity(conv.outputs);
    for output in 0..conv.outputs {
        let all = (0..conv.inputs).flat_map(|input| (0..conv.window.taps()).map(move |tap| (input, tap)));
        let sum: i64 = all.map(|(input, tap)| i64::from(weights[conv.index(output, input, tap)] as i8)).sum();
        let step = f64::from(from.scale * factors[output]);
        let offset =
            if conv.bias[output] == 0.0 { 0.0 } else { (f64::from(conv.bias[output]) / step).round_ties_even() };
        let total = offset - (sum * i64::from(from.zero_point)) as f64;
        // Products are at most 255 * 128 each, and together with the bias they must not overflow. A channel whose weights
        // are all but nothing may have a bias that is too large by less than the result's rounding; more is refused.
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
    let scale = padded(factors.iter().map(|factor| from.scale * factor / to.scale));
    Ok(Requantised { scale, bias, to: to_byte(to, layer) })
}

fn dense_u8(conv: &Conv, finish: Requantised, layout: &Layout, source: Source) -> Dense {
    let values = conv.weights.constant.bytes().unwrap_or_default();
    let weight = |output, input, tap| values[conv.index(output, input, tap)] as i8;
    // Pixels that are shorter than what the kernels read at once, which are the picture's own, are put side by side first.
    let (taps, stored) = (conv.window.taps(), source.input.stride);
    let gathered = stored < layout.reads;
    let (inputs, packed) = match gathered {
        true => {
            let inputs = (taps * stored).next_multiple_of(layout.reads);
            let side_by_side = |output, at: usize, _| match (at / stored, at % stored) {
                (tap, input) if tap < taps && input < conv.inputs => weight(output, input, tap),
                _ => 0,
            };
            (inputs, layout.pack_dense(&finish.bias, inputs, 1, side_by_side))
        }
        false => (conv.inputs, layout.pack_dense(&finish.bias, conv.inputs, taps, weight)),
    };
    Dense { source, depth: layout.depth(inputs), gathered, finish: finish.with(packed) }
}

fn depthwise_u8(
    conv: &Conv,
    finish: Requantised,
    layout: &Layout,
    source: Source,
    layer: &Layer,
) -> Result<Depthwise, Unsupported> {
    check_depthwise(conv, source.input, layer)?;
    let values = conv.weights.constant.bytes().unwrap_or_default();
    let weight = |channel, tap| values[conv.index(channel, 0, tap)] as i8;
    let packed = layout.pack_depthwise(&finish.bias, conv.window.taps(), weight);
    Ok(Depthwise { source, finish: finish.with(packed) })
}

impl Requantised {
    fn with(self, packed: PackedBytes) -> Finish {
        Finish::U8 { packed, scale: self.scale, to: self.to }
    }
}
