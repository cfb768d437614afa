//! What both passes of [`super`] read and how they round, for every set of instructions.

use super::axis::KEPT;

/// Fractional bits that the first pass drops, and half of their unit, which rounds to nearest.
pub(super) const DROPPED: u32 = 14 - KEPT;
pub(super) const HALF: i32 = 1 << (DROPPED - 1);

/// Fractional bits of a sum of the second pass: those of the weights and those that the first pass keeps.
pub(super) const POINT: u32 = 14 + KEPT;

/// Rows of samples, `stride` bytes apart, from the first byte of the first row.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The samples; what is beyond their end counts as 0.
    pub bytes: &'a [u8],
    /// From a row's first byte to that of the next.
    pub stride: usize,
}

impl Rows<'_> {
    #[inline(always)]
    pub(super) fn block<const N: usize>(self, row: usize, column: usize) -> Option<[u8; N]> {
        self.bytes.get(row * self.stride + column..).and_then(<[u8]>::first_chunk).copied()
    }
}

/// The taps of the result that begin with the source's value `start`.
///
/// # Safety
/// `start` is one of an axis that lies in the line: see [`Axis::lies_in`].
#[allow(unsafe_code, reason = "a check of each result's taps would take as long as the arithmetic")]
#[inline(always)]
pub(super) unsafe fn taps<const N: usize>(line: &[i16], first: usize, start: usize) -> &[i16; N] {
    debug_assert!(start >= first && start - first + N <= line.len());
    // SAFETY: the caller's promise: `N` values from it are in the line.
    unsafe { &*line.as_ptr().add(start - first).cast() }
}
