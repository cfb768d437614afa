//! Compares the result of each int8 layer with onnxruntime's (tests/fixtures/layers.py).

use std::path::{Path, PathBuf};
use std::process::Command;

use super::compile::layers;
use super::fusion::Fusion;
use super::kernels::Kernels;
use super::plan;
use super::tensor_view::TensorView;
use super::tests::open;
use crate::tensor::Tensor;

/// A tensor that onnxruntime has computed: its name, dimensions and bytes.
struct Theirs {
    name: String,
    dims: Vec<usize>,
    bytes: Vec<u8>,
}

impl Theirs {
    /// The index of our pixel and channel in the tensor, if both have the same dimensions.
    fn position(&self, place: TensorView) -> Option<impl Fn(usize, usize) -> usize + use<>> {
        let (shape, pixels) = (place.shape, place.shape.pixels());
        let planes = match *self.dims.as_slice() {
            [1, c, h, w] if [h, w, c] == [shape.height, shape.width, shape.channels] => true,
            [1, h, w, c] if [h, w, c] == [shape.height, shape.width, shape.channels] => false,
            [1, c] if pixels == 1 && c == shape.channels => true,
            _ => return None,
        };
        Some(move |pixel, channel| if planes { channel * pixels + pixel } else { pixel * shape.channels + channel })
    }
}

/// The differences between our bytes and onnxruntime's.
struct Distance {
    layers: usize,
    largest: u8,
    different: usize,
    bytes: usize,
    /// The names of the layers that differ, and the number of bytes in which they do.
    which: Vec<(String, usize)>,
}

/// Compares all layers. If `corrected`, the inputs of each layer are onnxruntime's results, else ours.
fn compare(model: &Path, theirs: &Path, kernels: Kernels, corrected: bool) -> Distance {
    let (model, input) = open(model);
    let mut network =
        plan::plan(layers(model, &input).expect("supported"), &input, kernels, Fusion::Never).expect("supported");
    let mut tensor = Tensor::for_input(&input);
    let shown = std::fs::read(theirs.join("input")).expect("written");
    match &mut tensor {
        Tensor::U8(values) => values.copy_from_slice(&shown),
        Tensor::F32(values) => {
            let floats = shown.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four));
            values.iter_mut().zip(floats).for_each(|(value, float)| *value = float);
        }
    }
    let tensors = load(theirs);
    let mut distance = Distance { layers: 0, largest: 0, different: 0, bytes: 0, which: Vec::new() };
    let watch = |name: &str, place: TensorView, ours: &mut [u8]| {
        let Some(theirs) = tensors.iter().find(|theirs| theirs.name == name) else { return };
        let Some(position) = theirs.position(place) else { return };
        distance.layers += 1;
        let before = distance.different;
        for (pixel, ours) in ours.chunks_exact_mut(place.stride).enumerate() {
            for (channel, ours) in ours[..place.shape.channels].iter_mut().enumerate() {
                let expected = theirs.bytes[position(pixel, channel)];
                distance.bytes += 1;
                distance.different += usize::from(*ours != expected);
                distance.largest = distance.largest.max(ours.abs_diff(expected));
                if corrected {
                    *ours = expected;
                }
            }
        }
        if distance.different > before {
            distance.which.push((name.to_owned(), distance.different - before));
        }
    };
    network.evaluate_watched(&tensor, watch).expect("runs");
    distance
}

fn load(directory: &Path) -> Vec<Theirs> {
    let names = std::fs::read_to_string(directory.join("names")).expect("written");
    let tensor = |line: &str| {
        let (number, rest) = line.split_once(' ').expect("a number");
        let (dims, name) = rest.split_once(' ').expect("dimensions");
        Theirs {
            name: name.into(),
            dims: dims.split(',').map(|side| side.parse().expect("a number")).collect(),
            bytes: std::fs::read(directory.join(number)).expect("written"),
        }
    };
    names.lines().map(tensor).collect()
}

/// Quantised models, each with the smallest number of layers that both must have. Many tensors of a file are not
/// compared, because bounds and additions are fused with the layer before them.
fn models(root: &Path) -> Vec<(PathBuf, usize)> {
    let own = [
        ("models/efficientnet-lite0-int8.onnx", 60),
        ("crates/inference/tests/fixtures/exports/resnext-qoperator.onnx", 9),
    ];
    let mut models: Vec<_> = own.map(|(path, layers)| (root.join(path), layers)).into();
    let shared = [("mobilenet-v2-int8.onnx", 60), ("mobilenet-v2-int8-nhwc-u8.onnx", 60)];
    for (name, layers) in shared {
        let path = root.join("../shared/models").join(name);
        match path.exists() {
            true => models.push((path, layers)),
            #[allow(clippy::print_stderr, reason = "a test that proves less has to say so")]
            false => eprintln!("SKIPPED: {} is not here", path.display()),
        }
    }
    models
}

#[test]
#[ignore = "needs onnxruntime: make test-models"]
fn every_layer_of_integers_is_onnxruntimes_within_one_step() {
    let root = &Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let directory = tempfile::tempdir().expect("a directory");
    for (model, layers) in models(root) {
        let name = model.file_stem().expect("a name").to_string_lossy().into_owned();
        let theirs = directory.path().join(&name);
        let done = Command::new(root.join("target/models-venv/bin/python"))
            .arg(root.join("tests/fixtures/layers.py"))
            .arg(&model)
            .arg(root.join("tests/fixtures/preprocess/chelsea-224.png"))
            .args(["0.5", "0.5"])
            .arg(&theirs)
            .status();
        assert!(done.expect("make test-models makes the environment").success(), "{name}");
        for kernels in Kernels::available() {
            let [each, all] = [true, false].map(|corrected| compare(&model, &theirs, kernels, corrected));
            #[allow(clippy::print_stderr, reason = "the figures are the result")]
            {
                eprintln!(
                    "{name} on {}: {} layers; a byte differs by at most {} ({} of {}: {:?}), from the beginning by {} ({})",
                    kernels.name,
                    each.layers,
                    each.largest,
                    each.different,
                    each.bytes,
                    each.which,
                    all.largest,
                    all.different
                );
            }
            assert!(each.layers >= layers, "{name}: {} layers have names of the file's", each.layers);
            assert!(each.largest <= 1, "{name} on {}: {}", kernels.name, each.largest);
        }
    }
}
