//! Converts our protobuf messages into tract's. Large fields are moved, not copied.

use tract_onnx::pb as theirs;

use crate::onnx::pb as ours;

/// Converts a whole file.
pub(super) fn model(model: ours::ModelProto) -> theirs::ModelProto {
    let opset = |set: ours::OperatorSetIdProto| theirs::OperatorSetIdProto { domain: set.domain, version: set.version };
    theirs::ModelProto {
        ir_version: model.ir_version,
        producer_name: model.producer_name,
        graph: model.graph.map(graph),
        opset_import: model.opset_import.into_iter().map(opset).collect(),
        metadata_props: model.metadata_props.into_iter().map(entry).collect(),
        ..Default::default()
    }
}

fn graph(graph: ours::GraphProto) -> theirs::GraphProto {
    theirs::GraphProto {
        node: graph.node.into_iter().map(node).collect(),
        name: graph.name,
        initializer: graph.initializer.into_iter().map(tensor).collect(),
        sparse_initializer: graph.sparse_initializer.into_iter().map(sparse).collect(),
        input: graph.input.into_iter().map(value).collect(),
        output: graph.output.into_iter().map(value).collect(),
        value_info: graph.value_info.into_iter().map(value).collect(),
        ..Default::default()
    }
}

fn node(node: ours::NodeProto) -> theirs::NodeProto {
    theirs::NodeProto {
        input: node.input,
        output: node.output,
        name: node.name,
        op_type: node.op_type,
        domain: node.domain,
        attribute: node.attribute.into_iter().map(attribute).collect(),
        ..Default::default()
    }
}

fn attribute(from: ours::AttributeProto) -> theirs::AttributeProto {
    theirs::AttributeProto {
        name: from.name,
        r#type: from.r#type,
        f: from.f,
        i: from.i,
        s: from.s,
        t: from.t.map(tensor),
        g: from.g.map(graph),
        sparse_tensor: from.sparse_tensor.map(sparse),
        floats: from.floats,
        ints: from.ints,
        strings: from.strings,
        tensors: from.tensors.into_iter().map(tensor).collect(),
        graphs: from.graphs.into_iter().map(graph).collect(),
        sparse_tensors: from.sparse_tensors.into_iter().map(sparse).collect(),
        ..Default::default()
    }
}

fn tensor(tensor: ours::TensorProto) -> theirs::TensorProto {
    theirs::TensorProto {
        dims: tensor.dims,
        data_type: tensor.data_type,
        float_data: tensor.float_data,
        int32_data: tensor.int32_data,
        string_data: tensor.string_data,
        int64_data: tensor.int64_data,
        name: tensor.name,
        raw_data: tensor.raw_data,
        double_data: tensor.double_data,
        uint64_data: tensor.uint64_data,
        data_location: tensor.data_location,
        external_data: tensor.external_data.into_iter().map(entry).collect(),
        ..Default::default()
    }
}

fn sparse(from: ours::SparseTensorProto) -> theirs::SparseTensorProto {
    theirs::SparseTensorProto { values: from.values.map(tensor), indices: from.indices.map(tensor), dims: from.dims }
}

fn entry(entry: ours::StringStringEntryProto) -> theirs::StringStringEntryProto {
    theirs::StringStringEntryProto { key: entry.key, value: entry.value }
}

fn value(value: ours::ValueInfoProto) -> theirs::ValueInfoProto {
    theirs::ValueInfoProto { name: value.name, r#type: value.r#type.map(kind), ..Default::default() }
}

fn kind(kind: ours::TypeProto) -> theirs::TypeProto {
    let tensor = |tensor: ours::type_proto::Tensor| theirs::type_proto::Tensor {
        elem_type: tensor.elem_type,
        shape: tensor
            .shape
            .map(|shape| theirs::TensorShapeProto { dim: shape.dim.into_iter().map(dimension).collect() }),
    };
    let value =
        kind.value.map(|ours::type_proto::Value::TensorType(from)| theirs::type_proto::Value::TensorType(tensor(from)));
    theirs::TypeProto { value, ..Default::default() }
}

fn dimension(dimension: ours::tensor_shape_proto::Dimension) -> theirs::tensor_shape_proto::Dimension {
    use ours::tensor_shape_proto::dimension::Value::{DimParam, DimValue};
    use theirs::tensor_shape_proto::dimension::Value;
    let value = dimension.value.map(|value| match value {
        DimValue(length) => Value::DimValue(length),
        DimParam(name) => Value::DimParam(name),
    });
    theirs::tensor_shape_proto::Dimension { value, ..Default::default() }
}
