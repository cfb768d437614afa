//! The operators QuantizeLinear and DequantizeLinear.

use super::attributes::integer;
use super::graph::{Reader, Value};
use crate::native::layer::{Element, Op, Quant};
use crate::native::unsupported::Unsupported;
use crate::onnx::pb::NodeProto;

impl Reader {
    pub(super) fn quantise(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        let (input, shape, form) = self.float_layer(node, 0)?;
        let quant = self.quant(node)?;
        let index = self.push(node, Op::Quantise, vec![input], shape)?;
        self.layers[index].element = Element::U8(quant);
        Ok(Value::Layer { index, form })
    }

    pub(super) fn dequantise(&mut self, node: &NodeProto) -> Result<Value, Unsupported> {
        if let Value::Constant(constant) = self.value(node, 0)?.clone() {
            let scales = self.floats(node, 1)?;
            let zero_points = if Self::has_input(node, 2) { self.floats(node, 2)? } else { vec![0.0; scales.len()] };
            if integer(node, "block_size").unwrap_or(0) != 0 {
                return Err(Unsupported::new("its scales are for blocks"));
            }
            let dims = constant.dims();
            // Weights have a scale for each output channel, which is the first axis for convolutions and the second for
            // matrices.
            let axis = integer(node, "axis").unwrap_or(1);
            let axis = if axis < 0 { axis.saturating_add(dims.len() as i64) } else { axis };
            let axis = usize::try_from(axis).unwrap_or(usize::MAX);
            let per_channel = scales.len() == 1 || (axis < 2 && dims.get(axis) == Some(&scales.len()));
            if !per_channel
                || zero_points.len() != scales.len()
                || constant.elements() == 0
                || !scales.iter().all(|&scale| is_scale(scale))
            {
                return Err(Unsupported::new("its scales are neither one nor one for each channel"));
            }
            return Ok(Value::Quantised { constant, scales, zero_points, axis });
        }
        let (input, shape, form) = self.layer(node, 0)?;
        let quant = self.quant(node)?;
        let stored = &mut self.layers[input];
        match stored.element {
            Element::U8(before) if before == quant => {}
            // The first DequantizeLinear that reads the input defines its quantisation.
            Element::U8(_) if input == 0 && !self.input_is_known => {
                stored.element = Element::U8(quant);
            }
            _ => return Err(Unsupported::new("it reads bytes by another scale than they were written by")),
        }
        self.input_is_known |= input == 0;
        let index = self.push(node, Op::Dequantise, vec![input], shape)?;
        Ok(Value::Layer { index, form })
    }

    /// Scale and zero point of a whole tensor.
    pub(super) fn quant(&self, node: &NodeProto) -> Result<Quant, Unsupported> {
        let scale = match self.floats(node, 1)?.as_slice() {
            &[scale] if is_scale(scale) => scale,
            _ => return Err(Unsupported::new("its scale is not one positive number")),
        };
        if !Self::has_input(node, 2) {
            // Since opset 21 an attribute may ask for another type than unsigned bytes (2).
            return match integer(node, "output_dtype") {
                None | Some(0 | 2) => Ok(Quant { scale, zero_point: 0 }),
                Some(_) => Err(Unsupported::new("its bytes are not unsigned")),
            };
        }
        let Value::Constant(constant) = self.value(node, 2)? else {
            return Err(Unsupported::new("its zero point is not a constant"));
        };
        let shift = match (constant.is_u8(), constant.is_i8()) {
            (true, _) => 0,
            (_, true) => 128,
            _ => return Err(Unsupported::new("its zero point is not a byte")),
        };
        let zero_point = constant.integers()?.first().and_then(|value| u8::try_from(value + shift).ok());
        match zero_point.filter(|_| constant.elements() == 1) {
            Some(zero_point) => Ok(Quant { scale, zero_point }),
            None => Err(Unsupported::new("its zero point is not one byte")),
        }
    }
}

fn is_scale(scale: f32) -> bool {
    scale.is_finite() && scale > 0.0
}
