//! An ONNX file without its larger tensors: they stay in the file until somebody needs them, so that a model is never in
//! memory beside what is made of it.
//!
//! What is decoded refers to them as ONNX refers to data in other files, only that the other file has no name.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use prost::Message as _;
use prost::encoding::encode_varint;

use super::graph::own_tensors;
use super::pb::{GraphProto, ModelProto, StringStringEntryProto, TensorProto, tensor_proto::DataLocation};

/// Tensors of fewer bytes come along: biases, scales, shapes.
const LARGE_BYTES: u64 = 64 << 10;

/// The messages of the protobuf that have tensors in them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
}

impl Message {
    /// What the field of this number is. The numbers are onnx.proto's.
    fn part(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5) => Some(Self::Tensor),
            (Self::Node, 5) => Some(Self::Attribute),
            _ => None,
        }
    }

    fn is_data(self, field: u64) -> bool {
        self == Self::Tensor && field == 9
    }
}

/// Where the data of a tensor is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub offset: u64,
    pub length: u64,
}

impl Extent {
    /// Of a tensor whose data stayed in the file.
    pub fn of(tensor: &TensorProto) -> Option<Self> {
        let entries = &tensor.external_data;
        let value = |key: &str| entries.iter().rev().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key: &str| value(key)?.parse().ok();
        value("location").filter(|location| location.is_empty())?;
        Some(Self { offset: number("offset")?, length: number("length")? })
    }

    /// As fields of a tensor.
    fn written(self) -> Vec<u8> {
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
        let fields = TensorProto {
            data_location: Some(DataLocation::External as i32),
            external_data: vec![
                entry("location", String::new()),
                entry("offset", self.offset.to_string()),
                entry("length", self.length.to_string()),
            ],
            ..TensorProto::default()
        };
        fields.encode_to_vec()
    }
}

/// Decodes a file of so many bytes.
///
/// # Errors
/// When it cannot be read; or, as [`ErrorKind::InvalidData`], when it is cut short or damaged.
pub fn decode(file: &File, length: u64) -> Result<ModelProto> {
    let mut walk = Walk { reader: BufReader::new(Positioned { file, at: 0 }), at: 0 };
    let mut skeleton = Vec::new();
    walk.copy(Message::Model, length, &mut skeleton)?;
    let model = ModelProto::decode(skeleton.as_slice()).map_err(|_| damaged())?;
    // Not those that were written above, but others may pretend to be such.
    let fits = |extent: Extent| extent.offset.checked_add(extent.length).is_some_and(|end| end <= length);
    let fit = model.graph.iter().flat_map(own_tensors).filter_map(Extent::of).all(fits);
    if fit { Ok(model) } else { Err(damaged()) }
}

/// Puts into the tensors of a decoded file what stayed there.
///
/// # Errors
/// When it cannot be read.
pub fn fill(model: &mut ModelProto, file: &File) -> Result<()> {
    let Some(graph) = &mut model.graph else { return Ok(()) };
    let GraphProto { initializer, node, .. } = graph;
    let attributes = node.iter_mut().flat_map(|node| &mut node.attribute);
    for tensor in initializer.iter_mut().chain(attributes.filter_map(|attribute| attribute.t.as_mut())) {
        let Some(extent) = Extent::of(tensor) else { continue };
        tensor.raw_data = vec![0; extent.length as usize];
        file.read_exact_at(&mut tensor.raw_data, extent.offset)?;
        tensor.external_data.clear();
        tensor.data_location = None;
    }
    Ok(())
}

fn damaged() -> Error {
    ErrorKind::InvalidData.into()
}

/// A file that is read from a place of its own, whoever else reads it.
pub struct Positioned<'a> {
    pub file: &'a File,
    pub at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Positioned<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// The way through the messages.
struct Walk<'a> {
    reader: BufReader<Positioned<'a>>,
    at: u64,
}

impl Walk<'_> {
    /// Appends the message that ends there to `out`, its larger tensors as extents.
    fn copy(&mut self, message: Message, end: u64, out: &mut Vec<u8>) -> Result<()> {
        while self.at < end {
            let key = self.varint()?;
            let field = key >> 3;
            encode_varint(key, out);
            match key & 7 {
                0 => encode_varint(self.varint()?, out),
                1 => self.take(8, out)?,
                5 => self.take(4, out)?,
                2 => {
                    let length = self.varint()?;
                    let stop = self.at.checked_add(length).filter(|&stop| stop <= end).ok_or_else(damaged)?;
                    if let Some(part) = message.part(field) {
                        let mut inner = Vec::new();
                        self.copy(part, stop, &mut inner)?;
                        encode_varint(inner.len() as u64, out);
                        out.append(&mut inner);
                    } else if message.is_data(field) && length >= LARGE_BYTES {
                        let extent = Extent { offset: self.at, length };
                        encode_varint(0, out);
                        // Behind the rest of the tensor's fields, in whatever order they are.
                        out.append(&mut extent.written());
                        self.skip(length)?;
                    } else {
                        encode_varint(length, out);
                        self.take(length, out)?;
                    }
                }
                _ => return Err(damaged()),
            }
        }
        if self.at == end { Ok(()) } else { Err(damaged()) }
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.reader.read_exact(&mut byte).map_err(cut)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged())
    }

    fn take(&mut self, length: u64, out: &mut Vec<u8>) -> Result<()> {
        let read = Read::by_ref(&mut self.reader).take(length).read_to_end(out)?;
        self.at += read as u64;
        if read as u64 == length { Ok(()) } else { Err(damaged()) }
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        self.at += length;
        self.reader.seek_relative(i64::try_from(length).map_err(|_| damaged())?)
    }
}

fn cut(error: Error) -> Error {
    if error.kind() == ErrorKind::UnexpectedEof { damaged() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::onnx::pb::{AttributeProto, NodeProto};
    use proptest::prelude::*;

    fn tensor(name: &str, raw: Vec<u8>) -> TensorProto {
        TensorProto {
            name: name.into(),
            dims: vec![raw.len() as i64],
            data_type: 2,
            raw_data: raw,
            ..Default::default()
        }
    }

    fn model(sizes: &[usize]) -> ModelProto {
        let raw = |seed: usize, size: usize| (0..size).map(|at| (at * 7 + seed) as u8).collect();
        let tensors = || sizes.iter().enumerate().map(|(at, &size)| tensor(&format!("w{at}"), raw(at, size)));
        let constant = |tensor| NodeProto {
            op_type: "Constant".into(),
            attribute: vec![AttributeProto { name: "value".into(), t: Some(tensor), f: 1.5, ..Default::default() }],
            ..Default::default()
        };
        let graph = GraphProto {
            initializer: tensors().collect(),
            node: tensors().map(constant).collect(),
            ..Default::default()
        };
        ModelProto { ir_version: 8, producer_name: "test".into(), graph: Some(graph), ..Default::default() }
    }

    fn stored(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, bytes).expect("writable");
        file
    }

    #[test]
    fn large_tensors_stay_in_the_file_and_small_ones_come_along() {
        let whole = model(&[10, 70_000, 0, 100_000]);
        let bytes = whole.encode_to_vec();
        let file = stored(&bytes);
        let mut decoded = decode(&file, bytes.len() as u64).expect("valid");
        let graph = decoded.graph.as_ref().expect("a graph");
        let nodes = graph.node.iter().filter_map(|node| node.attribute[0].t.as_ref());
        for (tensor, original) in graph
            .initializer
            .iter()
            .chain(nodes)
            .zip(model(&[10, 70_000, 0, 100_000]).graph.expect("one").initializer.iter().cycle())
        {
            match Extent::of(tensor) {
                None => assert_eq!(tensor, original),
                Some(extent) => {
                    let [start, end] = [extent.offset, extent.offset + extent.length].map(|at| at as usize);
                    assert_eq!((&bytes[start..end], tensor.raw_data.len()), (&original.raw_data[..], 0));
                }
            }
        }
        assert_eq!(graph.initializer.iter().filter(|tensor| Extent::of(tensor).is_some()).count(), 2);
        fill(&mut decoded, &file).expect("readable");
        assert_eq!(decoded, whole);
    }

    #[test]
    fn data_beyond_the_end_of_the_file_is_refused() {
        let mut lying = model(&[10]);
        let extent = Extent { offset: 5, length: 1 << 40 };
        let graph = lying.graph.as_mut().expect("a graph");
        graph.initializer[0].merge(extent.written().as_slice()).expect("fields");
        assert_eq!(Extent::of(&graph.initializer[0]), Some(extent));
        let bytes = lying.encode_to_vec();
        let refused = decode(&stored(&bytes), bytes.len() as u64).map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::InvalidData));
    }

    proptest! {
        #[test]
        fn a_file_that_is_cut_or_damaged_is_refused_or_decoded_like_any_other(
            sizes in prop::collection::vec(prop_oneof![0..100usize, 65_000..67_000usize], 0..4), at in any::<prop::sample::Index>(), byte: u8, cut: bool,
        ) {
            let mut bytes = model(&sizes).encode_to_vec();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let length = bytes.len() as u64;
            let expected = ModelProto::decode(bytes.as_slice()).ok();
            let file = stored(&bytes);
            let found = decode(&file, length).and_then(|mut model| fill(&mut model, &file).map(|()| model)).ok();
            // Groups, which nobody writes any more, are refused here.
            if let (Some(found), Some(expected)) = (&found, &expected) {
                prop_assert_eq!(found, expected);
            }
            prop_assert!(found.is_none() || expected.is_some());
        }
    }
}
