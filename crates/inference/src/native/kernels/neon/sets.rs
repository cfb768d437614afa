//! The sets of kernels for NEON.

use super::registers::{BYTES, DOT};
use crate::native::kernels::Kernels;

/// The sets that this processor can run, the fastest first.
pub(crate) fn kernels() -> [Option<Kernels>; 2] {
    let plain = Kernels {
        name: "neon",
        layout: BYTES,
        tile_f32: super::floats::tile,
        tile_u8: super::bytes::tile,
        span_f32: super::floats::span,
        span_u8: super::depthwise::span,
        quantise: super::narrow::quantise,
        add_u8: super::narrow::add_u8,
        winograd: super::floats::WINOGRAD,
    };
    let dot = Kernels { name: "neon+dotprod", layout: DOT, tile_u8: super::dot::tile, ..plain };
    [std::arch::is_aarch64_feature_detected!("dotprod").then_some(dot), Some(plain)]
}
