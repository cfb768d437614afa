//! The sets of kernels that this processor can run.

use super::Kernels;

impl Kernels {
    /// The fastest set that this processor can run.
    pub fn detect() -> Self {
        Self::available().next().unwrap_or(super::scalar::KERNELS)
    }

    /// All sets that this processor can run, the fastest first and the portable one last.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let sets = {
            let ([avx512_vnni, avx512], [avx_vnni, avx2]) = (super::avx512::kernels(), super::avx2::kernels());
            [avx512_vnni, avx_vnni, avx512, avx2]
        };
        #[cfg(target_arch = "aarch64")]
        let sets = super::neon::kernels();
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let sets = [None];
        sets.into_iter().flatten().chain([super::scalar::KERNELS])
    }

    /// Whether these are vector kernels. The portable ones are the specification, too slow for a camera.
    pub fn are_fast(&self) -> bool {
        self.name != super::scalar::KERNELS.name
    }
}
