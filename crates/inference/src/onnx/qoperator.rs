//! Rewrites quantised models of the older QOperator form, whose operators work on bytes (`QLinearConv` and
//! onnxruntime's own `QGemm`, `QLinearAdd`, ...), in the newer QDQ form. Each operator becomes its definition:
//! dequantise, compute, quantise. So only the QDQ form has to be supported, in which the native kernels recognise the
//! integer arithmetic.
//!
//! Definitions: <https://onnx.ai/onnx/operators/> and onnxruntime's `docs/ContribOperators.md`.

use super::pb::attribute_proto::AttributeType;
use super::pb::tensor_proto::DataType;
use super::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

/// The positions of an operator's inputs. Each operand has three: the tensor, its scale and its zero point.
struct Form {
    /// The operator on floats.
    plain: &'static str,
    /// The first of each operand's three inputs.
    operands: &'static [usize],
    /// The scale of the output, which the zero point follows.
    output: usize,
    /// The bias as integers, whose scale is the product of both operands' scales.
    bias: Option<usize>,
}

/// The form of an operator that [`expand`] supports. `QLinearConcat` takes any number of operands; see [`concat()`].
fn form(operator: &str) -> Option<Form> {
    let form = |plain, operands, output, bias| Some(Form { plain, operands, output, bias });
    match operator {
        "QLinearConv" => form("Conv", &[0, 3], 6, Some(8)),
        "QLinearMatMul" => form("MatMul", &[0, 3], 6, None),
        "QGemm" => form("Gemm", &[0, 3], 7, Some(6)),
        "QLinearAdd" => form("Add", &[0, 3], 6, None),
        "QLinearMul" => form("Mul", &[0, 3], 6, None),
        "QLinearGlobalAveragePool" => form("GlobalAveragePool", &[0], 3, None),
        "QLinearAveragePool" => form("AveragePool", &[0], 3, None),
        "QLinearSigmoid" => form("Sigmoid", &[0], 3, None),
        "QLinearLeakyRelu" => form("LeakyRelu", &[0], 3, None),
        _ => None,
    }
}

/// The largest number of biases of all layers together. It bounds the memory for a hostile file, in which many
/// operators name one large bias, and each gets a copy.
const MAX_BIASES: usize = 1 << 20;

/// Rewrites all such operators; one that is beyond this is left, and reported by the compiler.
pub(super) fn expand(proto: &mut ModelProto) {
    let Some(graph) = proto.graph.as_mut() else { return };
    let nodes = std::mem::take(&mut graph.node);
    let mut room = MAX_BIASES;
    for node in nodes {
        let expanded = match node.op_type.as_str() {
            "QLinearConcat" => concat(&node),
            operator => form(operator).and_then(|form| expanded(&node, &form, graph, &mut room)),
        };
        match expanded {
            Some(several) => graph.node.extend(several),
            None => graph.node.push(node),
        }
    }
}

/// The nodes that replace `node`; `None` if it is unsupported. `room` is the number of biases that may still be added.
fn expanded(node: &NodeProto, form: &Form, graph: &mut GraphProto, room: &mut usize) -> Option<Vec<NodeProto>> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let flag = |name: &str| attribute(name).is_some_and(|attribute| attribute.i != 0);
    if flag("channels_last") || attribute("alpha").is_some_and(|alpha| node.op_type == "QGemm" && alpha.f != 1.0) {
        return None;
    }
    let output = node.output.first()?;
    let mut nodes = Vec::new();
    let mut inputs = Vec::new();
    for (number, &first) in form.operands.iter().enumerate() {
        // The axis of the output channels, for weights with a scale for each. A single scale has no axis.
        let axis = match (form.plain, number) {
            ("Gemm", 1) if !flag("transB") => 1,
            ("MatMul", 1) => 1,
            _ => 0,
        };
        let name = format!("{output}/float{number}");
        nodes.push(dequantise(node, node.input.get(first..first + 3)?, &name, axis));
        inputs.push(name);
    }
    if let Some(bias) = form.bias.and_then(|at| node.input.get(at)).filter(|name| !name.is_empty()) {
        let name = format!("{output}/bias");
        let [one, other] = [form.operands[0], form.operands[1]].map(|first| node.input.get(first + 1));
        let values = bias_values(graph, bias, one?, other?)?;
        *room = room.checked_sub(values.len())?;
        graph.initializer.push(floats(&name, values));
        inputs.push(name);
    }
    let scale = node.input.get(form.output).filter(|name| !name.is_empty());
    let result = if scale.is_some() { format!("{output}/real") } else { output.clone() };
    let kept = |attribute: &&AttributeProto| attribute.name != "channels_last";
    nodes.push(NodeProto {
        op_type: form.plain.into(),
        name: node.name.clone(),
        input: inputs,
        output: vec![result.clone()],
        attribute: node.attribute.iter().filter(kept).cloned().collect(),
        ..NodeProto::default()
    });
    if let Some(scale) = scale {
        let zero_point = node.input.get(form.output + 1).cloned().unwrap_or_default();
        nodes.push(quantise(node, [result, scale.clone(), zero_point], output));
    }
    Some(nodes)
}

/// The nodes that replace a `QLinearConcat`. Its inputs are scale and zero point of the output, then three for each
/// operand.
fn concat(node: &NodeProto) -> Option<Vec<NodeProto>> {
    let (to, operands) = node.input.split_at_checked(2)?;
    let output = node.output.first()?;
    let mut nodes = Vec::new();
    let mut inputs = Vec::new();
    for (number, operand) in operands.chunks(3).enumerate() {
        let name = format!("{output}/float{number}");
        nodes.push(dequantise(node, operand.get(..3)?, &name, 0));
        inputs.push(name);
    }
    let result = format!("{output}/real");
    nodes.push(NodeProto {
        op_type: "Concat".into(),
        name: node.name.clone(),
        input: inputs,
        output: vec![result.clone()],
        attribute: node.attribute.clone(),
        ..NodeProto::default()
    });
    nodes.push(quantise(node, [result, to[0].clone(), to[1].clone()], output));
    Some(nodes)
}

fn dequantise(node: &NodeProto, operand: &[String], name: &str, axis: i64) -> NodeProto {
    let axis = AttributeProto { name: "axis".into(), r#type: AttributeType::Int as i32, i: axis, ..Default::default() };
    NodeProto {
        op_type: "DequantizeLinear".into(),
        name: format!("{}/{name}", node.name),
        input: operand.to_vec(),
        output: vec![name.to_owned()],
        attribute: vec![axis],
        ..NodeProto::default()
    }
}

fn quantise(node: &NodeProto, inputs: [String; 3], output: &str) -> NodeProto {
    NodeProto {
        op_type: "QuantizeLinear".into(),
        name: format!("{}/{output}", node.name),
        input: inputs.to_vec(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

/// The bias as floats: `bias * input scale * weight scale`, for each channel.
fn bias_values(graph: &GraphProto, bias: &str, input: &str, weights: &str) -> Option<Vec<f32>> {
    let find = |name: &str| graph.initializer.iter().find(|tensor| tensor.name == name);
    let integers = numbers(find(bias)?)?;
    let (input, weights) = (numbers(find(input)?)?, numbers(find(weights)?)?);
    let [input] = input.as_slice() else { return None };
    if weights.len() != 1 && weights.len() != integers.len() {
        return None;
    }
    let scale = |channel: usize| weights[if weights.len() == 1 { 0 } else { channel }];
    Some(integers.iter().enumerate().map(|(channel, bias)| bias * input * scale(channel)).collect())
}

/// A tensor of floats or 32-bit integers, as floats.
fn numbers(tensor: &TensorProto) -> Option<Vec<f32>> {
    let four = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok();
    let raw = tensor.raw_data.chunks_exact(4).filter_map(four);
    let numbers: Vec<f32> = match (DataType::try_from(tensor.data_type).ok()?, tensor.raw_data.is_empty()) {
        (DataType::Float, true) => tensor.float_data.clone(),
        (DataType::Float, false) => raw.map(f32::from_le_bytes).collect(),
        (DataType::Int32, true) => tensor.int32_data.iter().map(|&value| value as f32).collect(),
        (DataType::Int32, false) => raw.map(|bytes| i32::from_le_bytes(bytes) as f32).collect(),
        _ => return None,
    };
    // The data of a tensor with several dimensions may still be in the file; then the lengths differ.
    let count = tensor.dims.iter().try_fold(1_usize, |count, &side| count.checked_mul(usize::try_from(side).ok()?));
    (count == Some(numbers.len())).then_some(numbers)
}

fn floats(name: &str, values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type: DataType::Float as i32,
        dims: vec![values.len() as i64],
        float_data: values,
        ..TensorProto::default()
    }
}
