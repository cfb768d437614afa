//! Constants of an ONNX graph, decoded when they are needed: a weight is not copied to find out whether a graph can run.

use std::borrow::Cow;
use std::rc::Rc;

use crate::infer::onnx::pb::TensorProto;
use crate::infer::onnx::pb::tensor_proto::DataType;

use super::Unsupported;

/// More than any classifier's largest layer; a file that declares more is hostile.
const MAX_ELEMENTS: usize = 1 << 28;

/// A constant whose declared shape and stored data agree. Copies share the data, which goes with the last of them.
#[derive(Debug, Clone)]
pub struct Constant {
    tensor: Rc<TensorProto>,
    kind: DataType,
    elements: usize,
}

impl Constant {
    /// # Errors
    /// When the type is none that weights have, or the data are not as many as the shape says.
    pub fn new(tensor: TensorProto) -> Result<Self, Unsupported> {
        let refuse = |what: &str| Unsupported::new(format!("the constant `{}` {what}", tensor.name));
        let kind = DataType::try_from(tensor.data_type).map_err(|_| refuse("has no element type"))?;
        let sides = tensor.dims.iter().map(|&side| usize::try_from(side));
        let elements = sides.map(|side| side.ok()).try_fold(1_usize, |product, side| product.checked_mul(side?));
        let elements =
            elements.filter(|&elements| elements <= MAX_ELEMENTS).ok_or_else(|| refuse("has an impossible shape"))?;
        let (width, typed) = match kind {
            DataType::Float => (4, tensor.float_data.len()),
            DataType::Int32 => (4, tensor.int32_data.len()),
            DataType::Int8 | DataType::Uint8 => (1, tensor.int32_data.len()),
            DataType::Int64 => (8, tensor.int64_data.len()),
            other => return Err(refuse(&format!("is of type {}", other.as_str_name()))),
        };
        let stored = if tensor.raw_data.is_empty() { typed } else { tensor.raw_data.len() / width };
        if stored != elements || !tensor.raw_data.len().is_multiple_of(width) {
            return Err(refuse("does not have as many numbers as its shape says"));
        }
        Ok(Self { tensor: Rc::new(tensor), kind, elements })
    }

    pub fn dims(&self) -> Vec<usize> {
        // Proven by `new` not to be negative.
        self.tensor.dims.iter().map(|&side| side.unsigned_abs() as usize).collect()
    }

    pub fn elements(&self) -> usize {
        self.elements
    }

    pub fn is_i8(&self) -> bool {
        self.kind == DataType::Int8
    }

    pub fn is_u8(&self) -> bool {
        self.kind == DataType::Uint8
    }

    /// The numbers, where they are bytes of either sign.
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match (self.kind, self.tensor.raw_data.is_empty()) {
            (DataType::Int8 | DataType::Uint8, false) => Some(Cow::Borrowed(&self.tensor.raw_data)),
            // ONNX stores small integers in `int32_data`, one each.
            (DataType::Int8 | DataType::Uint8, true) => {
                Some(self.tensor.int32_data.iter().map(|&value| value as u8).collect())
            }
            _ => None,
        }
    }

    /// The numbers as floats, whatever they are stored as; where they are floats of this machine's, those of the file.
    pub fn floats(&self) -> Cow<'_, [f32]> {
        let (raw, tensor) = (&self.tensor.raw_data, &self.tensor);
        match (self.kind, raw.is_empty()) {
            (DataType::Float, true) => Cow::Borrowed(&tensor.float_data),
            (DataType::Float, false) => match bytemuck::try_cast_slice(raw) {
                Ok(floats) if cfg!(target_endian = "little") => Cow::Borrowed(floats),
                _ => words(raw).map(f32::from_le_bytes).collect(),
            },
            (DataType::Int32, false) => words(raw).map(|word| i32::from_le_bytes(word) as f32).collect(),
            (DataType::Int8, false) => raw.iter().map(|&byte| f32::from(byte as i8)).collect(),
            (DataType::Uint8, false) => raw.iter().map(|&byte| f32::from(byte)).collect(),
            (DataType::Int64, _) => self.integers().into_iter().map(|value| value as f32).collect(),
            (_, true) => tensor.int32_data.iter().map(|&value| value as f32).collect(),
            // `new` lets no other type in.
            _ => Cow::Borrowed(&[]),
        }
    }

    /// The numbers of an integer tensor; empty for floats.
    pub fn integers(&self) -> Vec<i64> {
        let raw = &self.tensor.raw_data;
        match (self.kind, raw.is_empty()) {
            (DataType::Int64, true) => self.tensor.int64_data.clone(),
            (DataType::Int64, false) => {
                raw.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes).collect()
            }
            (DataType::Float, _) => Vec::new(),
            _ => self.floats().iter().map(|&value| value as i64).collect(),
        }
    }
}

// Of a known number, so that what is collected is allocated once.
fn words(raw: &[u8]) -> impl ExactSizeIterator<Item = [u8; 4]> + '_ {
    raw.chunks_exact(4).map(|bytes| [bytes[0], bytes[1], bytes[2], bytes[3]])
}
