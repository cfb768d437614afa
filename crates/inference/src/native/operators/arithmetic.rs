//! Arithmetic operators: convolutions, matrix products, batch normalisation, bounds, sums and products.

use super::attributes::{float, integer, integers, window};
use super::graph::{Form, Reader, Value};
use crate::native::layer::{Conv, Limits, Op, Shape, Weights, Window};
use crate::native::unsupported::Unsupported;
use crate::onnx::pb::NodeProto;

impl Reader {
    pub(super) fn conv(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let weights = self.weights(node, 1, false)?;
        let &[outputs, inputs, height, width] = weights.constant.dims().as_slice() else {
            return Err(Unsupported::new("its weights do not have four dimensions"));
        };
        let groups = usize::try_from(integer(node, "group").unwrap_or(1)).unwrap_or(0);
        let grouped =
            groups > 0 && outputs.is_multiple_of(groups) && inputs.checked_mul(groups) == Some(shape.channels);
        if form != Form::Nchw || !grouped {
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
        let [height, width] =
            window.output(shape).ok_or_else(|| Unsupported::new("its window is larger than the picture"))?;
        let shape = Shape { height, width, channels: outputs };
        self.push_conv(node, conv, input, shape, Form::Nchw)
    }

    pub(super) fn push_conv(
        &mut self,
        node: &NodeProto,
        conv: Conv,
        input: usize,
        shape: Shape,
        form: Form,
    ) -> Result<Value, Unsupported> {
        if conv.bias.len() != conv.outputs || conv.outputs == 0 {
            return Err(Unsupported::new("its bias does not have one number for each output channel"));
        }
        let index = self.push(node, Op::Conv(Box::new(conv)), vec![input], shape)?;
        Ok(Value::Layer { index, form })
    }

    /// A matrix product, as a convolution of one pixel.
    pub(super) fn matrix(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
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

    pub(super) fn weights(&self, node: &NodeProto, input: usize, input_major: bool) -> Result<Weights, Unsupported> {
        match self.value(node, input)? {
            Value::Constant(constant) => Ok(Weights { constant: constant.clone(), scales: None, input_major }),
            Value::Quantised { constant, scales, zero_points, axis } => {
                if !constant.is_i8() || zero_points.iter().any(|&zero_point| zero_point != 0.0) {
                    return Err(Unsupported::new("its quantised weights are not symmetric signed bytes"));
                }
                if scales.len() != 1 && *axis != usize::from(input_major) {
                    return Err(Unsupported::new("its scales are not one for each output"));
                }
                Ok(Weights { constant: constant.clone(), scales: Some(scales.clone()), input_major })
            }
            _ => Err(Unsupported::new("its weights are not constant")),
        }
    }

    pub(super) fn batch_normalisation(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
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

    pub(super) fn bound(&self, node: &NodeProto, input: usize, attribute: &str) -> Result<Option<f32>, Unsupported> {
        if !Self::has_input(node, input) {
            // Before opset 11 the bounds were attributes.
            return Ok(float(node, attribute));
        }
        match self.floats(node, input)?.as_slice() {
            &[bound] => Ok(Some(bound)),
            _ => Err(Unsupported::new("its bounds are not single numbers")),
        }
    }

    /// Bounds the input number `at`.
    pub(super) fn clip(&mut self, node: &NodeProto, at: usize, limits: Limits) -> Result<Value, Unsupported> {
        let (input, shape, form) = self.float_layer(node, at)?;
        let all = limits.channels.iter().flatten().copied().chain([[limits.low, limits.high]]);
        if all.into_iter().any(|[low, high]| low.is_nan() || high.is_nan() || low > high) {
            return Err(Unsupported::new("its bounds are in the wrong order"));
        }
        let index = self.push(node, Op::Clip, vec![input], shape)?;
        self.layers[index].limits = limits;
        Ok(Value::Layer { index, form })
    }

    /// `Min` or `Max` of a result and a constant for each channel.
    pub(super) fn extremum(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        if node.input.len() != 2 {
            return Err(Unsupported::new("it does not have two inputs"));
        }
        let picture = usize::from(!matches!(self.value(node, 0)?, Value::Layer { .. }));
        let (_, shape, form) = self.float_layer(node, picture)?;
        let bounds = self.channel_constant(node, 1 - picture, shape, form)?;
        // NaN is refused here, because `of_channels` would drop it.
        if bounds.iter().any(|bound| bound.is_nan()) {
            return Err(Unsupported::new("one of its bounds is not a number"));
        }
        let limits = match node.op_type.as_str() {
            "Min" => bounds.into_iter().map(|bound| [f32::NEG_INFINITY, bound]).collect(),
            _ => bounds.into_iter().map(|bound| [bound, f32::INFINITY]).collect(),
        };
        self.clip(node, picture, Limits::of_channels(limits))
    }

    pub(super) fn arithmetic(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        let layers = [0, 1].map(|at| matches!(self.value(node, at), Ok(Value::Layer { .. })));
        let first = usize::from(!layers[0]);
        let (input, shape, form) = self.float_layer(node, first)?;
        let op_and_inputs = if layers == [true, true] {
            let (second, other_shape, other_form) = self.float_layer(node, 1)?;
            if node.op_type != "Add" || other_shape != shape || other_form != form {
                return Err(Unsupported::new("two pictures are only added, and only of the same shape"));
            }
            (Op::Add, vec![input, second])
        } else {
            let values = self.channel_constant(node, 1 - first, shape, form)?;
            let (gain, shift) = match node.op_type.as_str() {
                "Mul" => (values, vec![0.0; shape.channels]),
                _ => (vec![1.0; shape.channels], values),
            };
            (Op::Affine { gain, shift }, vec![input])
        };
        let index = self.push(node, op_and_inputs.0, op_and_inputs.1, shape)?;
        Ok(Value::Layer { index, form })
    }

    /// A constant that broadcasts to one number for each channel.
    pub(super) fn channel_constant(
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
}
