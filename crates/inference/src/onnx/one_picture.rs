//! Rewrites what exporters write for batches and for 16-bit activations in the plainer form of one picture in floats.

use std::collections::HashMap;

use super::constants::numbers;
use super::pb::tensor_proto::DataType;
use super::pb::tensor_shape_proto::dimension::Value::DimValue;
use super::pb::{GraphProto, ModelProto, NodeProto, TensorProto, type_proto};

/// The largest batch that is read as one picture.
const MOST_PICTURES: i64 = 1024;

/// Rewrites the graph of a model.
pub(super) fn rewrite(model: &mut ModelProto) {
    if let Some(graph) = &mut model.graph {
        take_first(graph);
        leave_out_rounding(graph);
    }
}

/// Turns a batch that is fixed to several pictures into one of one.
fn take_first(graph: &mut GraphProto) {
    let weights: Vec<String> = graph.initializer.iter().map(|tensor| tensor.name.clone()).collect();
    let Some(input) = graph.input.iter_mut().find(|input| !weights.contains(&input.name)) else { return };
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|kind| kind.value.as_mut()) else {
        return;
    };
    let Some(dims) = tensor.shape.as_mut().map(|shape| &mut shape.dim).filter(|dims| dims.len() == 4) else { return };
    let batch = match dims[0].value {
        Some(DimValue(batch)) if (2..=MOST_PICTURES).contains(&batch) => batch,
        _ => return,
    };
    dims[0].value = Some(DimValue(1));
    // Constant shapes name the batch first.
    let shapes = graph.node.iter().filter(|node| matches!(node.op_type.as_str(), "Reshape" | "Expand"));
    let shapes: Vec<String> = shapes.filter_map(|node| node.input.get(1).cloned()).collect();
    let computed = graph.node.iter_mut().filter(|node| node.op_type == "Constant").filter_map(|node| {
        let name = node.output.first()?.clone();
        Some((name, node.attribute.iter_mut().find_map(|attribute| attribute.t.as_mut())?))
    });
    let stored = graph.initializer.iter_mut().map(|tensor| (tensor.name.clone(), tensor));
    for (_, shape) in stored.chain(computed).filter(|(name, _)| shapes.contains(name)) {
        set_first(shape, batch);
    }
}

/// Makes the first number of a shape one where it is the batch.
fn set_first(shape: &mut TensorProto, batch: i64) {
    if shape.data_type != DataType::Int64 as i32 || numbers(shape).is_none_or(|of| of.first() != Some(&(batch as f32)))
    {
        return;
    }
    match shape.raw_data.first_chunk_mut::<8>() {
        Some(first) => *first = 1_i64.to_le_bytes(),
        None => shape.int64_data[0] = 1,
    }
}

/// Replaces a quantisation to 16 bits and back by its bounds: the rounding is finer than a float of 16 bits.
fn leave_out_rounding(graph: &mut GraphProto) {
    // Before opset 21 onnxruntime had those of 16 bits among its own operators.
    for node in graph.node.iter_mut().filter(|node| node.domain == "com.microsoft") {
        if matches!(node.op_type.as_str(), "QuantizeLinear" | "DequantizeLinear") {
            node.domain.clear();
        }
    }
    let constants: HashMap<&str, &TensorProto> = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
    let computed = graph.node.iter().filter(|node| node.op_type == "Constant").filter_map(|node| {
        Some((node.output.first()?.as_str(), node.attribute.iter().find_map(|attribute| attribute.t.as_ref())?))
    });
    let constants: HashMap<&str, &TensorProto> = constants.into_iter().chain(computed).collect();
    let scalar = |node: &NodeProto, index: usize| {
        let tensor = constants.get(node.input.get(index)?.as_str())?;
        let numbers = numbers(tensor).filter(|numbers| numbers.len() == 1)?;
        Some((numbers[0], DataType::try_from(tensor.data_type).ok()?))
    };
    // By the name of the bytes: the bounds.
    let mut bounds: HashMap<String, [f32; 2]> = HashMap::new();
    for node in graph.node.iter().filter(|node| node.op_type == "QuantizeLinear") {
        let (Some((scale, _)), Some((zero, kind))) = (scalar(node, 1), scalar(node, 2)) else { continue };
        let [low, high] = match kind {
            DataType::Uint16 => [0.0, 65535.0],
            DataType::Int16 => [-32768.0, 32767.0],
            _ => continue,
        };
        if let Some(output) = node.output.first() {
            bounds.insert(output.clone(), [(low - zero) * scale, (high - zero) * scale]);
        }
    }
    if bounds.is_empty() {
        return;
    }
    let mut made = Vec::new();
    for node in &mut graph.node {
        let Some(bytes) = node.input.first().filter(|name| bounds.contains_key(*name)) else { continue };
        // Of a result that others read as bytes, all have to dequantise it.
        if node.op_type == "DequantizeLinear" {
            let bytes = bytes.clone();
            (node.op_type, node.input) = ("Identity".into(), vec![bytes]);
            node.attribute.clear();
        }
    }
    for node in &mut graph.node {
        let Some([low, high]) = node.output.first().and_then(|name| bounds.get(name)).copied() else { continue };
        let Some((data, output)) = node.input.first().cloned().zip(node.output.first().cloned()) else { continue };
        let names = ["low", "high"].map(|end| format!("{output}/{end}"));
        made.extend(names.iter().zip([low, high]).map(|(name, bound)| bound_tensor(name, bound)));
        let [low, high] = names;
        (node.op_type, node.input) = ("Clip".into(), vec![data, low, high]);
        node.attribute.clear();
    }
    graph.initializer.extend(made);
}

fn bound_tensor(name: &str, bound: f32) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type: DataType::Float as i32,
        float_data: vec![bound],
        ..TensorProto::default()
    }
}
