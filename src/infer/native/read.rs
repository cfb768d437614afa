//! From an ONNX graph to layers: names become indices, shapes are derived, constants stay where they are.

use std::collections::{HashMap, HashSet};

use crate::infer::onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto};

use super::Unsupported;
use super::constant::Constant;
use super::layer::{Conv, Element, Layer, Op, PoolKind, Quant, Shape, Weights, Window};
use crate::models::spec::{self, InputSpec};

/// More layers than any classifier has.
const MAX_LAYERS: usize = 10_000;

/// Sides of windows, strides and paddings beyond this are a mistake.
const MAX_WINDOW: usize = 64;

/// Channels, or pixels of a side, beyond this are a mistake.
const MAX_SIDE: usize = 1 << 16;

/// Elements of one result beyond this do not fit on the boards this is for: 256 MB of floats.
const MAX_ELEMENTS: usize = 1 << 26;

/// The layers of the graph in the order they run in; the last one is the output.
///
/// # Errors
/// When the graph has anything that the layers cannot express.
pub fn layers<'a>(model: &'a ModelProto, input: &InputSpec) -> Result<Vec<Layer<'a>>, Unsupported> {
    let graph = model.graph.as_ref().ok_or_else(|| Unsupported::new("there is no graph"))?;
    if graph.node.len() > MAX_LAYERS {
        return Err(Unsupported::new(format!("it has more than {MAX_LAYERS} nodes")));
    }
    let mut reader = Reader::new(graph, input)?;
    for node in &graph.node {
        let at = |cause: Unsupported| {
            Unsupported::new(format!(
                "{} (at `{}`): {cause}",
                node.op_type,
                node.output.first().map_or("", String::as_str)
            ))
        };
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(at(Unsupported::new("an operator of another domain")));
        }
        let value = reader.node(node).map_err(at)?;
        let name = node.output.first().ok_or_else(|| at(Unsupported::new("it has no output")))?;
        if reader.values.insert(name, value).is_some() {
            return Err(at(Unsupported::new("its output has a name that was given before")));
        }
    }
    let [output] = graph.output.as_slice() else {
        return Err(Unsupported::new(format!("it has {} outputs, not one", graph.output.len())));
    };
    let Some(&Value::Layer { index, .. }) = reader.values.get(output.name.as_str()) else {
        return Err(Unsupported::new("its output does not depend on the picture"));
    };
    // What comes after the output's own layer is not needed.
    reader.layers.truncate(index + 1);
    Ok(reader.layers)
}

/// What a name of the graph stands for.
#[derive(Debug, Clone)]
enum Value<'a> {
    Constant(Constant<'a>),
    /// A constant behind a DequantizeLinear.
    Quantised {
        constant: Constant<'a>,
        scales: Vec<f32>,
        zero_points: Vec<f32>,
    },
    Layer {
        index: usize,
        form: Form,
    },
    /// Something about shapes. Where pictures have one pixel left, every reshaping gives the same.
    ShapeOnly,
}

/// How a layer's result is seen by the graph; in memory channels are always last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Nchw,
    Nhwc,
    /// `[1, n]` or `[n]`: one pixel.
    Flat,
}

struct Reader<'a> {
    values: HashMap<&'a str, Value<'a>>,
    layers: Vec<Layer<'a>>,
}

impl<'a> Reader<'a> {
    fn new(graph: &'a GraphProto, spec: &InputSpec) -> Result<Self, Unsupported> {
        let mut values = HashMap::new();
        for tensor in &graph.initializer {
            // One of a strange type is an error only where it is used.
            if let Ok(constant) = Constant::new(tensor) {
                values.insert(tensor.name.as_str(), Value::Constant(constant));
            }
        }
        let weights: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let input = graph.input.iter().find(|input| !weights.contains(input.name.as_str()));
        let input = input.ok_or_else(|| Unsupported::new("it has no input"))?;
        let form = match spec.layout {
            spec::Layout::Nchw => Form::Nchw,
            spec::Layout::Nhwc => Form::Nhwc,
        };
        values.insert(&input.name, Value::Layer { index: 0, form });
        let layer = Layer {
            name: input.name.clone(),
            op: Op::Input,
            inputs: Vec::new(),
            shape: Shape { height: spec.height, width: spec.width, channels: 3 },
            element: match spec.element {
                spec::Element::F32 => Element::F32,
                // Replaced by what the first DequantizeLinear says.
                spec::Element::U8 => Element::U8(Quant { scale: 1.0, zero_point: 0 }),
            },
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
        };
        Ok(Self { values, layers: vec![layer] })
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<Value<'a>, Unsupported> {
        match node.op_type.as_str() {
            "Constant" => {
                let tensor = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
                Ok(Value::Constant(Constant::new(tensor.ok_or_else(|| Unsupported::new("it is not a tensor"))?)?))
            }
            "Identity" | "Dropout" => self.value(node, 0).cloned(),
            "Conv" => self.conv(node),
            "Gemm" | "MatMul" => self.matrix(node),
            "BatchNormalization" => self.batch_normalisation(node),
            "Relu" => self.clip(node, 0.0, f32::INFINITY),
            "Clip" => {
                let low = self.bound(node, 1, "min")?.unwrap_or(f32::NEG_INFINITY);
                let high = self.bound(node, 2, "max")?.unwrap_or(f32::INFINITY);
                self.clip(node, low, high)
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

    fn value(&self, node: &NodeProto, input: usize) -> Result<&Value<'a>, Unsupported> {
        let name = node.input.get(input).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Unsupported::new(format!("its input {input} is missing")))?;
        // A cycle ends here, too: what comes later is not known yet.
        self.values
            .get(name.as_str())
            .ok_or_else(|| Unsupported::new(format!("`{name}` is not known before it is used")))
    }

    fn has_input(node: &NodeProto, input: usize) -> bool {
        node.input.get(input).is_some_and(|name| !name.is_empty())
    }

    /// The index, layer and form of an input that depends on the picture.
    fn layer(&self, node: &NodeProto, input: usize) -> Result<(usize, Shape, Form), Unsupported> {
        match self.value(node, input)? {
            &Value::Layer { index, form } => Ok((index, self.layers[index].shape, form)),
            _ => Err(Unsupported::new(format!("its input {input} is a constant"))),
        }
    }

    /// An input of floats.
    fn float_layer(&self, node: &NodeProto, input: usize) -> Result<(usize, Shape, Form), Unsupported> {
        let (index, shape, form) = self.layer(node, input)?;
        match self.layers[index].element {
            Element::F32 => Ok((index, shape, form)),
            Element::U8(_) => Err(Unsupported::new("its input is quantised")),
        }
    }

    /// A constant as floats, dequantised where it is quantised as a whole.
    fn floats(&self, node: &NodeProto, input: usize) -> Result<Vec<f32>, Unsupported> {
        match self.value(node, input)? {
            Value::Constant(constant) => Ok(constant.floats()),
            Value::Quantised { constant, scales, zero_points } => {
                let each = constant.elements().checked_div(scales.len()).unwrap_or(0).max(1);
                let at = |index: usize| (index / each).min(scales.len() - 1);
                let floats = constant.floats().into_iter().enumerate();
                Ok(floats.map(|(index, value)| (value - zero_points[at(index)]) * scales[at(index)]).collect())
            }
            _ => Err(Unsupported::new(format!("its input {input} is not a constant"))),
        }
    }

    fn integers(&self, node: &NodeProto, input: usize) -> Result<Vec<i64>, Unsupported> {
        match self.value(node, input)? {
            Value::Constant(constant) => Ok(constant.integers()),
            _ => Err(Unsupported::new(format!("its input {input} is not a constant"))),
        }
    }

    fn push(&mut self, node: &NodeProto, op: Op<'a>, inputs: Vec<usize>, shape: Shape) -> Result<usize, Unsupported> {
        let sides = [shape.height, shape.width, shape.channels];
        let elements = shape.pixels().checked_mul(super::kernels::stored(shape.channels));
        if sides.iter().any(|side| !(1..=MAX_SIDE).contains(side)) || elements.is_none_or(|count| count > MAX_ELEMENTS)
        {
            return Err(Unsupported::new("its result would be empty or enormous"));
        }
        let name = node.output.first().cloned().unwrap_or_default();
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        self.layers.push(Layer { name, op, inputs, shape, element: Element::F32, low, high });
        Ok(self.layers.len() - 1)
    }

    fn conv(&mut self, node: &'a NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let weights = self.weights(node, 1, false)?;
        let &[outputs, inputs, height, width] = weights.constant.dims().as_slice() else {
            return Err(Unsupported::new("its weights do not have four dimensions"));
        };
        let groups = usize::try_from(integer(node, "group").unwrap_or(1)).unwrap_or(0);
        if form != Form::Nchw || groups == 0 || inputs.checked_mul(groups) != Some(shape.channels) {
            return Err(Unsupported::new("its weights do not fit its input"));
        }
        if let Some(declared) = integers(node, "kernel_shape")
            && declared != [height as i64, width as i64]
        {
            return Err(Unsupported::new("its `kernel_shape` contradicts its weights"));
        }
        let window = window(node, [height, width], shape)?;
        let bias = if Self::has_input(node, 2) { self.floats(node, 2)? } else { vec![0.0; outputs] };
        let conv = Conv { window, weights, outputs, inputs, groups, bias, gain: None };
        if groups != 1 && !(conv.is_depthwise() && conv.window.dilation == [1, 1]) {
            return Err(Unsupported::new("groups that are neither one nor each channel"));
        }
        let [height, width] =
            window.output(shape).ok_or_else(|| Unsupported::new("its window is larger than the picture"))?;
        let shape = Shape { height, width, channels: outputs };
        self.push_conv(node, conv, input, shape, Form::Nchw)
    }

    fn push_conv(
        &mut self,
        node: &NodeProto,
        conv: Conv<'a>,
        input: usize,
        shape: Shape,
        form: Form,
    ) -> Result<Value<'a>, Unsupported> {
        if conv.bias.len() != conv.outputs || conv.outputs == 0 {
            return Err(Unsupported::new("its bias does not have one number for each output channel"));
        }
        let index = self.push(node, Op::Conv(Box::new(conv)), vec![input], shape)?;
        Ok(Value::Layer { index, form })
    }

    /// A matrix product is a convolution of one pixel.
    fn matrix(&mut self, node: &'a NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let transposed = node.op_type == "Gemm" && integer(node, "transB").unwrap_or(0) == 1;
        let weights = self.weights(node, 1, !transposed)?;
        let &[rows, columns] = weights.constant.dims().as_slice() else {
            return Err(Unsupported::new("its second input is not a matrix"));
        };
        let (outputs, inputs) = if transposed { (rows, columns) } else { (columns, rows) };
        let plain = ["alpha", "beta"].iter().all(|name| float(node, name).unwrap_or(1.0) == 1.0);
        if form != Form::Flat || inputs != shape.channels || !plain || integer(node, "transA").unwrap_or(0) != 0 {
            return Err(Unsupported::new("not a vector times a matrix of constants"));
        }
        let bias = if Self::has_input(node, 2) { self.floats(node, 2)? } else { vec![0.0; outputs] };
        let conv = Conv { window: Window::POINT, weights, outputs, inputs, groups: 1, bias, gain: None };
        self.push_conv(node, conv, input, Shape { height: 1, width: 1, channels: outputs }, Form::Flat)
    }

    fn weights(&self, node: &NodeProto, input: usize, input_major: bool) -> Result<Weights<'a>, Unsupported> {
        match self.value(node, input)? {
            Value::Constant(constant) => Ok(Weights { constant: *constant, scales: None, input_major }),
            Value::Quantised { constant, scales, zero_points } => {
                if !constant.is_i8() || zero_points.iter().any(|&zero_point| zero_point != 0.0) {
                    return Err(Unsupported::new("its quantised weights are not symmetric signed bytes"));
                }
                if input_major && scales.len() != 1 {
                    return Err(Unsupported::new("its matrix has a scale for each column"));
                }
                Ok(Weights { constant: *constant, scales: Some(scales.clone()), input_major })
            }
            _ => Err(Unsupported::new("its weights are not constant")),
        }
    }

    fn batch_normalisation(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|at| self.floats(node, at));
        let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
        if form == Form::Nhwc || [&scale, &shift, &mean, &variance].iter().any(|of| of.len() != shape.channels) {
            return Err(Unsupported::new("it does not have one number for each channel"));
        }
        let epsilon = float(node, "epsilon").unwrap_or(1e-5);
        let gain: Vec<f32> =
            scale.iter().zip(&variance).map(|(scale, variance)| scale / (variance + epsilon).sqrt()).collect();
        let shift = shift.iter().zip(&mean).zip(&gain).map(|((shift, mean), gain)| shift - mean * gain).collect();
        let index = self.push(node, Op::Affine { gain, shift }, vec![input], shape)?;
        Ok(Value::Layer { index, form })
    }

    fn bound(&self, node: &NodeProto, input: usize, attribute: &str) -> Result<Option<f32>, Unsupported> {
        if !Self::has_input(node, input) {
            // Before opset 11 the bounds were attributes.
            return Ok(float(node, attribute));
        }
        match self.floats(node, input)?.as_slice() {
            &[bound] => Ok(Some(bound)),
            _ => Err(Unsupported::new("its bounds are not single numbers")),
        }
    }

    fn clip(&mut self, node: &NodeProto, low: f32, high: f32) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        if low.is_nan() || high.is_nan() || low > high {
            return Err(Unsupported::new("its bounds are in the wrong order"));
        }
        let index = self.push(node, Op::Clip, vec![input], shape)?;
        (self.layers[index].low, self.layers[index].high) = (low, high);
        Ok(Value::Layer { index, form })
    }

    /// The smaller or larger of a picture and a constant that is the same everywhere.
    fn extremum(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let floats = self.floats(node, 1)?;
        let same = floats.first().copied().filter(|first| floats.iter().all(|value| value == first));
        let bound = same.ok_or_else(|| Unsupported::new("its bound differs from channel to channel"))?;
        match node.op_type.as_str() {
            "Min" => self.clip(node, f32::NEG_INFINITY, bound),
            _ => self.clip(node, bound, f32::INFINITY),
        }
    }

    fn arithmetic(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = match self.float_layer(node, 0) {
            Ok(found) => found,
            Err(_) => self.float_layer(node, 1)?,
        };
        let other = usize::from(self.layer(node, 0).is_ok());
        let index = match self.layer(node, other) {
            Ok((second, other_shape, other_form)) => {
                if node.op_type != "Add"
                    || other_shape != shape
                    || other_form != form
                    || self.float_layer(node, other).is_err()
                {
                    return Err(Unsupported::new("two pictures are only added, and only of the same shape"));
                }
                self.push(node, Op::Add, vec![input, second], shape)?
            }
            Err(_) => {
                let values = self.channel_constant(node, other, shape, form)?;
                let (gain, shift) = match node.op_type.as_str() {
                    "Mul" => (values, vec![0.0; shape.channels]),
                    _ => (vec![1.0; shape.channels], values),
                };
                self.push(node, Op::Affine { gain, shift }, vec![input], shape)?
            }
        };
        Ok(Value::Layer { index, form })
    }

    /// A constant that broadcasts to one number for each channel.
    fn channel_constant(
        &self,
        node: &NodeProto,
        input: usize,
        shape: Shape,
        form: Form,
    ) -> Result<Vec<f32>, Unsupported> {
        let dims = match self.value(node, input)? {
            Value::Constant(constant) | Value::Quantised { constant, .. } => constant.dims(),
            _ => Vec::new(),
        };
        let values = self.floats(node, input)?;
        let channel_axis_from_end = if form == Form::Nchw { 2 } else { 0 };
        let fits = dims.iter().rev().enumerate().all(|(axis, &side)| side == 1 || axis == channel_axis_from_end);
        match values.as_slice() {
            &[value] => Ok(vec![value; shape.channels]),
            _ if fits && values.len() == shape.channels => Ok(values),
            _ => Err(Unsupported::new("its constant does not have one number for each channel")),
        }
    }

    fn pad(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let amounts = match Self::has_input(node, 1) {
            true => self.integers(node, 1)?,
            false => integers(node, "pads").unwrap_or_default(),
        };
        let value =
            if Self::has_input(node, 2) { self.floats(node, 2)? } else { vec![float(node, "value").unwrap_or(0.0)] };
        let constant = string(node, "mode").is_none_or(|mode| mode == b"constant");
        let &[0, 0, top, left, 0, 0, bottom, right] = amounts.as_slice() else {
            return Err(Unsupported::new("it pads something other than rows and columns"));
        };
        if form != Form::Nchw || !constant || value != [0.0] || Self::has_input(node, 3) {
            return Err(Unsupported::new("it pads with something other than zeros"));
        }
        let pads = bounded(&[top, left, bottom, right], 0)?;
        let (height, width) = (shape.height + pads[0] + pads[2], shape.width + pads[1] + pads[3]);
        let index = self.push(node, Op::Pad(pads), vec![input], Shape { height, width, ..shape })?;
        Ok(Value::Layer { index, form })
    }

    fn pool(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let size = integers(node, "kernel_shape").ok_or_else(|| Unsupported::new("it has no `kernel_shape`"))?;
        let window = window(node, bounded(&size, 1)?, shape)?;
        if form != Form::Nchw || integer(node, "ceil_mode").unwrap_or(0) != 0 || node.output.len() > 1 {
            return Err(Unsupported::new("a kind of pooling that has no kernel"));
        }
        // A window that sees nothing but padding has no largest value.
        if (0..4).any(|side| window.pads[side] >= window.size[side % 2]) {
            return Err(Unsupported::new("its padding is as wide as its window"));
        }
        let kind = match node.op_type.as_str() {
            "MaxPool" => PoolKind::Max,
            _ => PoolKind::Average { with_padding: integer(node, "count_include_pad").unwrap_or(0) != 0 },
        };
        let [height, width] =
            window.output(shape).ok_or_else(|| Unsupported::new("its window is larger than the picture"))?;
        let index = self.push(node, Op::Pool(kind, window), vec![input], Shape { height, width, ..shape })?;
        Ok(Value::Layer { index, form })
    }

    fn global_pool(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let mut keeps = true;
        if node.op_type == "ReduceMean" {
            let axes = if Self::has_input(node, 1) { Some(self.integers(node, 1)?) } else { integers(node, "axes") };
            let mut axes: Vec<i64> = axes.unwrap_or_default().iter().map(|axis| axis.rem_euclid(4)).collect();
            axes.sort_unstable();
            let spatial = if form == Form::Nhwc { [1, 2] } else { [2, 3] };
            if axes != spatial {
                return Err(Unsupported::new("a mean over something other than rows and columns"));
            }
            keeps = integer(node, "keepdims").unwrap_or(1) != 0;
        }
        if form == Form::Flat || shape.height > MAX_WINDOW * 4 || shape.width > MAX_WINDOW * 4 {
            return Err(Unsupported::new("not a mean over a picture of reasonable size"));
        }
        let window = Window { size: [shape.height, shape.width], ..Window::POINT };
        let pool = Op::Pool(PoolKind::Average { with_padding: false }, window);
        let index = self.push(node, pool, vec![input], Shape { height: 1, width: 1, ..shape })?;
        Ok(Value::Layer { index, form: if keeps { form } else { Form::Flat } })
    }

    /// With one pixel left every reshaping keeps the order of the numbers.
    fn reshape(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (index, shape, form) = match self.value(node, 0)? {
            Value::ShapeOnly => return Ok(Value::ShapeOnly),
            _ => self.layer(node, 0)?,
        };
        if shape.pixels() != 1 {
            return Err(Unsupported::new("it reshapes a picture of more than one pixel"));
        }
        let flat = Ok(Value::Layer { index, form: Form::Flat });
        match (node.op_type.as_str(), form) {
            ("Flatten", _) if integer(node, "axis").unwrap_or(1) == 1 => flat,
            ("Squeeze", _) => flat,
            ("Reshape", _) => match self.value(node, 1)? {
                Value::Constant(target) if target.elements() > 2 => {
                    Err(Unsupported::new("it does not end in a vector"))
                }
                Value::Constant(_) | Value::ShapeOnly => flat,
                _ => Err(Unsupported::new("its shape depends on the picture")),
            },
            _ => Err(Unsupported::new("it does not end in a vector")),
        }
    }

    fn transpose(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (index, _, form) = self.layer(node, 0)?;
        let form = match (integers(node, "perm").unwrap_or_default().as_slice(), form) {
            ([0, 3, 1, 2], Form::Nhwc) => Form::Nchw,
            ([0, 2, 3, 1], Form::Nchw) => Form::Nhwc,
            _ => return Err(Unsupported::new("it does not move the channels from one end to the other")),
        };
        Ok(Value::Layer { index, form })
    }

    fn concat(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        if matches!(self.value(node, 0)?, Value::ShapeOnly) {
            return Ok(Value::ShapeOnly);
        }
        let (_, first, form) = self.float_layer(node, 0)?;
        let mut inputs = Vec::with_capacity(node.input.len());
        let mut channels = 0;
        for at in 0..node.input.len() {
            let (input, shape, other) = self.float_layer(node, at)?;
            if other != form || (shape.height, shape.width) != (first.height, first.width) {
                return Err(Unsupported::new("its inputs have different sizes"));
            }
            inputs.push(input);
            channels += shape.channels;
        }
        match (form, integer(node, "axis")) {
            (Form::Nchw, Some(1 | -3)) => {}
            _ => return Err(Unsupported::new("it joins something other than channels")),
        }
        let index = self.push(node, Op::Concat, inputs, Shape { channels, ..first })?;
        Ok(Value::Layer { index, form })
    }

    fn softmax(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        if shape.pixels() != 1
            || !matches!((form, integer(node, "axis")), (Form::Flat, None | Some(1 | -1)) | (Form::Nchw, Some(1)))
        {
            return Err(Unsupported::new("not over the classes"));
        }
        let index = self.push(node, Op::Softmax, vec![input], shape)?;
        Ok(Value::Layer { index, form })
    }

    fn quantise(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let quant = self.quant(node)?;
        let index = self.push(node, Op::Quantise, vec![input], shape)?;
        self.layers[index].element = Element::U8(quant);
        Ok(Value::Layer { index, form })
    }

    fn dequantise(&mut self, node: &NodeProto) -> Result<Value<'a>, Unsupported> {
        if let &Value::Constant(constant) = self.value(node, 0)? {
            let scales = self.floats(node, 1)?;
            let zero_points = if Self::has_input(node, 2) { self.floats(node, 2)? } else { vec![0.0; scales.len()] };
            let dims = constant.dims();
            let per_channel =
                scales.len() == 1 || (dims.first() == Some(&scales.len()) && integer(node, "axis") == Some(0));
            if !per_channel
                || zero_points.len() != scales.len()
                || constant.elements() == 0
                || !scales.iter().all(|&scale| is_scale(scale))
            {
                return Err(Unsupported::new("its scales are neither one nor one for each output channel"));
            }
            return Ok(Value::Quantised { constant, scales, zero_points });
        }
        let (input, shape, form) = self.layer(node, 0)?;
        let quant = self.quant(node)?;
        let stored = &mut self.layers[input];
        match stored.element {
            Element::U8(before) if before == quant => {}
            // The bytes of the input mean what the one who reads them first says.
            Element::U8(Quant { scale: 1.0, zero_point: 0 }) if matches!(stored.op, Op::Input) => {
                stored.element = Element::U8(quant)
            }
            _ => return Err(Unsupported::new("it reads bytes by another scale than they were written by")),
        }
        let index = self.push(node, Op::Dequantise, vec![input], shape)?;
        Ok(Value::Layer { index, form })
    }

    /// Scale and zero point of a whole tensor.
    fn quant(&self, node: &NodeProto) -> Result<Quant, Unsupported> {
        let scale = match self.floats(node, 1)?.as_slice() {
            &[scale] if is_scale(scale) => scale,
            _ => return Err(Unsupported::new("its scale is not one positive number")),
        };
        if !Self::has_input(node, 2) {
            return Ok(Quant { scale, zero_point: 0 });
        }
        let Value::Constant(constant) = self.value(node, 2)? else {
            return Err(Unsupported::new("its zero point is not a constant"));
        };
        let shift = match (constant.is_u8(), constant.is_i8()) {
            (true, _) => 0,
            (_, true) => 128,
            _ => return Err(Unsupported::new("its zero point is not a byte")),
        };
        let zero_point = constant.integers().first().and_then(|value| u8::try_from(value + shift).ok());
        match zero_point.filter(|_| constant.elements() == 1) {
            Some(zero_point) => Ok(Quant { scale, zero_point }),
            None => Err(Unsupported::new("its zero point is not one byte")),
        }
    }
}

fn is_scale(scale: f32) -> bool {
    scale.is_finite() && scale > 0.0
}

fn window(node: &NodeProto, size: [usize; 2], input: Shape) -> Result<Window, Unsupported> {
    let size = bounded(&size.map(|side| side as i64), 1)?;
    let stride = bounded(&integers(node, "strides").unwrap_or_else(|| vec![1; 2]), 1)?;
    let dilation = bounded(&integers(node, "dilations").unwrap_or_else(|| vec![1; 2]), 1)?;
    let mut pads = bounded(&integers(node, "pads").unwrap_or_else(|| vec![0; 4]), 0)?;
    let upper = match string(node, "auto_pad") {
        None | Some(b"NOTSET" | b"VALID" | b"") => return Ok(Window { size, stride, dilation, pads }),
        Some(b"SAME_UPPER") => true,
        Some(b"SAME_LOWER") => false,
        Some(_) => return Err(Unsupported::new("an `auto_pad` that ONNX does not have")),
    };
    for (axis, length) in [input.height, input.width].into_iter().enumerate() {
        let extent = dilation[axis] * (size[axis] - 1) + 1;
        let total = ((length.div_ceil(stride[axis]) - 1) * stride[axis] + extent).saturating_sub(length);
        let (less, more) = (total / 2, total - total / 2);
        (pads[axis], pads[axis + 2]) = if upper { (less, more) } else { (more, less) };
    }
    Ok(Window { size, stride, dilation, pads })
}

/// `N` numbers from `least` to [`MAX_WINDOW`].
fn bounded<const N: usize>(values: &[i64], least: usize) -> Result<[usize; N], Unsupported> {
    let sides: Option<Vec<usize>> = values
        .iter()
        .map(|&value| usize::try_from(value).ok().filter(|value| (least..=MAX_WINDOW).contains(value)))
        .collect();
    let sides = sides.and_then(|sides| <[usize; N]>::try_from(sides).ok());
    sides.ok_or_else(|| Unsupported::new(format!("{values:?} are not {N} numbers from {least} to {MAX_WINDOW}")))
}

fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn integer(node: &NodeProto, name: &str) -> Option<i64> {
    attribute(node, name).map(|attribute| attribute.i)
}

fn integers(node: &NodeProto, name: &str) -> Option<Vec<i64>> {
    attribute(node, name).map(|attribute| attribute.ints.clone())
}

fn float(node: &NodeProto, name: &str) -> Option<f32> {
    attribute(node, name).map(|attribute| attribute.f)
}

fn string<'n>(node: &'n NodeProto, name: &str) -> Option<&'n [u8]> {
    attribute(node, name).map(|attribute| attribute.s.as_slice())
}
