//! Loads and runs a network on one backend.

use std::path::Path;

use glimpsed_inference::pb::ModelProto;
use glimpsed_inference::{Backend, Error, InputHints, Inspection, Kernels, Loaded, Source, Tensor, load_onto};
use prost::Message;

/// Loads a file whose input is neither shifted nor scaled.
pub(crate) fn load_file(path: &Path, backend: Backend, kernels: Kernels) -> Result<Loaded, Error> {
    let input = InputHints { mean: Some([0.0; 3]), std: Some([1.0; 3]), ..InputHints::default() };
    load_onto(&Source { path, sha256: None, input: &input, backend }, kernels)
}

pub(crate) fn load_bytes(bytes: &[u8], backend: Backend, kernels: Kernels) -> Result<Loaded, Error> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("writable");
    load_file(file.path(), backend, kernels)
}

/// Loads a network on the fastest kernels, or on tract.
pub(crate) fn load(proto: &ModelProto, backend: Backend) -> Result<Loaded, Error> {
    load_bytes(&proto.encode_to_vec(), backend, Kernels::detect())
}

pub(crate) fn message(result: Result<Loaded, Error>) -> String {
    result.err().expect("refused").to_string()
}

/// The scores of a loaded network for `picture`.
pub(crate) fn scores(loaded: &mut Loaded, picture: &Tensor) -> Vec<f32> {
    let mut scores = Vec::new();
    loaded.classifier.run(picture, &mut scores).expect("runs");
    assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
    scores
}

/// A picture of noise in -1..1, always the same.
pub(crate) fn noise(inspection: &Inspection) -> Tensor {
    let mut random = fastrand::Rng::with_seed(1);
    let mut tensor = Tensor::for_input(&inspection.input);
    match &mut tensor {
        Tensor::F32(values) => values.iter_mut().for_each(|value| *value = random.f32() * 2.0 - 1.0),
        Tensor::U8(values) => values.iter_mut().for_each(|value| *value = random.u8(..)),
    }
    tensor
}

/// The largest difference of two lists of scores.
pub(crate) fn difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}
