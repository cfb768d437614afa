//! The input tensor of a network.

use crate::input::{Element, InputSpec};

/// The input of a network, in the dimensions ([`InputSpec::shape`]), channel order and element type of its
/// [`InputSpec`].
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// Normalised floats.
    F32(Vec<f32>),
    /// Bytes.
    U8(Vec<u8>),
}

impl Tensor {
    /// A tensor of zeros for this input.
    pub fn for_input(spec: &InputSpec) -> Self {
        match spec.element {
            Element::F32 => Self::F32(vec![0.0; spec.len()]),
            Element::U8 => Self::U8(vec![0; spec.len()]),
        }
    }
}
