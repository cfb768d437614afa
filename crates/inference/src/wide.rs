//! Plain loops for the widest registers that the processor has.

/// Runs `work`, compiled for AVX2 where the processor has it. For loops over arrays that the compiler vectorises itself: one instruction
/// then works on twice as many values, and the results are the same, because no operation is fused.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that were asked for")]
#[inline]
pub fn widened<R>(work: impl FnOnce() -> R) -> R {
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2(work) };
    }
    work()
}

/// Runs `work` as it is compiled: the vectors of other processors are as wide as the compiler's own.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn widened<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
