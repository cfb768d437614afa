//! Classifiers as exporters of the last years have written them, checked against what onnxruntime answers
//! (tests/fixtures/make_zoo.py).

use glimpsed::domain::classification::top_k;
use glimpsed::infer::Model;
use glimpsed::models::labels::LabelSource;
use glimpsed::models::spec::ModelSpec;
use glimpsed_inference::{Backend, InputHints, Precision, Tensor};

use crate::support::fixture;

const SIDE: usize = 32;

fn spec(name: &str, backend: Backend, directory: &tempfile::TempDir) -> ModelSpec {
    let labels = directory.path().join("labels.txt");
    std::fs::write(&labels, (0..10).map(|class| format!("class {class}\n")).collect::<String>()).expect("writable");
    ModelSpec {
        name: name.into(),
        path: fixture(&format!("zoo/{name}.onnx")),
        labels: LabelSource::File(labels),
        sha256: None,
        input: InputHints { mean: Some([0.0; 3]), std: Some([1.0; 3]), ..InputHints::default() },
        backend,
        threads: glimpsed::models::threads::Threads::default(),
        background: None,
        int8: None,
    }
}

/// The picture that make_zoo.py shows to onnxruntime.
fn picture() -> Tensor {
    let pixel = |at: usize| ((at * 31 + at / 97 * 17) % 256) as f32 / 255.0;
    let values = (0..3).flat_map(|colour| (0..SIDE * SIDE).map(move |at| pixel(at * 3 + colour)));
    Tensor::F32(values.collect())
}

fn expected(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(fixture(&format!("zoo/{name}.f32"))).expect("a fixture");
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

/// The largest difference from onnxruntime, relative to its largest number; asserts the same best class.
fn difference(name: &str, backend: Backend) -> (f32, Model) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut model =
        Model::load(&spec(name, backend, &directory)).unwrap_or_else(|error| panic!("{name} on {backend:?}: {error}"));
    let ours = model.raw_scores(&picture()).expect("runs").to_vec();
    let theirs = expected(name);
    assert_eq!(ours.len(), theirs.len(), "{name}");
    assert_eq!(top_k(&ours, 1)[0].0, top_k(&theirs, 1)[0].0, "{name} on {backend:?}: {ours:?} {theirs:?}");
    let largest = theirs.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let difference = ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
    eprintln!("{name} on {}: {:.1e} of {largest:.2}", model.inspection.backend, difference);
    (difference / largest, model)
}

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
        for backend in [Backend::Auto, Backend::Tract] {
            let (difference, model) = difference(name, backend);
            assert!(backend == Backend::Tract || model.inspection.not_native.is_none(), "{:?}", model.inspection);
            assert!(difference < 1e-4, "{name} on {backend:?}: {difference}");
            assert_eq!(model.inspection.residual, residual, "{name}");
            assert_eq!(model.inspection.precision, Precision::Fp32);
            assert!(model.inspection.macs > 100_000 && model.inspection.layers >= 5, "{:?}", model.inspection);
            assert!(model.inspection.memory_bytes > model.inspection.parameters * 4, "{name}");
        }
    }
}

#[test]
fn both_forms_of_quantised_models_load_and_answer_as_onnxruntime_does() {
    for name in ["mobilenet-v2-qdq", "mobilenet-v2-qoperator", "resnext-qoperator", "wide-qdq"] {
        for backend in [Backend::Auto, Backend::Tract] {
            // onnxruntime adds up in integers, tract in floats: a rounding here and there.
            let (difference, model) = difference(name, backend);
            assert!(backend == Backend::Tract || model.inspection.not_native.is_none(), "{:?}", model.inspection);
            assert!(difference < 0.03, "{name} on {backend:?}: {difference}");
            assert_eq!((model.inspection.precision, model.inspection.residual), (Precision::Int8, true), "{name}");
        }
    }
}

#[test]
fn parameters_are_the_same_however_the_weights_are_stored() {
    let parameters = |name| difference(name, Backend::Tract).1.inspection.parameters;
    assert_eq!(parameters("mobilenet-v2-qdq"), parameters("mobilenet-v2-opset13"));
    assert_eq!(parameters("mobilenet-v2-qoperator"), parameters("mobilenet-v2-opset13"));
}

#[test]
fn a_family_stands_for_mean_and_deviation() {
    use glimpsed::models::spec::Family;
    use glimpsed_inference::ChannelOrder;
    assert_eq!(Family::Inception.hints().mean, Some([0.5; 3]));
    assert_eq!(Family::Caffe.hints().channels, Some(ChannelOrder::Bgr));
    let text = "[models.mine]\npath = \"m.onnx\"\nlabels = \"l.txt\"\nfamily = \"unit\"\n[model]\nactive = \"mine\"\n";
    let config = crate::support::ConfigFile::new(text);
    let beside = |name: &str| config.path().replace("glimpsed.toml", name);
    std::fs::copy(fixture("zoo/squeezenet-opset8.onnx"), beside("m.onnx")).expect("copied");
    std::fs::write(beside("l.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").expect("writable");
    let ran = crate::support::run(&["models", "inspect", "mine", "--json", "-c", &config.path()]);
    assert_eq!(ran.json()[0]["input"]["std"][0], 1.0, "{ran:?}");
    let both = crate::support::ConfigFile::new(&text.replace("family", "mean = [0.0, 0.0, 0.0]\nfamily"));
    let ran = crate::support::run(&["check", "-c", &both.path()]);
    assert!(ran.stderr.contains("`models.mine.family` contradicts `mean` and `std`"), "{ran:?}");
}
