//! Vectors of floats, for loops that are written once for all sets of kernels.

#![allow(unsafe_code, reason = "loads and stores")]

/// Floats that are calculated with at once.
pub trait Vector: Copy {
    /// Divides [`super::LANES`].
    const WIDTH: usize;

    fn all(value: f32) -> Self;

    /// # Safety
    /// `WIDTH` floats can be read.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// `WIDTH` floats can be written.
    unsafe fn store(self, to: *mut f32);

    fn plus(self, other: Self) -> Self;

    fn minus(self, other: Self) -> Self;

    fn times(self, factor: f32) -> Self;

    /// `self * factor + sum`, rounded once.
    fn fused(self, factor: Self, sum: Self) -> Self;

    /// What is no number becomes `low`.
    fn within(self, low: Self, high: Self) -> Self;
}

/// One after the other.
impl Vector for f32 {
    const WIDTH: usize = 1;

    #[inline(always)]
    fn all(value: f32) -> Self {
        value
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { *from }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { *to = self }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        self * factor
    }

    #[inline(always)]
    fn fused(self, factor: Self, sum: Self) -> Self {
        self.mul_add(factor, sum)
    }

    #[inline(always)]
    fn within(self, low: Self, high: Self) -> Self {
        self.max(low).min(high)
    }
}
