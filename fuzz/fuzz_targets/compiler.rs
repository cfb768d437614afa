//! Any bytes as a model: the graph compiler refuses them or makes a network, which then runs.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use glimpsed_inference::{Backend, InputHints, Source, Tensor, load};
use libfuzzer_sys::fuzz_target;

/// Larger networks are compiled, but would take too long to run with a sanitizer.
const MOST_MACS: u64 = 20_000_000;

/// The file of this process.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("glimpsed-fuzz-{}.onnx", std::process::id())));

fuzz_target!(|data: &[u8]| {
    std::fs::write(&*FILE, data).expect("writable");
    let hints = InputHints { mean: Some([0.0; 3]), std: Some([1.0; 3]), ..InputHints::default() };
    let source = Source { path: &FILE, sha256: None, input: &hints, backend: Backend::Native };
    let Ok(mut loaded) = load(&source) else { return };
    if loaded.inspection.macs <= MOST_MACS {
        let mut scores = Vec::new();
        loaded.classifier.run(&Tensor::for_input(&loaded.inspection.input), &mut scores).expect("what was compiled runs");
        assert_eq!(scores.len(), loaded.inspection.classes);
    }
});
