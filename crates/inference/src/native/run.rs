//! The planned network: a flat list of steps with their buffers. Its execution allocates nothing.

use super::aligned::Aligned;
use super::convolution::Dense;
use super::element_type::ElementType;
use super::kernels::Kernels;
use super::kernels::layout::Layout as KernelLayout;
use super::kernels::operands::{MAX_ROWS, MAX_TAPS};
use super::step::{Job, Step, WrongLength};
use super::workspace::{Buffers, Lengths, Workspace};
use crate::tensor::Tensor;

#[cfg(test)]
use super::tensor_view::TensorView;

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
    pub(super) fn evaluate(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), WrongLength> {
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
    ) -> Result<(), WrongLength> {
        for step in &self.steps {
            step.run(&self.kernels, input, &mut self.buffers, &mut self.workspace)?;
            if let Some(name) = &step.bytes_of {
                watch(name, step.output, &mut self.buffers.bytes[step.output.buffer][..step.output.length()]);
            }
        }
        Ok(())
    }
}
