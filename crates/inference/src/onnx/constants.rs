//! The numbers of constants in a graph.

use std::collections::HashMap;

use super::pb::tensor_proto::DataType;
use super::pb::{GraphProto, NodeProto, TensorProto};
use crate::half::{from_brain, from_half};

/// A graph's constants by name, with what computes every other name.
pub(super) struct Names<'a> {
    constants: HashMap<&'a str, &'a TensorProto>,
    producers: HashMap<&'a str, &'a NodeProto>,
}

/// Operators that change the form of numbers, and not the numbers.
pub(super) const REARRANGE: [&str; 10] =
    ["Identity", "Cast", "CastLike", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Dropout"];

/// How many operators are looked through one after another; the longest chain of an exporter has four.
const MOST_STEPS: usize = 16;

impl<'a> Names<'a> {
    pub(super) fn of(graph: &'a GraphProto) -> Self {
        let stored = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
        let computed = graph.node.iter().filter(|node| node.op_type == "Constant").filter_map(|node| {
            let tensor = node.attribute.iter().find_map(|attribute| attribute.t.as_ref())?;
            Some((node.output.first()?.as_str(), tensor))
        });
        let producers = graph.node.iter().filter(|node| node.op_type != "Constant");
        Self {
            constants: stored.chain(computed).collect(),
            producers: producers.flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node))).collect(),
        }
    }

    /// The node that computes it.
    pub(super) fn producer(&self, name: &str) -> Option<&'a NodeProto> {
        self.producers.get(name).copied()
    }

    /// The name behind what only rearranges it.
    pub(super) fn behind(&self, mut name: &'a str) -> &'a str {
        for _ in 0..MOST_STEPS {
            match self.producer(name).filter(|node| REARRANGE.contains(&node.op_type.as_str())) {
                Some(node) => name = node.input.first().map_or("", String::as_str),
                None => break,
            }
        }
        name
    }

    pub(super) fn constant(&self, name: &'a str) -> Option<&'a TensorProto> {
        self.constants.get(self.behind(name)).copied()
    }

    /// The one number of a constant, or the number that all of its elements are.
    pub(super) fn scalar(&self, name: &'a str) -> Option<f32> {
        let numbers = numbers(self.constant(name)?)?;
        let first = *numbers.first()?;
        numbers.iter().all(|number| *number == first).then_some(first)
    }
}

/// The elements of a tensor that holds its data, as floats; `None` for other types than numbers.
pub(crate) fn numbers(tensor: &TensorProto) -> Option<Vec<f32>> {
    let raw = &tensor.raw_data;
    let small = |of: fn(i32) -> f32| tensor.int32_data.iter().map(|&value| of(value)).collect();
    let found: Vec<f32> = match (DataType::try_from(tensor.data_type).ok()?, raw.is_empty()) {
        (DataType::Float, true) => tensor.float_data.clone(),
        (DataType::Float, false) => each(raw).map(f32::from_le_bytes).collect(),
        (DataType::Double, true) => tensor.double_data.iter().map(|&value| value as f32).collect(),
        (DataType::Double, false) => each(raw).map(|bytes| f64::from_le_bytes(bytes) as f32).collect(),
        (DataType::Float16, true) => small(|bits| from_half(bits as u16)),
        (DataType::Float16, false) => each(raw).map(|bytes| from_half(u16::from_le_bytes(bytes))).collect(),
        (DataType::Bfloat16, true) => small(|bits| from_brain(bits as u16)),
        (DataType::Bfloat16, false) => each(raw).map(|bytes| from_brain(u16::from_le_bytes(bytes))).collect(),
        (DataType::Int64, true) => tensor.int64_data.iter().map(|&value| value as f32).collect(),
        (DataType::Int64, false) => each(raw).map(|bytes| i64::from_le_bytes(bytes) as f32).collect(),
        (DataType::Int32, false) => each(raw).map(|bytes| i32::from_le_bytes(bytes) as f32).collect(),
        (DataType::Uint16, false) => each(raw).map(|bytes| f32::from(u16::from_le_bytes(bytes))).collect(),
        (DataType::Int16, false) => each(raw).map(|bytes| f32::from(i16::from_le_bytes(bytes))).collect(),
        (DataType::Uint8 | DataType::Bool, false) => raw.iter().map(|&byte| f32::from(byte)).collect(),
        (DataType::Int8, false) => raw.iter().map(|&byte| f32::from(byte as i8)).collect(),
        (
            DataType::Int32 | DataType::Uint16 | DataType::Int16 | DataType::Uint8 | DataType::Int8 | DataType::Bool,
            true,
        ) => small(|value| value as f32),
        _ => return None,
    };
    // The data of a large tensor may still be in the file; then the lengths differ.
    let count = tensor.dims.iter().try_fold(1_usize, |count, &side| count.checked_mul(usize::try_from(side).ok()?));
    (count == Some(found.len())).then_some(found)
}

fn each<const N: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    raw.chunks_exact(N).filter_map(|bytes| bytes.try_into().ok())
}
