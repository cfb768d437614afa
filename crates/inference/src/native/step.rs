//! A step of the planned network, and its execution, which allocates nothing.

use std::ops::Range;

use super::convolution::{Dense, Depthwise, Part};
use super::element_type::{Inputs, Worker};
use super::inverted_residual::InvertedResidual;
use super::kernels::Kernels;
use super::kernels::operands::{Bounds, LANES, ToByte};
use super::layer::{PoolKind, Quant, Shape, Window};
use super::pointwise;
use super::pooled_convolution::Pooled;
use super::tensor_view::TensorView;
use super::winograd::Winograd;
use super::workspace::{Buffers, ElementScratch, Stored, Workspace};
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

impl Step {
    /// # Errors
    /// When the network's input is of another size.
    pub(super) fn run(
        &self,
        kernels: &Kernels,
        tensor: &Tensor,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
    ) -> Result<(), WrongLength> {
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
            Job::AddF32(bounds) => self.add::<f32>(buffers, workspace, |[a, b], out| {
                pointwise::add_f32(a, b, *bounds, out);
            }),
            Job::AddU8 { inputs, scale, to } => self.add::<u8>(buffers, workspace, |[a, b], out| {
                kernels.add_u8([(a, inputs[0]), (b, inputs[1])], *scale, *to, out);
            }),
            Job::PoolF32(kind, window, bounds) => {
                self.pool::<f32>(window, buffers, workspace, |source, output, out| {
                    pointwise::pool_f32(source, *kind, window, *bounds, output, out);
                });
            }
            Job::PoolU8 { kind: PoolKind::Max, window, to, .. } => {
                self.pool::<u8>(window, buffers, workspace, |source, output, out| {
                    pointwise::max_u8(source, window, *to, output, out);
                });
            }
            Job::PoolU8 { kind: PoolKind::Average { with_padding }, window, from, scale, to } => {
                self.pool::<u8>(window, buffers, workspace, |(picture, view), output, out| {
                    pointwise::mean_u8((picture, view, *from), *with_padding, window, (*scale, *to), output, out);
                });
            }
            Job::ConcatF32 => self.concat::<f32>(buffers),
            Job::ConcatU8 => self.concat::<u8>(buffers),
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

    /// Adds its two inputs; `work` does so for a part of all three.
    fn add<N: Stored>(
        &self,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
        work: impl Fn([&[N]; 2], &mut [N]) + Sync,
    ) {
        buffers.write(self.output, |from, out: &mut [N]| {
            let all = &*N::buffers(from);
            let inputs = [0, 1].map(|at| &all[self.inputs[at].buffer][..out.len()]);
            workspace.share(out.len(), LANES, out, |units, out, _| {
                work(inputs.map(|all| &all[units.start * LANES..][..out.len()]), out);
            });
        });
    }

    /// Pools its input; `work` gets the input, the output's view with its first pixel, and the pixels to compute from there on.
    fn pool<N: Stored>(
        &self,
        window: &Window,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
        work: impl Fn((&[N], TensorView), (TensorView, usize), &mut [N]) + Sync,
    ) {
        let output = self.output;
        buffers.write(output, |from, out: &mut [N]| {
            let source = (&N::buffers(from)[self.inputs[0].buffer][..], self.inputs[0]);
            workspace.share(out.len() * window.taps(), output.stride, out, |pixels, out, _| {
                work(source, (output, pixels.start), out);
            });
        });
    }

    fn concat<N: Stored>(&self, buffers: &mut Buffers) {
        buffers.write(self.output, |from, out: &mut [N]| {
            let all = &*N::buffers(from);
            pointwise::concat(self.inputs.iter().map(|view| (&all[view.buffer][..], *view)), self.output, out);
        });
    }

    fn read(
        &self,
        tensor: &Tensor,
        layout: Layout,
        buffers: &mut Buffers,
        workspace: &mut Workspace,
    ) -> Result<(), WrongLength> {
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

/// The input is of another size than the network's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("its input has {expected} numbers, not {found}")]
pub(super) struct WrongLength {
    expected: usize,
    found: usize,
}

fn check_input(found: usize, shape: Shape) -> Result<(), WrongLength> {
    let expected = shape.pixels() * shape.channels;
    match found == expected {
        true => Ok(()),
        false => Err(WrongLength { expected, found }),
    }
}
