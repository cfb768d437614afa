//! Models that begin with a DequantizeLinear of the input, or end with a QuantizeLinear of probabilities, as converted
//! TensorFlow Lite models do.
//!
//! tract 0.23.9 mishandles both. A u8 DequantizeLinear before an i8 QuantizeLinear is an error ("Trying to substitute a
//! I8 by U8"). A Softmax between a DequantizeLinear and a QuantizeLinear is folded into a look-up table as if it worked
//! element by element, which gives every class the same probability. So both ends are removed from the graph. The input
//! is dequantised with a look-up table while it is copied; the quantisation of the output only rounds, and is not
//! needed.

use crate::onnx::pb::tensor_proto::DataType;
use crate::onnx::pb::{GraphProto, ModelProto, TensorProto, type_proto};

/// `(byte - zero_point) * scale` for every byte of a picture, which is a signed byte plus 128 where the model takes those.
pub(super) type Table = [f32; 256];

/// Replaces the input of bytes and the DequantizeLinear behind it by a float input. `None`, and nothing changed, where the
/// model does not begin so.
pub(super) fn lift_input(proto: &mut ModelProto, input: &str) -> Option<Box<Table>> {
    let graph = proto.graph.as_mut()?;
    let mut consumers = graph.node.iter().enumerate().filter(|(_, node)| node.input.iter().any(|name| name == input));
    let (index, node) = consumers.next()?;
    if consumers.next().is_some() || node.op_type != "DequantizeLinear" {
        return None;
    }
    let scale = scalar(graph, node.input.get(1)?)?;
    let zero_point = node.input.get(2).filter(|name| !name.is_empty()).map_or(Some(0.0), |name| scalar(graph, name))?;
    let result = node.output.first()?.clone();

    let declared = graph.input.iter_mut().find(|declared| declared.name == input)?;
    let Some(type_proto::Value::TensorType(tensor)) = declared.r#type.as_mut()?.value.as_mut() else { return None };
    let is_signed = tensor.elem_type == DataType::Int8 as i32;
    tensor.elem_type = DataType::Float as i32;
    declared.name = result;
    graph.node.remove(index);
    let mut table = Box::new([0.0; 256]);
    for (byte, entry) in table.iter_mut().enumerate() {
        let number = if is_signed { byte as f32 - 128.0 } else { byte as f32 };
        *entry = (number - zero_point) * scale;
    }
    Some(table)
}

/// Takes a QuantizeLinear and a DequantizeLinear out that stand behind a last Softmax.
pub(super) fn lift_output(proto: &mut ModelProto) {
    let Some(graph) = proto.graph.as_mut() else { return };
    let producer = |operator: &str, name: &str| {
        let node = graph.node.iter().find(|node| node.output.first().is_some_and(|output| output == name))?;
        (node.op_type == operator).then(|| node.input.first().cloned())?
    };
    let [output] = graph.output.as_slice() else { return };
    let Some(quantised) = producer("DequantizeLinear", &output.name) else { return };
    let Some(probabilities) = producer("QuantizeLinear", &quantised) else { return };
    if producer("Softmax", &probabilities).is_none() {
        return;
    }
    let dequantised = std::mem::replace(&mut graph.output[0].name, probabilities);
    graph.node.retain(|node| node.output.first().is_none_or(|output| *output != quantised && *output != dequantised));
}

/// A weight of one element, as a float.
fn scalar(graph: &GraphProto, name: &str) -> Option<f32> {
    let tensor: &TensorProto = graph.initializer.iter().find(|tensor| tensor.name == name)?;
    if tensor.dims.iter().any(|&length| length != 1) {
        return None;
    }
    match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float => match tensor.float_data.first() {
            Some(value) => Some(*value),
            None => tensor.raw_data.get(..4)?.try_into().ok().map(f32::from_le_bytes),
        },
        DataType::Uint8 => match tensor.int32_data.first() {
            Some(value) => Some(*value as f32),
            None => tensor.raw_data.first().map(|&byte| f32::from(byte)),
        },
        DataType::Int8 => match tensor.int32_data.first() {
            Some(value) => Some(*value as f32),
            None => tensor.raw_data.first().map(|&byte| f32::from(byte as i8)),
        },
        _ => None,
    }
}
