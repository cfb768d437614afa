//! Builds ONNX networks with random weights, node by node.

use glimpsed_inference::pb::attribute_proto::AttributeType;
use glimpsed_inference::pb::tensor_proto::DataType;
use glimpsed_inference::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, tensor_shape_proto, type_proto,
};

/// Classes of every network that is built here.
pub(crate) const CLASSES: usize = 3;

/// A network under construction. Each node reads the output of the one before; the input `x` has the shape 1x3x17x14.
pub(crate) struct Network {
    random: fastrand::Rng,
    pub(crate) nodes: Vec<NodeProto>,
    pub(crate) weights: Vec<TensorProto>,
    /// The name of the last output.
    pub(crate) last: String,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { random, nodes: Vec::new(), weights: Vec::new(), last: "x".into() }
    }

    /// Adds a constant with values in `low..high`, and returns its name.
    pub(crate) fn weight(&mut self, dims: &[usize], low: f32, high: f32) -> String {
        let values = (0..dims.iter().product()).map(|_| low + self.random.f32() * (high - low)).collect();
        self.constant(dims, values)
    }

    pub(crate) fn constant(&mut self, dims: &[usize], values: Vec<f32>) -> String {
        self.tensor(TensorProto { float_data: values, ..tensor(DataType::Float, dims) })
    }

    /// Adds a constant of bytes, stored as ONNX stores them outside of `raw_data`: a 32-bit number each.
    pub(crate) fn bytes(&mut self, element: DataType, dims: &[usize], values: Vec<i32>) -> String {
        self.tensor(TensorProto { int32_data: values, ..tensor(element, dims) })
    }

    pub(crate) fn integers(&mut self, values: &[i64]) -> String {
        self.tensor(TensorProto { int64_data: values.to_vec(), ..tensor(DataType::Int64, &[values.len()]) })
    }

    fn tensor(&mut self, mut tensor: TensorProto) -> String {
        tensor.name = format!("w{}", self.weights.len());
        let name = tensor.name.clone();
        self.weights.push(tensor);
        name
    }

    /// Adds a node that reads the last output and `more`.
    pub(crate) fn push(&mut self, operator: &str, more: &[&str], integers: &[(&str, &[i64])]) -> &mut Self {
        let inputs: Vec<&str> = std::iter::once(self.last.as_str()).chain(more.iter().copied()).collect();
        let mut made = node(operator, &inputs, &format!("t{}", self.nodes.len()));
        made.attribute = integers.iter().map(|(name, values)| attribute(name, values)).collect();
        self.add(made)
    }

    /// Adds a node with its inputs as they are.
    pub(crate) fn add(&mut self, mut node: NodeProto) -> &mut Self {
        let output = format!("t{}", self.nodes.len());
        node.name.clone_from(&output);
        node.output = vec![output.clone()];
        self.nodes.push(node);
        self.last = output;
        self
    }

    /// Adds a convolution with a bias. `channels` are those of its input and of its output, `pads` top, left, bottom, right.
    pub(crate) fn conv(
        &mut self,
        channels: [usize; 2],
        size: usize,
        stride: i64,
        pads: [i64; 4],
        groups: usize,
    ) -> &mut Self {
        let reach = 1.0 / ((channels[0] / groups * size * size) as f32).sqrt();
        let weights = self.weight(&[channels[1], channels[0] / groups, size, size], -reach, reach);
        let bias = self.weight(&[channels[1]], -0.5, 0.5);
        let integers: [(&str, &[i64]); 3] =
            [("strides", &[stride, stride]), ("pads", &pads), ("group", &[groups as i64])];
        self.push("Conv", &[&weights, &bias], &integers)
    }

    /// Dilates the window of the last node.
    pub(crate) fn dilate(&mut self, dilation: i64) -> &mut Self {
        let conv = self.nodes.last_mut().expect("a convolution");
        conv.attribute.push(attribute("dilations", &[dilation, dilation]));
        self
    }

    pub(crate) fn normalise(&mut self, channels: usize) -> &mut Self {
        let [scale, variance] = [self.weight(&[channels], 0.5, 1.5), self.weight(&[channels], 0.5, 1.5)];
        let [shift, mean] = [self.weight(&[channels], -0.5, 0.5), self.weight(&[channels], -0.5, 0.5)];
        self.push("BatchNormalization", &[&scale, &shift, &mean, &variance], &[])
    }

    /// Quantises the last output to bytes and back.
    pub(crate) fn round(&mut self, scale: f32, zero_point: i32) -> &mut Self {
        let scale = self.constant(&[], vec![scale]);
        let zero_point = self.bytes(DataType::Uint8, &[], vec![zero_point]);
        self.push("QuantizeLinear", &[&scale, &zero_point], &[]).push("DequantizeLinear", &[&scale, &zero_point], &[])
    }

    /// Adds a convolution with signed bytes as weights and a scale for each output channel, as quantisers write it.
    pub(crate) fn conv_of_bytes(&mut self, channels: [usize; 2], size: usize, groups: usize) -> &mut Self {
        let dims = [channels[1], channels[0] / groups, size, size];
        let values = (0..dims.iter().product()).map(|_| self.random.i32(-127..=127)).collect();
        let weights = self.bytes(DataType::Int8, &dims, values);
        let scales = self.weight(&[channels[1]], 0.002, 0.004);
        let zeros = self.bytes(DataType::Int8, &[channels[1]], vec![0; channels[1]]);
        let before = self.last.clone();
        let mut dequantised = node("DequantizeLinear", &[&weights, &scales, &zeros], "");
        dequantised.attribute = vec![attribute("axis", &[0])];
        self.add(dequantised);
        let (weights, pad) = (std::mem::replace(&mut self.last, before), (size / 2) as i64);
        self.push("Conv", &[&weights], &[("pads", &[pad; 4]), ("group", &[groups as i64])])
    }

    /// The mean of each channel, and a matrix of [`CLASSES`] rows.
    pub(crate) fn classify(&mut self, channels: usize) -> ModelProto {
        self.push("GlobalAveragePool", &[], &[]).push("Flatten", &[], &[]);
        let (weights, bias) = (self.weight(&[CLASSES, channels], -1.0, 1.0), self.weight(&[CLASSES], -1.0, 1.0));
        self.push("Gemm", &[&weights, &bias], &[("transB", &[1])]).finish()
    }

    /// The network whose output is that of the last node.
    pub(crate) fn finish(&mut self) -> ModelProto {
        self.nodes.last_mut().expect("just pushed").output[0] = "y".into();
        let declared = input("x", DataType::Float, &[None, Some(3), Some(17), Some(14)]);
        model(std::mem::take(&mut self.nodes), vec![declared], std::mem::take(&mut self.weights))
    }
}

fn tensor(element: DataType, dims: &[usize]) -> TensorProto {
    let dims = dims.iter().map(|&side| side as i64).collect();
    TensorProto { data_type: element as i32, dims, ..Default::default() }
}

pub(crate) fn attribute(name: &str, values: &[i64]) -> AttributeProto {
    let single = matches!(name, "group" | "transB" | "axis" | "ceil_mode" | "count_include_pad" | "keepdims");
    AttributeProto {
        name: name.to_owned(),
        r#type: if single { AttributeType::Int } else { AttributeType::Ints } as i32,
        i: if single { values[0] } else { 0 },
        ints: if single { Vec::new() } else { values.to_vec() },
        ..Default::default()
    }
}

pub(crate) fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: format!("{operator}_1"),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Default::default()
    }
}

/// Declares an input; `None` is a dimension that the file leaves open.
pub(crate) fn input(name: &str, element: DataType, dims: &[Option<i64>]) -> ValueInfoProto {
    let dim = dims
        .iter()
        .map(|dim| tensor_shape_proto::Dimension { value: dim.map(tensor_shape_proto::dimension::Value::DimValue) })
        .collect();
    let tensor = type_proto::Tensor { elem_type: element as i32, shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind) }
}

/// A model of opset 13 with the output `y`.
pub(crate) fn model(nodes: Vec<NodeProto>, inputs: Vec<ValueInfoProto>, initializer: Vec<TensorProto>) -> ModelProto {
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        graph: Some(GraphProto {
            name: "test".into(),
            node: nodes,
            input: inputs,
            output: vec![input("y", DataType::Float, &[None, Some(CLASSES as i64)])],
            initializer,
            ..Default::default()
        }),
        ..Default::default()
    }
}
