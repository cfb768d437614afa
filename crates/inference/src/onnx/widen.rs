//! Half and double precision as 32-bit floats, for the backend that would compute in them.

use super::constants::numbers;
use super::pb::tensor_proto::DataType;
use super::pb::{GraphProto, ModelProto, TensorProto, type_proto};

/// Turns all constants, casts and declarations of 16 and 64-bit floats into those of 32 bits. The weights have to be in memory.
pub(crate) fn widen(model: &mut ModelProto) {
    if let Some(graph) = &mut model.graph {
        widen_graph(graph);
    }
}

fn widen_graph(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(widen_tensor);
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute.t.iter_mut().chain(&mut attribute.tensors).for_each(widen_tensor);
        attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(widen_graph);
    }
    for node in graph.node.iter_mut().filter(|node| node.op_type == "Cast") {
        for attribute in node.attribute.iter_mut().filter(|attribute| attribute.name == "to") {
            if i32::try_from(attribute.i).is_ok_and(is_other_float) {
                attribute.i = DataType::Float as i64;
            }
        }
    }
    let declared = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    for kind in declared.filter_map(|value| value.r#type.as_mut()) {
        if let Some(type_proto::Value::TensorType(tensor)) = &mut kind.value
            && is_other_float(tensor.elem_type)
        {
            tensor.elem_type = DataType::Float as i32;
        }
    }
}

fn widen_tensor(tensor: &mut TensorProto) {
    if !is_other_float(tensor.data_type) {
        return;
    }
    // One with fewer numbers than its shape has is refused when it is read.
    let Some(floats) = numbers(tensor) else { return };
    let raw_data = floats.iter().flat_map(|number| number.to_le_bytes()).collect();
    let (name, dims) = (std::mem::take(&mut tensor.name), std::mem::take(&mut tensor.dims));
    *tensor = TensorProto { name, dims, data_type: DataType::Float as i32, raw_data, ..TensorProto::default() };
}

fn is_other_float(kind: i32) -> bool {
    [DataType::Float16, DataType::Bfloat16, DataType::Double].iter().any(|other| *other as i32 == kind)
}
