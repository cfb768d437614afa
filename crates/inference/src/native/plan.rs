//! Plans a network: the list of steps, and the buffers that results share.

use super::fusion::{self, Fusion};
use super::kernels::Kernels;
use super::kernels::layout::Layout;
use super::kernels::operands::{Bounds, GROUP, LANES};
use super::layer::{Element, Layer, Op, Quant};
use super::pack::{self, to_byte};
use super::run::Network;
use super::step::{Job, Step};
use super::tensor_view::TensorView;
use super::unsupported::Unsupported;
use crate::input::InputSpec;
use crate::native::fusion::bounds_of_channels;
use crate::native::tensor_view::NO_BUFFER;

/// The largest number of elements in all buffers together; more do not fit on the supported boards.
const MAX_RESULTS: usize = 1 << 27;

/// Plans the layers, the last of which is the output, for a set of kernels, and packs their weights.
///
/// # Errors
/// When a layer has no kernel after all.
pub(super) fn plan(
    mut layers: Vec<Layer>,
    spec: &InputSpec,
    kernels: Kernels,
    fusion: Fusion,
) -> Result<Network, Unsupported> {
    let output = layers.len() - 1;
    let needed = last_uses(&layers);
    if layers[output].element != Element::F32 || layers[output].shape.pixels() != 1 {
        return Err(Unsupported::new("its output is not one float for each class"));
    }
    pack::refuse_enormous(&layers, &kernels.layout)?;
    let macs = (0..layers.len()).filter(|&index| needed[index].is_some()).map(|index| macs(&layers[index]));
    let macs = macs.fold(0, u64::saturating_add);
    let mut planner = Planner { places: vec![None; layers.len()], floats: Pool::default(), bytes: Pool::default() };
    let mut steps = Vec::new();
    for group in fusion::groups(&layers, &needed, fusion) {
        let Some(&last) = group.last() else { continue };
        let mut parts = Vec::with_capacity(group.len());
        for &index in &group {
            let layer = &layers[index];
            let inputs: Vec<(TensorView, Element)> = (layer.inputs.iter())
                .map(|&input| planner.places[input].map(|place| (place, layers[input].element)))
                .collect::<Option<_>>()
                .ok_or_else(|| Unsupported::new(format!("`{}` uses what was never computed", layer.name)))?;
            let place = if index == last {
                let gathered = matches!(layer.op, Op::Input) && is_gathered(&layers, &needed, index);
                planner.place(layer, &inputs, gathered)
            } else {
                TensorView {
                    buffer: NO_BUFFER,
                    shape: layer.shape,
                    stride: layer.shape.channels.next_multiple_of(LANES),
                }
            };
            planner.places[index] = Some(place);
            let job = job(layer, spec, &kernels.layout, &inputs, place)?;
            planner.widen(&job, &inputs);
            let inputs = inputs.into_iter().map(|(place, _)| place).collect();
            parts.push(Step::new(job, inputs, place));
        }
        let step = fusion::joined(parts)?;
        let place = step.output;
        steps.push(step);
        steps.extend(bounds_of_channels(&layers[last]).map(|job| Step::new(job, Vec::new(), place)));
        // The name goes to the last step of the group, which may be that of the bounds.
        #[cfg(test)]
        if let (Some(step), Element::U8(_)) = (steps.last_mut(), layers[last].element) {
            step.bytes_of = Some(layers[last].name.clone());
        }
        group.iter().for_each(|&done| planner.free_until(&layers, &needed, done));
        // They are packed now.
        group.iter().for_each(|&done| layers[done].free_weights());
    }
    let results: usize = planner.floats.lengths.iter().chain(&planner.bytes.lengths).sum();
    if results > MAX_RESULTS {
        return Err(Unsupported::new(format!("its results need {results} numbers at once")));
    }
    let classes = layers[output].shape.channels;
    Ok(Network::new(kernels, steps, [planner.floats.lengths, planner.bytes.lengths], classes, macs))
}

/// Multiply-accumulate operations of a layer.
fn macs(layer: &Layer) -> u64 {
    let Op::Conv(conv) = &layer.op else { return 0 };
    let each = conv.outputs * conv.inputs * conv.window.taps();
    layer.shape.pixels() as u64 * each as u64
}

/// For each layer that the output depends on, the last layer that uses its result; for the output itself `usize::MAX`.
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

/// Whether only convolutions that gather their windows use the result, possibly after a quantisation. Then its pixels
/// need no padding of their channels.
fn is_gathered(layers: &[Layer], needed: &[Option<usize>], index: usize) -> bool {
    let users =
        (index + 1..layers.len()).filter(|&user| needed[user].is_some() && layers[user].inputs.contains(&index));
    users.into_iter().all(|user| match (&layers[user].op, layers[user].element) {
        (Op::Conv(_), Element::U8(_)) => true,
        (Op::Conv(conv), Element::F32) => pack::gathers_floats(conv, layers[index].shape.channels),
        (Op::Quantise, _) => is_gathered(layers, needed, user),
        _ => false,
    })
}

/// The buffers of one element type. Results that are not needed at the same time share a buffer.
#[derive(Default)]
struct Pool {
    lengths: Vec<usize>,
    free: Vec<usize>,
}

impl Pool {
    /// Takes the free buffer that fits best, and enlarges it if it is smaller.
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
    places: Vec<Option<TensorView>>,
    floats: Pool,
    bytes: Pool,
}

impl Planner {
    /// Assigns a tensor view to a layer's result. `gathered` is the result of [`is_gathered`].
    fn place(&mut self, layer: &Layer, inputs: &[(TensorView, Element)], gathered: bool) -> TensorView {
        let stride = match (&layer.op, inputs) {
            (Op::Input, _) if gathered => layer.shape.channels,
            (Op::Input, _) => layer.shape.channels.next_multiple_of(GROUP),
            // These work element by element, so the layout stays that of the input.
            (Op::Quantise | Op::Dequantise | Op::Table(_) | Op::Clip | Op::Affine { .. }, [(input, _), ..]) => {
                input.stride
            }
            _ => layer.shape.channels.next_multiple_of(LANES),
        };
        let length = layer.shape.pixels() * stride;
        let buffer = match layer.element {
            Element::F32 => self.floats.take(length),
            Element::U8(_) => self.bytes.take(length),
        };
        TensorView { buffer, shape: layer.shape, stride }
    }

    /// Enlarges the buffer of a convolution's input for the padding that is stored behind the picture.
    fn widen(&mut self, job: &Job, inputs: &[(TensorView, Element)]) {
        let Some((place, element)) = inputs.first() else { return };
        if place.buffer == NO_BUFFER {
            return;
        }
        let tail = match job {
            Job::DenseF32(dense) => dense.tail(),
            Job::DenseU8(dense) => dense.tail(),
            Job::Winograd(_) => place.stride,
            Job::DepthwiseF32(depthwise) => depthwise.tail(),
            Job::DepthwiseU8(depthwise) => depthwise.tail(),
            _ => return,
        };
        let lengths = if *element == Element::F32 { &mut self.floats.lengths } else { &mut self.bytes.lengths };
        lengths[place.buffer] = lengths[place.buffer].max(place.length() + tail);
    }

    /// Frees the buffers whose last use is layer `index`.
    fn free_until(&mut self, layers: &[Layer], needed: &[Option<usize>], index: usize) {
        let mut done: Vec<usize> =
            layers[index].inputs.iter().copied().filter(|&input| needed[input] == Some(index)).collect();
        done.sort_unstable();
        done.dedup();
        for input in done {
            let Some(place) = self.places[input].filter(|place| place.buffer != NO_BUFFER) else { continue };
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
    inputs: &[(TensorView, Element)],
    output: TensorView,
) -> Result<Job, Unsupported> {
    let bounds = Bounds { low: layer.limits.low, high: layer.limits.high };
    let quants: Option<Vec<Quant>> = inputs
        .iter()
        .map(|(_, element)| match element {
            Element::U8(quant) => Some(*quant),
            Element::F32 => None,
        })
        .collect();
    let quants = quants.filter(|quants| !quants.is_empty());
    let refuse = |cause: &str| Err(Unsupported::new(format!("`{}` {cause}", layer.name)));
    // Additions work on whole buffers, so both must have the same stride. Only the network's input has another one.
    let added = match &layer.op {
        Op::Add | Op::Softmax => inputs,
        _ => inputs.get(1..).unwrap_or_default(),
    };
    if !matches!(layer.op, Op::Concat) && added.iter().any(|(place, _)| place.stride != output.stride) {
        return refuse("adds the input itself");
    }
    Ok(match (&layer.op, layer.element) {
        (Op::Input, _) => Job::Input(spec.layout),
        (Op::Conv(conv), Element::F32) => pack::floats(conv, bounds, inputs, output)?,
        (Op::Conv(conv), Element::U8(to)) => match quants.as_deref() {
            Some(&[from, ..]) => pack::bytes(conv, [from, to], layer, layout, inputs)?,
            _ => return refuse("mixes floats and bytes"),
        },
        (Op::Affine { gain, shift }, Element::F32) => {
            let each = gain.iter().copied().zip(shift.iter().copied()).collect();
            Job::Affine { each, bounds }
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
        (Op::Concat, Element::U8(to))
            if layer.limits.low <= to.dequantise(0) && layer.limits.high >= to.dequantise(u8::MAX) =>
        {
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
