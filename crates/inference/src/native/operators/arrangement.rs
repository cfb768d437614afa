//! Operators that pad, pool, reshape, transpose and concatenate results; and the softmax.

use super::attributes::{MAX_WINDOW, bounded, float, integer, integers, string, window};
use super::graph::{Form, Reader, Value};
use crate::native::layer::{Op, PoolKind, Shape, Window};
use crate::native::unsupported::Unsupported;
use crate::onnx::pb::NodeProto;

impl Reader {
    pub(super) fn pad(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
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

    pub(super) fn pool(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        // Max pooling works on bytes too, because the largest byte stands for the largest number.
        let (input, shape, form) = match node.op_type.as_str() {
            "MaxPool" => self.layer(node, 0)?,
            _ => self.float_layer(node, 0)?,
        };
        let element = self.layers[input].element;
        let size = integers(node, "kernel_shape").ok_or_else(|| Unsupported::new("it has no `kernel_shape`"))?;
        let window = window(node, bounded(&size, 1)?, shape)?;
        if form != Form::Nchw || node.output.len() > 1 {
            return Err(Unsupported::new("a kind of pooling that has no kernel"));
        }
        // A window that covers only padding has no maximum.
        let padded = window.pads != [0; 4];
        if (0..4).any(|side| window.pads[side] >= window.size[side % 2]) || (padded && window.dilation != [1, 1]) {
            return Err(Unsupported::new("its windows may see nothing but padding"));
        }
        let kind = match node.op_type.as_str() {
            "MaxPool" => PoolKind::Max,
            _ => PoolKind::Average { with_padding: integer(node, "count_include_pad").unwrap_or(0) != 0 },
        };
        let sides = match integer(node, "ceil_mode").unwrap_or(0) {
            0 => window.output(shape),
            _ if kind == (PoolKind::Average { with_padding: true }) => {
                return Err(Unsupported::new("a mean that counts what is beyond the padding"));
            }
            _ => window.output_begun(shape),
        };
        let [height, width] = sides.ok_or_else(|| Unsupported::new("its window is larger than the picture"))?;
        let index = self.push(node, Op::Pool(kind, window), vec![input], Shape { height, width, ..shape })?;
        self.layers[index].element = element;
        Ok(Value::Layer { index, form })
    }

    pub(super) fn global_pool(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
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
        let fits = form == Form::Nchw || (form == Form::Nhwc && node.op_type == "ReduceMean");
        if !fits || shape.height > MAX_WINDOW * 4 || shape.width > MAX_WINDOW * 4 {
            return Err(Unsupported::new("not a mean over a picture of reasonable size"));
        }
        let window = Window { size: [shape.height, shape.width], ..Window::POINT };
        let pool = Op::Pool(PoolKind::Average { with_padding: false }, window);
        let index = self.push(node, pool, vec![input], Shape { height: 1, width: 1, ..shape })?;
        Ok(Value::Layer { index, form: if keeps { form } else { Form::Flat } })
    }

    /// Reshapes a result of one pixel to a vector, which keeps the order of the elements.
    pub(super) fn reshape(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        let (index, shape, form) = match self.value(node, 0)? {
            Value::ShapeOnly => return Ok(Value::ShapeOnly),
            _ => self.layer(node, 0)?,
        };
        if shape.pixels() != 1 {
            return Err(Unsupported::new("it reshapes a picture of more than one pixel"));
        }
        let becomes_vector = match node.op_type.as_str() {
            "Flatten" => integer(node, "axis").unwrap_or(1) == 1,
            "Squeeze" => {
                let axes =
                    if Self::has_input(node, 1) { Some(self.integers(node, 1)?) } else { integers(node, "axes") };
                matches!(
                    (axes.as_deref(), form),
                    (None, _) | (Some([2, 3] | [-2, -1]), Form::Nchw) | (Some([1, 2] | [-3, -2]), Form::Nhwc)
                )
            }
            "Reshape" => match self.value(node, 1)? {
                Value::Constant(_) => match self.integers(node, 1)?.as_slice() {
                    &[channels] | &[0 | 1, channels] => channels == -1 || channels == shape.channels as i64,
                    &[-1, channels] => channels == shape.channels as i64,
                    _ => false,
                },
                // Exporters compute the new shape `[batch, -1]` from the old one.
                Value::ShapeOnly => true,
                _ => false,
            },
            _ => false,
        };
        match becomes_vector {
            true => Ok(Value::Layer { index, form: Form::Flat }),
            false => Err(Unsupported::new("it does not end in a vector")),
        }
    }

    pub(super) fn transpose(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        let (index, _, form) = self.layer(node, 0)?;
        let form = match (integers(node, "perm").unwrap_or_default().as_slice(), form) {
            ([0, 3, 1, 2], Form::Nhwc) => Form::Nchw,
            ([0, 2, 3, 1], Form::Nchw) => Form::Nhwc,
            _ => return Err(Unsupported::new("it does not move the channels from one end to the other")),
        };
        Ok(Value::Layer { index, form })
    }

    pub(super) fn concat(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        if matches!(self.value(node, 0)?, Value::ShapeOnly) {
            return Ok(Value::ShapeOnly);
        }
        let (input, first, form) = self.layer(node, 0)?;
        let element = self.layers[input].element;
        if node.input.len() > MAX_WINDOW {
            return Err(Unsupported::new(format!("it joins more than {MAX_WINDOW} pictures")));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        let mut channels = 0;
        for at in 0..node.input.len() {
            let (input, shape, other) = self.layer(node, at)?;
            if self.layers[input].element != element {
                return Err(Unsupported::new("its inputs are quantised in different ways"));
            }
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
        self.layers[index].element = element;
        Ok(Value::Layer { index, form })
    }

    pub(super) fn softmax(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        if shape.pixels() != 1
            || !matches!((form, integer(node, "axis")), (Form::Flat, None | Some(1 | -1)) | (Form::Nchw, Some(1)))
        {
            return Err(Unsupported::new("not over the classes"));
        }
        let index = self.push(node, Op::Softmax, vec![input], shape)?;
        Ok(Value::Layer { index, form })
    }
}
