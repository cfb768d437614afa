//! Memory that is aligned to cache lines, so that no vector of a register's length straddles two lines.

use std::ops::{Deref, DerefMut};

const LINE_BYTES: usize = 64;

/// A slice of numbers on the heap whose first element is at the beginning of a cache line.
#[derive(Debug, Default)]
pub(crate) struct Aligned<T> {
    data: Vec<T>,
    /// Elements of `data` before the first cache line. It stays valid because the heap allocation does not move.
    before: usize,
    length: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// As many zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        let most = LINE_BYTES / size_of::<T>();
        let data = vec![T::default(); length + most];
        // A line is never further away than its own length.
        let before = data.as_ptr().align_offset(LINE_BYTES).min(most);
        Self { data, before, length }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[self.before..self.before + self.length]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.before..self.before + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_begins_at_a_line_wherever_the_heap_is() {
        let several: Vec<Aligned<u8>> = (1..40).map(Aligned::zeros).collect();
        for (length, one) in (1..40).zip(&several) {
            assert_eq!((one.len(), one.as_ptr().addr() % LINE_BYTES), (length, 0));
        }
        assert!(Aligned::<f32>::default().is_empty());
    }
}
