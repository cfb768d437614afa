//! Any bytes as a model: the graph compiler refuses them or makes a network, which then runs.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use glimpsed::infer::{Model, inspect};
use glimpsed::models::labels::LabelSource;
use glimpsed::models::spec::ModelSpec;
use glimpsed_inference::{Backend, InputHints};
use glimpsed::models::threads::Threads;
use glimpsed_inference::Tensor;
use libfuzzer_sys::fuzz_target;

/// Larger networks are compiled, but would take too long to run with a sanitizer.
const MOST_MACS: u64 = 20_000_000;

/// A directory of this process, with the labels of the networks in tests/fixtures/zoo.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("glimpsed-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let labels: String = (0..10).map(|class| format!("class {class}\n")).collect();
    std::fs::write(directory.join("labels.txt"), labels).expect("writable");
    directory
});

fuzz_target!(|data: &[u8]| {
    let path = DIRECTORY.join("model.onnx");
    std::fs::write(&path, data).expect("writable");
    let spec = ModelSpec {
        name: "fuzzed".into(),
        path,
        labels: LabelSource::File(DIRECTORY.join("labels.txt")),
        sha256: None,
        input: InputHints { mean: Some([0.0; 3]), std: Some([1.0; 3]), ..InputHints::default() },
        backend: Backend::Native,
        threads: Threads::Fixed(1),
        int8: None,
    };
    // Loading runs it once.
    if inspect(&spec).is_ok_and(|inspection| inspection.macs <= MOST_MACS)
        && let Ok(mut model) = Model::load(&spec)
    {
        let tensor = Tensor::for_input(&model.input);
        let scores = model.raw_scores(&tensor).expect("what was compiled runs").len();
        assert_eq!(scores, model.inspection.classes);
    }
});
