//! The sets of kernels for AVX2.

use super::registers::{BYTES, VNNI, is_there};
use crate::native::kernels::Kernels;

pub(crate) const PLAIN: Kernels = Kernels {
    name: "avx2",
    layout: BYTES,
    tile_f32: super::floats::tile,
    tile_u8: super::bytes::tile,
    span_f32: super::floats::span,
    span_u8: super::bytes::span,
    quantise: super::narrow::quantise,
    add_u8: super::narrow::add_u8,
    winograd: super::floats::WINOGRAD,
};

/// The sets that this processor has.
pub(crate) fn kernels() -> [Option<Kernels>; 2] {
    let vnni =
        Kernels { name: "avx-vnni", layout: VNNI, tile_u8: super::vnni::tile, span_u8: super::vnni::span, ..PLAIN };
    let has = is_there();
    [(has && is_x86_feature_detected!("avxvnni")).then_some(vnni), has.then_some(PLAIN)]
}
