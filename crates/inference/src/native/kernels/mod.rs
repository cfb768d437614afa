//! The inner loops, one set for each instruction set, chosen when the model is loaded.
//!
//! Every set computes what `scalar` computes: it is the specification, and the tests compare the others with it. The
//! functions here are safe: each checks its slices against its arguments before it calls the unsafe loop behind it.
//!
//! Activations are channels-last. A pixel has [`operands::stored`] channels, so that vectors of [`operands::LANES`]
//! channels never straddle pixels; those beyond the real ones hold anything, and weights of zero meet them.

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
