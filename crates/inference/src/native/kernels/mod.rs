//! The kernels (inner loops), one set for each instruction set. A set is chosen when the model is loaded.
//!
//! Every set computes what `scalar` computes, which is the specification; the tests compare the others with it. The
//! methods of [`Kernels`] are safe: each checks its slices against its arguments before it calls the unsafe loop.
//!
//! Activations are channels-last. A pixel is padded to [`operands::stored`] channels, so that vectors of
//! [`operands::LANES`] channels never straddle pixels. The padding holds arbitrary values, which are multiplied by
//! weights of zero.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod choice;
pub(crate) mod layout;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(crate) mod operands;
pub(crate) mod scalar;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod winograd;

pub use table::Kernels;
