//! The planned network: a flat list of steps, and their execution, which allocates nothing.

use std::ops::Range;

use super::aligned::Aligned;
use super::convolution::{Dense, Depthwise, Part};
use super::element_type::{ElementType, Inputs, Worker};
use super::inverted_residual::InvertedResidual;
use super::kernels::Kernels;
use super::kernels::layout::Layout as KernelLayout;
use super::kernels::operands::{Bounds, LANES, MAX_ROWS, MAX_TAPS, ToByte};
use super::layer::{PoolKind, Quant, Shape, Window};
use super::pointwise;
use super::pooled_convolution::Pooled;
use super::tensor_view::TensorView;
use super::winograd::Winograd;
use super::workspace::{Buffers, ElementScratch, Lengths, Stored, Workspace};
use crate::input::Layout;
use crate::scores::softmax;
use crate::tensor::Tensor;

/// The operation of a step, with its parameters.
#[derive(Debug)]
pub(super) enum Job {
    Input(Layout),
    DenseF32(Dense<f32>),
    DenseU8(Dense<u8>),
    DepthwiseF32(Depthwise<f32>),
    DepthwiseU8(Depthwise<u8>),
    InvertedResidualF32(Box<InvertedResidual<f32>>),
    InvertedResidualU8(Box<InvertedResidual<u8>>),
    Winograd(Winograd),
    PooledF32(Box<Pooled<f32>>),
    PooledU8(Box<Pooled<u8>>),
    Clip(Bounds),
    /// A gain and a shift for each channel.
    Affine {
        /// The gain and shift of each channel.
        each: Vec<(f32, f32)>,
        /// The bounds of the result.
        bounds: Bounds,
    },
    /// Bounds for each channel, applied in place.
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

/// A step of the network.
#[derive(Debug)]
pub(super) struct Step {
    pub job: Job,
    /// The views of its inputs.
    pub inputs: Vec<TensorView>,
    /// The view of its output.
    pub output: TensorView,
    /// The name of the result, if it consists of bytes.
    #[cfg(test)]
    pub bytes_of: Option<String>,
}

impl Step {
    pub(super) fn new(job: Job, inputs: Vec<TensorView>, output: TensorView) -> Self {
        Self {
            job,
            inputs,
            output,
            #[cfg(test)]
            bytes_of: None,
        }
    }
}

/// Ready to run; belongs to one thread, which others may help.
pub(super) struct Network {
    kernels: Kernels,
    steps: Vec<Step>,
    buffers: Buffers,
    workspace: Workspace,
    classes: usize,
    macs: u64,
}

impl Lengths {
    /// The lengths that are enough for every step.
    fn new(steps: &[Step], layout: &KernelLayout) -> Self {
        let mut most = Self { taps: MAX_TAPS, ..Self::default() };
        for step in steps {
            match &step.job {
                Job::DenseF32(dense) => most.raise_taps(dense),
                Job::DenseU8(dense) => most.raise_bytes(dense, layout),
                Job::InvertedResidualF32(strip) => {
                    most.floats = most.floats.max(strip.space());
                    strip.dense().into_iter().for_each(|dense| most.raise_taps(dense));
                }
                Job::InvertedResidualU8(strip) => {
                    most.bytes = most.bytes.max(strip.space());
                    strip.dense().into_iter().for_each(|dense| most.raise_bytes(dense, layout));
                }
                Job::Winograd(winograd) => {
                    most.floats = most.floats.max(winograd.space());
                    most.taps = most.taps.max(winograd.offsets());
                }
                Job::PooledF32(pooled) => {
                    most.floats = most.floats.max(pooled.space());
                    most.raise_taps(pooled.conv());
                }
                Job::PooledU8(pooled) => {
                    most.bytes = most.bytes.max(pooled.space());
                    most.raise_bytes(pooled.conv(), layout);
                }
                _ => {}
            }
        }
        most
    }

    fn raise_taps<N: ElementType>(&mut self, dense: &Dense<N>) {
        self.taps = self.taps.max(dense.source.window.taps() * MAX_ROWS);
        self.gathered = self.gathered.max(if dense.gathered.is_some() { dense.gathered_at_most() } else { 0 });
    }

    fn raise_bytes(&mut self, dense: &Dense<u8>, layout: &KernelLayout) {
        self.raise_taps(dense);
        self.workspace = self.workspace.max(layout.workspace(dense.taps() * dense.depth));
    }
}

impl Network {
    /// `floats` and `bytes` are the lengths of the buffers.
    pub(super) fn new(
        kernels: Kernels,
        steps: Vec<Step>,
        [floats, bytes]: [Vec<usize>; 2],
        classes: usize,
        macs: u64,
    ) -> Self {
        let lengths = Lengths::new(&steps, &kernels.layout);
        let buffers = Buffers {
            floats: floats.into_iter().map(Aligned::zeros).collect(),
            bytes: bytes.into_iter().map(Aligned::zeros).collect(),
        };
        let workspace = Workspace::new(lengths);
        Self { kernels, steps, buffers, workspace, classes, macs }
    }

    /// From now on so many threads work on each picture, the one that calls included; returns how many there are.
    pub(super) fn share_among(&mut self, threads: usize) -> usize {
        if threads != self.workspace.pool.threads() {
            self.workspace.set_threads(threads);
        }
        self.workspace.pool.threads()
    }

    /// The numbers of fused inverted residuals, of fused poolings, and of fused additions of bytes.
    #[cfg(test)]
    pub(super) fn joined(&self) -> [usize; 3] {
        let mut joined = [0; 3];
        for step in &self.steps {
            joined[0] += usize::from(matches!(step.job, Job::InvertedResidualF32(_) | Job::InvertedResidualU8(_)));
            joined[1] += usize::from(matches!(step.job, Job::PooledF32(_) | Job::PooledU8(_)));
            joined[2] +=
                usize::from(matches!(step.job, Job::DenseU8(_) | Job::InvertedResidualU8(_)) && step.inputs.len() > 1);
        }
        joined
    }

    pub(super) fn macs(&self) -> u64 {
        self.macs
    }

    /// Memory for results, those that one thread has for itself included.
    pub(super) fn result_bytes(&self) -> u64 {
        let Lengths { floats, bytes, workspace, .. } = self.workspace.lengths;
        let floats: usize = self.buffers.floats.iter().map(|buffer| buffer.len()).sum::<usize>() + floats;
        let bytes: usize = self.buffers.bytes.iter().map(|buffer| buffer.len()).sum::<usize>() + bytes + workspace;
        (floats * size_of::<f32>() + bytes) as u64
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// Evaluates the network and replaces the contents of `scores` by its output.
    ///
    /// # Errors
    /// When the input is of another size than the network's.
    pub(super) fn evaluate(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), String> {
        for step in &self.steps {
            step.run(&self.kernels, input, &mut self.buffers, &mut self.workspace)?;
        }
        scores.clear();
        if let Some(last) = self.steps.last() {
            scores.extend_from_slice(&self.buffers.floats[last.output.buffer][..self.classes]);
        }
        Ok(())
    }

    /// As [`Self::evaluate`], without the scores. `watch` gets the name, view and contents of each layer's result of
    /// bytes, and may change the contents.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    #[cfg(test)]
    pub(super) fn evaluate_watched(
        &mut self,
        input: &Tensor,
        mut watch: impl FnMut(&str, TensorView, &mut [u8]),
    ) -> Result<(), String> {
        for step in &self.steps {
            step.run(&self.kernels, input, &mut self.buffers, &mut self.workspace)?;
            if let Some(name) = &step.bytes_of {
                watch(name, step.output, &mut self.buffers.bytes[step.output.buffer][..step.output.length()]);
            }
        }
        Ok(())
    }
}

impl Step {
    fn run(
        &self,
        kernels: &Kernels,
        tensor: &Tensor,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
    ) -> Result<(), String> {
        let output = self.output;
        let input = |at: usize| self.inputs[at].buffer;
        match &self.job {
            Job::Input(layout) => self.read(tensor, *layout, buffers, workspace)?,
            Job::DenseF32(dense) => self.run_dense(dense, kernels, buffers, workspace),
            Job::DenseU8(dense) => self.run_dense(dense, kernels, buffers, workspace),
            Job::DepthwiseF32(depthwise) => self.run_depthwise(depthwise, kernels, buffers, workspace),
            Job::DepthwiseU8(depthwise) => self.run_depthwise(depthwise, kernels, buffers, workspace),
            Job::InvertedResidualF32(strip) => self.run_inverted_residual(strip, kernels, buffers, workspace),
            Job::InvertedResidualU8(strip) => self.run_inverted_residual(strip, kernels, buffers, workspace),
            Job::Winograd(winograd) => self.run_winograd(winograd, kernels, buffers, workspace),
            Job::PooledF32(pooled) => self.run_pooled(pooled, kernels, buffers, workspace),
            Job::PooledU8(pooled) => self.run_pooled(pooled, kernels, buffers, workspace),
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
                workspace.share(out.len(), LANES, out, |units, out, _| {
                    let at = units.start * LANES;
                    pointwise::add_f32(&a[at..], &b[at..], *bounds, out);
                });
            }),
            Job::AddU8 { inputs, scale, to } => buffers.write_bytes(output, |from, out| {
                let [a, b] = [input(0), input(1)].map(|buffer| &from.bytes[buffer][..out.len()]);
                workspace.share(out.len(), LANES, out, |units, out, _| {
                    let [a, b] = [a, b].map(|all| &all[units.start * LANES..][..out.len()]);
                    kernels.add_u8([(a, inputs[0]), (b, inputs[1])], *scale, *to, out);
                });
            }),
            Job::PoolF32(kind, window, bounds) => buffers.write_floats(output, |from, out| {
                let source = (&from.floats[input(0)][..], self.inputs[0]);
                workspace.share(out.len() * window.taps(), output.stride, out, |pixels, out, _| {
                    pointwise::pool_f32(source, *kind, window, *bounds, (output, pixels.start), out);
                });
            }),
            Job::PoolU8 { kind, window, from: quant, scale, to } => buffers.write_bytes(output, |from, out| {
                let (picture, place) = (&from.bytes[input(0)][..], self.inputs[0]);
                workspace.share(out.len() * window.taps(), output.stride, out, |pixels, out, _| {
                    let output = (output, pixels.start);
                    match kind {
                        PoolKind::Max => pointwise::max_u8((picture, place), window, *to, output, out),
                        PoolKind::Average { with_padding } => {
                            let source = (picture, place, *quant);
                            pointwise::mean_u8(source, *with_padding, window, (*scale, *to), output, out);
                        }
                    }
                });
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

    fn read(
        &self,
        tensor: &Tensor,
        layout: Layout,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
    ) -> Result<(), String> {
        let output = self.output;
        match tensor {
            Tensor::F32(values) => {
                check_input(values.len(), output.shape)?;
                buffers.write_floats(output, |_, out| {
                    workspace.share(out.len(), output.stride, out, |pixels, out, _| {
                        pointwise::interleave(values, layout, output, pixels, out);
                    });
                });
            }
            Tensor::U8(values) => {
                check_input(values.len(), output.shape)?;
                buffers.write_bytes(output, |_, out| {
                    workspace.share(out.len(), output.stride, out, |pixels, out, _| {
                        pointwise::interleave(values, layout, output, pixels, out);
                    });
                });
            }
        }
        Ok(())
    }

    /// Divides the output among the threads, in units of `unit` elements. `work` gets the worker, its space for
    /// intermediate results, its inputs, and the units of the output that it has to compute.
    fn convolve<N: Stored>(
        &self,
        (operations, unit): (usize, usize),
        kernels: &Kernels,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
        work: impl Fn(&mut Worker<N>, &mut [N], Inputs<N>, Range<usize>, &mut [N]) + Sync,
    ) {
        buffers.write(self.output, |from, out: &mut [N]| {
            let buffers = N::buffers(from);
            let picture = &buffers[self.inputs[0].buffer][..];
            let residual = self.inputs.get(1).map(|place| &buffers[place.buffer][..out.len()]);
            workspace.share(operations, unit, out, |units, out, own| {
                let residual = residual.map(|residual| &residual[units.start * unit..][..out.len()]);
                let (ElementScratch { scratch, space }, workspace) = N::room(own);
                let inputs = Inputs { picture, residual };
                work(&mut Worker { kernels, scratch, workspace }, space, inputs, units, out);
            });
        });
    }

    fn run_dense<N: Stored>(
        &self,
        dense: &Dense<N>,
        kernels: &Kernels,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
    ) {
        let (source, output) = (&dense.source, self.output);
        source.fill_outside(&mut N::buffers(buffers)[source.input.buffer], dense.tail());
        let pixels = output.shape.pixels();
        let operations = pixels * output.stride * dense.taps() * dense.depth;
        // An output of a single pixel is divided by channels, others by pixels.
        let unit = if pixels == 1 { LANES } else { output.stride };
        self.convolve((operations, unit), kernels, buffers, workspace, |worker, _, inputs, units, out| {
            let part = match pixels {
                1 => Part { pixels: 0..1, panels: units },
                _ => Part { pixels: units, panels: dense.panels(output) },
            };
            dense.compute(worker, inputs, output, part, out);
        });
    }

    fn run_depthwise<N: Stored>(
        &self,
        depthwise: &Depthwise<N>,
        kernels: &Kernels,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
    ) {
        let (source, output) = (&depthwise.source, self.output);
        source.fill_outside(&mut N::buffers(buffers)[source.input.buffer], depthwise.tail());
        let shares = (output.length() * source.window.taps(), output.shape.width * output.stride);
        self.convolve(shares, kernels, buffers, workspace, |worker, _, inputs, rows, out| {
            depthwise.compute(worker, inputs.picture, output, rows, out);
        });
    }

    fn run_inverted_residual<N: Stored>(
        &self,
        strip: &InvertedResidual<N>,
        kernels: &Kernels,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
    ) {
        let output = self.output;
        let dense = strip.input();
        dense.source.fill_outside(&mut N::buffers(buffers)[dense.source.input.buffer], dense.tail());
        let shares = (strip.operations(), output.shape.width * output.stride);
        self.convolve(shares, kernels, buffers, workspace, |worker, space, inputs, rows, out| {
            strip.compute(worker, space, inputs, output, rows, out);
        });
    }

    fn run_pooled<N: Stored>(
        &self,
        pooled: &Pooled<N>,
        kernels: &Kernels,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
    ) {
        let conv = pooled.conv();
        conv.source.fill_outside(&mut N::buffers(buffers)[conv.source.input.buffer], conv.tail());
        self.convolve(
            (pooled.operations(), LANES),
            kernels,
            buffers,
            workspace,
            |worker, space, inputs, panels, out| {
                pooled.compute(worker, space, inputs.picture, panels, out);
            },
        );
    }

    fn run_winograd(&self, winograd: &Winograd, kernels: &Kernels, buffers: &mut Buffers, workspace: &mut Workspace) {
        let (source, output) = (&winograd.source, self.output);
        source.fill_outside(&mut buffers.floats[source.input.buffer], source.input.stride);
        let (rows, row) = (winograd.rows_at_once(), output.shape.width * output.stride);
        let shares = (winograd.operations(output.length()), rows * row);
        self.convolve(shares, kernels, buffers, workspace, |worker, space, inputs, units, out| {
            winograd.run(worker, space, inputs, output, units.start * rows, out);
        });
    }
}

fn check_input(found: usize, shape: Shape) -> Result<(), String> {
    let expected = shape.pixels() * shape.channels;
    match found == expected {
        true => Ok(()),
        false => Err(format!("its input has {expected} numbers, not {found}")),
    }
}
