//! A network as a flat list of steps, and how they are executed. Nothing is allocated here.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::aligned::Aligned;
use super::kernels::{Bounds, ByteBounds, Kernels, LANES, MAX_ROWS, MAX_TAPS, Requantise, ToByte};
use super::layer::{PoolKind, Quant, Shape, Window};
use super::pointwise;
use super::team::Team;
use super::windows::{Dense, Depthwise, Finish, Operands, Part, Place, Scratch};
use super::winograd::Winograd;
use crate::label::softmax;
use crate::models::spec::Layout;
use crate::models::threads::MOST;
use crate::preprocess::Tensor;

#[derive(Debug)]
pub enum Job {
    Input(Layout),
    Dense(Dense),
    Depthwise(Depthwise),
    Winograd(Winograd),
    Clip(Bounds),
    /// A gain and a shift for each channel.
    Affine {
        each: Vec<(f32, f32)>,
        bounds: Bounds,
    },
    /// Lowest and highest number of each channel, in place.
    BoundF32(Vec<[f32; 2]>),
    BoundU8(Vec<[u8; 2]>),
    AddF32(Bounds),
    AddU8 {
        inputs: [Quant; 2],
        scale: f32,
        to: ToByte,
    },
    PoolF32(PoolKind, Window, Bounds),
    PoolU8 {
        kind: PoolKind,
        window: Window,
        from: Quant,
        scale: f32,
        to: ToByte,
    },
    ConcatF32,
    ConcatU8,
    Softmax,
    Quantise {
        scale: f32,
        to: ToByte,
    },
    Dequantise(Quant),
    Table(Box<[u8; 256]>),
}

#[derive(Debug)]
pub struct Step {
    pub job: Job,
    pub inputs: Vec<Place>,
    pub output: Place,
    /// The name of the result, where it consists of bytes.
    #[cfg(test)]
    pub bytes_of: Option<String>,
}

/// Ready to run; belongs to one thread, which others may help.
pub struct Network {
    kernels: Kernels,
    steps: Vec<Step>,
    buffers: Buffers,
    crew: Crew,
    classes: usize,
    macs: u64,
}

/// The results that are needed at the same time.
struct Buffers {
    floats: Vec<Aligned<f32>>,
    bytes: Vec<Aligned<u8>>,
}

/// What each thread needs for itself: room for where taps begin.
struct Own {
    float_scratch: Scratch<f32>,
    byte_scratch: Scratch<u8>,
    workspace: Aligned<u8>,
    winograd: Aligned<f32>,
}

/// The threads, and what they need.
struct Crew {
    team: Team,
    own: Vec<Mutex<Own>>,
    lengths: OwnLengths,
}

#[derive(Clone, Copy)]
struct OwnLengths {
    taps: usize,
    gathered: usize,
    workspace: usize,
    winograd: usize,
}

impl Own {
    fn new(lengths: OwnLengths) -> Self {
        let OwnLengths { taps, gathered, workspace, winograd } = lengths;
        Self {
            float_scratch: Scratch { offsets: Vec::with_capacity(taps), gathered: Vec::new() },
            byte_scratch: Scratch { offsets: Vec::with_capacity(taps), gathered: Vec::with_capacity(gathered) },
            workspace: Aligned::zeros(workspace),
            winograd: Aligned::zeros(winograd),
        }
    }
}

/// Units of a result, and where they go.
type Share<'a, T> = (Range<usize>, &'a mut [T]);

/// Operations below which a step is not shared: others would be told later than one thread is done.
const WORTH_SHARING: usize = 1 << 15;

impl Crew {
    fn new(lengths: OwnLengths) -> Self {
        Self { team: Team::default(), own: vec![Mutex::new(Own::new(lengths))], lengths }
    }

    fn set_threads(&mut self, threads: usize) {
        self.team = Team::new(threads);
        self.own = (0..self.team.threads()).map(|_| Mutex::new(Own::new(self.lengths))).collect();
    }

    /// Shares `out`, which consists of units of `length` numbers and takes so many operations, among the threads: calls
    /// `work` with a range of units, their part of `out`, and what the thread has for itself.
    fn share<T: Send>(
        &mut self,
        operations: usize,
        length: usize,
        out: &mut [T],
        work: impl Fn(Range<usize>, &mut [T], &mut Own) + Sync,
    ) {
        let units = out.len() / length.max(1);
        let parts = if operations < WORTH_SHARING { 1 } else { self.team.threads().min(units).max(1) };
        let own = &self.own;
        let lend = |part: usize, units, out: &mut [T]| {
            work(units, out, &mut own[part].lock().unwrap_or_else(PoisonError::into_inner));
        };
        if parts == 1 {
            return lend(0, 0..units, out);
        }
        let mut rest = out;
        let shares: [Mutex<Option<Share<T>>>; MOST] = std::array::from_fn(|part| {
            if part >= parts {
                return Mutex::new(None);
            }
            let range = part * units / parts..(part + 1) * units / parts;
            // The last one has what does not make a unit.
            let mine = if part + 1 == parts { rest.len() } else { range.len() * length };
            let (mine, others) = std::mem::take(&mut rest).split_at_mut(mine);
            rest = others;
            Mutex::new(Some((range, mine)))
        });
        self.team.run(parts, &|part| {
            let share = shares[part].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((range, out)) = share {
                lend(part, range, out);
            }
        });
    }
}

impl Buffers {
    /// The output is taken out of its pool while it is written, so that the inputs can be read beside it.
    fn write_floats(&mut self, place: Place, work: impl FnOnce(&mut Self, &mut [f32])) {
        let mut out = std::mem::take(&mut self.floats[place.buffer]);
        work(self, &mut out[..place.length()]);
        self.floats[place.buffer] = out;
    }

    fn write_bytes(&mut self, place: Place, work: impl FnOnce(&mut Self, &mut [u8])) {
        let mut out = std::mem::take(&mut self.bytes[place.buffer]);
        work(self, &mut out[..place.length()]);
        self.bytes[place.buffer] = out;
    }
}

impl Network {
    /// `floats` and `bytes` are the lengths of the buffers.
    pub fn new(
        kernels: Kernels,
        steps: Vec<Step>,
        [floats, bytes]: [Vec<usize>; 2],
        classes: usize,
        macs: u64,
    ) -> Self {
        let most = |of: &dyn Fn(&Dense) -> usize| {
            let each = steps.iter().map(|step| if let Job::Dense(dense) = &step.job { of(dense) } else { 0 });
            each.max().unwrap_or(0)
        };
        let taps = most(&|dense| dense.source.window.taps() * MAX_ROWS).max(MAX_TAPS);
        let gathered = most(&|dense| if dense.gathered { dense.depth * MAX_ROWS } else { 0 });
        let workspace = most(&|dense| match dense.finish {
            Finish::F32 { .. } => 0,
            Finish::U8 { .. } => kernels.layout.workspace(dense.taps() * dense.depth),
        });
        let winograd =
            steps.iter().map(|step| if let Job::Winograd(winograd) = &step.job { winograd.scratch() } else { 0 });
        let winograd = winograd.max().unwrap_or(0);
        let buffers = Buffers {
            floats: floats.into_iter().map(Aligned::zeros).collect(),
            bytes: bytes.into_iter().map(Aligned::zeros).collect(),
        };
        let crew = Crew::new(OwnLengths { taps, gathered, workspace, winograd });
        Self { kernels, steps, buffers, crew, classes, macs }
    }

    /// From now on so many threads work on each picture, the one that calls included; returns how many there are.
    pub fn share_among(&mut self, threads: usize) -> usize {
        if threads != self.crew.team.threads() {
            self.crew.set_threads(threads);
        }
        self.crew.team.threads()
    }

    pub fn macs(&self) -> u64 {
        self.macs
    }

    /// Memory for results.
    pub fn result_bytes(&self) -> u64 {
        let floats: usize = self.buffers.floats.iter().map(|buffer| buffer.len()).sum();
        let bytes: usize = self.buffers.bytes.iter().map(|buffer| buffer.len()).sum();
        (floats * size_of::<f32>() + bytes) as u64
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// # Errors
    /// When the input is of another size than the network's.
    pub fn evaluate(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), String> {
        for step in &self.steps {
            step.run(&self.kernels, input, &mut self.buffers, &mut self.crew)?;
        }
        scores.clear();
        if let Some(last) = self.steps.last() {
            scores.extend_from_slice(&self.buffers.floats[last.output.buffer][..self.classes]);
        }
        Ok(())
    }

    /// As [`Self::evaluate`], without the scores; `watch` sees each layer's result of bytes, its name and place, and may change it.
    ///
    /// # Errors
    /// As there.
    #[cfg(test)]
    pub fn evaluate_watched(
        &mut self,
        input: &Tensor,
        mut watch: impl FnMut(&str, Place, &mut [u8]),
    ) -> Result<(), String> {
        for step in &self.steps {
            step.run(&self.kernels, input, &mut self.buffers, &mut self.crew)?;
            if let Some(name) = &step.bytes_of {
                watch(name, step.output, &mut self.buffers.bytes[step.output.buffer][..step.output.length()]);
            }
        }
        Ok(())
    }
}

impl Step {
    fn run(&self, kernels: &Kernels, tensor: &Tensor, buffers: &mut Buffers, crew: &mut Crew) -> Result<(), String> {
        let output = self.output;
        let input = |at: usize| self.inputs[at].buffer;
        match &self.job {
            Job::Input(layout) => self.read(tensor, *layout, buffers, crew)?,
            Job::Dense(dense) => self.run_dense(dense, kernels, buffers, crew),
            Job::Depthwise(depthwise) => self.run_depthwise(depthwise, kernels, buffers, crew),
            Job::Winograd(winograd) => self.run_winograd(winograd, kernels, buffers, crew),
            Job::Clip(bounds) => {
                buffers.write_floats(output, |from, out| pointwise::clip(&from.floats[input(0)], *bounds, out));
            }
            Job::Affine { each, bounds } => buffers.write_floats(output, |from, out| {
                pointwise::scale_and_shift(&from.floats[input(0)], each, *bounds, output.stride, out);
            }),
            Job::BoundF32(channels) => {
                buffers.write_floats(output, |_, out| pointwise::bound(channels, output.stride, out));
            }
            Job::BoundU8(channels) => {
                buffers.write_bytes(output, |_, out| pointwise::bound(channels, output.stride, out));
            }
            Job::AddF32(bounds) => buffers.write_floats(output, |from, out| {
                let [a, b] = [input(0), input(1)].map(|buffer| &from.floats[buffer][..out.len()]);
                crew.share(out.len(), LANES, out, |units, out, _| {
                    let at = units.start * LANES;
                    pointwise::add_f32(&a[at..], &b[at..], *bounds, out);
                });
            }),
            Job::AddU8 { inputs, scale, to } => buffers.write_bytes(output, |from, out| {
                let [a, b] = [input(0), input(1)].map(|buffer| &from.bytes[buffer][..out.len()]);
                crew.share(out.len(), LANES, out, |units, out, _| {
                    let [a, b] = [a, b].map(|all| &all[units.start * LANES..][..out.len()]);
                    kernels.add_u8([(a, inputs[0]), (b, inputs[1])], *scale, *to, out);
                });
            }),
            Job::PoolF32(kind, window, bounds) => buffers.write_floats(output, |from, out| {
                pointwise::pool_f32(&from.floats[input(0)], self.inputs[0], *kind, window, *bounds, output, out);
            }),
            Job::PoolU8 { kind, window, from: quant, scale, to } => buffers.write_bytes(output, |from, out| {
                let (picture, place) = (&from.bytes[input(0)][..], self.inputs[0]);
                match kind {
                    PoolKind::Max => pointwise::max_u8(picture, place, window, *to, output, out),
                    PoolKind::Average { with_padding } => {
                        let source = (picture, place, *quant);
                        pointwise::mean_u8(source, *with_padding, window, (*scale, *to), output, out);
                    }
                }
            }),
            Job::ConcatF32 => buffers.write_floats(output, |from, out| {
                pointwise::concat(
                    self.inputs.iter().map(|place| (&from.floats[place.buffer][..], *place)),
                    output,
                    out,
                );
            }),
            Job::ConcatU8 => buffers.write_bytes(output, |from, out| {
                pointwise::concat(self.inputs.iter().map(|place| (&from.bytes[place.buffer][..], *place)), output, out);
            }),
            Job::Softmax => buffers.write_floats(output, |from, out| {
                out.copy_from_slice(&from.floats[input(0)][..output.length()]);
                softmax(&mut out[..output.shape.channels]);
            }),
            Job::Quantise { scale, to } => {
                buffers.write_bytes(output, |from, out| {
                    kernels.quantise(&from.floats[input(0)][..out.len()], *scale, *to, out);
                });
            }
            Job::Dequantise(quant) => {
                buffers.write_floats(output, |from, out| pointwise::dequantise(&from.bytes[input(0)], *quant, out));
            }
            Job::Table(table) => {
                buffers.write_bytes(output, |from, out| pointwise::look_up(&from.bytes[input(0)], table, out));
            }
        }
        Ok(())
    }

    fn read(&self, tensor: &Tensor, layout: Layout, buffers: &mut Buffers, crew: &mut Crew) -> Result<(), String> {
        let output = self.output;
        match tensor {
            Tensor::F32(values) => {
                check_input(values.len(), output.shape)?;
                buffers.write_floats(output, |_, out| {
                    crew.share(out.len(), output.stride, out, |pixels, out, _| {
                        pointwise::interleave(values, layout, output, pixels, out);
                    });
                });
            }
            Tensor::U8(values) => {
                check_input(values.len(), output.shape)?;
                buffers.write_bytes(output, |_, out| {
                    crew.share(out.len(), output.stride, out, |pixels, out, _| {
                        pointwise::interleave(values, layout, output, pixels, out);
                    });
                });
            }
        }
        Ok(())
    }

    fn run_dense(&self, dense: &Dense, kernels: &Kernels, buffers: &mut Buffers, crew: &mut Crew) {
        let (source, output, layout) = (&dense.source, self.output, &kernels.layout);
        let pixels = output.shape.pixels();
        let operations = pixels * output.stride * dense.taps() * dense.depth;
        // A single pixel is shared by its channels, everything else by pixels.
        let unit = if pixels == 1 { LANES } else { output.stride };
        let part = |units: Range<usize>| match pixels {
            1 => Part { pixels: 0..1, panels: units },
            _ => Part { pixels: units, panels: 0..output.stride / LANES },
        };
        match &dense.finish {
            Finish::F32 { weights, bias, bounds } => buffers.write_floats(output, |from, out| {
                source.fill_outside(&mut from.floats[source.input.buffer], dense.tail(), 0.0);
                let residual = self.inputs.get(1).map(|place| &from.floats[place.buffer][..out.len()]);
                let picture = &from.floats[source.input.buffer];
                crew.share(operations, unit, out, |units, out, own| {
                    let residual = residual.map(|residual| &residual[units.start * unit..][..out.len()]);
                    let operands = Operands { picture, weights, bias, narrow: false };
                    dense.run(
                        operands,
                        output,
                        part(units),
                        layout.float_rows,
                        &mut own.float_scratch,
                        |tile, _, range| {
                            let residual = residual.map(|residual| &residual[range.clone()]);
                            kernels.tile_f32(tile, *bounds, residual, &mut out[range], output.stride);
                        },
                    );
                });
            }),
            Finish::U8 { packed, scale, to, channels } => buffers.write_bytes(output, |from, out| {
                source.fill_outside(&mut from.bytes[source.input.buffer], dense.tail(), source.outside);
                let picture = &from.bytes[source.input.buffer];
                crew.share(operations, unit, out, |units, out, own| {
                    let operands =
                        Operands { picture, weights: &packed.weights, bias: &packed.bias, narrow: packed.narrow };
                    let Own { byte_scratch, workspace, .. } = own;
                    dense.run(operands, output, part(units), layout.byte_rows, byte_scratch, |tile, channel, range| {
                        let range_of_channels = channel..channel + tile.bias.len();
                        let requantise = requantise(scale, *to, channels.as_ref(), range_of_channels);
                        kernels.tile_u8(tile, requantise, workspace, &mut out[range], output.stride);
                    });
                });
            }),
        }
    }

    fn run_winograd(&self, winograd: &Winograd, kernels: &Kernels, buffers: &mut Buffers, crew: &mut Crew) {
        let (source, output) = (&winograd.source, self.output);
        let (rows, row) = (winograd.rows_at_once(), output.shape.width * output.stride);
        buffers.write_floats(output, |from, out| {
            source.fill_outside(&mut from.floats[source.input.buffer], source.input.stride, 0.0);
            let residual = self.inputs.get(1).map(|place| &from.floats[place.buffer][..out.len()]);
            let picture = &from.floats[source.input.buffer];
            crew.share(winograd.operations(out.len()), rows * row, out, |units, out, own| {
                let first_row = units.start * rows;
                let residual = residual.map(|residual| &residual[first_row * row..][..out.len()]);
                let room = (&mut own.winograd[..], &mut own.float_scratch.offsets);
                winograd.run(kernels, picture, residual, output, first_row, out, room);
            });
        });
    }

    fn run_depthwise(&self, depthwise: &Depthwise, kernels: &Kernels, buffers: &mut Buffers, crew: &mut Crew) {
        let (source, output) = (&depthwise.source, self.output);
        let row = output.shape.width * output.stride;
        let operations = output.length() * source.window.taps();
        match &depthwise.finish {
            Finish::F32 { weights, bias, bounds } => buffers.write_floats(output, |from, out| {
                source.fill_outside(&mut from.floats[source.input.buffer], depthwise.tail(), 0.0);
                let picture = &from.floats[source.input.buffer];
                crew.share(operations, row, out, |rows, out, own| {
                    let operands = Operands { picture, weights, bias, narrow: false };
                    depthwise.run(operands, output, rows, &mut own.float_scratch.offsets, |span, range| {
                        kernels.span_f32(span, *bounds, &mut out[range]);
                    });
                });
            }),
            Finish::U8 { packed, scale, to, channels } => buffers.write_bytes(output, |from, out| {
                let requantise = requantise(scale, *to, channels.as_ref(), 0..scale.len());
                source.fill_outside(&mut from.bytes[source.input.buffer], depthwise.tail(), source.outside);
                let picture = &from.bytes[source.input.buffer];
                crew.share(operations, row, out, |rows, out, own| {
                    let operands =
                        Operands { picture, weights: &packed.weights, bias: &packed.bias, narrow: packed.narrow };
                    depthwise.run(operands, output, rows, &mut own.byte_scratch.offsets, |span, range| {
                        kernels.span_u8(span, requantise, &mut out[range]);
                    });
                });
            }),
        }
    }
}

/// For some of the channels.
fn requantise<'a>(
    scale: &'a [f32],
    to: ToByte,
    bounds: Option<&'a [Vec<u8>; 2]>,
    channels: Range<usize>,
) -> Requantise<'a> {
    let scale = &scale[channels.clone()];
    let bounds = bounds.map(|[low, high]| ByteBounds { low: &low[channels.clone()], high: &high[channels.clone()] });
    Requantise { scale, to, channels: bounds }
}

fn check_input(found: usize, shape: Shape) -> Result<(), String> {
    let expected = shape.pixels() * shape.channels;
    match found == expected {
        true => Ok(()),
        false => Err(format!("its input has {expected} numbers, not {found}")),
    }
}
