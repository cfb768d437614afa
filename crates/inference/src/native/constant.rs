//! Constants of an ONNX graph, which are decoded when they are needed. Finding out whether a graph is supported copies
//! no weights, and does not read the larger ones.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::broken_weights;
use crate::half::{from_brain, from_half};
use crate::onnx::Stored;
use crate::onnx::extent::Extent;
use crate::onnx::pb::TensorProto;
use crate::onnx::pb::tensor_proto::DataType;

use super::unsupported::Unsupported;

/// The largest number of elements of a constant, which is more than any classifier's largest layer has.
const MAX_ELEMENTS: usize = 1 << 28;

/// A constant whose declared shape and stored data agree. Clones share the data.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    tensor: Rc<TensorProto>,
    kind: DataType,
    elements: usize,
    /// The file and the position of its data, if the data stayed in the file.
    left: Option<(Arc<Stored>, Extent)>,
}

impl Constant {
    /// The constant of a tensor that was decoded from this file.
    ///
    /// # Errors
    /// When the type is none that weights have, or the data are not as many as the shape says.
    pub(super) fn new(tensor: TensorProto, file: &Arc<Stored>) -> Result<Self, Unsupported> {
        let left = Extent::of(&tensor).map(|extent| (file.clone(), extent));
        Self::stored(tensor, left)
    }

    /// The constant of a tensor that holds its data.
    ///
    /// # Errors
    /// As [`Constant::new`].
    #[cfg(test)]
    pub(super) fn whole(tensor: TensorProto) -> Result<Self, Unsupported> {
        Self::stored(tensor, None)
    }

    fn stored(tensor: TensorProto, left: Option<(Arc<Stored>, Extent)>) -> Result<Self, Unsupported> {
        let refuse = |what: &str| Unsupported::new(format!("the constant `{}` {what}", tensor.name));
        let kind = DataType::try_from(tensor.data_type).map_err(|_| refuse("has no element type"))?;
        let sides = tensor.dims.iter().map(|&side| usize::try_from(side));
        let elements = sides.map(|side| side.ok()).try_fold(1_usize, |product, side| product.checked_mul(side?));
        let elements =
            elements.filter(|&elements| elements <= MAX_ELEMENTS).ok_or_else(|| refuse("has an impossible shape"))?;
        let typed = match kind {
            DataType::Float => tensor.float_data.len(),
            DataType::Double => tensor.double_data.len(),
            DataType::Int32 | DataType::Int8 | DataType::Uint8 | DataType::Float16 | DataType::Bfloat16 => {
                tensor.int32_data.len()
            }
            DataType::Int64 => tensor.int64_data.len(),
            other => return Err(refuse(&format!("is of type {}", other.name()))),
        };
        let bytes = (elements * width(kind)) as u64;
        let agree = match &left {
            Some((_, extent)) => extent.length == bytes,
            None if tensor.raw_data.is_empty() => typed == elements,
            None => tensor.raw_data.len() as u64 == bytes,
        };
        if !agree {
            return Err(refuse("does not have as many numbers as its shape says"));
        }
        Ok(Self { tensor: Rc::new(tensor), kind, elements, left })
    }

    pub(super) fn dims(&self) -> Vec<usize> {
        // Proven by `stored` not to be negative.
        self.tensor.dims.iter().map(|&side| side.unsigned_abs() as usize).collect()
    }

    pub(super) fn elements(&self) -> usize {
        self.elements
    }

    pub(super) fn is_i8(&self) -> bool {
        self.kind == DataType::Int8
    }

    pub(super) fn is_u8(&self) -> bool {
        self.kind == DataType::Uint8
    }

    /// The raw bytes of a range of elements; `None` if the elements are stored in a typed field. Bytes from the file
    /// are read into `buffer`.
    fn raw<'a>(&'a self, range: Range<usize>, buffer: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, Unsupported> {
        let [start, end] = [range.start, range.end].map(|at| at * width(self.kind));
        match &self.left {
            None if self.tensor.raw_data.is_empty() => Ok(None),
            None => Ok(Some(&self.tensor.raw_data[start..end])),
            Some((file, Extent { offset, .. })) => {
                buffer.resize(end - start, 0);
                file.read_exact_at(buffer, offset + start as u64).map_err(|error| {
                    Unsupported::unreadable(format!("the constant `{}` could not be read: {error}", self.tensor.name))
                })?;
                Ok(Some(buffer))
            }
        }
    }

    /// All elements as bytes, whose sign is that of the element type.
    ///
    /// # Errors
    /// When they are no bytes, or could not be read.
    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>, Unsupported> {
        if !self.is_i8() && !self.is_u8() {
            return Err(Unsupported::new(format!("the constant `{}` is not of bytes", self.tensor.name)));
        }
        match &self.left {
            // ONNX stores each small integer in an element of `int32_data`.
            None if self.tensor.raw_data.is_empty() => {
                Ok(self.tensor.int32_data.iter().map(|&value| value as u8).collect())
            }
            None => Ok(Cow::Borrowed(&self.tensor.raw_data)),
            Some(_) => {
                let mut bytes = Vec::new();
                self.raw(0..self.elements, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// A range of the elements as floats, converted from their element type. Stored floats of this machine's byte order
    /// are not copied.
    ///
    /// # Errors
    /// When they could not be read, or are no weights: NaN, or several of which one is infinite.
    pub(super) fn floats_of<'a>(
        &'a self,
        range: Range<usize>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Cow<'a, [f32]>, Unsupported> {
        let tensor = &self.tensor;
        let raw = self.raw(range.clone(), buffer)?;
        let floats: Cow<'a, [f32]> = match (self.kind, raw) {
            (DataType::Float, None) => Cow::Borrowed(&tensor.float_data[range]),
            (DataType::Float, Some(raw)) => match bytemuck::try_cast_slice(raw) {
                Ok(floats) if cfg!(target_endian = "little") => Cow::Borrowed(floats),
                _ => words(raw).map(f32::from_le_bytes).collect(),
            },
            (DataType::Double, Some(raw)) => eights(raw).map(|bytes| f64::from_le_bytes(bytes) as f32).collect(),
            (DataType::Double, None) => tensor.double_data[range].iter().map(|&value| value as f32).collect(),
            (DataType::Float16, Some(raw)) => pairs(raw).map(from_half).collect(),
            (DataType::Bfloat16, Some(raw)) => pairs(raw).map(from_brain).collect(),
            (DataType::Float16, None) => tensor.int32_data[range].iter().map(|&bits| from_half(bits as u16)).collect(),
            (DataType::Bfloat16, None) => {
                tensor.int32_data[range].iter().map(|&bits| from_brain(bits as u16)).collect()
            }
            (DataType::Int32, Some(raw)) => words(raw).map(|word| i32::from_le_bytes(word) as f32).collect(),
            (DataType::Int8, Some(raw)) => raw.iter().map(|&byte| f32::from(byte as i8)).collect(),
            (DataType::Uint8, Some(raw)) => raw.iter().map(|&byte| f32::from(byte)).collect(),
            (DataType::Int64, Some(raw)) => long_words(raw).map(|value| value as f32).collect(),
            (DataType::Int64, None) => tensor.int64_data[range].iter().map(|&value| value as f32).collect(),
            (_, None) => tensor.int32_data[range].iter().map(|&value| value as f32).collect(),
            // `stored` lets no other type in.
            _ => Cow::Borrowed(&[]),
        };
        // A bound may be infinite. Without a branch, so that the compiler makes vector code of it.
        let wrong = floats.iter().fold(false, |wrong, float| wrong | !float.is_finite());
        if wrong && (self.elements > 1 || floats.iter().any(|float| float.is_nan())) {
            return Err(Unsupported::unreadable(broken_weights(&tensor.name)));
        }
        Ok(floats)
    }

    /// All elements as floats.
    ///
    /// # Errors
    /// When they could not be read.
    pub(super) fn floats(&self) -> Result<Vec<f32>, Unsupported> {
        Ok(self.floats_of(0..self.elements, &mut Vec::new())?.into_owned())
    }

    /// All elements of an integer tensor; empty for floats.
    ///
    /// # Errors
    /// When they could not be read.
    pub(super) fn integers(&self) -> Result<Vec<i64>, Unsupported> {
        Ok(match self.kind {
            DataType::Int64 => match self.raw(0..self.elements, &mut Vec::new())? {
                None => self.tensor.int64_data.clone(),
                Some(raw) => long_words(raw).collect(),
            },
            DataType::Float | DataType::Float16 | DataType::Bfloat16 | DataType::Double => Vec::new(),
            _ => self.floats()?.iter().map(|&value| value as i64).collect(),
        })
    }
}

/// The size of an element in bytes.
fn width(kind: DataType) -> usize {
    match kind {
        DataType::Int8 | DataType::Uint8 => 1,
        DataType::Float16 | DataType::Bfloat16 => 2,
        DataType::Int64 | DataType::Double => 8,
        // `stored` lets no other type in.
        _ => 4,
    }
}

fn long_words(raw: &[u8]) -> impl Iterator<Item = i64> + '_ {
    eights(raw).map(i64::from_le_bytes)
}

fn eights(raw: &[u8]) -> impl Iterator<Item = [u8; 8]> + '_ {
    raw.as_chunks::<8>().0.iter().copied()
}

fn pairs(raw: &[u8]) -> impl Iterator<Item = u16> + '_ {
    raw.as_chunks::<2>().0.iter().copied().map(u16::from_le_bytes)
}

// The length is exact, so that collecting allocates once.
fn words(raw: &[u8]) -> impl ExactSizeIterator<Item = [u8; 4]> + '_ {
    raw.chunks_exact(4).map(|bytes| [bytes[0], bytes[1], bytes[2], bytes[3]])
}
