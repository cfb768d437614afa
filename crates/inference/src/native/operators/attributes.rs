//! The attributes of ONNX nodes, and the windows that they define.

use crate::native::layer::{Shape, Window};
use crate::native::unsupported::Unsupported;
use crate::onnx::pb::{AttributeProto, NodeProto};

/// Sides of windows, strides and paddings beyond this are a mistake.
pub(super) const MAX_WINDOW: usize = 64;

pub(super) fn window(node: &NodeProto, size: [usize; 2], input: Shape) -> Result<Window, Unsupported> {
    let size = bounded(&size.map(|side| side as i64), 1)?;
    let stride = bounded(&integers(node, "strides").unwrap_or_else(|| vec![1; 2]), 1)?;
    let dilation = bounded(&integers(node, "dilations").unwrap_or_else(|| vec![1; 2]), 1)?;
    let mut pads = bounded(&integers(node, "pads").unwrap_or_else(|| vec![0; 4]), 0)?;
    let upper = match string(node, "auto_pad") {
        Some(b"VALID") => return Ok(Window { size, stride, dilation, pads: [0; 4] }),
        None | Some(b"NOTSET" | b"") => return Ok(Window { size, stride, dilation, pads }),
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
pub(super) fn bounded<const N: usize>(values: &[i64], least: usize) -> Result<[usize; N], Unsupported> {
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

pub(super) fn integer(node: &NodeProto, name: &str) -> Option<i64> {
    attribute(node, name).map(|attribute| attribute.i)
}

pub(super) fn integers(node: &NodeProto, name: &str) -> Option<Vec<i64>> {
    attribute(node, name).map(|attribute| attribute.ints.clone())
}

pub(super) fn float(node: &NodeProto, name: &str) -> Option<f32> {
    attribute(node, name).map(|attribute| attribute.f)
}

pub(super) fn string<'n>(node: &'n NodeProto, name: &str) -> Option<&'n [u8]> {
    attribute(node, name).map(|attribute| attribute.s.as_slice())
}
