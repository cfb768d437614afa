//! Decodes an ONNX file without its larger weights, which stay in the file until they are needed. So the decoded model
//! and the compiled one are never in memory together.
//!
//! A decoded tensor refers to its data as ONNX refers to data in other files, but with an empty file name. That holds
//! for the graph's own tensors with raw data, which is what exporters write; others are decoded with their data.

use std::io::{BufReader, Error, ErrorKind, Read, Result};

use prost::Message as _;
use prost::encoding::encode_varint;

use super::extent::{Extent, own_tensors};
use super::pb::{GraphProto, ModelProto, TensorProto};
use super::stored::{Positioned, Stored};

/// Tensors of fewer bytes are decoded with their data: scales, shapes, small weights. The limit is low for tests and
/// the fuzzer, whose files are small.
const LARGE_BYTES: u64 = if cfg!(any(test, fuzzing)) { 256 } else { 64 << 10 };

/// What is decoded without the larger weights has at most so many bytes. The largest classifiers have some 10 MB.
pub(crate) const MOST_BYTES: u64 = 64 << 20;

/// The wire type of messages, strings, bytes and packed numbers.
const LENGTH_DELIMITED: u64 = 2;

/// The messages of the protobuf that contain tensors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
}

impl Message {
    /// The message in the field of this number, if it contains tensors. The numbers are those of onnx.proto.
    fn part(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5) => Some(Self::Tensor),
            (Self::Node, 5) => Some(Self::Attribute),
            _ => None,
        }
    }

    /// Whether the field is `raw_data`.
    fn is_data(self, field: u64) -> bool {
        self == Self::Tensor && field == 9
    }

    /// Whether the field may occur only once. Protobuf would merge a second one with the first or replace it, which is
    /// impossible for data that stays in the file, and no exporter writes such files.
    fn is_single(self, field: u64) -> bool {
        self.is_data(field) || (self == Self::Attribute && field == 5)
    }
}

/// Decodes a file.
///
/// # Errors
/// When it cannot be read; or, as [`ErrorKind::InvalidData`], when it is cut short or damaged.
pub(crate) fn decode(stored: &Stored) -> Result<ModelProto> {
    let length = stored.first_length();
    let mut walk = Walk { reader: BufReader::new(Positioned { stored, at: 0 }), at: 0 };
    let mut skeleton = Vec::new();
    walk.copy(Message::Model, length, &mut skeleton)?;
    let mut model = ModelProto::decode(skeleton.as_slice()).map_err(|_| damaged())?;
    drop(skeleton);
    // The extents from above are valid, but the file itself may contain forged ones, which lie beyond its end, or
    // together have more bytes than it has.
    let extents = || model.graph.iter().flat_map(own_tensors).filter_map(Extent::of);
    let inside = extents().all(|extent| extent.offset.checked_add(extent.length).is_some_and(|end| end <= length));
    if !inside || extents().fold(0, |sum: u64, extent| sum.saturating_add(extent.length)) > length {
        return Err(damaged());
    }
    fill_small(&mut model, stored)?;
    Ok(model)
}

/// Reads what is needed before the backend is chosen: biases, scales, shapes.
///
/// # Errors
/// When it cannot be read.
pub(super) fn fill_small(model: &mut ModelProto, stored: &Stored) -> Result<()> {
    let is_small = |tensor: &TensorProto| Extent::of(tensor).is_some_and(|extent| extent.length < LARGE_BYTES);
    fill_some(model, stored, |tensor| tensor.dims.len() < 2 || is_small(tensor))
}

/// Reads the data that stayed in the file into the tensors of a decoded model.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn fill(model: &mut ModelProto, stored: &Stored) -> Result<()> {
    fill_some(model, stored, |_| true)
}

fn fill_some(model: &mut ModelProto, stored: &Stored, which: impl Fn(&TensorProto) -> bool) -> Result<()> {
    let Some(graph) = &mut model.graph else { return Ok(()) };
    let GraphProto { initializer, node, .. } = graph;
    let attributes = node.iter_mut().flat_map(|node| &mut node.attribute);
    let tensors = initializer.iter_mut().chain(attributes.filter_map(|attribute| attribute.t.as_mut()));
    for tensor in tensors.filter(|tensor| which(tensor)) {
        let Some(extent) = Extent::of(tensor) else { continue };
        tensor.raw_data = vec![0; extent.length as usize];
        stored.read_exact_at(&mut tensor.raw_data, extent.offset)?;
        tensor.external_data.clear();
        tensor.data_location = None;
    }
    Ok(())
}

fn damaged() -> Error {
    ErrorKind::InvalidData.into()
}

fn too_much() -> Error {
    Error::other("it holds more than 64 MB beside the raw data of its weights; export it again with a newer exporter")
}

/// Walks through the messages of a file.
struct Walk<'a> {
    reader: BufReader<Positioned<'a>>,
    at: u64,
}

impl Walk<'_> {
    /// Appends the message that ends at offset `end` to `out`, with extents in place of the data of larger tensors.
    fn copy(&mut self, message: Message, end: u64, out: &mut Vec<u8>) -> Result<()> {
        let mut has_single = false;
        while self.at < end {
            let key = self.varint()?;
            let (field, kind) = (key >> 3, key & 7);
            // No field has the number 0: a file of zeros is refused at its first byte.
            if field == 0 {
                return Err(damaged());
            }
            if out.len() as u64 > MOST_BYTES {
                return Err(too_much());
            }
            if kind != LENGTH_DELIMITED {
                encode_varint(key, out);
                match kind {
                    0 => encode_varint(self.varint()?, out),
                    1 => self.take(8, out)?,
                    5 => self.take(4, out)?,
                    _ => return Err(damaged()),
                }
                continue;
            }
            if message.is_single(field) && std::mem::replace(&mut has_single, true) {
                return Err(damaged());
            }
            let length = self.varint()?;
            let stop = self.at.checked_add(length).filter(|&stop| stop <= end).ok_or_else(damaged)?;
            if message.is_data(field) && length >= LARGE_BYTES {
                // The extent takes the place of the data.
                out.append(&mut Extent { offset: self.at, length }.written());
                self.skip(length)?;
                continue;
            }
            encode_varint(key, out);
            if let Some(part) = message.part(field) {
                let mut inner = Vec::new();
                self.copy(part, stop, &mut inner)?;
                encode_varint(inner.len() as u64, out);
                out.append(&mut inner);
            } else {
                if length > MOST_BYTES {
                    return Err(too_much());
                }
                encode_varint(length, out);
                self.take(length, out)?;
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
                // The tenth byte has room for one bit.
                return if shift == 63 && byte[0] > 1 { Err(damaged()) } else { Ok(value) };
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
    use crate::onnx::pb::{AttributeProto, NodeProto};
    use proptest::prelude::*;

    fn tensor(name: &str, raw: Vec<u8>) -> TensorProto {
        TensorProto {
            name: name.into(),
            dims: vec![1, raw.len() as i64],
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

    fn stored(bytes: &[u8]) -> Stored {
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, bytes).expect("writable");
        Stored::new(file, bytes.len() as u64)
    }

    const SIZES: [usize; 4] = [10, 70_000, 0, 300];

    #[test]
    fn large_tensors_stay_in_the_file_and_small_ones_come_along() {
        let whole = model(&SIZES);
        let bytes = whole.encode_to_vec();
        let file = stored(&bytes);
        let mut decoded = decode(&file).expect("valid");
        let graph = decoded.graph.as_ref().expect("a graph");
        let nodes = graph.node.iter().filter_map(|node| node.attribute[0].t.as_ref());
        for (tensor, original) in
            graph.initializer.iter().chain(nodes).zip(model(&SIZES).graph.expect("one").initializer.iter().cycle())
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

    fn decoded(bytes: &[u8]) -> Result<ModelProto> {
        decode(&stored(bytes))
    }

    #[test]
    fn data_beyond_the_end_of_the_file_or_more_than_it_has_is_refused() {
        let pretending = |extents: &[Extent]| {
            let mut lying = model(&[10; 9]);
            let graph = lying.graph.as_mut().expect("a graph");
            for (tensor, extent) in graph.initializer.iter_mut().zip(extents) {
                tensor.merge(extent.written().as_slice()).expect("fields");
                assert_eq!(Extent::of(tensor), Some(*extent));
            }
            decoded(&lying.encode_to_vec()).map(|_| ()).map_err(|error| error.kind())
        };
        assert_eq!(pretending(&[Extent { offset: 5, length: 1 << 40 }]), Err(ErrorKind::InvalidData));
        assert_eq!(pretending(&[Extent { offset: u64::MAX, length: 5 }]), Err(ErrorKind::InvalidData));
        assert_eq!(pretending(&[Extent { offset: 0, length: 100 }; 2]), Ok(()));
        assert_eq!(pretending(&[Extent { offset: 0, length: 400 }; 9]), Err(ErrorKind::InvalidData));
    }

    #[test]
    fn biases_come_along_however_large_they_are() {
        let bias = TensorProto { dims: vec![1000], ..tensor("bias", vec![7; 1000]) };
        let graph = GraphProto { initializer: vec![bias.clone()], ..Default::default() };
        let model = decoded(&ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec()).expect("valid");
        assert_eq!(model.graph.expect("a graph").initializer, [bias]);
    }

    #[test]
    fn data_that_is_there_twice_is_refused() {
        let [large, small] = [300, 10].map(|size| tensor("w", vec![1; size]).encode_to_vec());
        for twice in [[large.clone(), small.clone()].concat(), [small, large].concat()] {
            let mut bytes = Vec::new();
            prost::encoding::bytes::encode(5, &twice, &mut bytes);
            let mut whole = Vec::new();
            prost::encoding::bytes::encode(7, &bytes, &mut whole);
            assert_eq!(decoded(&whole).map_err(|error| error.kind()), Err(ErrorKind::InvalidData));
        }
    }

    proptest! {
        #[test]
        fn a_file_that_is_cut_or_damaged_is_refused_or_decoded_like_any_other(
            sizes in prop::collection::vec(prop_oneof![0..300usize, 65_000..67_000usize], 0..4), at in any::<prop::sample::Index>(), byte: u8, cut: bool,
        ) {
            let mut bytes = model(&sizes).encode_to_vec();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let expected = ModelProto::decode(bytes.as_slice()).ok();
            let file = stored(&bytes);
            let found = decode(&file).and_then(|mut model| fill(&mut model, &file).map(|()| model)).ok();
            // Groups, a deprecated feature of protobuf, are refused here.
            if let (Some(found), Some(expected)) = (&found, &expected) {
                prop_assert_eq!(found, expected);
            }
            prop_assert!(found.is_none() || expected.is_some());
        }
    }
}
