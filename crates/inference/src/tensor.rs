//! What a network is given.

use crate::input::{Element, InputSpec};

/// Input of a model, in the order and element type that its [`InputSpec`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl Tensor {
    /// Zeros, of the model's size.
    pub fn for_input(spec: &InputSpec) -> Self {
        match spec.element {
            Element::F32 => Self::F32(vec![0.0; spec.len()]),
            Element::U8 => Self::U8(vec![0; spec.len()]),
        }
    }
}
