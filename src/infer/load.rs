//! From a model file to something that runs: the native kernels where they can, else tract.

use super::native::kernels::Kernels;
use super::onnx::OnnxFile;
use super::onnx::graph::Graph;
use super::{Classifier, ModelError, native, tract};
use crate::models::inspect::Inspection;
use crate::models::spec::{Backend, ModelSpec};

/// # Errors
/// Whatever is wrong with the file; or what it lacks for the backend that was asked for.
pub fn load(spec: &ModelSpec, kernels: Kernels) -> Result<(Box<dyn Classifier>, Inspection), ModelError> {
    let mut file = OnnxFile::open(spec)?;
    let loaded = load_from(&mut file, spec, kernels);
    // Of another file than the one that was meant nothing else is worth saying.
    let sha256 = file.verify()?;
    let (classifier, inspection) = loaded?;
    Ok((classifier, Inspection { sha256, ..inspection }))
}

fn load_from(
    file: &mut OnnxFile,
    spec: &ModelSpec,
    kernels: Kernels,
) -> Result<(Box<dyn Classifier>, Inspection), ModelError> {
    let decoded = file.decode()?;
    let graph = Graph::new(&decoded.proto, &file.path)?;
    graph.refuse_external_data()?;
    let (input, input_name) = graph.input(spec)?;
    let mut inspection = Inspection {
        name: spec.name.clone(),
        path: file.path.clone(),
        sha256: String::new(),
        file_bytes: file.bytes,
        opset: graph.opset(),
        producer: decoded.proto.producer_name.clone(),
        precision: graph.precision(),
        parameters: graph.parameters(),
        macs: 0,
        layers: graph.layers(),
        residual: graph.is_residual(),
        memory_bytes: 0,
        classes: 0,
        output: Vec::new(),
        input: input.clone(),
        background_class: false,
        scores: spec.input.scores.unwrap_or_else(|| graph.scores()),
        operators: graph.operators(),
        backend: String::new(),
        threads: 1,
        not_native: None,
    };
    let weight_bytes = graph.weight_bytes();
    let reason = match without_kernels(spec.backend, kernels) {
        Some(reason) => {
            drop(decoded);
            reason.to_owned()
        }
        None => match native::compile(decoded, &input, kernels) {
            Ok(compiled) => {
                inspection.backend = format!("native ({})", compiled.kernels);
                (inspection.macs, inspection.classes) = (compiled.macs, compiled.classes);
                inspection.output = vec![1, compiled.classes];
                inspection.memory_bytes = weight_bytes.saturating_add(compiled.result_bytes);
                return Ok((compiled.classifier, inspection));
            }
            Err(unsupported) if unsupported.is_unreadable() => {
                return Err(ModelError::Unreadable { path: file.path.clone(), cause: unsupported.to_string() });
            }
            Err(unsupported) if spec.backend == Backend::Native => {
                return Err(ModelError::NotNative { reason: unsupported.to_string() });
            }
            Err(unsupported) => unsupported.to_string(),
        },
    };
    let whole = file.decode_whole()?;
    // tract gets what was checked, and nothing of another file than the one that was meant.
    Graph::new(&whole, &file.path)?.refuse_external_data()?;
    file.verify()?;
    let loaded = tract::load(whole, &input, &input_name)?;
    inspection.backend = "tract".into();
    inspection.not_native = Some(reason);
    (inspection.macs, inspection.output) = (loaded.macs, loaded.shape);
    inspection.classes = inspection.output.iter().product();
    inspection.memory_bytes = weight_bytes.saturating_add(loaded.result_bytes);
    Ok((loaded.classifier, inspection))
}

/// Why the native kernels are not even asked.
fn without_kernels(backend: Backend, kernels: Kernels) -> Option<&'static str> {
    match backend {
        Backend::Tract => Some("the configuration says so"),
        Backend::Auto if !kernels.are_fast() => Some("there are no kernels for this processor yet"),
        Backend::Auto | Backend::Native => None,
    }
}
