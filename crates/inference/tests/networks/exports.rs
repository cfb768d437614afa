//! Small classifiers as exporters of the last years write them, checked against onnxruntime's answers
//! (tests/fixtures/make_exports.py).

use std::path::PathBuf;

use glimpsed_inference::{Backend, Inspection, Kernels, Precision, Tensor};

use crate::runners::{load_file, scores};

const SIDE: usize = 32;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/exports")).join(name)
}

/// The model file of a fixture.
pub(crate) fn file(name: &str) -> PathBuf {
    fixture(&format!("{name}.onnx"))
}

/// The picture that make_exports.py shows to onnxruntime.
fn picture() -> Tensor {
    let pixel = |at: usize| ((at * 31 + at / 97 * 17) % 256) as f32 / 255.0;
    let values = (0..3).flat_map(|colour| (0..SIDE * SIDE).map(move |at| pixel(at * 3 + colour)));
    Tensor::F32(values.collect())
}

fn expected(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(fixture(&format!("{name}.f32"))).expect("a fixture");
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

fn best(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|&one, &other| scores[one].total_cmp(&scores[other])).expect("a class")
}

/// The largest difference from onnxruntime, relative to its largest number; asserts the same best class.
fn difference(name: &str, backend: Backend) -> (f32, Inspection) {
    let mut loaded = load_file(&file(name), backend, Kernels::detect())
        .unwrap_or_else(|error| panic!("{name} on {backend:?}: {error}"));
    let (ours, theirs) = (scores(&mut loaded, &picture()), expected(name));
    assert_eq!(best(&ours), best(&theirs), "{name} on {backend:?}: {ours:?} {theirs:?}");
    let largest = theirs.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let difference = crate::runners::difference(&ours, &theirs);
    eprintln!("{name} on {}: {difference:.1e} of {largest:.2}", loaded.inspection.backend);
    (difference / largest, loaded.inspection)
}

/// What can run a file that the native kernels support.
const BACKENDS: &[Backend] =
    if cfg!(feature = "tract") { &[Backend::Auto, Backend::Tract] } else { &[Backend::Native] };

const FLOAT: [(&str, bool); 10] = [
    ("resnet-opset7", true),
    ("mobilenet-v1-opset9", false),
    ("mobilenet-v2-opset10", true),
    ("mobilenet-v2-opset13", true),
    ("squeezenet-opset8", false),
    ("squeezenet-opset13", false),
    ("resnext-opset13", true),
    ("efficientnet-lite-opset13", false),
    ("efficientnet-lite-opset21", false),
    ("wide-opset13", true),
];

#[test]
fn every_export_loads_and_answers_as_onnxruntime_does() {
    for (name, residual) in FLOAT {
        for backend in BACKENDS {
            let (difference, inspection) = difference(name, *backend);
            assert!(*backend == Backend::Tract || inspection.not_native.is_none(), "{inspection:?}");
            assert!(difference < 1e-4, "{name} on {backend:?}: {difference}");
            assert_eq!(inspection.residual, residual, "{name}");
            assert_eq!(inspection.precision, Precision::Fp32);
            assert!(inspection.macs > 100_000 && inspection.layers >= 5, "{inspection:?}");
            assert!(inspection.memory_bytes > inspection.parameters * 4, "{name}");
        }
    }
}

#[test]
fn both_forms_of_quantised_models_load_and_answer_as_onnxruntime_does() {
    for name in ["mobilenet-v2-qdq", "mobilenet-v2-qoperator", "resnext-qoperator", "wide-qdq"] {
        for backend in BACKENDS {
            // onnxruntime adds up in integers, tract in floats: a rounding here and there.
            let (difference, inspection) = difference(name, *backend);
            assert!(*backend == Backend::Tract || inspection.not_native.is_none(), "{inspection:?}");
            assert!(difference < 0.03, "{name} on {backend:?}: {difference}");
            assert_eq!((inspection.precision, inspection.residual), (Precision::Int8, true), "{name}");
        }
    }
}

#[test]
fn parameters_are_the_same_however_the_weights_are_stored() {
    let parameters = |name| difference(name, BACKENDS[0]).1.parameters;
    assert_eq!(parameters("mobilenet-v2-qdq"), parameters("mobilenet-v2-opset13"));
    assert_eq!(parameters("mobilenet-v2-qoperator"), parameters("mobilenet-v2-opset13"));
}
