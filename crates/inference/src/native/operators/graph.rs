//! Reads the nodes of a graph one after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::constant::Constant;
use super::super::layer::{Element, Layer, Limits, Op, Quant, Shape};
use super::super::unsupported::Unsupported;
use super::attributes::integer;
use crate::input;
use crate::input::InputSpec;
use crate::onnx::pb::tensor_proto::DataType;
use crate::onnx::pb::{GraphProto, NodeProto, TensorProto};
use crate::onnx::{Decoded, Stored};

/// The largest number of nodes, which is more than any classifier has.
const MAX_LAYERS: usize = 10_000;

/// The largest height, width and number of channels of a result.
const MAX_SIDE: usize = 1 << 16;

/// The largest number of elements of a result, 256 MB of floats; more do not fit on the supported boards.
const MAX_ELEMENTS: usize = 1 << 26;

/// The layers of the graph in the order in which they run; the last one is the output.
///
/// # Errors
/// When the graph has anything that the layers cannot express.
pub(in crate::native) fn layers(model: Decoded, input: &InputSpec) -> Result<Vec<Layer>, Unsupported> {
    let mut graph = model.proto.graph.ok_or_else(|| Unsupported::new("there is no graph"))?;
    if graph.node.len() > MAX_LAYERS {
        return Err(Unsupported::new(format!("it has more than {MAX_LAYERS} nodes")));
    }
    let mut reader = Reader::new(&mut graph, model.file, input)?;
    for mut node in graph.node {
        let tensor = node.attribute.iter_mut().find_map(|attribute| attribute.t.take());
        let at = |cause: Unsupported| cause.at(&node.op_type, node.output.first().map_or("", String::as_str));
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(at(Unsupported::new("an operator of another domain")));
        }
        let value = reader.node(&node, tensor).map_err(at)?;
        let name = node.output.first().ok_or_else(|| at(Unsupported::new("it has no output")))?;
        if reader.values.insert(name.clone(), value).is_some() {
            return Err(at(Unsupported::new("its output has a name that was given before")));
        }
    }
    let [output] = graph.output.as_slice() else {
        return Err(Unsupported::new(format!("it has {} outputs, not one", graph.output.len())));
    };
    let Some(&Value::Layer { index, .. }) = reader.values.get(output.name.as_str()) else {
        return Err(Unsupported::new("its output does not depend on the picture"));
    };
    // Layers after that of the output are not needed.
    reader.layers.truncate(index + 1);
    Ok(reader.layers)
}

fn is_to_floats(node: &NodeProto) -> bool {
    let floats = [DataType::Float, DataType::Float16, DataType::Bfloat16, DataType::Double];
    integer(node, "to").is_some_and(|to| floats.iter().any(|kind| i64::from(*kind as i32) == to))
}

/// The value of a name in the graph.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Constant(Constant),
    /// A constant behind a DequantizeLinear. If there are several scales, they are along the `axis` 0 or 1.
    Quantised {
        constant: Constant,
        scales: Vec<f32>,
        zero_points: Vec<f32>,
        axis: usize,
    },
    Layer {
        index: usize,
        form: Form,
    },
    /// A value that is computed from a shape. It is not needed, because only results of one pixel are reshaped.
    ShapeOnly,
}

/// The order of dimensions that a layer's result has in the graph. In memory channels are always last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Nchw,
    Nhwc,
    /// `[1, n]` or `[n]`: one pixel.
    Flat,
}

pub(super) struct Reader {
    file: Arc<Stored>,
    pub(super) values: HashMap<String, Value>,
    pub(super) layers: Vec<Layer>,
    /// Whether a DequantizeLinear has defined the quantisation of the input.
    pub(super) input_is_known: bool,
}

impl Reader {
    /// Takes the weights out of the graph, and adds the input as the first layer.
    pub(super) fn new(graph: &mut GraphProto, file: Arc<Stored>, spec: &InputSpec) -> Result<Self, Unsupported> {
        let weights: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let input = graph.input.iter().find(|input| !weights.contains(input.name.as_str()));
        let input = input.ok_or_else(|| Unsupported::new("it has no input"))?.name.clone();
        let mut values = HashMap::new();
        for tensor in std::mem::take(&mut graph.initializer) {
            let name = tensor.name.clone();
            // A constant of an unsupported type is an error only if it is used.
            if let Ok(constant) = Constant::new(tensor, &file) {
                values.insert(name, Value::Constant(constant));
            }
        }
        let form = match spec.layout {
            input::Layout::Nchw => Form::Nchw,
            input::Layout::Nhwc => Form::Nhwc,
        };
        values.insert(input.clone(), Value::Layer { index: 0, form });
        let layer = Layer {
            name: input,
            op: Op::Input,
            inputs: Vec::new(),
            shape: Shape { height: spec.height, width: spec.width, channels: spec.channels.count() },
            element: match spec.element {
                input::Element::F32 => Element::F32,
                // Replaced by the quantisation of the first DequantizeLinear.
                input::Element::U8 => Element::U8(Quant { scale: 1.0, zero_point: 0 }),
            },
            limits: Limits::NONE,
        };
        Ok(Self { file, values, layers: vec![layer], input_is_known: false })
    }

    /// The value of a node's output. `tensor` is that of the node's attribute, if it has one.
    pub(super) fn node(&mut self, node: &NodeProto, tensor: Option<TensorProto>) -> Result<Value, Unsupported> {
        match node.op_type.as_str() {
            "Constant" => {
                let tensor = tensor.ok_or_else(|| Unsupported::new("it is not a tensor"))?;
                Ok(Value::Constant(Constant::new(tensor, &self.file)?))
            }
            "Identity" | "Dropout" => self.value(node, 0).cloned(),
            "Cast" if is_to_floats(node) && !matches!(self.value(node, 0)?, Value::ShapeOnly) => self.cast(node),
            "Conv" => self.conv(node),
            "Gemm" | "MatMul" => self.matrix(node),
            "BatchNormalization" => self.batch_normalisation(node),
            "Relu" => self.clip(node, 0, Limits::new(0.0, f32::INFINITY)),
            "Clip" => {
                let low = self.bound(node, 1, "min")?.unwrap_or(f32::NEG_INFINITY);
                let high = self.bound(node, 2, "max")?.unwrap_or(f32::INFINITY);
                self.clip(node, 0, Limits::new(low, high))
            }
            "Min" | "Max" => self.extremum(node),
            "Add" | "Mul" => self.arithmetic(node),
            "Pad" => self.pad(node),
            "MaxPool" | "AveragePool" => self.pool(node),
            "GlobalAveragePool" | "ReduceMean" => self.global_pool(node),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Transpose" => self.transpose(node),
            "Concat" => self.concat(node),
            "Softmax" => self.softmax(node),
            "QuantizeLinear" => self.quantise(node),
            "DequantizeLinear" => self.dequantise(node),
            "Shape" => Ok(Value::ShapeOnly),
            "Gather" | "Slice" | "Cast" if matches!(self.value(node, 0)?, Value::ShapeOnly) => Ok(Value::ShapeOnly),
            _ => Err(Unsupported::new("an operator that has no kernel")),
        }
    }

    pub(super) fn value(&self, node: &NodeProto, input: usize) -> Result<&Value, Unsupported> {
        let name = node.input.get(input).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Unsupported::new(format!("its input {input} is missing")))?;
        // This also refuses cycles, because later values are not known yet.
        self.values
            .get(name.as_str())
            .ok_or_else(|| Unsupported::new(format!("`{name}` is not known before it is used")))
    }

    /// Between kinds of floats nothing changes, because all are computed with 32 bits.
    fn cast(&self, node: &NodeProto) -> Result<Value, Unsupported> {
        match self.value(node, 0)? {
            Value::Layer { .. } => {
                let (index, _, form) = self.float_layer(node, 0)?;
                // The picture's own bytes are no floats.
                Ok(Value::Layer { index, form })
            }
            constant => Ok(constant.clone()),
        }
    }

    pub(super) fn has_input(node: &NodeProto, input: usize) -> bool {
        node.input.get(input).is_some_and(|name| !name.is_empty())
    }

    /// The layer index, shape and form of an input that depends on the picture.
    pub(super) fn layer(&self, node: &NodeProto, input: usize) -> Result<(usize, Shape, Form), Unsupported> {
        match self.value(node, input)? {
            &Value::Layer { index, form } => Ok((index, self.layers[index].shape, form)),
            _ => Err(Unsupported::new(format!("its input {input} is a constant"))),
        }
    }

    /// As [`Self::layer`], for an input of floats.
    pub(super) fn float_layer(&self, node: &NodeProto, input: usize) -> Result<(usize, Shape, Form), Unsupported> {
        let (index, shape, form) = self.layer(node, input)?;
        match self.layers[index].element {
            Element::F32 => Ok((index, shape, form)),
            Element::U8(_) => Err(Unsupported::new("its input is quantised")),
        }
    }

    /// A constant as floats, dequantised if it is quantised.
    pub(super) fn floats(&self, node: &NodeProto, input: usize) -> Result<Vec<f32>, Unsupported> {
        match self.value(node, input)? {
            Value::Constant(constant) => constant.floats(),
            Value::Quantised { constant, scales, zero_points, axis } => {
                let each: usize = constant.dims().iter().skip(axis + 1).product();
                let at = |index: usize| index / each.max(1) % scales.len();
                let floats = constant.floats()?;
                let floats = floats.iter().copied().enumerate();
                Ok(floats.map(|(index, value)| (value - zero_points[at(index)]) * scales[at(index)]).collect())
            }
            _ => Err(Unsupported::new(format!("its input {input} is not a constant"))),
        }
    }

    pub(super) fn integers(&self, node: &NodeProto, input: usize) -> Result<Vec<i64>, Unsupported> {
        match self.value(node, input)? {
            Value::Constant(constant) => constant.integers(),
            _ => Err(Unsupported::new(format!("its input {input} is not a constant"))),
        }
    }

    pub(super) fn push(
        &mut self,
        node: &NodeProto,
        op: Op,
        inputs: Vec<usize>,
        shape: Shape,
    ) -> Result<usize, Unsupported> {
        let sides = [shape.height, shape.width, shape.channels];
        let stored = [shape.height, shape.width, super::super::kernels::operands::stored(shape.channels)];
        let elements = stored.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
        if sides.iter().any(|side| !(1..=MAX_SIDE).contains(side)) || elements.is_none_or(|count| count > MAX_ELEMENTS)
        {
            return Err(Unsupported::new("its result would be empty or enormous"));
        }
        let name = node.output.first().cloned().unwrap_or_default();
        self.layers.push(Layer { name, op, inputs, shape, element: Element::F32, limits: Limits::NONE });
        Ok(self.layers.len() - 1)
    }
}
