//! The workspace of a network: its thread pool, per-thread scratch, and buffers.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::aligned::Aligned;
use super::element_type::{ElementType, Scratch};
use super::tensor_view::TensorView;
use super::thread_pool::{MAX_THREADS, ThreadPool};

/// The results that are needed at the same time.
pub(super) struct Buffers {
    pub floats: Vec<Aligned<f32>>,
    /// The buffers of bytes.
    pub bytes: Vec<Aligned<u8>>,
}

/// What each thread needs for itself.
pub(super) struct ThreadScratch {
    floats: ElementScratch<f32>,
    bytes: ElementScratch<u8>,
    workspace: Aligned<u8>,
}

/// For numbers of one kind: where taps begin, and intermediate results.
pub(super) struct ElementScratch<N> {
    pub scratch: Scratch<N>,
    /// The intermediate results of fused and transformed convolutions.
    pub space: Aligned<N>,
}

/// The threads, and what they need.
pub(super) struct Workspace {
    pub pool: ThreadPool,
    own: Vec<Mutex<ThreadScratch>>,
    /// The lengths of each thread's scratch.
    pub lengths: Lengths,
}

/// The lengths of a thread's scratch, in elements.
#[derive(Clone, Copy, Default)]
pub(super) struct Lengths {
    pub taps: usize,
    /// The gathered windows.
    pub gathered: usize,
    /// Intermediate results of floats.
    pub floats: usize,
    /// Intermediate results of bytes.
    pub bytes: usize,
    /// The workspace of the int8 kernels.
    pub workspace: usize,
}

impl<N: ElementType> ElementScratch<N> {
    pub(super) fn new(taps: usize, gathered: usize, space: usize) -> Self {
        let scratch = Scratch { offsets: Vec::with_capacity(taps), gathered: Vec::with_capacity(gathered) };
        Self { scratch, space: Aligned::zeros(space) }
    }
}

impl ThreadScratch {
    pub(super) fn new(lengths: Lengths) -> Self {
        let Lengths { taps, gathered, floats, bytes, workspace } = lengths;
        Self {
            floats: ElementScratch::new(taps, gathered, floats),
            bytes: ElementScratch::new(taps, gathered, bytes),
            workspace: Aligned::zeros(workspace),
        }
    }
}

/// A range of units of a result, and the slice for them.
type Share<'a, T> = (Range<usize>, &'a mut [T]);

/// The number of operations below which one thread computes a step alone, because the others would start too late.
const WORTH_SHARING: usize = 1 << 15;

impl Workspace {
    pub(super) fn new(lengths: Lengths) -> Self {
        Self { pool: ThreadPool::default(), own: vec![Mutex::new(ThreadScratch::new(lengths))], lengths }
    }

    pub(super) fn set_threads(&mut self, threads: usize) {
        self.pool = ThreadPool::new(threads);
        self.own = (0..self.pool.threads()).map(|_| Mutex::new(ThreadScratch::new(self.lengths))).collect();
    }

    /// Shares `out`, which consists of units of `length` numbers and takes so many operations, among the threads: calls
    /// `work` with a range of units, their part of `out`, and what the thread has for itself.
    pub(super) fn share<T: Send>(
        &mut self,
        operations: usize,
        length: usize,
        out: &mut [T],
        work: impl Fn(Range<usize>, &mut [T], &mut ThreadScratch) + Sync,
    ) {
        let units = out.len() / length.max(1);
        let parts = if operations < WORTH_SHARING { 1 } else { self.pool.threads().min(units).max(1) };
        let own = &self.own;
        let lend = |part: usize, units, out: &mut [T]| {
            work(units, out, &mut own[part].lock().unwrap_or_else(PoisonError::into_inner));
        };
        if parts == 1 {
            return lend(0, 0..units, out);
        }
        let mut rest = out;
        let shares: [Mutex<Option<Share<T>>>; MAX_THREADS] = std::array::from_fn(|part| {
            if part >= parts {
                return Mutex::new(None);
            }
            let range = part * units / parts..(part + 1) * units / parts;
            // The last part includes the elements that do not fill a unit.
            let mine = if part + 1 == parts { rest.len() } else { range.len() * length };
            let (mine, others) = std::mem::take(&mut rest).split_at_mut(mine);
            rest = others;
            Mutex::new(Some((range, mine)))
        });
        self.pool.run(parts, &|part| {
            let share = shares[part].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((range, out)) = share {
                lend(part, range, out);
            }
        });
    }
}

/// Where numbers of one kind are.
pub(super) trait Stored: ElementType {
    fn buffers(buffers: &mut Buffers) -> &mut Vec<Aligned<Self>>;

    /// A thread's scratch for the element type, and its workspace.
    fn room(own: &mut ThreadScratch) -> (&mut ElementScratch<Self>, &mut [u8]);
}

impl Stored for f32 {
    fn buffers(buffers: &mut Buffers) -> &mut Vec<Aligned<f32>> {
        &mut buffers.floats
    }

    fn room(own: &mut ThreadScratch) -> (&mut ElementScratch<f32>, &mut [u8]) {
        (&mut own.floats, &mut own.workspace)
    }
}

impl Stored for u8 {
    fn buffers(buffers: &mut Buffers) -> &mut Vec<Aligned<u8>> {
        &mut buffers.bytes
    }

    fn room(own: &mut ThreadScratch) -> (&mut ElementScratch<u8>, &mut [u8]) {
        (&mut own.bytes, &mut own.workspace)
    }
}

impl Buffers {
    /// The output is taken out of its pool while it is written, so that the inputs can be read beside it.
    pub(super) fn write<N: Stored>(&mut self, place: TensorView, work: impl FnOnce(&mut Self, &mut [N])) {
        let mut out = std::mem::take(&mut N::buffers(self)[place.buffer]);
        work(self, &mut out[..place.length()]);
        N::buffers(self)[place.buffer] = out;
    }

    pub(super) fn write_floats(&mut self, place: TensorView, work: impl FnOnce(&mut Self, &mut [f32])) {
        self.write(place, work);
    }

    pub(super) fn write_bytes(&mut self, place: TensorView, work: impl FnOnce(&mut Self, &mut [u8])) {
        self.write(place, work);
    }
}
