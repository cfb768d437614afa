//! The properties of an ONNX graph, read from its protobuf.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::extent::Extent;
use super::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto, tensor_shape_proto, type_proto,
};

use super::constants::Names;
use super::extent::own_tensors;
use crate::error::Error;
use crate::input::{ChannelOrder, Element, Fit, FitChoice, InputHints, InputSpec, Layout};
use crate::inspection::Precision;
use crate::scores::End;

/// Makes the output of the classes the first one; see [`outputs::choose`](super::outputs::choose).
pub(crate) fn choose_output(proto: &mut ModelProto, hints: &InputHints) -> Result<(), Error> {
    match proto.graph.as_mut() {
        Some(graph) => super::outputs::choose(graph, hints.output.as_deref(), hints.labels),
        None => Ok(()),
    }
}

/// The ratio between the shorter side before the crop and the input's side in the reference preprocessing of
/// torchvision and most others: 256 pixels for an input of 224.
const USUAL_RESIZE: (usize, usize) = (256, 224);

/// The accepted side lengths of an input.
const SIDE_PX: std::ops::RangeInclusive<usize> = 8..=4096;

/// What a graph has, counted.
pub(crate) struct Figures {
    pub precision: Precision,
    /// The number of trained parameters.
    pub parameters: u64,
    /// The number of convolutions and matrix products.
    pub layers: usize,
    /// Whether there is a residual connection.
    pub residual: bool,
    /// Bytes of all constants.
    pub weight_bytes: u64,
}

pub(crate) struct Graph<'a> {
    proto: &'a ModelProto,
    graph: &'a GraphProto,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(proto: &'a ModelProto, path: &str) -> Result<Self, Error> {
        let not_onnx = |cause: String| Error::NotOnnx { path: path.to_owned(), cause };
        let graph = proto.graph.as_ref().filter(|graph| !graph.node.is_empty());
        let graph = graph.ok_or_else(|| not_onnx("it holds no graph".into()))?;
        let this = Self { proto, graph };
        this.check_names().map_err(not_onnx)?;
        Ok(this)
    }

    /// Checks that every used name is defined, which tract relies on.
    fn check_names(&self) -> Result<(), String> {
        let inputs = self.graph.input.iter().map(|input| input.name.as_str());
        let weights = self.graph.initializer.iter().map(|tensor| tensor.name.as_str());
        let results = self.graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
        let known: HashSet<&str> = inputs.chain(weights).chain(results).collect();
        let used = self.graph.node.iter().flat_map(|node| node.input.iter().filter(|name| !name.is_empty()));
        let wanted = self.graph.output.iter().map(|output| &output.name);
        match used.chain(wanted).find(|name| !known.contains(name.as_str())) {
            Some(name) => Err(format!("`{name}` is used but nothing produces it")),
            None if self.graph.output.is_empty() => Err("it has no output".into()),
            None => Ok(()),
        }
    }

    pub(crate) fn opset(&self) -> i64 {
        let default =
            self.proto.opset_import.iter().find(|import| import.domain.is_empty() || import.domain == "ai.onnx");
        default.map_or(0, |import| import.version)
    }

    /// Weights that are still in another file are refused: their paths come from the file, and tract before 0.23.2 followed
    /// them anywhere (CVE-2026-55832).
    pub(crate) fn refuse_external_data(&self) -> Result<(), Error> {
        let external = |tensor: &&TensorProto| {
            tensor.data_location == Some(tensor_proto::DataLocation::External as i32)
                || !tensor.external_data.is_empty()
        };
        // Only the graph's own tensors may have an extent in this very file.
        let elsewhere = own_tensors(self.graph).filter(|tensor| Extent::of(tensor).is_none());
        match elsewhere.chain(nested_tensors(self.graph)).find(external) {
            None => Ok(()),
            Some(tensor) => {
                let location = tensor.external_data.iter().find(|entry| entry.key == "location");
                let location = location.map_or(String::new(), |entry| entry.value.clone());
                Err(Error::ExternalData { location, cause: "which is not opened; save it as one file".into() })
            }
        }
    }

    /// The input as the file declares it, completed by the hints; and its name.
    pub(crate) fn input(&self, hints: &InputHints) -> Result<(InputSpec, String), Error> {
        let weights: HashSet<&str> = self.graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        // Older exporters list the weights among the inputs.
        let inputs: Vec<_> = self.graph.input.iter().filter(|input| !weights.contains(input.name.as_str())).collect();
        let [input] = inputs.as_slice() else {
            return Err(refuse(format!("it has {} inputs, not one", inputs.len())));
        };
        let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|kind| kind.value.as_ref())
        else {
            return Err(refuse(format!("its input `{}` is not a tensor", input.name)));
        };
        let element = element(tensor)?;
        let (layout, size, channels) = layout_and_size(tensor, hints)?;
        let [height, width] = self.size(hints, size)?;
        let (mean, std) = match (element, hints.mean, hints.std) {
            (Element::U8, mean, std) => (mean.unwrap_or([0.0; 3]), std.unwrap_or([1.0; 3])),
            (Element::F32, Some(mean), Some(std)) => (mean, std),
            (Element::F32, ..) => return Err(Error::UnknownScaling),
        };
        if channels == ChannelOrder::Gray && (!is_even(mean) || !is_even(std)) {
            return Err(refuse("its input is gray, and `mean` and `std` have three different numbers".into()));
        }
        let longer = height.max(width);
        let shorter_px = hints.resize.unwrap_or_else(|| (longer * USUAL_RESIZE.0).div_ceil(USUAL_RESIZE.1));
        if shorter_px < longer {
            return Err(refuse(format!("`resize` ({shorter_px}) is smaller than its input of {height}x{width}")));
        }
        let input_spec = InputSpec {
            height,
            width,
            layout,
            element,
            channels,
            mean,
            std,
            fit: match hints.fit.unwrap_or(FitChoice::Crop) {
                FitChoice::Crop => Fit::Crop { shorter_px },
                FitChoice::Stretch => Fit::Stretch,
            },
        };
        Ok((input_spec, input.name.clone()))
    }

    fn size(&self, hints: &InputHints, declared: [Option<usize>; 2]) -> Result<[usize; 2], Error> {
        let refuse = |cause: String| Err(Error::NotAClassifier { cause });
        let size = match (declared, hints.size) {
            ([Some(height), Some(width)], Some(asked)) if asked != [height, width] => {
                return refuse(format!("its input is {height}x{width}; `input = {asked:?}` contradicts it"));
            }
            ([Some(height), Some(width)], _) => [height, width],
            (_, Some(asked)) => asked,
            _ => return Err(Error::SizeLeftOpen),
        };
        match size.iter().all(|side| SIDE_PX.contains(side)) {
            true => Ok(size),
            false => refuse(format!(
                "its input of {}x{} pixels is beyond the sides of {} to {}",
                size[0],
                size[1],
                SIDE_PX.start(),
                SIDE_PX.end()
            )),
        }
    }

    /// What there is to count.
    pub(crate) fn figures(&self) -> Figures {
        Figures {
            precision: self.precision(),
            parameters: self.parameters(),
            layers: self.layers(),
            residual: self.is_residual(),
            weight_bytes: self.weight_bytes(),
        }
    }

    fn precision(&self) -> Precision {
        let quantised = |node: &NodeProto| node.op_type.contains("Linear") || node.op_type.ends_with("Integer");
        if self.graph.node.iter().any(quantised) { Precision::Int8 } else { Precision::Fp32 }
    }

    /// What the numbers of its first output mean.
    pub(crate) fn end(&self) -> End {
        super::ends::of(self.graph)
    }

    /// Refuses a network that was exported as it is while it is trained: it computes with each picture's own mean, or leaves
    /// numbers out at random.
    pub(crate) fn refuse_training_mode(&self) -> Result<(), Error> {
        let names = Names::of(self.graph);
        let trains = |node: &&NodeProto| match node.op_type.as_str() {
            "BatchNormalization" => {
                let declared = node.attribute.iter().find(|attribute| attribute.name == "training_mode");
                // Before version 14 the results for training alone said so.
                let results = node.output.iter().skip(1).filter(|name| !name.is_empty()).count();
                declared.map_or(self.opset() < 14 && results >= 4, |attribute| attribute.i != 0)
            }
            "Dropout" => node.input.get(2).is_some_and(|name| names.scalar(name).is_some_and(|flag| flag != 0.0)),
            _ => false,
        };
        match self.graph.node.iter().find(trains) {
            None => Ok(()),
            Some(node) => Err(Error::TrainingMode {
                operator: node.op_type.clone(),
                at: node.output.first().cloned().unwrap_or_default(),
            }),
        }
    }

    /// The number of trained parameters: the constant inputs of the layers, found behind dequantisation and
    /// rearrangement. Scales, zero points, shapes and thresholds do not count.
    fn parameters(&self) -> u64 {
        let weights: HashMap<&str, u64> =
            (self.graph.initializer.iter()).map(|tensor| (tensor.name.as_str(), elements(tensor))).collect();
        let constants = self.graph.node.iter().filter(|node| node.op_type == "Constant").filter_map(|node| {
            let value = node.attribute.iter().find_map(|attribute| attribute.t.as_ref())?;
            Some((node.output.first()?.as_str(), elements(value)))
        });
        let weights: HashMap<&str, u64> = weights.into_iter().chain(constants).collect();
        let passes: HashMap<&str, &str> = (self.graph.node.iter())
            .filter(|node| {
                ["DequantizeLinear", "Identity", "Reshape", "Transpose", "QuantizeLinear"]
                    .contains(&node.op_type.as_str())
            })
            .filter_map(|node| Some((node.output.first()?.as_str(), node.input.first()?.as_str())))
            .collect();
        let resolve = |mut name: &'a str| {
            for _ in 0..4 {
                match passes.get(name) {
                    Some(source) => name = source,
                    None => break,
                }
            }
            name
        };
        let mut counted = HashSet::new();
        for node in &self.graph.node {
            let trained: &[usize] = match node.op_type.as_str() {
                "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "ConvInteger" | "MatMulInteger" => &[0, 1, 2],
                "QLinearConv" => &[3, 8],
                "QLinearMatMul" => &[3],
                "Add" => &[0, 1],
                "BatchNormalization" => &[1, 2, 3, 4],
                _ => &[],
            };
            counted.extend(trained.iter().filter_map(|&index| node.input.get(index)).map(|name| resolve(name)));
        }
        counted.iter().filter_map(|name| weights.get(name)).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The number of operators with weights.
    fn layers(&self) -> usize {
        let weighted = |node: &&NodeProto| {
            let name = node.op_type.as_str();
            name.contains("Conv") || name.contains("Gemm") || name.contains("MatMul")
        };
        self.graph.node.iter().filter(weighted).count()
    }

    /// Bytes of all constants, in their element types.
    fn weight_bytes(&self) -> u64 {
        let bytes = |tensor: &&TensorProto| {
            let size = match tensor_proto::DataType::try_from(tensor.data_type) {
                Ok(tensor_proto::DataType::Int8 | tensor_proto::DataType::Uint8 | tensor_proto::DataType::Bool) => 1,
                Ok(tensor_proto::DataType::Float16 | tensor_proto::DataType::Bfloat16) => 2,
                Ok(tensor_proto::DataType::Double | tensor_proto::DataType::Int64) => 8,
                _ => 4,
            };
            elements(tensor).saturating_mul(size)
        };
        tensors(self.graph).iter().map(bytes).fold(0, u64::saturating_add)
    }

    /// Whether two results that both depend on the picture are added: a residual connection.
    fn is_residual(&self) -> bool {
        let weights = self.graph.initializer.iter().map(|tensor| tensor.name.as_str());
        let mut constant: HashSet<&str> = weights.collect();
        for node in &self.graph.node {
            // In a valid file nodes come after those whose results they use. A result of constants alone is a constant,
            // and so are the dimensions that a Shape returns.
            let fixed = node.op_type == "Shape"
                || node.input.iter().all(|name| name.is_empty() || constant.contains(name.as_str()));
            if fixed {
                constant.extend(node.output.iter().map(String::as_str));
            } else if matches!(node.op_type.as_str(), "Add" | "Sum" | "QLinearAdd") {
                let depend = node.input.iter().filter(|name| !name.is_empty() && !constant.contains(name.as_str()));
                if depend.count() > 1 {
                    return true;
                }
            }
        }
        false
    }

    /// How often each operator occurs, most frequent first.
    pub(crate) fn operators(&self) -> Vec<(String, usize)> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for node in &self.graph.node {
            *counts.entry(&node.op_type).or_default() += 1;
        }
        let mut sorted: Vec<(String, usize)> =
            counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        sorted.sort_by_key(|entry| std::cmp::Reverse(entry.1));
        sorted
    }
}

/// Shows a shape, with a question mark for each open dimension: `[?, 3, 224, 224]`.
struct Shape<'a>(&'a [Option<usize>]);

impl std::fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sides: Vec<String> = self.0.iter().map(|side| side.map_or("?".into(), |side| side.to_string())).collect();
        write!(f, "[{}]", sides.join(", "))
    }
}

fn elements(tensor: &TensorProto) -> u64 {
    tensor.dims.iter().map(|&length| length.unsigned_abs()).fold(1, u64::saturating_mul)
}

/// Every tensor of the graph, including those in attributes and in the subgraphs of `If` and `Loop`.
fn tensors(graph: &GraphProto) -> Vec<&TensorProto> {
    own_tensors(graph).chain(nested_tensors(graph)).collect()
}

fn nested_tensors(graph: &GraphProto) -> impl Iterator<Item = &TensorProto> {
    let attributes = graph.node.iter().flat_map(|node| &node.attribute);
    attributes.flat_map(|AttributeProto { tensors: list, g, graphs, .. }| {
        list.iter().chain(g.iter().chain(graphs).flat_map(tensors))
    })
}

/// Whether it is the same for all colours.
fn is_even([red, green, blue]: [f32; 3]) -> bool {
    red == green && green == blue
}

fn refuse(cause: String) -> Error {
    Error::NotAClassifier { cause }
}

/// The type of the input's elements.
fn element(tensor: &type_proto::Tensor) -> Result<Element, Error> {
    match tensor_proto::DataType::try_from(tensor.elem_type) {
        Ok(
            tensor_proto::DataType::Float
            | tensor_proto::DataType::Float16
            | tensor_proto::DataType::Bfloat16
            | tensor_proto::DataType::Double,
        ) => Ok(Element::F32),
        // A signed byte is the pixel less 128, in every quantiser's files.
        Ok(tensor_proto::DataType::Uint8 | tensor_proto::DataType::Int8) => Ok(Element::U8),
        Ok(other) => {
            let kind = other.name();
            Err(refuse(format!("its input is of type {kind}; export it with an input of float32, float16 or uint8")))
        }
        Err(_) => Err(refuse("its input has no element type".into())),
    }
}

/// The order of the input's dimensions, its height and width, and the order of its channels, where `None` is left open by the file.
fn layout_and_size(
    tensor: &type_proto::Tensor,
    hints: &InputHints,
) -> Result<(Layout, [Option<usize>; 2], ChannelOrder), Error> {
    let shape: Vec<Option<usize>> = (tensor.shape.iter().flat_map(|shape| &shape.dim))
        .map(|dim| match &dim.value {
            Some(tensor_shape_proto::dimension::Value::DimValue(length)) => {
                usize::try_from(*length).ok().filter(|length| *length > 0)
            }
            _ => None,
        })
        .collect();
    let &[batch, a, b, c] = shape.as_slice() else {
        return Err(refuse(format!("its input has {} dimensions; a picture classifier's has 4", shape.len())));
    };
    if let Some(batch) = batch.filter(|batch| *batch != 1) {
        return Err(refuse(format!("its batch size is fixed to {batch}; export it with 1")));
    }
    let layout = hints.layout.or(match (a, c) {
        (Some(3), _) => Some(Layout::Nchw),
        (_, Some(3)) => Some(Layout::Nhwc),
        (Some(1 | 4), Some(side)) if side > 4 => Some(Layout::Nchw),
        (Some(side), Some(1 | 4)) if side > 4 => Some(Layout::Nhwc),
        _ => None,
    });
    let (layout, channels_declared, size) = match layout {
        Some(Layout::Nchw) => (Layout::Nchw, a, [b, c]),
        Some(Layout::Nhwc) => (Layout::Nhwc, c, [a, b]),
        None => {
            let shape = Shape(&shape);
            return Err(refuse(format!(
                "no dimension of its input {shape} has the length 3 of a colour picture, or 1 or 4"
            )));
        }
    };
    let channels = match (channels_declared, hints.channels) {
        (None | Some(3), order) => order.unwrap_or(ChannelOrder::Rgb),
        (Some(1), None) => ChannelOrder::Gray,
        (Some(4), None | Some(ChannelOrder::Rgb)) => ChannelOrder::Rgba,
        (Some(4), Some(ChannelOrder::Bgr)) => ChannelOrder::Bgra,
        (Some(_), order) => order.unwrap_or(ChannelOrder::Rgb),
    };
    match channels_declared.filter(|declared| *declared != channels.count()) {
        Some(declared) => {
            let wanted = channels.count();
            Err(refuse(format!("its input {} has {declared} channels, not {wanted}", Shape(&shape))))
        }
        None => Ok((layout, size, channels)),
    }
}
