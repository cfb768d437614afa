//! Where the data of tensors are that were decoded without them.

use prost::Message as _;

use super::pb::tensor_proto::DataLocation;
use super::pb::{GraphProto, StringStringEntryProto, TensorProto};

/// The position of a tensor's data in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub offset: u64,
    /// The number of bytes.
    pub length: u64,
}

impl Extent {
    /// Of a tensor whose data stayed in the file.
    pub(crate) fn of(tensor: &TensorProto) -> Option<Self> {
        let entries = &tensor.external_data;
        let value = |key: &str| entries.iter().rev().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key: &str| value(key)?.parse().ok();
        value("location").filter(|location| location.is_empty())?;
        Some(Self { offset: number("offset")?, length: number("length")? })
    }

    /// The extent, as the entries of a tensor's external data.
    pub(super) fn entries(self) -> Vec<StringStringEntryProto> {
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
        vec![
            entry("location", String::new()),
            entry("offset", self.offset.to_string()),
            entry("length", self.length.to_string()),
        ]
    }

    /// The extent, encoded as fields of a tensor.
    pub(super) fn written(self) -> Vec<u8> {
        let data_location = Some(DataLocation::External as i32);
        TensorProto { data_location, external_data: self.entries(), ..TensorProto::default() }.encode_to_vec()
    }
}

/// Weights and constants.
pub(crate) fn own_tensors(graph: &GraphProto) -> impl Iterator<Item = &TensorProto> {
    let attributes = graph.node.iter().flat_map(|node| &node.attribute);
    graph.initializer.iter().chain(attributes.filter_map(|attribute| attribute.t.as_ref()))
}
