//! From a model file to something that runs: the native kernels where they can, else tract.

use super::native::kernels::Kernels;
use super::onnx::graph::Graph;
use super::{Classifier, ModelError, native, onnx, tract};
use crate::models::inspect::Inspection;
use crate::models::spec::{Backend, InputSpec, ModelSpec};

/// # Errors
/// Whatever is wrong with the file; or what it lacks for the backend that was asked for.
pub fn load(spec: &ModelSpec) -> Result<(Box<dyn Classifier>, Inspection), ModelError> {
    let file = onnx::read(spec)?;
    let graph = Graph::new(&file.proto, &file.path)?;
    graph.refuse_external_data()?;
    let (input, input_name) = graph.input(spec)?;
    let mut inspection = Inspection {
        name: spec.name.clone(),
        path: file.path.clone(),
        sha256: file.sha256.clone(),
        file_bytes: file.bytes,
        opset: graph.opset(),
        producer: file.proto.producer_name.clone(),
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
    match compile(spec.backend, &file, &input) {
        Ok(compiled) => {
            inspection.backend = format!("native ({})", compiled.kernels);
            (inspection.macs, inspection.classes) = (compiled.macs, compiled.classes);
            inspection.output = vec![1, compiled.classes];
            inspection.memory_bytes = weight_bytes.saturating_add(compiled.result_bytes);
            Ok((compiled.classifier, inspection))
        }
        Err(reason) if spec.backend == Backend::Native => Err(ModelError::NotNative { reason }),
        Err(reason) => {
            let loaded = tract::load(file.proto, &input, &input_name)?;
            inspection.backend = "tract".into();
            inspection.not_native = Some(reason);
            (inspection.macs, inspection.output) = (loaded.macs, loaded.shape);
            inspection.classes = inspection.output.iter().product();
            inspection.memory_bytes = weight_bytes.saturating_add(loaded.result_bytes);
            Ok((loaded.classifier, inspection))
        }
    }
}

/// # Errors
/// Why the native kernels are not used.
fn compile(backend: Backend, file: &onnx::OnnxFile, input: &InputSpec) -> Result<native::Compiled, String> {
    let kernels = Kernels::detect();
    match backend {
        Backend::Tract => Err("the configuration says so".into()),
        Backend::Auto if !kernels.are_fast() => Err("there are no kernels for this processor yet".into()),
        Backend::Auto | Backend::Native => {
            native::compile(&file.proto, input, kernels).map_err(|unsupported| unsupported.to_string())
        }
    }
}
