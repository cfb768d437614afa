//! What comes with glimpsed is whole, is what the catalogue says, and does what onnxruntime does.

use std::path::Path;

use glimpsed_base::hex::hex;
use glimpsed_core::domain::classification::{Labels, top_k};
use glimpsed_core::infer::Model;
use glimpsed_core::models::catalog;
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_inference::Tensor;
use sha2::{Digest, Sha256};

use crate::support::{bundled, fixture, root};
use glimpsed_core::models::labels::IMAGENET_LABELS;

const PHOTOS: [&str; 3] = ["chelsea", "coffee", "rocket"];

#[test]
fn the_catalogue_describes_the_bundled_files() {
    assert_eq!(catalog::all().len(), 5);
    for entry in catalog::all().iter().filter(|entry| entry.bundled()) {
        let bytes = std::fs::read(root().join("models").join(&entry.file)).expect(&entry.file);
        assert_eq!(bytes.len() as u64, entry.bytes, "{}", entry.name);
        assert_eq!(hex(&Sha256::digest(&bytes)), entry.sha256, "{}", entry.name);
    }
    for entry in catalog::all() {
        assert_eq!(entry.sha256.len(), 64, "{}", entry.name);
        assert!(entry.url.as_ref().is_none_or(|url| url.starts_with("https://")), "{}", entry.name);
    }
}

#[test]
fn there_is_a_label_for_each_imagenet_class() {
    let labels = Labels::parse(IMAGENET_LABELS);
    assert_eq!(labels.len(), 1000);
    for (class, label) in [(0, "tench"), (285, "Egyptian cat"), (967, "espresso"), (999, "toilet tissue")] {
        assert_eq!(labels.get(class).map(|label| &**label), Some(label));
    }
}

#[test]
fn bundled_models_answer_as_onnxruntime_does() {
    assert!(compare_with_reference(&bundled("efficientnet-lite0")) < 1e-3);
    // onnxruntime multiplies in 8-bit integers where tract multiplies the same numbers as floats, so a sum that falls
    // between two integers rounds differently; models/README.md has how far onnxruntime differs from itself.
    assert!(compare_with_reference(&bundled("efficientnet-lite0-int8")) < 0.3);
}

/// The largest difference of any output on the reference pictures; asserts the same best class.
pub(crate) fn compare_with_reference(spec: &ModelSpec) -> f32 {
    compare_with_reference_but_for(spec, None)
}

/// As [`compare_with_reference`], but on the photograph `tie` the two best classes may change places.
pub(crate) fn compare_with_reference_but_for(spec: &ModelSpec, tie: Option<&str>) -> f32 {
    let mut model = Model::load(spec).expect("loads");
    let mut largest = 0.0f32;
    for photo in PHOTOS {
        let tensor = reference_tensor(&model, &fixture(&format!("preprocess/{photo}-224.png")));
        let ours = model.raw_scores(&tensor).expect("runs").to_vec();
        let theirs = floats(&fixture(&format!("logits/{}/{photo}.f32", spec.name)));
        assert_eq!(ours.len(), theirs.len());
        let difference = ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
        eprintln!("{} on {photo}: largest difference {difference:.2e}", spec.name);
        let best = |values: &[f32]| top_k(values, 2).into_iter().map(|(class, _)| class).collect::<Vec<_>>();
        let (mut found, mut expected) = (best(&ours), best(&theirs));
        if tie == Some(photo) {
            found.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(found[0], expected[0], "{} on {photo}: the best class", spec.name);
        largest = largest.max(difference);
    }
    largest
}

/// The reference picture as the model takes it, made without the product's own preprocessing.
fn reference_tensor(model: &Model, picture: &Path) -> Tensor {
    let picture = image::open(picture).expect("a fixture").into_rgb8();
    let mut tensor = Tensor::for_input(&model.input);
    let plane = model.input.height * model.input.width;
    match &mut tensor {
        Tensor::U8(values) => values.copy_from_slice(picture.as_raw()),
        Tensor::F32(values) => {
            for (index, pixel) in picture.pixels().enumerate() {
                for colour in 0..3 {
                    let scaled = f32::from(pixel.0[colour]) / 255.0;
                    values[colour * plane + index] = (scaled - model.input.mean[colour]) / model.input.std[colour];
                }
            }
        }
    }
    tensor
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("a fixture");
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}
