//! Loads a network into tract, and runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::Cost;

use crate::classifier::Classifier;
use crate::error::{Error, broken_weights};
use crate::input::{Element, InputSpec};
use crate::onnx::pb::tensor_proto::DataType;
use crate::onnx::pb::{ModelProto, TensorProto, type_proto};
use crate::tensor;

/// A network that is ready to run, and what became known of it on the way.
pub(crate) struct Loaded {
    pub classifier: Box<dyn Classifier>,
    /// Multiply-accumulate operations for one picture.
    pub macs: u64,
    /// A lower bound of the bytes of the results that are kept at the same time: inputs and outputs of the largest
    /// operation.
    pub result_bytes: u64,
    /// The output's shape.
    pub shape: Vec<usize>,
}

/// Optimises the model. `input_name` is the name of `input` in the graph.
///
/// # Errors
/// When an operator is unknown to tract, or the graph contradicts itself.
pub(crate) fn load(mut proto: ModelProto, input: &InputSpec, input_name: &str) -> Result<Loaded, Error> {
    refuse_unknown_operators(&proto)?;
    refuse_broken_weights(&proto)?;
    super::quantised_ends::lift_output(&mut proto);
    let dequantise = match input.element {
        Element::U8 => super::quantised_ends::lift_input(&mut proto, input_name),
        Element::F32 => None,
    };
    if dequantise.is_none() && takes_signed_bytes(&proto, input_name) {
        let cause = "its input of signed bytes is not dequantised first; export it with an input of uint8 or float32";
        return Err(Error::NotAClassifier { cause: cause.into() });
    }
    let element = if dequantise.is_some() { Element::F32 } else { input.element };
    let proto = super::convert::model(proto);
    let typed = guarded(|| typed_model(&proto, input, element))?;
    // The protobuf holds a second copy of every weight.
    drop(proto);
    let shape = output_shape(&typed)?;
    let (macs, result_bytes) = (multiply_accumulates(&typed), result_bytes(&typed));
    let plan = guarded(|| typed.into_optimized()?.into_runnable())?;
    let state = plan.spawn().map_err(|error| evaluation(&error))?;
    let classifier = Box::new(TractClassifier { state, input: input.clone(), dequantise, kept: None });
    Ok(Loaded { classifier, macs, result_bytes, shape })
}

fn takes_signed_bytes(proto: &ModelProto, input: &str) -> bool {
    let declared = proto.graph.iter().flat_map(|graph| &graph.input).find(|declared| declared.name == input);
    declared.and_then(|declared| declared.r#type.as_ref()?.value.as_ref()).is_some_and(|kind| {
        let type_proto::Value::TensorType(tensor) = kind;
        tensor.elem_type == DataType::Int8 as i32
    })
}

fn refuse_unknown_operators(proto: &ModelProto) -> Result<(), Error> {
    let known = tract_onnx::onnx().op_register;
    let nodes = proto.graph.iter().flat_map(|graph| &graph.node);
    let unknown: BTreeMap<&str, &str> = nodes
        .filter(|node| !known.0.contains_key(&node.op_type))
        .map(|node| (node.op_type.as_str(), node.name.as_str()))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let named: Vec<String> =
        unknown.iter().map(|(operator, node)| format!("`{operator}` (at node `{node}`)")).collect();
    Err(Error::UnsupportedOperators { operators: named.join(", ") })
}

/// The activations behind a layer can hide what comes of such weights.
fn refuse_broken_weights(proto: &ModelProto) -> Result<(), Error> {
    const LAYERS: [&str; 5] = ["Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"];
    let Some(graph) = &proto.graph else { return Ok(()) };
    let layers = graph.node.iter().filter(|node| LAYERS.contains(&node.op_type.as_str()));
    let weights: BTreeSet<&str> = layers.flat_map(|node| node.input.iter().skip(1)).map(String::as_str).collect();
    let is_broken = |tensor: &&TensorProto| {
        let raw = tensor.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let is_wrong = |wrong: bool, float: f32| wrong | !float.is_finite();
        tensor.data_type == DataType::Float as i32
            && weights.contains(tensor.name.as_str())
            && (raw.fold(false, is_wrong) || tensor.float_data.iter().copied().fold(false, is_wrong))
    };
    match graph.initializer.iter().find(is_broken) {
        None => Ok(()),
        Some(tensor) => Err(Error::NotAClassifier { cause: broken_weights(&tensor.name) }),
    }
}

fn typed_model(proto: &tract_onnx::pb::ModelProto, input: &InputSpec, element: Element) -> TractResult<TypedModel> {
    let fact = match element {
        Element::F32 => f32::fact(input.shape()),
        Element::U8 => u8::fact(input.shape()),
    };
    // The file's shapes are ignored: those for another batch size would contradict the batch of one, and tract infers
    // all.
    let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    onnx.model_for_proto_model(proto)?.with_input_fact(0, fact.into())?.into_typed()?.into_decluttered()
}

fn output_shape(model: &TypedModel) -> Result<Vec<usize>, Error> {
    let shape = model.output_fact(0).ok().and_then(|fact| fact.shape.as_concrete().map(<[usize]>::to_vec));
    let refuse = |cause: String| Error::NotAClassifier { cause };
    let shape = shape.ok_or_else(|| refuse("the shape of its output depends on the picture".into()))?;
    // The shape is [1, n], [n], or has spatial dimensions of length one.
    if shape.iter().filter(|&&length| length > 1).count() > 1 {
        return Err(refuse(format!("its output has the shape {shape:?}, not one number per class")));
    }
    Ok(shape)
}

fn multiply_accumulates(model: &TypedModel) -> u64 {
    let per_node = |node: &TypedNode| -> TractResult<u64> {
        let facts: TVec<&TypedFact> =
            node.inputs.iter().map(|outlet| model.outlet_fact(*outlet)).collect::<TractResult<_>>()?;
        let costs = node.op.cost(&facts)?;
        let macs = costs.iter().filter(|(cost, _)| matches!(cost, Cost::FMA(_)));
        Ok(macs.filter_map(|(_, count)| count.to_i64().ok()).map(i64::unsigned_abs).sum())
    };
    let layers = model.nodes().iter().filter(|node| {
        let name = node.op.name();
        ["Conv", "EinSum", "MatMul", "DepthWise"].iter().any(|layer| name.contains(layer))
    });
    layers.filter_map(|node| per_node(node).ok()).sum()
}

fn result_bytes(model: &TypedModel) -> u64 {
    let bytes = |fact: &TypedFact| {
        let length = fact.shape.as_concrete().map_or(0, |shape| shape.iter().product::<usize>());
        if fact.konst.is_some() { 0 } else { (length * fact.datum_type.size_of()) as u64 }
    };
    let per_node = |node: &TypedNode| -> u64 {
        let inputs = node.inputs.iter().filter_map(|outlet| model.outlet_fact(*outlet).ok()).map(bytes);
        inputs.chain(node.outputs.iter().map(|output| bytes(&output.fact))).sum()
    };
    model.nodes().iter().map(per_node).max().unwrap_or_default()
}

struct TractClassifier {
    state: TypedSimpleState,
    input: InputSpec,
    dequantise: Option<Box<super::quantised_ends::Table>>,
    /// The input of the last run, whose memory is used again: megabytes that are asked of the system anew for each picture cost as much
    /// as a small network.
    kept: Option<Arc<Tensor>>,
}

impl Classifier for TractClassifier {
    fn run(&mut self, input: &tensor::Tensor, scores: &mut Vec<f32>) -> Result<(), Error> {
        let shape = self.input.shape();
        let kept = self.kept.take();
        let tensor = match (input, &self.dequantise) {
            (tensor::Tensor::F32(values), _) => filled(kept, &shape, values),
            (tensor::Tensor::U8(bytes), None) => filled(kept, &shape, bytes),
            (tensor::Tensor::U8(bytes), Some(table)) => {
                let values: Vec<f32> = bytes.iter().map(|&byte| table[usize::from(byte)]).collect();
                filled(kept, &shape, &values)
            }
        };
        let tensor = tensor.map_err(|error| evaluation(&error))?;
        let state = &mut self.state;
        let outputs = guarded(|| state.run(tvec![tensor.clone().into_tvalue()]))?;
        self.kept = Some(tensor);
        let first = outputs.first().ok_or_else(|| Error::Evaluation { cause: "it has no output".into() })?;
        let floats = first.cast_to::<f32>().map_err(|error| evaluation(&error))?;
        let values = floats.try_as_plain_ram().and_then(|plain| plain.as_slice::<f32>().map(<[f32]>::to_vec));
        scores.clear();
        scores.extend_from_slice(&values.map_err(|error| evaluation(&error))?);
        Ok(())
    }
}

/// A tensor of these values: the one that was kept, unless something else holds it or it has another length.
fn filled<T: Datum + Copy>(kept: Option<Arc<Tensor>>, shape: &[usize], values: &[T]) -> TractResult<Arc<Tensor>> {
    if let Some(mut kept) = kept
        && let Some(tensor) = Arc::get_mut(&mut kept)
        && tensor.len() == values.len()
    {
        tensor.try_as_plain_ram_mut()?.as_slice_mut::<T>()?.copy_from_slice(values);
        return Ok(kept);
    }
    Ok(Tensor::from_shape(shape, values)?.into_arc_tensor())
}

/// Runs `work` and turns a panic into an error. tract has assertions that a damaged or hostile file can violate, and
/// such a panic must not end the daemon.
fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| evaluation(&error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Error::Evaluation { cause: format!("tract gave up: {}", text.unwrap_or_default()) })
        }
    }
}

/// tract's chain of causes on one line. The innermost names the error, the outer ones the node.
fn evaluation(error: &TractError) -> Error {
    let causes: Vec<String> =
        error.chain().map(|cause| cause.to_string().lines().next().unwrap_or_default().to_owned()).collect();
    Error::Evaluation { cause: causes.join(": ") }
}
