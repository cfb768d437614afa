//! The general backend: whatever tract can run. Only this folder names tract.

mod graph;
mod quantised_ends;

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::Cost;

use super::{Classifier, ModelError};
use crate::models::inspect::Inspection;
use crate::models::spec::{Element, InputSpec, ModelSpec};
use crate::preprocess;
use graph::Graph;

/// The largest classifiers in use have some 600 MB; more would not run on the boards this is for.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Reads and optimises the model.
pub fn load(spec: &ModelSpec) -> Result<(Box<dyn Classifier>, Inspection), ModelError> {
    let path = spec.path.display().to_string();
    let (mut proto, sha256, file_bytes) = read(spec, &path)?;
    let graph = Graph::new(&proto, &path)?;
    graph.refuse_external_data()?;
    graph.refuse_unknown_operators()?;
    let (input, input_name) = graph.input(spec)?;
    let (parameters, operators) = (graph.parameters(), graph.operators());
    let (precision, scores) = (graph.precision(), spec.input.scores.unwrap_or_else(|| graph.scores()));
    let opset = graph.opset();
    let producer = proto.producer_name.clone();

    quantised_ends::lift_output(&mut proto);
    let dequantise = match input.element {
        Element::U8 => quantised_ends::lift_input(&mut proto, &input_name),
        Element::F32 => None,
    };
    let element = if dequantise.is_some() { Element::F32 } else { input.element };
    let typed = guarded(|| typed_model(&proto, &input, element))?;
    // The protobuf holds a second copy of every weight.
    drop(proto);
    let output = output_shape(&typed)?;
    let macs = multiply_accumulates(&typed);
    let plan = guarded(|| typed.into_optimized()?.into_runnable())?;
    let state = plan.spawn().map_err(|error| evaluation(&error))?;
    let inspection = Inspection {
        name: spec.name.clone(),
        path,
        sha256,
        file_bytes,
        opset,
        producer,
        precision,
        parameters,
        macs,
        classes: output.iter().product(),
        output,
        input: input.clone(),
        background_class: false,
        scores,
        operators,
    };
    Ok((Box::new(TractClassifier { state, input, dequantise }), inspection))
}

/// Reads the file once: hashed while it is parsed.
fn read(spec: &ModelSpec, path: &str) -> Result<(tract_onnx::pb::ModelProto, String, u64), ModelError> {
    let unreadable = |cause: String| ModelError::Unreadable { path: path.to_owned(), cause };
    let metadata = std::fs::metadata(&spec.path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a file".into()));
    }
    let file = File::open(&spec.path).map_err(|error| unreadable(error.to_string()))?;
    let not_onnx = |cause: &str| ModelError::NotOnnx { path: path.to_owned(), cause: cause.to_owned() };
    match metadata.len() {
        0 => return Err(not_onnx("it is empty (0 bytes)")),
        length if length > MAX_FILE_BYTES => {
            return Err(unreadable(format!("it has {length} bytes; at most 1 GiB is read")));
        }
        _ => {}
    }
    let mut hashing = Hashing { inner: file.take(MAX_FILE_BYTES), hasher: Sha256::new() };
    let parsed = tract_onnx::onnx().proto_model_for_read(&mut hashing);
    let found: String = hashing.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(expected) = &spec.sha256
        && *expected != found
    {
        return Err(ModelError::WrongHash { path: path.to_owned(), expected: expected.clone(), found });
    }
    let proto = parsed.map_err(|_| not_onnx("its protobuf is cut short or damaged"))?;
    Ok((proto, found, metadata.len()))
}

struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

fn typed_model(proto: &tract_onnx::pb::ModelProto, input: &InputSpec, element: Element) -> TractResult<TypedModel> {
    let fact = match element {
        Element::F32 => f32::fact(input.shape()),
        Element::U8 => u8::fact(input.shape()),
    };
    // Shapes written by an exporter for another batch size contradict the batch of one; they are derived anew anyway.
    let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    onnx.model_for_proto_model(proto)?.with_input_fact(0, fact.into())?.into_typed()?.into_decluttered()
}

fn output_shape(model: &TypedModel) -> Result<Vec<usize>, ModelError> {
    let shape = model.output_fact(0).ok().and_then(|fact| fact.shape.as_concrete().map(<[usize]>::to_vec));
    let refuse = |cause: String| ModelError::NotAClassifier { cause };
    let shape = shape.ok_or_else(|| refuse("the shape of its output depends on the picture".into()))?;
    // [1, n], [n], or with spatial dimensions of one.
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

struct TractClassifier {
    state: TypedSimpleState,
    input: InputSpec,
    dequantise: Option<Box<quantised_ends::Table>>,
}

impl Classifier for TractClassifier {
    fn run(&mut self, input: &preprocess::Tensor, scores: &mut Vec<f32>) -> Result<(), ModelError> {
        let shape = self.input.shape();
        let tensor = match (input, &self.dequantise) {
            (preprocess::Tensor::F32(values), _) => Tensor::from_shape(&shape, values),
            (preprocess::Tensor::U8(bytes), None) => Tensor::from_shape(&shape, bytes),
            (preprocess::Tensor::U8(bytes), Some(table)) => {
                let values: Vec<f32> = bytes.iter().map(|&byte| table[usize::from(byte)]).collect();
                Tensor::from_shape(&shape, &values)
            }
        };
        let tensor = tensor.map_err(|error| evaluation(&error))?;
        let state = &mut self.state;
        let outputs = guarded(|| state.run(tvec![tensor.into()]))?;
        let first = outputs.first().ok_or_else(|| ModelError::Evaluation { cause: "it has no output".into() })?;
        let floats = first.cast_to::<f32>().map_err(|error| evaluation(&error))?;
        let values = floats.try_as_plain_ram().and_then(|plain| plain.as_slice::<f32>().map(<[f32]>::to_vec));
        scores.clear();
        scores.extend_from_slice(&values.map_err(|error| evaluation(&error))?);
        Ok(())
    }
}

/// tract asserts in places what a damaged or hostile file can contradict; such a panic must not take the daemon with it.
fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, ModelError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| evaluation(&error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(ModelError::Evaluation { cause: format!("tract gave up: {}", text.unwrap_or_default()) })
        }
    }
}

/// tract's chain of causes on one line; the innermost says what is wrong, the outer ones at which node.
fn evaluation(error: &TractError) -> ModelError {
    let causes: Vec<String> =
        error.chain().map(|cause| cause.to_string().lines().next().unwrap_or_default().to_owned()).collect();
    ModelError::Evaluation { cause: causes.join(": ") }
}
